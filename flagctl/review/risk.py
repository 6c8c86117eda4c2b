"""How risky a change is, in one word with its reasons: what a reviewer should look at first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from flagctl.review.changes import Category

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.review.changes import RepositoryDiff
    from flagctl.review.impact import GroupImpact

_SOME_UNITS = 0.05
_MANY_UNITS = 0.25


class Risk(Enum):
    """From nothing to look at to look twice."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Position in the order."""
        return list(Risk).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedFlag:
    """One flag's risk and why."""

    key: str
    risk: Risk
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the rating as the JSON output has it."""
        return {"key": self.key, "risk": self.risk.value, "reasons": list(self.reasons)}


def rate(diff: RepositoryDiff, impacts: Mapping[str, tuple[GroupImpact, ...] | None]) -> tuple[RatedFlag, ...]:
    """Rate every flag that a difference changes or reaches, gravest first.

    Gone keys, types and variants, moved buckets, and a quarter of the units of some group changing are high; answers that
    change at all are medium, or low below 5 % of every group; the rest is low.

    Args:
        diff: The difference.
        impacts: Exact impact of flags in the environment that is looked at; None where arithmetic can't tell.
    """
    reasons: dict[str, list[tuple[Risk, str]]] = {}
    for change in diff.changes:
        if change.kind == "flag":
            reasons.setdefault(change.key, []).append(_rate_category(change.category, change.message))
    for key, causes in diff.reached.items():
        reasons.setdefault(key, []).append((Risk.MEDIUM, f"depends on {', '.join(causes)}"))
    rated = []
    for key, found in reasons.items():
        groups = impacts.get(key)
        if groups is not None:
            found = _with_impact(found, groups)  # noqa: PLW2901  the rating is refined
        worst = max((risk for risk, _ in found), key=lambda risk: risk.rank)
        texts = tuple(dict.fromkeys(text for risk, text in found if risk is worst))
        rated.append(RatedFlag(key=key, risk=worst, reasons=texts))
    return tuple(sorted(rated, key=lambda flag: (-flag.risk.rank, flag.key)))


def worst(flags: Iterable[RatedFlag]) -> Risk:
    """Return the gravest risk of all, or none."""
    return max((flag.risk for flag in flags), key=lambda risk: risk.rank, default=Risk.NONE)


def _rate_category(category: Category, message: str) -> tuple[Risk, str]:
    if category is Category.CODE:
        return Risk.HIGH, f"calling code may break: {message}"
    if category is Category.RESHUFFLE:
        return Risk.HIGH, f"buckets move: {message}"
    if category is Category.SUBJECT:
        return Risk.MEDIUM, message
    return Risk.LOW, message


def _with_impact(found: list[tuple[Risk, str]], groups: tuple[GroupImpact, ...]) -> list[tuple[Risk, str]]:
    most = max((group.switching for group in groups), default=0.0)
    measured = f"{round(most * 100, 3):g} % of the units that it concerns change"
    if most >= _MANY_UNITS:
        return [*found, (Risk.HIGH, measured)]
    if most < _SOME_UNITS:
        return [(Risk.LOW, text) if risk is Risk.MEDIUM else (risk, text) for risk, text in found]
    return found
