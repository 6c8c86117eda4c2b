"""Moves of rollouts as edits of their files: go on, hold, resume, abort, flip.

Each writes into the record of a strategy what happened when, so that the file alone says what was served at any instant since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.model import LinearPercentage
from flagctl.ops.rollout import strategy_of
from flagctl.review import words
from flagctl.source.editing import Insert, Set

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.diagnostics import Route
    from flagctl.model import Flag, Rule
    from flagctl.model.strategy import DatedStep, Strategy
    from flagctl.ops.edit import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which rollout to move.

    Attributes:
        key: Of the flag.
        rule: Id of the rule; None is the only one that grows.
        environment: Whose rules; None is those of all environments.
        copy_down: Begin with a copy of them, if the environment shares those of all.
    """

    key: str
    rule: str | None = None
    environment: str | None = None
    copy_down: bool = False

    def __str__(self) -> str:
        return self.key + (f" in {self.environment}" if self.environment else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A rollout where it is written.

    Attributes:
        path: File.
        route: Of the block that has the record: a percentage, or a canary or guarded strategy.
        rule: The rule.
        strategy: What it means; None for a line.
        block: What is written there.
    """

    path: str
    route: Route
    rule: Rule
    strategy: Strategy | None
    block: dict[str, Any]


def advance(draft: Draft, which: Which, *, at_once: bool = False) -> None:
    """Let the next step go: when it is due, or at once. Ends a hold; starts what has no start.

    Raises:
        UsageError: If there is no further step, it was aborted, or the next step needs nobody.
        NothingMatchedError: If nothing of that name grows.
    """
    found, strategy = _stepped(draft, which)
    now = draft.now_ms // 1000 * 1000
    _end_hold(draft, found, strategy)
    strategy = _again(draft, which)
    step = strategy.next_step(now)
    if step is None:
        raise UsageError(f"the rollout of {which} is finished: {words.share(strategy.share_at(now))} have it")
    begins = now if at_once or step.due_ms is None else max(now, step.due_ms)
    planned = strategy.steps[step.position]
    if not at_once and step.begins_ms is not None and strategy == found.strategy:
        by = "was let go already and" if planned.released_ms is not None else "needs nobody and"
        raise UsageError(
            f"the next step of {which} {by} begins at {words.instant(step.begins_ms)}",
            hint="--now begins it at once",
        )
    if step.begins_ms is None or at_once:
        _release(draft, found, step, begins)
    if begins > now:
        draft.note(
            f"{words.share(step.thousandths)} begin when they are due, {words.instant(begins)}; --now does not wait"
        )
    group = step.position == 0 and strategy.kind.value == "canary"
    draft.titles.append(
        f"Advance rollout {which}, rule {strategy.rule}, to {'its canary' if group else words.share(step.thousandths)}"
    )


def hold(draft: Draft, which: Which, reason: str | None) -> None:
    """Let no further step begin until somebody resumes; a line stays at the share it has.

    Raises:
        UsageError: If it is held, finished or aborted.
        NothingMatchedError: If nothing of that name grows.
    """
    found = find(draft, which)
    if found.strategy is None:
        _freeze(draft, which, found)
        return
    state = found.strategy.state(draft.now_ms)
    if state in {"finished", "aborted", "held"}:
        raise UsageError(f"the rollout of {which} is {state}")
    entry = {"from": instant(draft.now_ms), **({"reason": reason} if reason else {})}
    present = found.block.get("holds") or []
    route = (*found.route, "holds")
    draft.edit(found.path, Insert(route, len(present), entry) if present else Set(route, [entry]))
    draft.titles.append(f"Hold rollout {which}, rule {found.rule.id}" + (f": {reason}" if reason else ""))


def resume(draft: Draft, which: Which) -> None:
    """End a hold: the plan goes on, later by as long as it was held.

    Raises:
        UsageError: If it is not held.
        NothingMatchedError: If nothing of that name grows.
    """
    found, strategy = _stepped(draft, which)
    if not _end_hold(draft, found, strategy):
        raise UsageError(f"the rollout of {which} is not held: it is {strategy.state(draft.now_ms)}")
    draft.titles.append(f"Resume rollout {which}, rule {strategy.rule}")


def abort(draft: Draft, which: Which, reason: str | None) -> None:
    """Serve it to nobody any more.

    Raises:
        UsageError: If it was aborted.
        NothingMatchedError: If nothing of that name grows.
    """
    found = find(draft, which)
    title = f"Abort rollout {which}, rule {found.rule.id}" + (f": {reason}" if reason else "")
    if found.strategy is None:
        draft.set_percentage(which.key, 0, rule=found.rule.id, env=which.environment, copy_down=which.copy_down)
    elif "aborted" in found.block:
        raise UsageError(f"the rollout of {which} was aborted already")
    else:
        entry = {"at": instant(draft.now_ms), **({"reason": reason} if reason else {})}
        draft.edit(found.path, Set((*found.route, "aborted"), entry))
    draft.titles.append(title)


def flip(draft: Draft, key: str, environment: str, *, to: str | None = None) -> tuple[str, str]:
    """Make the other of two colours active in one environment; return the active one before and after.

    Raises:
        UsageError: If the flag has no two colours there, or it is not clear which one is meant.
        NothingMatchedError: If there is no such flag, or no such variant.
    """
    path = draft.find(key)
    draft.check_environment(environment)
    route: Route = ("environments", environment, "strategy", "blue_green")
    own = draft.value(path, route)
    shadowed = own is None and draft.value(path, ("environments", environment, "default")) is not None
    colours = own or draft.value(path, ("strategy", "blue_green"))
    if colours is None or shadowed:
        raise UsageError(
            f"{key} has no two colours in {environment}",
            hint="strategy: {blue_green: {active: VARIANT}}, in place of `default`",
        )
    active, known = str(colours["active"]), draft.variants(key)
    others = [name for name in known if name != active]
    previous = colours.get("previous")
    target = to or previous or (others[0] if len(others) == 1 else None)
    if target is None:
        raise UsageError(f"flip {key} to which variant?", hint=f"--to one of: {', '.join(others)}")
    if target not in known:
        raise NothingMatchedError(f"{key} has no variant '{target}'", hint=f"there are: {', '.join(known)}")
    if target == active:
        raise UsageError(f"{target} is active in {environment} already")
    if own is None:
        draft.edit(path, Set(route[:-1], {"blue_green": {"active": target, "previous": active}}))
    else:
        draft.edit(path, Set((*route, "active"), target), Set((*route, "previous"), active))
    draft.titles.append(f"Flip {key} in {environment}: {active} → {target}")
    return active, target


def find(draft: Draft, which: Which) -> Found:
    """Return a rollout where it is written.

    Raises:
        NothingMatchedError: If nothing of that name grows; the hint says what does.
        UsageError: If several do and none was named.
        CopyDownError: If the environment shares the rules of all.
    """
    flag = flag_of(draft, which.key)
    rules = flag.rules if which.environment is None else flag.in_environment(which.environment).rules
    growing = [rule for rule in rules if strategy_of(rule) or isinstance(rule.percentage, LinearPercentage)]
    if which.rule is not None:
        growing = [rule for rule in growing if rule.id == which.rule]
    if not growing:
        raise NothingMatchedError(f"nothing grows in {which}", hint=_elsewhere(flag, which))
    if len(growing) > 1:
        names = ", ".join(rule.id for rule in growing)
        raise UsageError(f"which rule of {which}? There are: {names}", hint="name it with --rule")
    (rule,) = growing
    path, place = draft.rule_route(which.key, rule.id, env=which.environment, copy_down=which.copy_down)
    written = draft.value(path, place)
    route: Route = (*place, *record_route(written))
    return Found(path=path, route=route, rule=rule, strategy=strategy_of(rule), block=draft.value(path, route))


def record_route(rule: Mapping[str, Any]) -> Route:
    """Return where in a rule its rollout is recorded, if it has one."""
    name = next((one for one in ("canary", "guarded") if one in (rule.get("strategy") or {})), None)
    return ("percentage",) if name is None else ("strategy", name)


def flag_of(draft: Draft, key: str) -> Flag:
    """Return the flag that a draft's file would be.

    Raises:
        UsageError: If the file would not be a valid flag.
    """
    from flagctl.source import load_tree

    path = draft.find(key)
    loaded = load_tree({"flagctl.yaml": draft.content("flagctl.yaml") or b"", path: draft.content(path) or b""})
    if loaded.repository is None or key not in loaded.repository.flags:
        problem = next((one.message for one in loaded.diagnostics), "it cannot be read")
        raise UsageError(f"{path}: {problem}", hint="flagctl validate shows everything")
    return loaded.repository.flags[key]


def instant(now_ms: int) -> str:
    """Return an instant as records have it, in whole seconds."""
    return datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _stepped(draft: Draft, which: Which) -> tuple[Found, Strategy]:
    found = find(draft, which)
    if found.strategy is None:
        raise UsageError(
            f"{which} grows along a line, which has no steps", hint=f"flagctl set-percentage {which.key} NUMBER"
        )
    if found.strategy.aborted_ms is not None:
        raise UsageError(
            f"the rollout of {which} was aborted", hint="to begin anew, remove `aborted` and what is `released`"
        )
    return found, found.strategy


def _again(draft: Draft, which: Which) -> Strategy:
    return _stepped(draft, which)[1]


def _end_hold(draft: Draft, found: Found, strategy: Strategy) -> bool:
    for index, pause in enumerate(strategy.pauses):
        if pause.until_ms is None:
            draft.edit(found.path, Set((*found.route, "holds", index, "until"), instant(draft.now_ms)))
            return True
    return False


def _release(draft: Draft, found: Found, step: DatedStep, begins: int) -> None:
    """Write down that a step begins at an instant."""
    when, kind = instant(begins), found.route[-1]
    if kind == "percentage":
        draft.edit(found.path, Set((*found.route, "steps", step.position, "released"), when))
        return
    if step.position == 0:
        draft.edit(found.path, Set((*found.route, "start"), when))
        return
    index = step.position - 1 if kind == "canary" else step.position
    if "steps" not in found.block and found.strategy is not None:
        first = 1 if kind == "canary" else 0
        shares = [one.thousandths for one in found.strategy.steps[first:]]
        plain = [share // 1000 if share % 1000 == 0 else share / 1000 for share in shares]
        draft.edit(found.path, Set((*found.route, "steps"), plain))
    item = draft.value(found.path, (*found.route, "steps", index))
    if isinstance(item, dict):
        draft.edit(found.path, Set((*found.route, "steps", index, "released"), when))
    else:
        draft.edit(found.path, Set((*found.route, "steps", index), {"percent": item, "released": when}))


def _freeze(draft: Draft, which: Which, found: Found) -> None:
    from flagctl.review.impact import percentage_at

    ramp = found.rule.percentage
    if not isinstance(ramp, LinearPercentage) or draft.now_ms >= ramp.to_ms:
        raise UsageError(f"the rollout of {which} is finished")
    share = percentage_at(ramp, draft.now_ms)
    number = share // 1000 if share % 1000 == 0 else share / 1000
    draft.set_percentage(which.key, number, rule=found.rule.id, env=which.environment, copy_down=which.copy_down)
    draft.note(f"the line is gone: {words.share(share)} have it from now on; git remembers the line")


def _elsewhere(flag: Flag, which: Which) -> str:
    for name, override in flag.environments.items():
        if name != which.environment and any(strategy_of(rule) for rule in override.rules):
            return f"something grows in {name}: --env {name}"
    return f"flagctl rollout status {which.key} --all shows what there is"
