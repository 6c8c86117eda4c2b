"""What the rules of a policy look at: one change in one environment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from flagctl.model import FULL
from flagctl.review.changes import Category
from flagctl.review.impact import exact_impact
from flagctl.review.reach import reached_flags
from flagctl.review.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.model import EnvironmentPolicy, FreezeWindow, Owner, Repository
    from flagctl.review.approvals import Approvals, Person
    from flagctl.review.changes import Change, Place, RepositoryDiff
    from flagctl.review.impact import GroupImpact


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One change in one environment, with everything that rules ask about it.

    Attributes:
        environment: Name of the environment.
        policy: Its rules.
        freeze: Windows that apply to it.
        diff: The difference, as far as it concerns the environment.
        impacts: Exact impact of each flag on both sides whose answers may change; None where arithmetic can't tell.
        before: What is in force, or live.
        after: What is proposed.
        owners: Who stands behind names of owners.
        owned: Repositories that say who owns a document; the first one that has an owner for it decides.
        approvals: Who agreed; None if nobody was asked.
        publisher: Who publishes, if that is known.
        tested: Keys of flags with a test case that runs in the environment.
        measured: Share of a population's contexts whose answer changes, by flag, where that was measured.
        now_ms: Instant of the change, milliseconds since the epoch.
    """

    environment: str
    policy: EnvironmentPolicy
    freeze: tuple[FreezeWindow, ...] = ()
    diff: RepositoryDiff
    impacts: Mapping[str, tuple[GroupImpact, ...] | None]
    before: Repository
    after: Repository
    now_ms: int
    owners: Mapping[str, Owner] = field(default_factory=dict)
    owned: tuple[Repository, ...] = ()
    approvals: Approvals | None = None
    publisher: Person | None = None
    tested: frozenset[str] = frozenset()
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def answering(self) -> tuple[str, ...]:
        """Flags that are live and whose answers may change, sorted; those that depend on a change are among them."""
        changed = {c.key for c in self.diff.changes if c.kind == "flag" and c.category.changes_answers}
        return tuple(sorted((changed | set(self.diff.reached)) & set(self.before.flags)))

    def place_of(self, key: str, *codes: str) -> Place | None:
        """Return where the first change of a document stands, if possible one with one of the codes."""
        of_key = [c for c in self.diff.changes if c.key == key]
        fitting = [c for c in of_key if c.code in codes] or of_key
        return next((c.after or c.before for c in fitting), None)

    def verdict(
        self, code: str, rule: str, measured: str, limit: str, message: str, **more: str | Place | None
    ) -> Verdict:
        """Return a verdict in this environment; one with `help` refuses."""
        return Verdict(
            code=code,
            rule=rule,
            environment=self.environment,
            passed="help" not in more,
            message=message,
            measured=measured,
            limit=limit,
            **more,  # type: ignore[arg-type]
        )


def percent(fraction: float) -> str:
    """Return a share as people read it, rounded up so that a refused figure never looks like its limit.

    >>> percent(0.1), percent(0.250004)
    ('10 %', '25.001 %')
    """
    thousandths = fraction * FULL
    rounded = round(thousandths)
    shown = rounded if abs(thousandths - rounded) < 1e-6 else int(thousandths) + 1
    return f"{shown / 1000:.3f}".rstrip("0").rstrip(".") + " %"


def in_environment(diff: RepositoryDiff, environment: str, before: Repository, after: Repository) -> RepositoryDiff:
    """Return the part of a difference that concerns one environment; what names none concerns all."""
    kept = tuple(c for c in diff.changes if not c.environments or environment in c.environments)
    kept = tuple(c for c in kept if c.kind != "config" or c.code not in _OF_ONE or c.key == environment)
    return replace(diff, changes=kept, reached=reached_flags(kept, before, after))


_OF_ONE = frozenset({"environment-added", "environment-removed", "environment-changed"})


def impacts_of(
    diff: RepositoryDiff, before: Repository, after: Repository, environment: str, now_ms: int
) -> dict[str, tuple[GroupImpact, ...] | None]:
    """Return the exact impact of every flag on both sides that may answer differently in one environment.

    A flag that is reached through a segment or a prerequisite has None: who meets its conditions changes, and arithmetic
    over buckets can't tell how many that are. Experiments are part of the arithmetic.
    """
    changed = {c.key for c in diff.changes if c.kind == "flag" and c.category.changes_answers}
    result: dict[str, tuple[GroupImpact, ...] | None] = {}
    for key in sorted(changed | set(diff.reached)):
        if key in before.flags and key in after.flags:
            elsewhere = any(not cause.startswith("experiment ") for cause in diff.reached.get(key, ()))
            result[key] = (
                None
                if elsewhere
                else exact_impact((before.flags[key], before), (after.flags[key], after), environment, now_ms)
            )
    return result


def is_documentation(change: Change) -> bool:
    """Whether a change touches nothing but names and descriptions."""
    return change.category is Category.DOCS
