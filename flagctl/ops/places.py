"""From a step of an evaluation back to the line of the flag file that says so.

Steps carry routes into the compiled entry. An environment's rules may stand under `environments` in the file and be sorted
by priority, so a compiled position is looked up in the model, whose parts remember where they were written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.model import AllOf, AnyOf, Not

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.diagnostics import Route
    from flagctl.model import Condition, Flag, FlagState
    from flagctl.source import LoadedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlace:
    """A place in a file of the repository; line and column count from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"path": self.path, "line": self.line, "column": self.column}


_WRITTEN_AS: dict[str | int, Route] = {
    "percentage": ("percentage",),
    "schedule": ("schedule",),
    "experiment": ("experiment",),
    "split": ("rollout",),
}
"""Parts of a compiled rule and what flag files call them."""


class Places:
    """Finds places of one environment's compiled parts.

    Args:
        loaded: The repository; it must have been read without errors.
        environment: Name of the environment.
    """

    def __init__(self, loaded: LoadedRepository, environment: str) -> None:
        self._loaded = loaded
        self._environment = environment
        self._states: dict[str, FlagState] = {}

    def of_flag(self, key: str, route: Route) -> SourcePlace | None:
        """Return where the part of a flag at a compiled `route` is written, or None for an unknown flag."""
        repository = self._loaded.repository
        flag = repository.flags.get(key) if repository else None
        if flag is None:
            return None
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = flag.in_environment(self._environment)
        return self._place(flag.path, self._written(flag, state, route))

    def of_segment(self, key: str, route: Route) -> SourcePlace | None:
        """Return where the part of a segment at a compiled `route` is written, or None for an unknown segment."""
        repository = self._loaded.repository
        segment = repository.segments.get(key) if repository else None
        if segment is None:
            return None
        if len(route) > 1 and route[0] == "when":
            return self._place(segment.path, _condition_route(segment.when or (), route[1:]) or ("when",))
        return self._place(segment.path, route)

    def _written(self, flag: Flag, state: FlagState, route: Route) -> Route:
        if not route:
            return ()
        part, rest = route[0], route[1:]
        if part in {"rules", "prerequisites", "targets"} and rest and isinstance(rest[0], int):
            items: Sequence[Any] = {
                "rules": state.rules,
                "prerequisites": state.prerequisites,
                "targets": [target for target in state.targets if target.units],
            }[str(part)]
            if rest[0] < len(items):
                item = items[rest[0]]
                if part == "rules" and len(rest) > 2 and rest[1] == "when":
                    return _condition_route(item.when, rest[2:]) or item.route
                inner = _WRITTEN_AS.get(rest[1], ()) if len(rest) > 1 else ()
                return (*item.route, *inner)
        override = flag.environments.get(self._environment)
        if override is not None:
            if part in override.given:
                return (*override.route, part)
            if part == "default" and "value" in override.given:
                return (*override.route, "value")
        return ("value",) if part == "default" and flag.is_value_flag else (part,)

    def _place(self, path: str, route: Route) -> SourcePlace | None:
        document = self._loaded.documents.get(path)
        span = document.span(route, "key") if document is not None else None
        if span is None:
            return None
        return SourcePlace(path=path, line=span.line, column=span.column)


def _condition_route(conditions: Sequence[Condition], route: Route) -> Route | None:
    """Return where the condition at a compiled route (position, then `all`, `any` or `not`, …) was written."""
    found: Condition | None = None
    inside: Sequence[Condition] = conditions
    for step in route:
        if isinstance(step, int):
            if step >= len(inside):
                return None
            found = inside[step]
        elif isinstance(found, (AllOf, AnyOf)) and step in {"all", "any"}:
            inside = found.conditions
        elif isinstance(found, Not) and step == "not":
            found = found.condition
        else:
            break
    return None if found is None else found.route
