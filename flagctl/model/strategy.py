"""How a feature grows: steps that wait for people or metrics, canaries, guarded rollouts, two colours.

A strategy is a plan with a record of what became of it. It stands for ordinary rules: the source builds them from it, so that
nothing behind the source has to know strategies; a rule points to its strategy for whoever shows or moves it. What a strategy serves
at an instant depends on its file and that instant alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from flagctl.model.rollout import FixedPercentage, Schedule, Step, SteppedPercentage

if TYPE_CHECKING:
    from flagctl.diagnostics import Route
    from flagctl.model.conditions import Condition
    from flagctl.model.flag import Rule
    from flagctl.model.rollout import Percentage

CANARY_SUFFIX = ":canary"
"""The rule of a canary's group is named after the strategy's rule with this behind it."""


class StrategyKind(Enum):
    """Which way a rule's share grows."""

    GRADUAL = "gradual"
    CANARY = "canary"
    GUARDED = "guarded"


class Hold(Enum):
    """What a step waits for besides its time."""

    APPROVAL = "approval"
    GUARDRAIL = "guardrail"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step of a plan.

    Attributes:
        thousandths: Share of the units from then on.
        from_ms: When it is due; None if it counts from the step before.
        after_ms: How long after the step before began it is due, if `from_ms` is None.
        hold: What else it waits for.
        released_ms: When it began in fact, as recorded; counts instead of the plan.
        route: Where it is written.
    """

    thousandths: int
    from_ms: int | None = None
    after_ms: int = 0
    hold: Hold | None = None
    released_ms: int | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Somebody held the plan: its clock stood still from `from_ms` until `until_ms`, or still does (None)."""

    from_ms: int
    until_ms: int | None = None
    reason: str | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardMetric:
    """A metric that must not get worse.

    Attributes:
        metric: Its name.
        direction: ``decrease`` if less is better, else ``increase``.
        margin: How much worse it may be, in percent of the control's mean.
        events: Prometheus query for how many units had the event, by arm; ``{window}`` stands for the time since the start.
        units: Prometheus query for how many units there were, by arm.
        measurement: Name of a measurement in the warehouse.
        route: Where it is written.
    """

    metric: str
    direction: str = "decrease"
    margin: float = 0.0
    events: str | None = None
    units: str | None = None
    measurement: str | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Which metrics decide whether a strategy goes on, and what happens if they don't let it.

    Attributes:
        metrics: They share the risk of a false alarm.
        experiment: Key of an experiment whose guardrails decide; None if `metrics` do.
        on_failure: ``revert``, ``hold`` or ``kill`` when a metric is shown to be harmed.
        on_stale: ``revert`` or ``hold`` after too many checks in a row without usable data.
        stale_checks: How many that are.
        max_age_ms: Older data are no data.
        minimum_units: With fewer in an arm nothing is said.
        safe: Whether metrics must be shown to be within their margins before a step; else it suffices that none is harmed.
        risk: Probability of a false alarm over all looks at all metrics.
        route: Where it is written.
    """

    metrics: tuple[GuardMetric, ...] = ()
    experiment: str | None = None
    on_failure: str = "revert"
    on_stale: str = "revert"
    stale_checks: int = 3
    max_age_ms: int = 3_600_000
    minimum_units: int = 100
    safe: bool = False
    risk: float = 0.05
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryGroup:
    """Who gets a feature first: conditions, a share of units, or both."""

    when: tuple[Condition, ...] = ()
    thousandths: int | None = None
    bucket_by: tuple[str, ...] | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedStep:
    """A step of a calendar.

    Attributes:
        position: Of the step in the plan, from 0.
        thousandths: Share of the units from then on.
        begins_ms: When it begins or began; None if that is not known yet.
        due_ms: When its plan says so; None if that hangs on a step that waits.
        waits_for: ``approval``, ``guardrail``, ``start`` or ``resume`` if it does not begin by itself.
    """

    position: int
    thousandths: int
    begins_ms: int | None
    due_ms: int | None
    waits_for: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A plan with its record.

    Attributes:
        kind: Which strategy.
        rule: Id of the rule it is written on.
        steps: In order; the first one has a date or begins with the start.
        group: A canary's first group, if it is more than a share of the rule's own units.
        pauses: In order.
        aborted_ms: From then on nobody is served; None if it was not aborted.
        reason: Why it was aborted.
        guard: Metrics that decide.
        route: Where it is written: the block, or the mapping of a percentage.
    """

    kind: StrategyKind
    rule: str
    steps: tuple[PlannedStep, ...]
    group: CanaryGroup | None = None
    pauses: tuple[Pause, ...] = ()
    aborted_ms: int | None = None
    reason: str | None = None
    guard: Guard | None = None
    route: Route = ()

    def calendar(self) -> tuple[DatedStep, ...]:
        """Return when each step begins, as far as the record says; an abort is not in it.

        A late step moves those behind it by as much, so that every step lasts as long as planned.
        """
        result: list[DatedStep] = []
        began: int | None = None
        planned: int | None = None
        blocked: str | None = None
        for position, step in enumerate(self.steps):
            due, planned = _due(step, began, planned, first=position == 0)
            if blocked is None and due is not None:
                due, blocked = self._past_pauses(due, began, released=step.released_ms is not None)
            waits = blocked or ("start" if due is None and position == 0 and step.hold is None else None)
            if step.released_ms is not None and (position == 0 or began is not None):
                begins: int | None = step.released_ms if began is None else max(step.released_ms, began)
                waits = blocked = None
            elif waits is None and step.hold is not None:
                begins, waits = None, step.hold.value
            else:
                begins = None if waits else due
            if begins is None:
                waits = step.hold.value if blocked is not None and step.hold is not None else waits
                blocked = blocked or waits
            result.append(
                DatedStep(
                    position=position, thousandths=step.thousandths, begins_ms=begins, due_ms=due, waits_for=waits
                )
            )
            began = begins
        return tuple(result)

    def _past_pauses(self, due: int, began: int | None, *, released: bool) -> tuple[int, str | None]:
        for pause in self.pauses:
            if released or pause.from_ms >= due:
                continue
            if pause.until_ms is None:
                return due, "resume"
            start = pause.from_ms if began is None else max(pause.from_ms, began)
            if pause.until_ms > start:
                due += pause.until_ms - start
        return due, None

    def percentage(self) -> Percentage:
        """Return the share over time as an ordinary percentage: what has begun or will begin by itself."""
        steps: list[Step] = []
        for dated in self.calendar():
            begins = dated.begins_ms
            if begins is None or (self.aborted_ms is not None and begins >= self.aborted_ms):
                break
            while steps and steps[-1].from_ms >= begins:
                steps.pop()
            steps.append(Step(from_ms=begins, thousandths=dated.thousandths, route=self.steps[dated.position].route))
        if self.aborted_ms is not None and steps and steps[-1].thousandths:
            steps.append(Step(from_ms=self.aborted_ms, thousandths=0, route=(*self.route, "aborted")))
        if not steps:
            return FixedPercentage(thousandths=0, route=self.route)
        return SteppedPercentage(steps=tuple(steps), route=self.route)

    def share_at(self, now_ms: int) -> int:
        """Return the share that is served at an instant, in thousandths of a percent; without the canary's group."""
        percentage = self.percentage()
        if not isinstance(percentage, SteppedPercentage):
            return 0
        return next((step.thousandths for step in reversed(percentage.steps) if step.from_ms <= now_ms), 0)

    def current(self, now_ms: int) -> DatedStep | None:
        """Return the step that is served at an instant; None before the first one."""
        begun = [step for step in self.calendar() if step.begins_ms is not None and step.begins_ms <= now_ms]
        return begun[-1] if begun else None

    def next_step(self, now_ms: int) -> DatedStep | None:
        """Return the first step that has not begun at an instant; None if there is none left."""
        return next((s for s in self.calendar() if s.begins_ms is None or s.begins_ms > now_ms), None)

    def state(self, now_ms: int) -> str:
        """Return ``planned``, ``running``, ``waiting``, ``held``, ``aborted`` or ``finished``."""
        if self.aborted_ms is not None and self.aborted_ms <= now_ms:
            return "aborted"
        following = self.next_step(now_ms)
        if following is None:
            return "finished"
        if any(
            pause.from_ms <= now_ms and (pause.until_ms is None or pause.until_ms > now_ms) for pause in self.pauses
        ):
            return "held"
        if self.current(now_ms) is None:
            return "planned"
        due = following.due_ms
        return "waiting" if following.waits_for and (due is None or due <= now_ms) else "running"

    def started_ms(self) -> int | None:
        """Return when the first step began or begins by itself; None without a date."""
        first = self.calendar()[0]
        return first.begins_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreen:
    """Two variants, one of which is active.

    Attributes:
        active: Served to everybody that targets and rules don't say otherwise about.
        previous: The one that was active before the last flip.
        route: Where it is written.
    """

    active: str
    previous: str | None = None
    route: Route = ()


def expand(rule: Rule, strategy: Strategy) -> tuple[Rule, ...]:
    """Return the ordinary rules that a rule with a strategy stands for, each pointing to the strategy.

    Args:
        rule: With what it serves and when; its percentage is replaced.
        strategy: Its strategy.
    """
    main = replace(rule, percentage=strategy.percentage(), strategy=strategy)
    group, started = strategy.group, strategy.started_ms()
    if group is None or started is None or (strategy.aborted_ms is not None and strategy.aborted_ms <= started):
        return (main,)
    first = replace(
        rule,
        id=rule.id + CANARY_SUFFIX,
        when=(*rule.when, *group.when),
        percentage=None
        if group.thousandths is None
        else FixedPercentage(thousandths=group.thousandths, route=group.route),
        bucket_by=group.bucket_by or rule.bucket_by,
        schedule=Schedule(from_ms=started, until_ms=strategy.aborted_ms, route=strategy.route),
        strategy=strategy,
    )
    return first, main


def planned(rule: Rule) -> Percentage | None:
    """Return a rule's percentage with every share that its strategy plans, those that wait included.

    Their instants mean nothing: it is for whoever asks which shares there will be, such as checks that must not find fault only
    when somebody lets the next step go.
    """
    strategy = rule.strategy
    if strategy is None or strategy.rule != rule.id or strategy.aborted_ms is not None:
        return rule.percentage
    steps = [Step(from_ms=n, thousandths=step.thousandths, route=step.route) for n, step in enumerate(strategy.steps)]
    return SteppedPercentage(steps=tuple(steps), route=strategy.route)


def _due(step: PlannedStep, began: int | None, planned: int | None, *, first: bool) -> tuple[int | None, int | None]:
    """Return when a step is due, delayed as the one before was, and when its plan alone says so."""
    if step.from_ms is not None:
        late = 0 if began is None or planned is None else max(0, began - planned)
        blocked = not first and began is None
        return (None if blocked else step.from_ms + late), step.from_ms
    base = None if began is None else began + step.after_ms
    return base, None if planned is None else planned + step.after_ms
