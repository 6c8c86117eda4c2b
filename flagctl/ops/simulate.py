"""`flagctl simulate`: whom each rule and variant reaches in a population."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError
from flagctl.ops.loading import find_flag, load, one_environment, readable
from flagctl.ops.measure import PopulationOptions, compiled, list_reader, need_numpy, paths_of, population_file

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.evaluator.document import Document
    from flagctl.population.simulate import SimulatedFlag, Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """What to simulate.

    Attributes:
        root: The flag repository's root.
        keys: Flags; empty: all.
        environment: Its name; None is the only one there is.
        now_ms: Instant of the evaluations, milliseconds since the epoch.
        population: The contexts.
        revision: Git revision to read the flags from; None is the work tree.
    """

    root: Path
    keys: tuple[str, ...]
    environment: str | None
    now_ms: int
    population: PopulationOptions
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateResult:
    """Audiences of flags.

    Attributes:
        environment: Where.
        at_ms: When.
        revision: Git revision, or None for the work tree.
        source: File of the contexts, or ``stdin``.
        contexts: How many there were.
        flags: The audiences, by key.
    """

    environment: str
    at_ms: int
    revision: str | None
    source: str
    contexts: int
    flags: tuple[SimulatedFlag, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-simulate.schema.json`)."""
        return {
            "environment": self.environment,
            "at_ms": self.at_ms,
            "revision": self.revision,
            "source": self.source,
            "contexts": self.contexts,
            "flags": [flag.to_dict() for flag in self.flags],
        }


def simulate(options: SimulateOptions) -> SimulateResult:
    """Evaluate flags of one version for every context of a population.

    Raises:
        UsageError: If there is no such environment, the population can't be read, or NumPy is missing.
        NothingMatchedError: If there is no such flag, or no context.
        FindingsError: If the flags have errors.
    """
    need_numpy()
    from flagctl.population.engine import ColumnFlags
    from flagctl.population.simulate import simulate as run

    repository = readable(load(options.root, revision=options.revision))
    environment = one_environment(repository, options.environment)
    keys = options.keys or tuple(repository.flags)
    for key in keys:
        find_flag(repository, key)
    if not keys:
        raise NothingMatchedError("there is no flag to simulate", hint="flagctl init makes some")
    schema = repository.config.context
    by = paths_of(options.population.by, schema)
    document = compiled(repository, keys, environment)
    source = population_file(options.population, schema)
    columns = ColumnFlags(document, options.now_ms, list_reader([document], options.population))
    flags = run(
        columns,
        {key: steps_of(document, key) for key in sorted(set(keys))},
        source.batches(),
        by,
        options.population.progress,
    )
    return SimulateResult(
        environment=environment,
        at_ms=options.now_ms,
        revision=options.revision,
        source=source.name,
        contexts=flags[0].contexts,
        flags=flags,
    )


def steps_of(document: Document, key: str) -> Steps:
    """Return the variants and rules of a flag whose units are to be counted."""
    from flagctl.population.simulate import Steps

    entry = document.flag(key)
    return Steps(
        variants=tuple((name, value) for name, value in entry["variants"]),
        rules=tuple(rule["id"] for rule in entry.get("rules", ())),
    )
