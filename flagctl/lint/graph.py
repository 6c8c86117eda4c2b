"""Cycles in a graph of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def find_cycles(edges: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the cycles that a depth-first walk closes, each once, beginning at its smallest name.

    Every cyclic graph yields at least one, and at most one for each edge; no name is visited twice, so the cost is linear
    in the number of edges.

    Args:
        edges: Names and where they lead; targets that are no names themselves have no edges.

    >>> find_cycles({"b": ["c"], "c": ["b", "a"], "a": []})
    [('b', 'c')]
    """
    found: dict[tuple[str, ...], None] = {}
    finished: set[str] = set()
    for start in sorted(edges):
        if start not in finished:
            for cycle in _walk(edges, start, finished):
                found.setdefault(_rotated(cycle))
    return list(found)


def _walk(edges: Mapping[str, Sequence[str]], start: str, finished: set[str]) -> Iterator[tuple[str, ...]]:
    """Walk depth first without recursion, since chains may be longer than Python's stack; yield each closed path."""
    path: list[str] = [start]
    on_path = {start: 0}
    todo = [iter(edges.get(start, ()))]
    while todo:
        following = next(todo[-1], None)
        if following is None:
            todo.pop()
            name = path.pop()
            del on_path[name]
            finished.add(name)
        elif following in on_path:
            yield tuple(path[on_path[following] :])
        elif following not in finished:
            on_path[following] = len(path)
            path.append(following)
            todo.append(iter(edges.get(following, ())))


def _rotated(cycle: tuple[str, ...]) -> tuple[str, ...]:
    first = cycle.index(min(cycle))
    return cycle[first:] + cycle[:first]
