"""Rollout strategies: steps that wait, canaries, guarded rollouts, blue and green."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.model.strategy import (
    BlueGreen,
    CanaryGroup,
    Guard,
    GuardMetric,
    Hold,
    Pause,
    PlannedStep,
    Strategy,
    StrategyKind,
    expand,
)
from flagctl.source.builder.site import optional_path
from flagctl.source.document import Detail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagctl.diagnostics import Route
    from flagctl.model import Condition, Rule
    from flagctl.source.builder.site import Site

Data = dict[str, Any]

DEFAULT_SHARES: Final = {"canary": (100,), "guarded": (1, 5, 10, 25, 50, 100)}
"""Percent of the steps of a strategy that writes none."""

_DAY: Final = "1d"
_RECORDS: Final = ("holds", "aborted", "guard")


class _Plan(NamedTuple):
    """What differs between the strategies."""

    kind: StrategyKind
    steps: Sequence[PlannedStep]
    group: CanaryGroup | None = None


def is_strategy(percentage: Any) -> bool:
    """Return whether a percentage is more than a number, a line, or steps that begin by the clock."""
    if not isinstance(percentage, dict) or "steps" not in percentage:
        return False
    steps = percentage["steps"]
    waiting = any("hold_until" in step or "after" in step or "released" in step for step in steps)
    return waiting or any(name in percentage for name in _RECORDS)


def build_gradual(site: Site, rule: Rule, value: Data, route: Route) -> tuple[Rule, ...]:
    """Return the rules of a percentage whose steps wait, or that was held or aborted."""
    steps = [_step(site, step, (*route, "steps", position), None) for position, step in enumerate(value["steps"])]
    if steps and "from" not in value["steps"][0] and "hold_until" not in value["steps"][0]:
        site.report(
            "SCH110",
            "the first step counts from no other one",
            (*route, "steps", 0),
            Detail(help="give it an instant with `from`, or let it wait with `hold_until: approval`"),
        )
    return expand(rule, _strategy(site, rule, _Plan(StrategyKind.GRADUAL, steps), value, route))


def build_strategy(
    site: Site, rule: Rule, value: Data, route: Route, conditions: Callable[[Any, Route], tuple[Condition, ...]]
) -> tuple[Rule, ...]:
    """Return the rules of a rule's `strategy`.

    Args:
        site: The document.
        rule: Without a percentage.
        value: The block.
        route: Of the block.
        conditions: Builds a list of conditions.
    """
    if "canary" in value:
        return _canary(site, rule, value["canary"], (*route, "canary"), conditions)
    return _guarded(site, rule, value["guarded"], (*route, "guarded"))


def _canary(
    site: Site, rule: Rule, value: Data, route: Route, conditions: Callable[[Any, Route], tuple[Condition, ...]]
) -> tuple[Rule, ...]:
    group, place = value["group"], (*route, "group")
    when, percent = group.get("when"), group.get("percent")
    share = None if percent is None else site.thousandths(percent, (*place, "percent"))
    own_rule = when is not None or "bucket_by" in group
    built = CanaryGroup(
        when=() if when is None else conditions(when, (*place, "when")),
        thousandths=share,
        bucket_by=optional_path(group.get("bucket_by")),
        route=place,
    )
    start = site.instant(value.get("start"), (*route, "start"))
    first = PlannedStep(thousandths=0 if own_rule else share or 0, from_ms=start, route=place)
    hold = Hold.GUARDRAIL if "guard" in value else Hold.APPROVAL
    given = value.get("steps", DEFAULT_SHARES["canary"])
    steps = [first]
    for position, item in enumerate(given):
        written = {"percent": item} if not isinstance(item, dict) else item
        if position == 0:
            written = {"after": value["bake"], "hold_until": hold.value, **written}
        steps.append(_step(site, written, _inside(route, value, position), _DAY))
    plan = _Plan(StrategyKind.CANARY, steps, built if own_rule else None)
    return expand(rule, _strategy(site, rule, plan, value, route))


def _guarded(site: Site, rule: Rule, value: Data, route: Route) -> tuple[Rule, ...]:
    start = site.instant(value.get("start"), (*route, "start"))
    lasts = value.get("hold", _DAY)
    steps: list[PlannedStep] = []
    for position, item in enumerate(value.get("steps", DEFAULT_SHARES["guarded"])):
        written = {"percent": item} if not isinstance(item, dict) else item
        place = _inside(route, value, position)
        if position == 0:
            share = site.thousandths(written["percent"], (*place, "percent"))
            steps.append(PlannedStep(thousandths=share, from_ms=start, route=place))
        else:
            steps.append(_step(site, {"hold_until": Hold.GUARDRAIL.value, **written}, place, lasts))
    return expand(rule, _strategy(site, rule, _Plan(StrategyKind.GUARDED, steps), value, route))


def _inside(route: Route, value: Data, position: int) -> Route:
    """Return where a step is written, or where it would be: the block, if it has no steps of its own."""
    return (*route, "steps", position) if "steps" in value else route


def _step(site: Site, step: Data, route: Route, lasts: str | None) -> PlannedStep:
    hold = step.get("hold_until")
    return PlannedStep(
        thousandths=site.thousandths(step["percent"], (*route, "percent")),
        from_ms=site.instant(step.get("from"), (*route, "from")),
        after_ms=site.duration(step.get("after", lasts)) or 0,
        hold=None if hold in {None, "time"} else Hold(hold),
        released_ms=site.instant(step.get("released"), (*route, "released")),
        route=route,
    )


def _strategy(site: Site, rule: Rule, plan: _Plan, value: Data, route: Route) -> Strategy:
    aborted = value.get("aborted")
    return Strategy(
        kind=plan.kind,
        rule=rule.id,
        steps=tuple(plan.steps),
        group=plan.group,
        pauses=tuple([_pause(site, item, (*route, "holds", n)) for n, item in enumerate(value.get("holds", ()))]),
        aborted_ms=None if aborted is None else site.instant(aborted["at"], (*route, "aborted", "at")),
        reason=None if aborted is None else aborted.get("reason"),
        guard=_guard(site, value.get("guard"), (*route, "guard")),
        route=route,
    )


def _pause(site: Site, item: Data, route: Route) -> Pause:
    return Pause(
        from_ms=site.instant(item["from"], (*route, "from")) or 0,
        until_ms=site.instant(item.get("until"), (*route, "until")),
        reason=item.get("reason"),
        route=route,
    )


def _guard(site: Site, value: Data | None, route: Route) -> Guard | None:
    if value is None:
        return None
    get = value.get
    return Guard(
        metrics=tuple(_metric(item, (*route, "metrics", n)) for n, item in enumerate(get("metrics", ()))),
        experiment=get("experiment"),
        on_failure=get("on_failure", "revert"),
        on_stale=get("on_stale", "revert"),
        stale_checks=int(get("stale_checks", 3)),
        max_age_ms=site.duration(get("max_age", "1h")) or 0,
        minimum_units=int(get("minimum_units", 100)),
        safe=get("require", "harmless") == "safe",
        risk=float(get("risk", 5)) / 100,
        route=route,
    )


def _metric(item: Data, route: Route) -> GuardMetric:
    prometheus = item.get("prometheus") or {}
    return GuardMetric(
        metric=item["metric"],
        direction=item.get("direction", "decrease"),
        margin=float(item.get("margin", 0)),
        events=prometheus.get("events"),
        units=prometheus.get("units"),
        measurement=item.get("measurement"),
        route=route,
    )


def build_blue_green(value: Data | None, route: Route) -> BlueGreen | None:
    """Build the choice between two colours of a flag or an environment."""
    if value is None:
        return None
    colours = value["blue_green"]
    return BlueGreen(active=colours["active"], previous=colours.get("previous"), route=(*route, "blue_green"))
