"""`flagctl diff`: what changed between two sides, by meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.review import RepositoryDiff


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOptions:
    """What to compare.

    Attributes:
        root: The flag repository's root.
        base: Side compared with; None is the merge base of HEAD and the default branch. ``A..B`` names both sides.
        head: Side that is proposed; None is the work tree.
        environments: Keep only changes that hold in one of these; empty keeps all.
    """

    root: Path
    base: str | None = None
    head: str | None = None
    environments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffResult:
    """A semantic difference with its two sides.

    Attributes:
        base: Label of the side compared with.
        head: Label of the side proposed.
        diff: The difference.
        incomplete: Files with errors, which are missing from the comparison: ``(side label, path)``.
    """

    base: str
    head: str
    diff: RepositoryDiff
    incomplete: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-diff.schema.json`)."""
        return {
            "format_version": "1.0",
            "base": self.base,
            "head": self.head,
            "incomplete": [{"side": side, "path": path} for side, path in self.incomplete],
            **self.diff.to_dict(),
        }


def diff(options: DiffOptions) -> DiffResult:
    """Compare two sides of a flag repository.

    Raises:
        UsageError: If a side does not exist or an environment is unknown.
        FindingsError: If a side's configuration cannot be read.
    """
    from flagctl.ops.sides import WORK_TREE, default_base, load_side
    from flagctl.review import diff_repositories
    from flagctl.vcs import GitRepository

    base, head = options.base, options.head
    if base is not None and head is None and ".." in base and not base.startswith("dir:"):
        symmetric = "..." in base
        left, _, right = base.partition("..." if symmetric else "..")
        head = right or "HEAD"
        base = GitRepository(options.root).merge_base(left or "HEAD", head) if symmetric else left or "HEAD"
    if base is None:
        base = default_base(GitRepository(options.root))
    before, after = load_side(base, options.root), load_side(head or WORK_TREE, options.root)
    result = diff_repositories(before.loaded, after.loaded)
    if options.environments:
        result = _only(result, options.environments, _environments(before.loaded) | _environments(after.loaded))
    incomplete = tuple(
        (side.label, path)
        for side in (before, after)
        for path in sorted({d.path for d in side.loaded.diagnostics if d.severity.value == "error"})
    )
    return DiffResult(base=before.label, head=after.label, diff=result, incomplete=incomplete)


def _environments(loaded: Any) -> set[str]:
    return set(loaded.repository.config.environments)


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
