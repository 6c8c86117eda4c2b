"""Conditions, rollouts, percentages, schedules and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.model import (
    UNSET,
    AllOf,
    AnyOf,
    AttributeCondition,
    Condition,
    FixedPercentage,
    LinearPercentage,
    Not,
    Percentage,
    Prerequisite,
    Rollout,
    RolloutArm,
    Rule,
    Schedule,
    SegmentCondition,
    Step,
    SteppedPercentage,
    Target,
)
from flagctl.source.builder.site import PRUNED, Site, optional_path, path_of
from flagctl.source.builder.strategies import build_gradual, build_strategy, is_strategy
from flagctl.source.document import Detail

if TYPE_CHECKING:
    from flagctl.diagnostics import Route

Data = dict[str, Any]


def build_conditions(items: list[Data], route: Route) -> tuple[Condition, ...]:
    """Build a list of conditions."""
    return tuple([build_condition(item, (*route, position)) for position, item in enumerate(items)])


def build_condition(item: Data, route: Route) -> Condition:
    """Build one condition."""
    if "attribute" in item:
        return AttributeCondition(
            attribute=path_of(item["attribute"]),
            operator=item["operator"],
            value=item.get("value", UNSET),
            ignore_case=item.get("ignore_case", False),
            route=route,
        )
    if "segment" in item:
        return SegmentCondition(segment=item["segment"], route=route)
    if "any" in item:
        return AnyOf(conditions=build_conditions(item["any"], (*route, "any")), route=route)
    if "all" in item:
        return AllOf(conditions=build_conditions(item["all"], (*route, "all")), route=route)
    return Not(condition=build_condition(item["not"], (*route, "not")), route=route)


def build_rollout(site: Site, arms: Data, route: Route, outer: Data | None = None) -> Rollout:
    """Build a rollout.

    Args:
        site: The document.
        arms: Variant to weight or pinned ranges.
        route: Of `arms`.
        outer: Mapping that carries the rollout's own salt and unit, if there is one.
    """
    result = []
    for variant, share in arms.items():
        place = (*route, variant)
        if share.__class__ is dict:
            ranges = site.ranges(share["buckets"], (*place, "buckets"))
            result.append(RolloutArm(variant=variant, ranges=ranges, route=place))
        else:
            result.append(RolloutArm(variant=variant, weight=site.thousandths(share, place), route=place))
    pinned = [arm for arm in result if arm.ranges is not None]
    if pinned and len(pinned) < len(result):
        free = next(arm for arm in result if arm.ranges is None)
        site.report(
            "SCH116",
            f"the rollout mixes weights with pinned ranges: '{pinned[0].variant}' pins, '{free.variant}' does not",
            free.route,
            Detail(help="give every variant a weight, or every variant its ranges", part="key"),
        )
    outer = outer or {}
    return Rollout(
        arms=tuple(result), salt=outer.get("salt"), bucket_by=optional_path(outer.get("bucket_by")), route=route
    )


def build_default(site: Site, value: str | Data | None, route: Route) -> str | Rollout | None:
    """Build what is served when no rule decides."""
    if value is None or isinstance(value, str):
        return value
    return build_rollout(site, value["rollout"], (*route, "rollout"), value)


def build_percentage(site: Site, value: Any, route: Route) -> Percentage:
    """Build a percentage: fixed, in steps, or linear in time."""
    if not isinstance(value, dict):
        return FixedPercentage(thousandths=site.thousandths(value, route), route=route)
    if "steps" in value:
        steps = []
        for position, step in enumerate(value["steps"]):
            place = (*route, "steps", position)
            steps.append(
                Step(
                    from_ms=site.instant(step["from"], (*place, "from")) or 0,
                    thousandths=site.thousandths(step["percent"], (*place, "percent")),
                    route=place,
                )
            )
        return SteppedPercentage(steps=tuple(steps), route=route)
    linear, place = value["linear"], (*route, "linear")
    return LinearPercentage(
        from_ms=site.instant(linear["from"], (*place, "from")) or 0,
        to_ms=site.instant(linear["to"], (*place, "to")) or 0,
        start=site.thousandths(linear["start"], (*place, "start")),
        end=site.thousandths(linear["end"], (*place, "end")),
        route=place,
    )


def build_schedule(site: Site, value: Data | None, route: Route) -> Schedule | None:
    """Build a window of time."""
    if value is None:
        return None
    return Schedule(
        from_ms=site.instant(value.get("from"), (*route, "from")),
        until_ms=site.instant(value.get("until"), (*route, "until")),
        route=route,
    )


def build_rules(site: Site, items: list[Any], route: Route) -> tuple[Rule, ...]:
    """Build a list of rules without those that are wrong."""
    result: list[Rule] = []
    for position, item in enumerate(items):
        if item is PRUNED:
            continue
        before = site.count
        rules = _build_rule(site, item, (*route, position))
        if site.count == before:
            result.extend(rules)
    return tuple(result)


def _build_rule(site: Site, item: Data, route: Route) -> tuple[Rule, ...]:
    """Return the rule, or the rules that its strategy stands for."""
    get = item.get
    when, rollout, percentage, schedule = get("when"), get("rollout"), get("percentage"), get("schedule")
    strategy, waits = get("strategy"), is_strategy(percentage)
    rule = Rule(
        id=item["id"],
        when=() if when is None else build_conditions(when, (*route, "when")),
        serve=get("serve"),
        value=get("value", UNSET),
        rollout=None if rollout is None else build_rollout(site, rollout, (*route, "rollout")),
        experiment=get("experiment"),
        percentage=None if percentage is None or waits else build_percentage(site, percentage, (*route, "percentage")),
        priority=int(get("priority", 0)),
        schedule=build_schedule(site, schedule, (*route, "schedule")),
        salt=get("salt"),
        bucket_by=optional_path(get("bucket_by")),
        description=get("description"),
        route=route,
    )
    if waits and percentage is not None:
        return build_gradual(site, rule, percentage, (*route, "percentage"))
    if strategy is not None:
        return build_strategy(site, rule, strategy, (*route, "strategy"), build_conditions)
    return (rule,)


def build_targets(site: Site, value: Data, route: Route) -> tuple[Target, ...]:
    """Build the units that are targeted one by one."""
    return tuple(
        Target(variant=variant, units=site.units(units, (*route, variant)), route=(*route, variant))
        for variant, units in value.items()
    )


def build_prerequisites(items: list[Any], route: Route) -> tuple[Prerequisite, ...]:
    """Build prerequisites without those that are wrong."""
    return tuple(
        Prerequisite(flag=item["flag"], variants=tuple(item["variants"]), route=(*route, position))
        for position, item in enumerate(items)
        if item is not PRUNED
    )
