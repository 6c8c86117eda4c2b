"""What every rule gets to see: the repository, its texts, the instant, and indexes over them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from flagctl.lint.sites import ConditionIndex, RolloutSite, RuleSite, StateSite, rollout_sites, rule_sites, state_sites
from flagctl.lint.suppressions import Suppressions
from flagctl.lint.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagctl.model import Flag, Repository
    from flagctl.model.test_suite import TestSuite
    from flagctl.source import SourceDocument

DAY_MS: Final = 86_400_000
"""Milliseconds of a day."""


class LintContext:
    """The subject of a lint run.

    Args:
        repository: The flags.
        documents: Texts by path.
        tests: Test suites of the repository.
        now_ms: Current instant, milliseconds since the epoch.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        documents: Mapping[str, SourceDocument],
        tests: Sequence[TestSuite],
        now_ms: int,
    ) -> None:
        self.repository = repository
        self.documents = documents
        self.tests = tests
        self.now_ms = now_ms

    @cached_property
    def conditions(self) -> ConditionIndex:
        """Every condition that is written."""
        return ConditionIndex(self.repository)

    @cached_property
    def rules(self) -> Sequence[RuleSite]:
        """Every rule that is written."""
        return tuple(rule_sites(self.repository))

    @cached_property
    def rollouts(self) -> Sequence[RolloutSite]:
        """Every rollout that is written; the splits of experiments are not among them."""
        return tuple(rollout_sites(self.repository))

    @cached_property
    def states(self) -> Sequence[StateSite]:
        """Every distinct state a flag is in."""
        return tuple(state_sites(self.repository))

    @cached_property
    def suppressions(self) -> Suppressions:
        """Comments that switch rules off in places."""
        return Suppressions(self.documents)

    @cached_property
    def environments(self) -> Sequence[str]:
        """Names of the environments, as configured."""
        return tuple(self.repository.config.environments)

    def knows(self, kind: str, key: str) -> bool:
        """Return whether a document exists, be it one that could not be read.

        Args:
            kind: ``flag``, ``segment``, ``experiment`` or ``layer``.
            key: Its key.
        """
        repository = self.repository
        known: Mapping[str, object] = {
            "flag": repository.flags,
            "segment": repository.segments,
            "experiment": repository.experiments,
            "layer": repository.layers,
        }[kind]
        return key in known or (kind, key) in repository.broken

    def is_broken(self, kind: str, key: str) -> bool:
        """Return whether a document is here only in part, because something in it could not be read."""
        return (kind, key) in self.repository.broken

    def where(self, environments: Sequence[str]) -> str:
        """Return " in environment 'x'" for a sentence; empty when it is all of them."""
        if not environments or len(environments) == len(self.environments):
            return ""
        names = listed(f"'{name}'" for name in environments)
        return f" in environment {names}" if len(environments) == 1 else f" in environments {names}"


def variant_names(flag: Flag) -> frozenset[str]:
    """Return the names of a flag's declared variants; no environment can change them."""
    return frozenset([variant.name for variant in flag.variants])
