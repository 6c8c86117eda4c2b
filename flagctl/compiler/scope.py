"""What one compilation knows and collects, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from flagctl.diagnostics import format_route
from flagctl.errors import FindingsError

if TYPE_CHECKING:
    from flagctl.diagnostics import Route
    from flagctl.model import Experiment, FlagState, Repository


@dataclass(slots=True, kw_only=True)
class Scope:
    """One compilation of one environment.

    Attributes:
        repository: All documents.
        environment: Name of the environment.
        states: Each flag in this environment, by key.
        capabilities: What the entries written so far need of a reader.
        patterns: Automata by the key that conditions name.
        segments: Keys of segments that conditions name, in the order of their discovery.
        experiments: Flag by key of an experiment that one of its rules serves.
    """

    repository: Repository
    environment: str
    states: dict[str, FlagState] = field(default_factory=dict)
    capabilities: set[str] = field(default_factory=set)
    patterns: dict[str, dict[str, Any]] = field(default_factory=dict)
    segments: dict[str, None] = field(default_factory=dict)
    experiments: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """A document, to name in refusals.

    Attributes:
        kind: ``flag``, ``segment`` or ``experiment``.
        key: Its key.
        path: Its file.
    """

    kind: str
    key: str
    path: str

    def refuse(self, route: Route, message: str) -> NoReturn:
        """Refuse the compilation because of something at `route` in this document.

        Raises:
            FindingsError: Always.
        """
        where = f" at {format_route(route)}" if route else ""
        raise FindingsError(
            f"{self.path}: {self.kind} '{self.key}'{where}: {message}",
            hint="flagctl validate shows every problem and its place",
        )


def place_of_experiment(experiment: Experiment) -> Place:
    """Return the place of an experiment's file."""
    return Place("experiment", experiment.key, experiment.path)


def path_document(path: tuple[str, ...]) -> str | list[str]:
    """Return an attribute's path as a bundle has it: one key as text, several as an array."""
    return path[0] if len(path) == 1 else list(path)
