"""Which rules and variants tests reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.model import UNSET, ExperimentStatus

if TYPE_CHECKING:
    from collections.abc import Container

    from flagctl.evaluator import EvaluationDetails
    from flagctl.model import Flag, Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagCoverage:
    """What the tests of one flag reach; a rule counts once, whatever the number of environments it stands in."""

    key: str
    path: str
    rules: tuple[str, ...]
    missed_rules: tuple[str, ...]
    variants: tuple[str, ...]
    missed_variants: tuple[str, ...]

    @property
    def total(self) -> int:
        """Rules and variants there are."""
        return len(self.rules) + len(self.variants)

    @property
    def reached(self) -> int:
        """Rules and variants that were reached."""
        return self.total - len(self.missed_rules) - len(self.missed_variants)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "key": self.key,
            "path": self.path,
            "rules": list(self.rules),
            "missed_rules": list(self.missed_rules),
            "variants": list(self.variants),
            "missed_variants": list(self.missed_variants),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Coverage of all flags, by key."""

    flags: tuple[FlagCoverage, ...]

    @property
    def total(self) -> int:
        """Rules and variants there are."""
        return sum(flag.total for flag in self.flags)

    @property
    def reached(self) -> int:
        """Rules and variants that were reached."""
        return sum(flag.reached for flag in self.flags)

    @property
    def percent(self) -> float:
        """Share that was reached, 0 to 100; 100 if there is nothing to reach."""
        return 100.0 * self.reached / self.total if self.total else 100.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "percent": round(self.percent, 2),
            "reached": self.reached,
            "total": self.total,
            "flags": [flag.to_dict() for flag in self.flags],
        }


class Tally:
    """Counts what evaluations reached."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._rules: dict[str, set[str]] = {}
        self._variants: dict[str, set[str]] = {}

    def note(self, key: str, details: EvaluationDetails) -> None:
        """Note one answer."""
        if details.rule is not None:
            self._rules.setdefault(key, set()).add(details.rule)
        if details.variant is not None:
            self._variants.setdefault(key, set()).add(details.variant)

    def coverage(self, keys: Container[str] | None = None) -> Coverage:
        """Return what was reached so far, of all flags or only these."""
        flags = [flag for key, flag in self._repository.flags.items() if keys is None or key in keys]
        return Coverage(flags=tuple(self._flag(flag) for flag in flags))

    def _flag(self, flag: Flag) -> FlagCoverage:
        rules, variants = self._reachable(flag)
        seen_rules, seen_variants = self._rules.get(flag.key, set()), self._variants.get(flag.key, set())
        return FlagCoverage(
            key=flag.key,
            path=flag.path,
            rules=rules,
            missed_rules=tuple(rule for rule in rules if rule not in seen_rules),
            variants=variants,
            missed_variants=tuple(variant for variant in variants if variant not in seen_variants),
        )

    def _reachable(self, flag: Flag) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the rules and variants of a flag in any environment; rules of draft experiments never decide."""
        rules: dict[str, None] = {}
        variants = {variant.name: None for variant in flag.variants}
        for environment in self._repository.config.environments:
            for rule in flag.in_environment(environment).rules:
                experiment = self._repository.experiments.get(rule.experiment or "")
                if experiment is not None and experiment.status is ExperimentStatus.DRAFT:
                    continue
                rules[rule.id] = None
                if rule.value is not UNSET:
                    variants[rule.id] = None
        return tuple(rules), tuple(variants)
