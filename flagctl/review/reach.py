"""Which flags a change reaches through segments, experiments and prerequisites."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from flagctl.model import SegmentCondition, walk_conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flagctl.model import EnvironmentOverride, Flag, Repository
    from flagctl.review.changes import Change, RepositoryDiff

Node = tuple[str, str]
"""Kind and key."""


def dependencies(repository: Repository) -> dict[Node, set[Node]]:
    """Return for every flag and segment what it looks at directly, in any environment."""
    graph: dict[Node, set[Node]] = {}
    for segment in repository.segments.values():
        graph["segment", segment.key] = {
            ("segment", c.segment) for c in walk_conditions(segment.when or ()) if isinstance(c, SegmentCondition)
        }
    for flag in repository.flags.values():
        graph["flag", flag.key] = set(_flag_dependencies(flag))
    return graph


def _flag_dependencies(flag: Flag) -> Iterator[Node]:
    parts: tuple[Flag | EnvironmentOverride, ...] = (flag, *flag.environments.values())
    for part in parts:
        for prerequisite in part.prerequisites:
            yield ("flag", prerequisite.flag)
        for rule in part.rules:
            if rule.experiment is not None:
                yield ("experiment", rule.experiment)
            for condition in walk_conditions(rule.when):
                if isinstance(condition, SegmentCondition):
                    yield ("segment", condition.segment)


def dependents(*repositories: Repository) -> dict[Node, set[Node]]:
    """Return for every node the flags and segments that look at it directly, on any of the given sides."""
    backward: dict[Node, set[Node]] = defaultdict(set)
    for repository in repositories:
        for node, looked_at in dependencies(repository).items():
            for other in looked_at:
                backward[other].add(node)
    return backward


def reached_flags(changes: Iterable[Change], *repositories: Repository) -> dict[str, tuple[str, ...]]:
    """Return the flags that changes reach through what they depend on, transitively, with the causes."""
    sources = sorted({(c.kind, c.key) for c in changes if c.category.changes_answers})
    if not sources:
        return {}
    backward = dependents(*repositories)
    causes: dict[str, set[str]] = defaultdict(set)
    for source in sources:
        seen, waiting = {source}, [source]
        while waiting:
            for node in backward.get(waiting.pop(), ()):
                if node not in seen:
                    seen.add(node)
                    waiting.append(node)
        for kind, key in seen - {source}:
            if kind == "flag":
                causes[key].add(f"{source[0]} {source[1]}")
    return {key: tuple(sorted(causes[key])) for key in sorted(causes)}


def affected_edges(diff: RepositoryDiff, *repositories: Repository) -> tuple[tuple[str, str], ...]:
    """Return who looks at whom directly, among what changed, what it reaches, and what lies between.

    Returns:
        Sorted pairs of what is looked at and who looks, each as ``kind key``.
    """
    changed = {(c.kind, c.key) for c in diff.changes if c.category.changes_answers}
    backward = dependents(*repositories)
    edges: set[tuple[str, str]] = set()
    seen, waiting = set(changed), sorted(changed)
    while waiting:
        node = waiting.pop()
        for user in backward.get(node, ()):
            edges.add((" ".join(node), " ".join(user)))
            if user not in seen:
                seen.add(user)
                waiting.append(user)
    return tuple(sorted(edges))
