"""Flags in words: conditions, shares, instants and values as reviews, tables and traces print them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flagctl.model import (
    UNSET,
    AllOf,
    AnyOf,
    AttributeCondition,
    FixedPercentage,
    LinearPercentage,
    Not,
    SegmentCondition,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.model import Breaker, Condition, Percentage, Rollout, Rule, Schedule, Strategy

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONG_LIST = 6

_SIGNS = {
    "equals": "=",
    "not_equals": "≠",
    "greater_than": ">",
    "greater_or_equal": "≥",
    "less_than": "<",
    "less_or_equal": "≤",
    "semver_equal": "= version",
    "semver_greater_than": "> version",
    "semver_greater_or_equal": "≥ version",
    "semver_less_than": "< version",
    "semver_less_or_equal": "≤ version",
}


def share(thousandths: int) -> str:
    """Return a share as people write it.

    >>> share(12_500), share(100_000)
    ('12.5 %', '100 %')
    """
    whole, rest = divmod(thousandths, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".") + " %" if rest else f"{whole} %"


def duration(milliseconds: int) -> str:
    """Return a duration as flag files have it.

    >>> duration(60_000), duration(90_000), duration(300_000)
    ('1m', '90s', '5m')
    """
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m")):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds // 1000}s"


def breaker(limits: Breaker | None) -> str:
    """Return the limits of a breaker on one line."""
    if limits is None:
        return "none"
    parts = [] if limits.error_rate is None else [f"errors > {share(limits.error_rate)}"]
    if limits.latency_p95_ms is not None:
        parts.append(f"p95 > {limits.latency_p95_ms} ms")
    window = f"of {limits.minimum} calls or more in {duration(limits.window_ms)}"
    return f"{' or '.join(parts)} {window}, again after {duration(limits.cool_down_ms)}"


def instant(milliseconds: int) -> str:
    """Return an instant in RFC 3339, in UTC, with as many digits as it needs."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds").replace("+00:00", "Z")


def value(data: Any) -> str:
    """Return a value on one line: text without quotes where that is not ambiguous, else JSON."""
    if isinstance(data, str) and data and data.strip() == data and data not in {"true", "false", "null"}:
        bare = all(character.isprintable() and character not in "\"'[]{}," for character in data)
        if bare and not data[0].isdigit():
            return data
    return json.dumps(data, ensure_ascii=False)


def values(data: Any) -> str:
    """Return a constant of a condition; a long list is cut with its length."""
    if not isinstance(data, (list, tuple)):
        return value(data)
    shown = ", ".join(value(item) for item in data[:_LONG_LIST])
    return f"[{shown}, … {len(data)} in all]" if len(data) > _LONG_LIST else f"[{shown}]"


def condition(item: Condition) -> str:
    """Return one condition in words."""
    match item:
        case AttributeCondition():
            return _attribute_condition(item)
        case SegmentCondition(segment=key):
            return f"in segment {key}"
        case Not(condition=SegmentCondition(segment=key)):
            return f"not in segment {key}"
        case Not(condition=inner):
            return f"not ({condition(inner)})"
        case AnyOf(conditions=parts):
            return "(" + " or ".join(condition(part) for part in parts) + ")"
        case AllOf(conditions=parts):
            return "(" + " and ".join(condition(part) for part in parts) + ")"


def conditions(items: Iterable[Condition]) -> str:
    """Return the conditions of a rule in words; no conditions are "everyone"."""
    return " and ".join(condition(item) for item in items) or "everyone"


def _attribute_condition(item: AttributeCondition) -> str:
    name = ".".join(item.attribute)
    if item.operator == "exists":
        return f"{name} exists"
    if item.operator == "not_exists":
        return f"{name} is missing"
    word = _SIGNS.get(item.operator) or item.operator.replace("_", " ")
    folded = " (any case)" if item.ignore_case else ""
    return f"{name} {word} {values(None if item.value is UNSET else item.value)}{folded}"


def percentage(item: Percentage | None) -> str:
    """Return a percentage in words; None is "everyone"."""
    match item:
        case None:
            return "everyone"
        case FixedPercentage(thousandths=amount):
            return share(amount)
        case LinearPercentage():
            return f"{share(item.start)} → {share(item.end)} from {instant(item.from_ms)} to {instant(item.to_ms)}"
        case _:
            return ", ".join(f"{share(step.thousandths)} from {instant(step.from_ms)}" for step in item.steps)


def rollout(item: Rollout) -> str:
    """Return a rollout in words: shares in order, or pinned ranges."""
    if item.is_pinned:
        parts = [
            f"{arm.variant} " + ", ".join(f"[{start}, {end})" for start, end in arm.ranges or ()) for arm in item.arms
        ]
    else:
        parts = [f"{arm.variant} {share(arm.weight or 0)}" for arm in item.arms]
    return " / ".join(parts)


def outcome(rule: Rule) -> str:
    """Return what a rule gives, in words."""
    if rule.rollout is not None:
        return f"split {rollout(rule.rollout)}"
    if rule.experiment is not None:
        return f"experiment {rule.experiment}"
    given = value(rule.value) if rule.serve is None else rule.serve
    return f"serve {given}" + ("" if rule.percentage is None else f" to {percentage(rule.percentage)}")


def schedule(item: Schedule | None) -> str:
    """Return a window of time in words; None is "always"."""
    if item is None:
        return "always"
    start = f"from {instant(item.from_ms)}" if item.from_ms is not None else ""
    end = f"until {instant(item.until_ms)}" if item.until_ms is not None else ""
    return " ".join(part for part in (start, end) if part) or "always"


def strategy(item: Strategy) -> str:
    """Return a plan in words: its steps with what they wait for, and whether it is held or aborted."""
    parts = []
    for position, (step, dated) in enumerate(zip(item.steps, item.calendar(), strict=True)):
        group = "a group" if position == 0 and item.group is not None else share(step.thousandths)
        waits = dated.waits_for is not None and (step.hold is not None or position == 0)
        parts.append(group + (f" (waits for {dated.waits_for})" if waits else ""))
    state = ", aborted" if item.aborted_ms is not None else ", held" if _held(item) else ""
    return f"{item.kind.value} {' → '.join(parts)}{state}"


def strategy_change(one: Strategy, other: Strategy) -> str | None:
    """Return what became of a plan, in words; None if nothing did."""
    shares = [[(step.thousandths, step.hold) for step in plan.steps] for plan in (one, other)]
    if one.kind is not other.kind or shares[0] != shares[1]:
        return f"{strategy(one)} → {strategy(other)}"
    parts = []
    if other.aborted_ms is not None and one.aborted_ms is None:
        parts.append("aborted" + (f" ({other.reason})" if other.reason else ""))
    if _held(one) != _held(other):
        reason = other.pauses[-1].reason if _held(other) else None
        parts.append(("held" if _held(other) else "resumed") + (f" ({reason})" if reason else ""))
    before, after = one.calendar(), other.calendar()
    begun = [new for old, new in zip(before, after, strict=True) if old.begins_ms is None and new.begins_ms is not None]
    if begun and not _held(one):
        let_go = begun[0]
        name = "the canary" if let_go.position == 0 and other.group else share(let_go.thousandths)
        parts.append(f"{name} from {instant(let_go.begins_ms or 0)} on")
    if not parts and before != after:
        parts.append("another calendar")
    return f"{other.kind.value} rollout: {', '.join(parts)}" if parts else None


def _held(item: Strategy) -> bool:
    return any(pause.until_ms is None for pause in item.pauses)
