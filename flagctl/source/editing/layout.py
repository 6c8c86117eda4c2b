"""How flag files are laid out: which key goes before which, and what is written in braces.

Only mappings whose order means nothing have an order here. Variants, targets, rollouts, environments and values of users keep the order
in which they are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.diagnostics import Route

WIDTH: Final = 120
"""Columns that a line may have before something in braces is written on several lines."""

ABOUT: Final = ("kind", "key", "name", "description", "owner", "tags")
STATE: Final = (
    *("enabled", "off", "value", "default", "strategy", "salt", "bucket_by"),
    *("schedule", "prerequisites", "targets", "rules"),
)
RULE: Final = (
    *("id", "description", "when", "schedule", "serve", "value", "rollout", "experiment"),
    *("percentage", "strategy", "bucket_by", "salt", "priority"),
)
CONDITION: Final = ("attribute", "operator", "value", "ignore_case", "segment", "any", "all", "not")
WINDOW: Final = ("from", "to", "until", "start", "end")

TOP: Final[dict[str, tuple[str, ...]]] = {
    "flag": (
        *ABOUT,
        *("type", "lifecycle", "value", "value_schema", "variants", "enabled", "off", "default"),
        *("strategy", "salt", "bucket_by", "schedule", "prerequisites", "targets", "breaker", "rules", "environments"),
    ),
    "segment": (*ABOUT, "include", "exclude", "members", "when"),
    "experiment": (
        *("kind", "key", "name", "flag", "description", "owner", "tags", "hypothesis", "status", "started_at"),
        *("ended_at", "layer", "slots", "bucket_by", "variants", "control", "winner", "traffic", "metrics"),
        *("decision", "breakdowns", "bots", "registration", "amendments"),
    ),
    "layer": ("kind", "key", "name", "description", "owner", "tags", "holdout"),
    "test": (),
    "config": (),
}
"""Order of the keys of a document, by its kind; empty where the author's order stays."""

_INSIDE: Final[dict[str, tuple[str, ...]]] = {
    "lifecycle": ("temporary", "expires"),
    "schedule": ("from", "until"),
    "breaker": ("error_rate", "latency_p95_ms", "minimum", "window", "cool_down"),
    "linear": WINDOW,
    "percentage": ("linear", "steps", "guard", "holds", "aborted"),
    "canary": ("start", "group", "bake", "steps", "guard", "holds", "aborted"),
    "guarded": ("start", "steps", "hold", "guard", "holds", "aborted"),
    "group": ("when", "percent", "bucket_by"),
    "guard": (
        "metrics",
        "experiment",
        "on_failure",
        "on_stale",
        "stale_checks",
        "max_age",
        "minimum_units",
        "require",
        "risk",
    ),
    "aborted": ("at", "reason"),
    "blue_green": ("active", "previous"),
}
_USERS_OWN: Final = frozenset(
    {"value", "value_schema", "variants", "targets", "rollout", "context", "matrix", "expect"}
)
"""Keys below which nothing is ours to order; a condition's value is a scalar or a list of them."""

_BLOCK_LISTS: Final = frozenset(
    {"rules", "when", "any", "all", "prerequisites", "steps", "cases", "secondary", "guardrails", "holds"}
)
_BLOCK_MAPPINGS: Final = frozenset({"environments", "targets", "metrics", "percentage", "attributes"})


def key_order(kind: str | None, route: Route) -> tuple[str, ...]:
    """Return the order of the keys of the mapping at `route`; empty where the author's order stays.

    Keys that are not in it come last, in the author's order.

    >>> key_order("flag", ("rules", 0, "when", 1))[:2]
    ('attribute', 'operator')
    """
    if kind not in TOP or not TOP[kind]:
        return ()
    if not route:
        return TOP[kind]
    if any(step in _USERS_OWN for step in route):
        return ()
    last = route[-1]
    if isinstance(last, str):
        if last in _INSIDE:
            return _INSIDE[last]
        if len(route) == 2 and route[0] == "environments":
            return STATE
        return CONDITION if last == "not" else ()
    owner = route[-2] if len(route) > 1 else None
    return {
        "rules": RULE,
        "when": CONDITION,
        "any": CONDITION,
        "all": CONDITION,
        "steps": ("from", "after", "percent", "hold_until", "released"),
        "holds": ("from", "until", "reason"),
        "metrics": ("metric", "direction", "margin", "measurement", "prometheus"),
        "prerequisites": ("flag", "variants"),
    }.get(str(owner), ())


def place_of(kind: str | None, route: Route, keys: Sequence[str], key: str) -> int:
    """Return where a new key goes among the keys of a mapping: behind the last one that comes before it in the order."""
    order = key_order(kind, route)
    if key not in order:
        return len(keys)
    ranks = {name: rank for rank, name in enumerate(order)}
    mine, place = ranks[key], 0
    known = False
    for index, name in enumerate(keys):
        if name in ranks:
            known = True
            if ranks[name] < mine:
                place = index + 1
    return place if known else len(keys)


def wants_block(value: Any, route: Route) -> bool:
    """Return whether a new list or mapping is written in lines rather than in braces, however short it is."""
    if not value:
        return False
    last = route[-1] if route else None
    if not route or last in (_BLOCK_LISTS if isinstance(value, list) else _BLOCK_MAPPINGS):
        return True
    if len(route) == 2 and route[0] == "environments":
        return True
    if isinstance(last, int) and len(route) > 1 and route[-2] in {"rules", "cases"}:
        return True
    if isinstance(last, int) and isinstance(value, dict) and "not" in value:
        return True
    return any(wants_block(child, (*route, step)) for step, child in _children(value))


def _children(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []
