"""`flagctl list` and `flagctl show`: look around in a flag repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError
from flagctl.ops.loading import check_environment, errors_of, find_flag, load, readable

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.model import EnvironmentOverride, Flag, FlagState, Repository, Rollout
    from flagctl.source import LoadedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """Which flags; every given part must fit.

    Attributes:
        root: The flag repository's root.
        tags: Flags with all of these tags.
        owners: Flags of any of these owners.
        types: Flags of any of these types.
        environment: What the flags are in this environment; None shows all.
        text: Flags with this text in key, name or description, whatever the case.
    """

    root: Path
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    environment: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSummary:
    """A flag in one environment, in a few words.

    Attributes:
        environment: Its name.
        enabled: Whether it is on at all.
        default: Variant served when no rule matches, or ``50% a, 50% b``; None is the caller's default.
        rules: Number of rules.
        targets: Number of single units.
        prerequisites: Keys of flags it needs.
    """

    environment: str
    enabled: bool
    default: str | None
    rules: int
    targets: int
    prerequisites: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "environment": self.environment,
            "enabled": self.enabled,
            "default": self.default,
            "rules": self.rules,
            "targets": self.targets,
            "prerequisites": list(self.prerequisites),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSummary:
    """A flag in a list."""

    flag: Flag
    environments: tuple[EnvironmentSummary, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        lifecycle = self.flag.lifecycle
        return {
            "key": self.flag.key,
            "path": self.flag.path,
            "type": self.flag.type.value,
            "name": self.flag.name,
            "description": self.flag.description,
            "owner": self.flag.owner,
            "tags": list(self.flag.tags),
            "temporary": bool(lifecycle and lifecycle.temporary),
            "expires": lifecycle.expires if lifecycle else None,
            "variants": [{"name": variant.name, "value": variant.value} for variant in self.flag.variants],
            "environments": [summary.to_dict() for summary in self.environments],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResult:
    """Flags that fit, by key.

    Attributes:
        flags: The flags.
        total: How many there are in all.
        incomplete: Files that have errors and may be missing here.
    """

    flags: tuple[FlagSummary, ...]
    total: int
    incomplete: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-list.schema.json`)."""
        return {
            "flags": [flag.to_dict() for flag in self.flags],
            "total": self.total,
            "incomplete": list(self.incomplete),
        }


def list_flags(options: ListOptions) -> ListResult:
    """Return the flags that fit.

    Raises:
        NothingMatchedError: If flags were asked for by a filter and none fits.
        UsageError: If the environment does not exist.
    """
    loaded = load(options.root)
    repository = readable(loaded)
    environments = tuple(repository.config.environments)
    if options.environment is not None:
        environments = (check_environment(repository, options.environment),)
    fitting = [flag for flag in repository.flags.values() if _fits(flag, options)]
    if not fitting and (options.tags or options.owners or options.types or options.text):
        raise NothingMatchedError(
            "no flag fits", hint=f"the repository has {len(repository.flags)} flags; leave a filter out"
        )
    return ListResult(
        flags=tuple(summarize(flag, environments) for flag in fitting),
        total=len(repository.flags),
        incomplete=_broken_files(loaded),
    )


def summarize(flag: Flag, environments: tuple[str, ...]) -> FlagSummary:
    """Return what a list says about a flag."""
    return FlagSummary(
        flag=flag, environments=tuple(_summary(name, flag.in_environment(name)) for name in environments)
    )


def _summary(name: str, state: FlagState) -> EnvironmentSummary:
    return EnvironmentSummary(
        environment=name,
        enabled=state.enabled,
        default=describe_default(state.default),
        rules=len(state.rules),
        targets=sum(len(target.units) for target in state.targets),
        prerequisites=tuple(prerequisite.flag for prerequisite in state.prerequisites),
    )


def describe_default(default: str | Rollout | None) -> str | None:
    """Return a default in a few words: a variant's name, or the shares of a rollout."""
    if default is None or isinstance(default, str):
        return default
    shares: dict[str, int] = {}
    for start, end, variant in default.ranges():
        shares[variant] = shares.get(variant, 0) + end - start
    return ", ".join(f"{percent(share)} {variant}" for variant, share in shares.items())


def percent(thousandths: int) -> str:
    """Return a share as people write it: ``12500`` is ``12.5%``."""
    return f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".") + "%"


def _fits(flag: Flag, options: ListOptions) -> bool:
    if options.tags and not set(options.tags) <= set(flag.tags):
        return False
    if options.owners and flag.owner not in options.owners:
        return False
    if options.types and flag.type.value not in options.types:
        return False
    if options.text:
        wanted = options.text.casefold()
        return any(wanted in text.casefold() for text in (flag.key, flag.name, flag.description) if text)
    return True


def _broken_files(loaded: LoadedRepository) -> tuple[str, ...]:
    return tuple(sorted({diagnostic.path for diagnostic in errors_of(loaded.diagnostics)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowResult:
    """Everything about a flag.

    Attributes:
        summary: As in the list.
        states: What it is in each environment.
        text: The file.
        used_by: Flags that need it, as prerequisites.
        segments: Segments its rules use.
        experiments: Experiments that name it.
        tests: Files with tests of it.
    """

    summary: FlagSummary
    states: tuple[tuple[str, FlagState], ...]
    text: str
    used_by: tuple[str, ...]
    segments: tuple[str, ...]
    experiments: tuple[str, ...]
    tests: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-show.schema.json`)."""
        return {
            "flag": self.summary.to_dict(),
            "used_by": list(self.used_by),
            "segments": list(self.segments),
            "experiments": list(self.experiments),
            "tests": list(self.tests),
            "text": self.text,
        }


def show_flag(root: Path, key: str) -> ShowResult:
    """Return everything about the flag `key`.

    Raises:
        NothingMatchedError: If there is no such flag.
    """
    return describe_flag(load(root), key)


def describe_flag(loaded: LoadedRepository, key: str) -> ShowResult:
    """As `show_flag`, of a repository that was read already."""
    repository = readable(loaded)
    flag = find_flag(repository, key)
    environments = tuple(repository.config.environments)
    states = tuple((name, flag.in_environment(name)) for name in environments)
    return ShowResult(
        summary=summarize(flag, environments),
        states=states,
        text=loaded.documents[flag.path].text,
        used_by=_used_by(repository, key, environments),
        segments=_segments([state for _, state in states]),
        experiments=tuple(name for name, experiment in repository.experiments.items() if experiment.flag == key),
        tests=tuple(sorted({suite.path for suite in loaded.tests if any(case.flag == key for case in suite.cases)})),
    )


def _used_by(repository: Repository, key: str, environments: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    for other in repository.flags.values():
        parts: tuple[Flag | EnvironmentOverride, ...] = (other, *other.environments.values())
        # Most flags name it nowhere, and putting an environment's state together takes time.
        if any(one.flag == key for part in parts for one in part.prerequisites) and any(
            one.flag == key for name in environments for one in other.in_environment(name).prerequisites
        ):
            found.append(other.key)
    return tuple(found)


def _segments(states: list[FlagState]) -> tuple[str, ...]:
    from flagctl.model import SegmentCondition, walk_conditions

    found = {
        condition.segment
        for state in states
        for rule in state.rules
        for condition in walk_conditions(rule.when)
        if isinstance(condition, SegmentCondition)
    }
    return tuple(sorted(found))
