"""Flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.model import UNSET, Breaker, EnvironmentOverride, Flag, FlagType, Lifecycle, Variant
from flagctl.source.builder.parts import (
    build_default,
    build_prerequisites,
    build_rules,
    build_schedule,
    build_targets,
)
from flagctl.source.builder.site import Site, optional_path
from flagctl.source.builder.strategies import build_blue_green
from flagctl.source.document import Detail

if TYPE_CHECKING:
    from flagctl.diagnostics import Route

VALUE_VARIANT: Final = "default"
"""Name of the only variant of a flag that is written with `value`."""

_TYPES: Final = {kind.value: kind for kind in FlagType}
_IMPLIED: Final = (
    Variant(name="on", value=True, route=("type",)),
    Variant(name="off", value=False, route=("type",)),
)


def build_flag(site: Site, data: dict[str, Any]) -> Flag:
    """Build a flag from data that obeys the schema but for pruned parts."""
    get = data.get
    variants, is_value_flag = _variants(data)
    off, kind = get("off"), _TYPES[data["type"]]
    if off is None and kind is FlagType.BOOLEAN and any(variant.name == "off" for variant in variants):
        off = "off"
    environments = get("environments")
    colours = build_blue_green(get("strategy"), ("strategy",))
    default = build_default(site, get("default"), ("default",)) if colours is None else colours.active
    return Flag(
        key=data["key"],
        path=site.document.path,
        type=kind,
        variants=variants,
        name=get("name"),
        description=get("description"),
        owner=get("owner"),
        tags=tuple(get("tags", ())),
        lifecycle=_lifecycle(site, get("lifecycle")),
        value_schema=get("value_schema"),
        is_value_flag=is_value_flag,
        enabled=get("enabled", True),
        off=off,
        default=VALUE_VARIANT if is_value_flag else default,
        prerequisites=build_prerequisites(get("prerequisites", ()), ("prerequisites",)),
        targets=build_targets(site, get("targets", {}), ("targets",)),
        rules=build_rules(site, get("rules", ()), ("rules",)),
        schedule=build_schedule(site, get("schedule"), ("schedule",)),
        salt=get("salt"),
        bucket_by=optional_path(get("bucket_by")),
        breaker=_breaker(site, get("breaker")),
        blue_green=colours,
        environments={}
        if environments is None
        else {name: _override(site, name, part, is_value_flag) for name, part in environments.items()},
    )


def _variants(data: dict[str, Any]) -> tuple[tuple[Variant, ...], bool]:
    if "value" in data:
        return (Variant(name=VALUE_VARIANT, value=data["value"], route=("value",)),), True
    if "variants" in data:
        items = data["variants"].items()
        return tuple([Variant(name=name, value=value, route=("variants", name)) for name, value in items]), False
    return _IMPLIED, False


def _lifecycle(site: Site, value: dict[str, Any] | None) -> Lifecycle | None:
    if value is None:
        return None
    expires = value.get("expires")
    if expires is not None and not _is_date(expires):
        site.report(
            "SCH117",
            f"'{expires}' is not a date of the calendar",
            ("lifecycle", "expires"),
            Detail(help="write a date as YYYY-MM-DD"),
        )
    return Lifecycle(temporary=value.get("temporary", False), expires=expires, route=("lifecycle",))


_LONGEST: Final = {"window": (3_600_000, "1h"), "cool_down": (86_400_000, "1d")}


def _breaker(site: Site, value: dict[str, Any] | None) -> Breaker | None:
    if value is None:
        return None
    for name, (longest, shown) in _LONGEST.items():
        if (site.duration(value.get(name)) or 0) > longest:
            site.report("SCH110", f"'{name}' is {value[name]}, but must be at most {shown}", ("breaker", name))
    rate = value.get("error_rate")
    return Breaker(
        error_rate=None if rate is None else round(float(rate.removesuffix("%")) * 1000),
        latency_p95_ms=value.get("latency_p95_ms"),
        minimum=int(value.get("minimum", 100)),
        window_ms=site.duration(value.get("window", "60s")) or 0,
        cool_down_ms=site.duration(value.get("cool_down", "5m")) or 0,
        route=("breaker",),
    )


def _is_date(text: str) -> bool:
    from datetime import date  # noqa: PLC0415  few flags expire

    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _override(site: Site, name: str, part: dict[str, Any], is_value_flag: bool) -> EnvironmentOverride:
    route: Route = ("environments", name)
    get = part.get
    given = set(part)
    _check_form(site, part, route, is_value_flag)
    colours = build_blue_green(get("strategy"), (*route, "strategy"))
    if colours is not None:
        given.add("default")
    return EnvironmentOverride(
        name=name,
        given=frozenset(given),
        enabled=get("enabled"),
        off=get("off"),
        default=build_default(site, get("default"), (*route, "default")) if colours is None else colours.active,
        blue_green=colours,
        value=get("value", UNSET),
        rules=build_rules(site, get("rules", ()), (*route, "rules")),
        targets=build_targets(site, get("targets", {}), (*route, "targets")),
        prerequisites=build_prerequisites(get("prerequisites", ()), (*route, "prerequisites")),
        schedule=build_schedule(site, get("schedule"), (*route, "schedule")),
        route=route,
    )


def _check_form(site: Site, part: dict[str, Any], route: Route, is_value_flag: bool) -> None:
    """An environment keeps the form of the flag: one value, or variants and a default."""
    if "value" in part and not is_value_flag:
        site.report(
            "SCH119",
            "'value' overrides nothing: the flag is written with variants",
            (*route, "value"),
            Detail(help="override 'default' with the variant to serve here", part="key"),
        )
    if "default" in part and is_value_flag:
        site.report(
            "SCH119",
            "'default' overrides nothing: the flag is written with a value",
            (*route, "default"),
            Detail(help="override 'value' with the value to serve here", part="key"),
        )
