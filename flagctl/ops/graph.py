"""`flagctl graph`: what depends on what, and what else changes when a flag is turned off."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from flagctl.model import SegmentCondition, walk_conditions
from flagctl.ops.loading import check_environment, find_flag, load, readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flagctl.model import FlagState, Repository


class EdgeKind(Enum):
    """Why one thing depends on another."""

    PREREQUISITE = "prerequisite"
    SEGMENT = "segment"
    EXPERIMENT = "experiment"
    LAYER = "layer"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Node:
    """A flag, segment, experiment or layer."""

    kind: str
    key: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"kind": self.kind, "key": self.key}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`source` depends on `target`.

    Attributes:
        source: Who depends.
        target: On what.
        kind: Why.
        label: Of a prerequisite: the variants it must serve.
        environments: Where it holds; empty for everywhere.
    """

    source: Node
    target: Node
    kind: EdgeKind
    label: str = ""
    environments: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "source": self.source.to_dict(),
            "target": self.target.to_dict(),
            "kind": self.kind.value,
            "label": self.label,
            "environments": list(self.environments),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphResult:
    """Dependencies.

    Attributes:
        nodes: Everything that takes part, sorted.
        edges: Sorted by source, then target.
        focus: Key of the flag that was asked for, or None for all.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    focus: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-graph.schema.json`)."""
        return {
            "focus": self.focus,
            "nodes": [node.to_dict() for node in self.nodes],
            "edges": [edge.to_dict() for edge in self.edges],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOptions:
    """Which part of the graph.

    Attributes:
        root: The flag repository's root.
        key: Only what this flag depends on and what depends on it; None for everything.
        environment: As it is in this environment; None puts all environments together.
    """

    root: Path
    key: str | None = None
    environment: str | None = None


def build_graph(options: GraphOptions) -> GraphResult:
    """Return the dependencies of a repository, or those around one flag.

    Raises:
        NothingMatchedError: If there is no such flag.
        UsageError: If there is no such environment.
    """
    return graph_of(readable(load(options.root)), options.key, options.environment)


def graph_of(
    repository: Repository,
    key: str | None = None,
    environment: str | None = None,
    *,
    edges: tuple[Edge, ...] | None = None,
) -> GraphResult:
    """As `build_graph`, of a repository that was read already; `edges` are all of its edges, if they are known."""
    if edges is None:
        edges = tuple(_edges(repository, _environments(repository, environment)))
    if key is None:
        nodes = {Node(kind="flag", key=key) for key in repository.flags}
    else:
        focus = Node(kind="flag", key=find_flag(repository, key).key)
        near = _reach(focus, edges, forward=True) | _reach(focus, edges, forward=False)
        edges = tuple(edge for edge in edges if edge.source in near and edge.target in near)
        nodes = near
    nodes |= {node for edge in edges for node in (edge.source, edge.target)}
    ordered = sorted(edges, key=lambda edge: (edge.source, edge.target))
    return GraphResult(nodes=tuple(sorted(nodes)), edges=tuple(ordered), focus=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A flag that turns off with another one.

    Attributes:
        key: The flag.
        chain: From the flag that is turned off to this one, by prerequisites.
        environments: Where.
        serves: By environment, what it then serves: its `off` variant, or None for the caller's default.
    """

    key: str
    chain: tuple[str, ...]
    environments: tuple[str, ...]
    serves: tuple[tuple[str, str | None], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "key": self.key,
            "chain": list(self.chain),
            "environments": list(self.environments),
            "serves": dict(self.serves),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactResult:
    """What else turns off when a flag does.

    Attributes:
        key: The flag that is turned off.
        serves: By environment, what it then serves; None is the caller's default.
        affected: Other flags that turn off, nearest first.
        unaffected: Flags that have it as a prerequisite and accept what it serves when off.
        experiments: Experiments that get no more units.
    """

    key: str
    serves: tuple[tuple[str, str | None], ...]
    affected: tuple[Affected, ...]
    unaffected: tuple[str, ...]
    experiments: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-impact.schema.json`)."""
        return {
            "key": self.key,
            "serves": dict(self.serves),
            "affected": [flag.to_dict() for flag in self.affected],
            "unaffected": list(self.unaffected),
            "experiments": list(self.experiments),
        }


def impact(options: GraphOptions) -> ImpactResult:
    """Return what else turns off when the flag `options.key` is turned off.

    A flag goes with it if a prerequisite does not accept the variant that is served while off; that flag's own `off`
    variant then meets the prerequisites of others, and so on.

    Raises:
        NothingMatchedError: If there is no such flag.
        UsageError: If there is no such environment.
    """
    return impact_of(readable(load(options.root)), options.key or "", options.environment)


def impact_of(repository: Repository, key: str, environment: str | None = None) -> ImpactResult:
    """As `impact`, of a repository that was read already."""
    flag = find_flag(repository, key)
    environments = _environments(repository, environment)
    chains: dict[str, dict[str, tuple[str, ...]]] = {}
    spared: set[str] = set()
    for where in environments:
        states = {name: other.in_environment(where) for name, other in repository.flags.items()}
        off, kept = _turned_off(flag.key, states)
        spared |= kept
        for name, chain in off.items():
            chains.setdefault(name, {})[where] = chain
    affected = [
        Affected(
            key=key,
            chain=min(by_environment.values(), key=len),
            environments=tuple(by_environment),
            serves=tuple((name, repository.flags[key].in_environment(name).off) for name in by_environment),
        )
        for key, by_environment in chains.items()
    ]
    gone = {flag.key, *chains}
    return ImpactResult(
        key=flag.key,
        serves=tuple((name, flag.in_environment(name).off) for name in environments),
        affected=tuple(sorted(affected, key=lambda item: (len(item.chain), item.key))),
        unaffected=tuple(sorted(spared - gone)),
        experiments=tuple(key for key, experiment in repository.experiments.items() if experiment.flag in gone),
    )


def _turned_off(start: str, states: dict[str, FlagState]) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """Return the flags that go off with `start`, each with the chain to it, and those that accept its `off` variant."""
    chains: dict[str, tuple[str, ...]] = {start: (start,)}
    spared: set[str] = set()
    queue = deque([start])
    while queue:
        key = queue.popleft()
        served = states[key].off
        for other, state in states.items():
            needs = [prerequisite for prerequisite in state.prerequisites if prerequisite.flag == key]
            if not needs or other in chains:
                continue
            if all(served in prerequisite.variants for prerequisite in needs):
                spared.add(other)
            else:
                chains[other] = (*chains[key], other)
                queue.append(other)
    del chains[start]
    return chains, spared


def _environments(repository: Repository, name: str | None) -> tuple[str, ...]:
    return tuple(repository.config.environments) if name is None else (check_environment(repository, name),)


def _edges(repository: Repository, environments: tuple[str, ...]) -> Iterator[Edge]:
    for flag in repository.flags.values():
        found: dict[tuple[Node, EdgeKind, str], list[str]] = {}
        for name in environments:
            for need in _needs(flag.in_environment(name)):
                found.setdefault(need, []).append(name)
        source = Node(kind="flag", key=flag.key)
        for (target, kind, label), where in found.items():
            shown = () if len(where) == len(environments) else tuple(where)
            yield Edge(source=source, target=target, kind=kind, label=label, environments=shown)
    for segment in repository.segments.values():
        source = Node(kind="segment", key=segment.key)
        for key in _segments_of(segment.when or ()):
            yield Edge(source=source, target=Node(kind="segment", key=key), kind=EdgeKind.SEGMENT)
    for experiment in repository.experiments.values():
        if experiment.layer is not None:
            source = Node(kind="experiment", key=experiment.key)
            yield Edge(source=source, target=Node(kind="layer", key=experiment.layer), kind=EdgeKind.LAYER)


def _needs(state: FlagState) -> Iterator[tuple[Node, EdgeKind, str]]:
    for prerequisite in state.prerequisites:
        label = ", ".join(prerequisite.variants)
        yield Node(kind="flag", key=prerequisite.flag), EdgeKind.PREREQUISITE, label
    seen: set[str] = set()
    for rule in state.rules:
        for key in _segments_of(rule.when):
            if key not in seen:
                seen.add(key)
                yield Node(kind="segment", key=key), EdgeKind.SEGMENT, ""
        if rule.experiment is not None:
            yield Node(kind="experiment", key=rule.experiment), EdgeKind.EXPERIMENT, ""


def _segments_of(conditions: Any) -> list[str]:
    found = (item.segment for item in walk_conditions(conditions) if isinstance(item, SegmentCondition))
    return list(dict.fromkeys(found))


def _reach(start: Node, edges: tuple[Edge, ...], *, forward: bool) -> set[Node]:
    """Return `start` and everything it depends on, or everything that depends on it."""
    steps: dict[Node, list[Node]] = {}
    for edge in edges:
        one, other = (edge.source, edge.target) if forward else (edge.target, edge.source)
        steps.setdefault(one, []).append(other)
    seen, queue = {start}, deque([start])
    while queue:
        for node in steps.get(queue.popleft(), ()):
            if node not in seen:
                seen.add(node)
                queue.append(node)
    return seen
