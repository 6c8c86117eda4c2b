"""What grows in a flag repository: calendars, curves, and what each rollout serves at an instant.

`rollouts_of` and `RolloutView` are what everything that shows rollouts is made of: the terminal, pictures and the web pages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flagctl.model import FULL, LinearPercentage, SteppedPercentage
from flagctl.model.strategy import PlannedStep, Strategy, StrategyKind
from flagctl.ops.loading import find_flag, load, readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from flagctl.model import BlueGreen, Flag, Rule

Points = tuple[tuple[int, int], ...]
"""Where a curve bends: (milliseconds since the epoch, thousandths of a percent)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOptions:
    """What to look at.

    Attributes:
        root: The flag repository's root.
        now_ms: The instant, milliseconds since the epoch.
        key: Of one flag; None for all.
        environment: Only this one; None for all.
        revision: Git revision to read; None is the work tree.
        everything: Finished and aborted ones, too, if no flag is named.
    """

    root: Path
    now_ms: int
    key: str | None = None
    environment: str | None = None
    revision: str | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A line of a calendar.

    Attributes:
        label: ``canary`` for a first group, else the share in words.
        percent: Share of the units from then on.
        begins_ms: When it began or will by itself; None if it waits.
        due_ms: When its plan says so; None if that is not known yet.
        waits_for: ``approval``, ``guardrail``, ``start``, ``resume``, ``never`` after an abort, or None.
        state: ``done``, ``now``, ``next`` or ``later``.
        after_ms: How long after the step before it is due, if that one's beginning is not known yet; else None.
        hold: What this step itself waits for: ``approval``, ``guardrail`` or None.
    """

    label: str
    percent: float
    begins_ms: int | None
    due_ms: int | None
    waits_for: str | None
    state: str
    after_ms: int | None = None
    hold: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """One rollout of a flag.

    Attributes:
        key: Of the flag.
        environments: Where it is like this.
        rule: Id of the rule; None for two colours.
        kind: ``gradual``, ``linear``, ``canary``, ``guarded`` or ``blue-green``.
        serves: Variant that grows, or the active colour.
        state: ``planned``, ``running``, ``waiting``, ``held``, ``aborted`` or ``finished``; ``active`` for two colours.
        percent: Share of the units at this instant, without a canary's group.
        next_ms: When it changes next by itself; None if it does not.
        waits_for: What it waits for, if it does.
        reason: Why it is held or was aborted.
        group: A canary's group in words, None without.
        previous: The other colour.
        steps: The calendar.
        known: The curve as it is certain.
        expected: The curve behind it if nobody lets it wait.
    """

    key: str
    environments: tuple[str, ...]
    rule: str | None
    kind: str
    serves: str
    state: str
    percent: float
    next_ms: int | None = None
    waits_for: str | None = None
    reason: str | None = None
    group: str | None = None
    previous: str | None = None
    steps: tuple[StepView, ...] = ()
    known: Points = ()
    expected: Points = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {
            **plain,
            "environments": list(self.environments),
            "steps": [step.to_dict() for step in self.steps],
            "known": [{"ms": at, "percent": share / 1000} for at, share in self.known],
            "expected": [{"ms": at, "percent": share / 1000} for at, share in self.expected],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatus:
    """All rollouts that were asked for, at one instant."""

    now_ms: int
    rollouts: tuple[RolloutView, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-rollout.schema.json`)."""
        return {"now_ms": self.now_ms, "rollouts": [one.to_dict() for one in self.rollouts]}


def rollout_status(options: RolloutOptions) -> RolloutStatus:
    """Return the rollouts of one flag or of all.

    Raises:
        NothingMatchedError: If there is no such flag.
        UsageError: If there is no such environment.
        FindingsError: If the flag files have errors.
    """
    from flagctl.errors import UsageError

    repository = readable(load(options.root, revision=options.revision))
    names = list(repository.config.environments)
    if options.environment is not None:
        if options.environment not in names:
            raise UsageError(f"there is no environment '{options.environment}'", hint=f"there are: {', '.join(names)}")
        names = [options.environment]
    flags = repository.flags.values() if options.key is None else [find_flag(repository, options.key)]
    views = [view for flag in flags for view in rollouts_of(flag, names, options.now_ms)]
    if options.key is None and not options.everything:
        views = [view for view in views if view.state not in {"finished", "aborted", "active"}]
    return RolloutStatus(now_ms=options.now_ms, rollouts=tuple(views))


def rollouts_of(flag: Flag, environments: Sequence[str], now_ms: int) -> tuple[RolloutView, ...]:
    """Return everything that grows in a flag, those that are alike in several environments together.

    Args:
        flag: The flag.
        environments: Names to look at.
        now_ms: The instant, milliseconds since the epoch.
    """
    found: dict[RolloutView, list[str]] = {}
    for name in environments or ("",):
        for view in _views(flag, name, now_ms):
            found.setdefault(view, []).append(name)
    return tuple(replace(view, environments=tuple(filter(None, names))) for view, names in found.items())


def strategy_of(rule: Rule) -> Strategy | None:
    """Return a rule's strategy, also of one that only has steps by the clock; None if nothing grows in steps."""
    if rule.strategy is not None:
        return rule.strategy if rule.strategy.rule == rule.id else None
    if not isinstance(rule.percentage, SteppedPercentage):
        return None
    steps = tuple(
        PlannedStep(thousandths=step.thousandths, from_ms=step.from_ms, route=step.route)
        for step in rule.percentage.steps
    )
    return Strategy(kind=StrategyKind.GRADUAL, rule=rule.id, steps=steps, route=rule.percentage.route)


def expected(strategy: Strategy, now_ms: int) -> Strategy:
    """Return the strategy as it would go on if every step were let go when it is due, and not before `now_ms`."""
    pauses = tuple(
        replace(one, until_ms=max(now_ms, one.from_ms)) if one.until_ms is None else one for one in strategy.pauses
    )
    result = replace(strategy, pauses=pauses)
    while True:
        waiting = next((step for step in result.calendar() if step.begins_ms is None), None)
        if waiting is None:
            return result
        begins = max(now_ms, waiting.due_ms or now_ms)
        steps = list(result.steps)
        steps[waiting.position] = replace(steps[waiting.position], released_ms=begins)
        result = replace(result, steps=tuple(steps))


def _views(flag: Flag, environment: str, now_ms: int) -> Iterator[RolloutView]:
    colours = flag.blue_green_in(environment)
    if colours is not None:
        yield _colours(flag, colours)
    for rule in flag.in_environment(environment).rules:
        if rule.serve is None and rule.percentage is None:
            continue
        strategy = strategy_of(rule)
        if strategy is not None:
            yield _stepped(flag.key, rule, strategy, now_ms)
        elif isinstance(rule.percentage, LinearPercentage):
            yield _linear(flag.key, rule, rule.percentage, now_ms)


def _colours(flag: Flag, colours: BlueGreen) -> RolloutView:
    previous = colours.previous or next((v.name for v in flag.variants if v.name != colours.active), None)
    return RolloutView(
        key=flag.key,
        environments=(),
        rule=None,
        kind="blue-green",
        serves=colours.active,
        state="active",
        percent=100.0,
        previous=previous,
    )


def _stepped(key: str, rule: Rule, strategy: Strategy, now_ms: int) -> RolloutView:
    from flagctl.review import words

    state = strategy.state(now_ms)
    calendar, following, current = strategy.calendar(), strategy.next_step(now_ms), strategy.current(now_ms)
    steps = []
    for dated in calendar:
        place = (
            "now"
            if current is not None and dated.position == current.position and state != "aborted"
            else "next"
            if following is not None and dated.position == following.position
            else "done"
            if dated.begins_ms is not None and dated.begins_ms <= now_ms
            else "later"
        )
        first_group = dated.position == 0 and strategy.kind is StrategyKind.CANARY
        planned = strategy.steps[dated.position]
        never = state == "aborted" and not (
            dated.begins_ms is not None and dated.begins_ms < (strategy.aborted_ms or 0)
        )
        counts = (
            not never
            and dated.position > 0
            and dated.begins_ms is None
            and dated.due_ms is None
            and planned.from_ms is None
        )
        steps.append(
            StepView(
                label="canary" if first_group else words.share(dated.thousandths),
                percent=dated.thousandths / 1000,
                begins_ms=None if never else dated.begins_ms,
                due_ms=None if never else dated.due_ms,
                waits_for="never" if never else dated.waits_for,
                state="later" if never else place,
                after_ms=planned.after_ms if counts else None,
                hold=None if planned.hold is None else planned.hold.value,
            )
        )
    active = state not in {"aborted", "finished"}
    open_pause = next((one for one in reversed(strategy.pauses) if one.until_ms is None), None)
    return RolloutView(
        key=key,
        environments=(),
        rule=rule.id,
        kind=strategy.kind.value,
        serves=_served(rule),
        state=state,
        percent=strategy.share_at(now_ms) / 1000,
        next_ms=following.begins_ms if active and following is not None else None,
        waits_for=following.waits_for if active and following is not None else None,
        reason=strategy.reason if state == "aborted" else open_pause.reason if open_pause is not None else None,
        group=_group(strategy),
        steps=tuple(steps),
        known=_points(strategy),
        expected=_points(expected(strategy, now_ms)) if active else (),
    )


def _group(strategy: Strategy) -> str | None:
    from flagctl.review import words

    group = strategy.group
    if group is None:
        return None
    share = "" if group.thousandths is None else words.share(group.thousandths)
    by = f" of {'.'.join(group.bucket_by)}" if group.bucket_by else ""
    who = words.conditions(group.when) if group.when else ""
    return f"{share}{by}{' where ' if share and who else ''}{who}"


def _points(strategy: Strategy) -> Points:
    percentage = strategy.percentage()
    if not isinstance(percentage, SteppedPercentage):
        return ()
    return tuple((step.from_ms, step.thousandths) for step in percentage.steps)


def _linear(key: str, rule: Rule, ramp: LinearPercentage, now_ms: int) -> RolloutView:
    from flagctl.review.impact import percentage_at

    state = "planned" if now_ms < ramp.from_ms else "finished" if now_ms >= ramp.to_ms else "running"
    following = {"planned": ramp.from_ms, "running": ramp.to_ms}.get(state)
    return RolloutView(
        key=key,
        environments=(),
        rule=rule.id,
        kind="linear",
        serves=_served(rule),
        state=state,
        percent=percentage_at(ramp, now_ms) / 1000,
        next_ms=following,
        known=((ramp.from_ms, ramp.start), (ramp.to_ms, ramp.end)),
    )


def _served(rule: Rule) -> str:
    from flagctl.review import words

    return words.value(rule.value) if rule.serve is None else rule.serve


def share_of(view: RolloutView, at_ms: int) -> int:
    """Return what a curve says at an instant, in thousandths of a percent: what is known, or else expected."""
    points = view.expected or view.known
    if view.kind == "blue-green":
        return FULL
    if view.kind == "linear":
        (start_ms, start), (end_ms, end) = points
        if at_ms < start_ms:
            return start
        return end if at_ms >= end_ms else start + (end - start) * (at_ms - start_ms) // (end_ms - start_ms)
    return next((share for begins, share in reversed(points) if begins <= at_ms), 0)
