"""`flagctl diff`: what changed between two sides, by meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flagctl.model import Repository
    from flagctl.ops.measure import Measured, PopulationOptions
    from flagctl.ops.sides import Side
    from flagctl.review import RepositoryDiff
    from flagctl.review.impact import GroupImpact
    from flagctl.source import LoadedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOptions:
    """What to compare.

    Attributes:
        root: The flag repository's root.
        base: Side compared with; None is the merge base of HEAD and the default branch. ``A..B`` names both sides,
            ``bundle:FILE`` a compiled bundle, ``remote:ENV`` what is live.
        head: Side that is proposed; None is the work tree.
        environments: Keep only changes that hold in one of these; empty keeps all.
        now_ms: Instant at which ramps and schedules are looked at for the exact impact.
        population: Contexts to evaluate both sides for.
    """

    root: Path
    now_ms: int
    base: str | None = None
    head: str | None = None
    environments: tuple[str, ...] = ()
    population: PopulationOptions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffResult:
    """A semantic difference with its two sides.

    Attributes:
        base: Label of the side compared with.
        head: Label of the side proposed.
        diff: The difference.
        impacts: For every flag that is on both sides and may answer differently, the exact impact in each environment that
            the change concerns; None where arithmetic can't tell.
        environments: All environments of the proposed side.
        incomplete: Files with errors, which are missing from the comparison: ``(side label, path)``.
        edges: Who looks at whom directly, among what changed and what it reaches: ``("segment beta", "flag ui")``.
        measured: What changes for a population, if there is one.
    """

    base: str
    head: str
    environments: tuple[str, ...]
    diff: RepositoryDiff
    impacts: Mapping[str, Mapping[str, tuple[GroupImpact, ...] | None]]
    incomplete: tuple[tuple[str, str], ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    measured: Measured | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-diff.schema.json`)."""
        return {
            "format_version": "1.0",
            "base": self.base,
            "head": self.head,
            "environments": list(self.environments),
            "incomplete": [{"side": side, "path": path} for side, path in self.incomplete],
            "impacts": {
                key: {
                    environment: None if groups is None else [group.to_dict() for group in groups]
                    for environment, groups in by_environment.items()
                }
                for key, by_environment in self.impacts.items()
            },
            **self.diff.to_dict(),
            **({} if self.measured is None else {"measured": self.measured.to_dict()}),
        }


def diff(options: DiffOptions) -> DiffResult:
    """Compare two sides of a flag repository.

    Raises:
        UsageError: If a side does not exist or an environment is unknown.
        FindingsError: If a side's configuration cannot be read.
        RemoteError: If a side is at a remote that cannot be reached.
        UntrustedError: If a bundle is not to be trusted.
    """
    from flagctl.ops.diff_bundles import diff_bundles, names_bundle

    if names_bundle(options.base, options.head):
        return diff_bundles(options)
    before, after = named_sides(options.base, options.head, options.root, complete=options.population is not None)
    return diff_loaded(before, after, options)


def diff_loaded(before: Side, after: Side, options: DiffOptions) -> DiffResult:
    """Compare two sides that are loaded already.

    Args:
        before: The side compared with.
        after: The side proposed.
        options: What to look at; its `base` and `head` are not.

    Raises:
        UsageError: If an environment is unknown.
        FindingsError: If a side's configuration cannot be read.
    """
    from flagctl.review import diff_repositories

    result = diff_repositories(before.loaded, after.loaded)
    if options.environments:
        result = _only(result, options.environments, _environments(before.loaded) | _environments(after.loaded))
    incomplete = tuple(
        (side.label, path)
        for side in (before, after)
        for path in sorted({d.path for d in side.loaded.diagnostics if d.severity.value == "error"})
    )
    return DiffResult(
        base=before.label,
        head=after.label,
        environments=tuple(after.loaded.repository.config.environments) if after.loaded.repository else (),
        diff=result,
        impacts=_impacts(result, before, after, options),
        incomplete=incomplete,
        edges=_edges(result, before, after),
        measured=_measured(result, before, after, options),
    )


def _measured(result: RepositoryDiff, before: Side, after: Side, options: DiffOptions) -> Measured | None:
    from flagctl.ops.measure import measure_change

    old, new = before.loaded.repository, after.loaded.repository
    if options.population is None or old is None or new is None:
        return None
    return measure_change(result, (old, new), options.population, options.environments, options.now_ms)


def named_sides(base: str | None, head: str | None, root: Path, *, complete: bool = False) -> tuple[Side, Side]:
    """Load the two sides that BASE and HEAD of a command name.

    Args:
        base: A side; None is the merge base of HEAD and the default branch. ``A..B`` and ``A...B`` name both sides.
        head: A side; None is the work tree.
        root: The flag repository's root.
        complete: Load everything, not only what the difference reaches.

    Raises:
        UsageError: If a side does not exist.
        FindingsError: If a side's configuration cannot be read.
    """
    from flagctl.ops.sides import WORK_TREE, default_base, load_sides
    from flagctl.vcs import GitRepository

    if base is not None and head is None and ".." in base and not base.startswith("dir:"):
        symmetric = "..." in base
        left, _, right = base.partition("..." if symmetric else "..")
        head = right or "HEAD"
        base = GitRepository(root).merge_base(left or "HEAD", head) if symmetric else left or "HEAD"
    if base is None:
        base = default_base(GitRepository(root))
    return load_sides(base, head or WORK_TREE, root, complete=complete)


def _edges(result: RepositoryDiff, before: Side, after: Side) -> tuple[tuple[str, str], ...]:
    from flagctl.review.reach import affected_edges

    if not result.reached:
        return ()
    return affected_edges(result, *(s.loaded.repository for s in (before, after) if s.loaded.repository is not None))


def _impacts(
    result: RepositoryDiff, before: Side, after: Side, options: DiffOptions
) -> dict[str, dict[str, tuple[GroupImpact, ...] | None]]:
    from flagctl.review.impact import exact_impact

    old, new = before.loaded.repository, after.loaded.repository
    if old is None or new is None:  # pragma: no cover  load_sides has refused it
        return {}
    concerned: dict[str, set[str]] = {}
    for change in result.changes:
        if change.kind == "flag" and change.category.changes_answers:
            concerned.setdefault(change.key, set()).update(change.environments)
    through_experiments = {c.key for c in result.changes if c.kind == "experiment" and c.category.changes_answers}
    for key, causes in result.reached.items():
        if any(cause.removeprefix("experiment ") in through_experiments for cause in causes):
            concerned.setdefault(key, set()).update(new.config.environments)
    wanted = set(options.environments or new.config.environments) & set(old.config.environments)
    elsewhere = _reached_elsewhere(result, (old, new), {key for key in concerned if key in result.reached})
    return {
        key: {
            environment: None
            if (key, environment) in elsewhere
            else exact_impact((old.flags[key], old), (new.flags[key], new), environment, options.now_ms)
            for environment in new.config.environments
            if environment in environments & wanted
        }
        for key, environments in sorted(concerned.items())
        if key in old.flags and key in new.flags
    }


def _reached_elsewhere(
    result: RepositoryDiff, sides: tuple[Repository, Repository], keys: set[str]
) -> set[tuple[str, str]]:
    """Return which of these flags a changed segment or prerequisite reaches, too, and where: they have no exact shares."""
    from flagctl.review.facts import in_environment

    if not keys:
        return set()
    found = set()
    for environment in sides[1].config.environments:
        reached = in_environment(result, environment, *sides).reached
        found |= {
            (key, environment)
            for key in keys
            if any(not cause.startswith("experiment ") for cause in reached.get(key, ()))
        }
    return found


def _environments(loaded: LoadedRepository) -> set[str]:
    return set(loaded.repository.config.environments) if loaded.repository else set()


def _only(result: RepositoryDiff, environments: tuple[str, ...], known: set[str]) -> RepositoryDiff:
    from dataclasses import replace

    from flagctl.diagnostics import did_you_mean

    for name in environments:
        if name not in known:
            close = did_you_mean(name, known)
            raise UsageError(
                f"there is no environment '{name}'",
                hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(sorted(known))}",
            )
    wanted = set(environments)
    kept = tuple(c for c in result.changes if not c.environments or wanted & set(c.environments))
    return replace(result, changes=kept)
