"""One environment of a flag repository to a bundle.

The same flags give the same bytes: nothing here looks at the order of mappings or files, at the clock, or at the
machine. The flags must be free of errors, which `flagctl.lint` finds with their places; what slips through and would
make the bundle wrong is refused here with the first place found.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.compiler.conditions import condition_documents
from flagctl.compiler.flags import flag_document
from flagctl.compiler.scope import Place, Scope
from flagctl.diagnostics import did_you_mean
from flagctl.errors import FindingsError, UsageError
from flagctl.garbage import without_garbage_collection
from flagctl.model import SegmentCondition, walk_conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flagctl.model import Repository, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBundle:
    """A bundle and what it is.

    Attributes:
        data: The bundle, uncompressed.
        sha256: Its id: hexadecimal SHA-256 of `data`.
        project: Project of the flags.
        environment: Environment they were compiled for.
        flag_count: Number of flags.
        capabilities: What a reader must know, sorted.
    """

    data: bytes
    sha256: str
    project: str
    environment: str
    flag_count: int
    capabilities: tuple[str, ...]


def compile_environment(repository: Repository, environment: str) -> CompiledBundle:
    """Compile all flags of a repository for one environment.

    Raises:
        UsageError: If the repository has no such environment.
        FindingsError: If something in the flags keeps the bundle from being right; it names the document and the place.
    """
    known = repository.config.environments
    if environment not in known:
        close = did_you_mean(environment, known)
        raise UsageError(
            f"there is no environment '{environment}' in {repository.config.path}",
            hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(known) or 'none'}",
        )
    if repository.broken:
        kind, key = min(repository.broken)
        raise FindingsError(
            f"{kind} '{key}' could not be read", hint="flagctl validate shows every problem and its place"
        )
    with without_garbage_collection():
        return _compile(repository, environment)


def _compile(repository: Repository, environment: str) -> CompiledBundle:
    scope = Scope(
        repository=repository,
        environment=environment,
        states={key: flag.in_environment(environment) for key, flag in repository.flags.items()},
    )
    flags = {key: flag_document(repository.flags[key], scope) for key in sorted(repository.flags)}
    segments = _segments(scope)
    _refuse_cycles(scope)
    data = _write(scope, flags, segments)
    return CompiledBundle(
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        project=repository.config.project,
        environment=environment,
        flag_count=len(flags),
        capabilities=tuple(sorted(scope.capabilities)),
    )


def _write(scope: Scope, flags: dict[str, Any], segments: dict[str, Any]) -> bytes:
    contents = BundleContents(
        project=scope.repository.config.project,
        environment=scope.environment,
        capabilities=frozenset(scope.capabilities),
        flags=flags,
        experiments={key: {"flag": flag} for key, flag in scope.experiments.items()},
        patterns=scope.patterns,
        segments=segments,
        private=[path for path, attribute in scope.repository.config.context.attributes.items() if attribute.pii],
    )
    try:
        return write_bundle(contents)
    except (ValueError, TypeError) as error:
        raise FindingsError(str(error), hint="flagctl validate shows every problem and its place") from error


def _segments(scope: Scope) -> dict[str, Any]:
    """Return the segments that something uses; those may bring further ones in."""
    result: dict[str, Any] = {}
    while waiting := [key for key in scope.segments if key not in result]:
        for key in waiting:
            result[key] = _segment(scope.repository.segments[key], scope)
    return result


def _segment(segment: Segment, scope: Scope) -> dict[str, Any]:
    place = Place("segment", segment.key, segment.path)
    document: dict[str, Any] = {}
    for name, units in (("include", segment.include), ("exclude", segment.exclude)):
        if len(set(units)) < len(units):
            place.refuse((name,), "a unit is listed twice")
        if units:
            document[name] = list(units)
    if segment.members is not None:
        document["list"] = segment.members
        scope.capabilities.add("lists")
    if segment.when is not None:
        if not segment.when:
            place.refuse(("when",), "the list of conditions is empty")
        document["when"] = condition_documents(segment.when, place, scope)
    if not document.keys() - {"exclude"}:
        place.refuse((), "a segment needs include, members or when")
    return document


def _refuse_cycles(scope: Scope) -> None:
    flags, segments = scope.repository.flags, scope.repository.segments

    def needed_flags(key: str) -> Iterable[str]:
        return (prerequisite.flag for prerequisite in scope.states[key].prerequisites)

    def needed_segments(key: str) -> Iterable[str]:
        conditions = walk_conditions(segments[key].when or ())
        return (condition.segment for condition in conditions if isinstance(condition, SegmentCondition))

    if cycle := _cycle(sorted(flags), needed_flags):
        Place("flag", cycle[0], flags[cycle[0]].path).refuse(
            ("prerequisites",), f"the prerequisites lead back to the flag: {' -> '.join(cycle)}"
        )
    if cycle := _cycle(sorted(scope.segments), needed_segments):
        Place("segment", cycle[0], segments[cycle[0]].path).refuse(
            ("when",), f"the conditions lead back to the segment: {' -> '.join(cycle)}"
        )


def _cycle(nodes: Iterable[str], needed: Callable[[str], Iterable[str]]) -> list[str] | None:
    """Return a path that ends where it begins, or None; without recursion, because chains may be long."""
    done: set[str] = set()
    for root in nodes:
        path: list[str] = []
        on_path: set[str] = set()
        stack = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                on_path.discard(path.pop())
                done.add(node)
            elif node in on_path:
                return [*path[path.index(node) :], node]
            elif node not in done:
                path.append(node)
                on_path.add(node)
                stack.append((node, True))
                stack += [(child, False) for child in needed(node)]
    return None
