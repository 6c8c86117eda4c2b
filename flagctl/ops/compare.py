"""`flagctl compare`: what differs between two environments, in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.model import Flag, Repository
    from flagctl.review.changes import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What to compare.

    Attributes:
        root: The flag repository's root.
        one: An environment.
        other: Another one; differences are told from `one` to `other`.
        keys: Only these flags; empty is all.
        revision: As it was at this git revision; None is the work tree.
    """

    root: Path
    one: str
    other: str
    keys: tuple[str, ...] = ()
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult:
    """Differences of two environments.

    Attributes:
        one: The environment that is compared with.
        other: The environment whose differences are told.
        flags: Flags that differ, with their differences: `before` is in `one`, `after` in `other`.
        total: Number of flags that were looked at.
    """

    one: str
    other: str
    flags: tuple[tuple[str, tuple[Change, ...]], ...]
    total: int

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-compare.schema.json`)."""
        return {
            "format_version": "1.0",
            "from": self.one,
            "to": self.other,
            "flags": [
                {"key": key, "differences": [_difference(change) for change in changes]} for key, changes in self.flags
            ],
            "summary": {"differ": len(self.flags), "total": self.total},
        }


def compare(options: CompareOptions) -> CompareResult:
    """Compare two environments of one repository.

    Raises:
        UsageError: If an environment does not exist, or both are the same.
        NothingMatchedError: If there is no such flag.
    """
    from flagctl.ops.loading import check_environment, find_flag, load, readable
    from flagctl.review.side import Side

    loaded = load(options.root, revision=options.revision)
    repository = readable(loaded)
    for name in (options.one, options.other):
        check_environment(repository, name)
    if options.one == options.other:
        raise UsageError("these are the same environment", hint="name two different ones")
    keys = options.keys or tuple(repository.flags)
    side = Side(loaded)
    found = []
    for key in keys:
        changes = environment_changes(find_flag(repository, key), options.one, options.other, side)
        if changes:
            found.append((key, changes))
    return CompareResult(one=options.one, other=options.other, flags=tuple(found), total=len(keys))


def environment_changes(flag: Flag, one: str, other: str, side: Any) -> tuple[Change, ...]:
    """Return what a flag does differently in the environment `other` than in `one`."""
    from flagctl.review.states import diff_states

    seen = flag.environments.get(other)
    # The flag as it would be if `one` said what `other` says; places stay those of `other`.
    swapped = {name: part for name, part in flag.environments.items() if name != one}
    if seen is not None:
        swapped[one] = seen
    return tuple(diff_states(flag, replace(flag, environments=swapped), one, side, side))


def served(repository: Repository, key: str, environment: str) -> frozenset[str | None]:
    """Return the variants that a flag can serve in an environment; None is the caller's default.

    By what is written, not by whether conditions can hold.
    """
    from flagctl.model import UNSET, Rollout

    flag = repository.flags[key]
    state = flag.in_environment(environment)
    found: set[str | None] = set()
    if not state.enabled or state.schedule is not None or state.prerequisites:
        found.add(state.off)
    if not state.enabled:
        return frozenset(found)
    found |= {target.variant for target in state.targets}
    for rule in state.rules:
        if rule.serve is not None:
            found.add(rule.serve)
        elif rule.value is not UNSET:
            found.add(rule.id)
        elif rule.rollout is not None:
            found |= {variant for _, _, variant in rule.rollout.ranges()}
        elif rule.experiment is not None and rule.experiment in repository.experiments:
            found |= {arm.variant for arm in repository.experiments[rule.experiment].variants.arms}
    default = state.default
    found |= {variant for _, _, variant in default.ranges()} if isinstance(default, Rollout) else {default}
    return frozenset(found)


def _difference(change: Change) -> dict[str, Any]:
    data = change.to_dict()
    return {name: data[name] for name in ("code", "category", "message", "rule", "before", "after")}
