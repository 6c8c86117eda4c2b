"""`flagctl rollout simulate`: how many units of a population a rollout serves, day by day, if nobody lets it wait."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import NothingMatchedError
from flagctl.model.strategy import expand
from flagctl.ops.loading import find_flag, load, one_environment, readable
from flagctl.ops.rollout import expected, rollouts_of, strategy_of

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.model import Flag, Rule
    from flagctl.ops.measure import PopulationOptions

_DAY: Final = 86_400_000
_MOST: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSimulateOptions:
    """What to simulate.

    Attributes:
        root: The flag repository's root.
        key: Of the flag.
        now_ms: Instant from which on waiting steps are let go, milliseconds since the epoch.
        population: The contexts.
        environment: Its name; None is the only one there is.
        every_ms: Milliseconds between two counts.
    """

    root: Path
    key: str
    now_ms: int
    population: PopulationOptions
    environment: str | None = None
    every_ms: int = _DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedInstant:
    """Counts at one instant: contexts by variant, most first as the flag lists them."""

    at_ms: int
    counts: tuple[tuple[str | None, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"at_ms": self.at_ms, "counts": [{"variant": name, "count": count} for name, count in self.counts]}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSimulation:
    """How a rollout would go."""

    key: str
    environment: str
    source: str
    contexts: int
    instants: tuple[SimulatedInstant, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-rollout-simulate.schema.json`)."""
        return {
            "key": self.key,
            "environment": self.environment,
            "source": self.source,
            "contexts": self.contexts,
            "instants": [one.to_dict() for one in self.instants],
        }


def simulate_rollout(options: RolloutSimulateOptions) -> RolloutSimulation:
    """Evaluate a flag for every context, at every instant at which its share changes and once a day between.

    Raises:
        NothingMatchedError: If there is no such flag, nothing in it grows, or there is no context.
        UsageError: If there is no such environment, the population can't be read, or NumPy is missing.
        FindingsError: If the flags have errors.
    """
    from flagctl.ops.measure import compiled, list_reader, need_numpy, population_file

    need_numpy()
    from flagctl.ops.simulate import steps_of
    from flagctl.population.engine import ColumnFlags
    from flagctl.population.simulate import simulate as run

    repository = readable(load(options.root))
    environment = one_environment(repository, options.environment)
    flag = find_flag(repository, options.key)
    instants = _instants(flag, environment, options)
    going_on = replace(repository, flags={**repository.flags, flag.key: going_on_from(flag, options.now_ms)})
    document = compiled(going_on, (flag.key,), environment)
    source = population_file(options.population, repository.config.context)
    batches = list(source.batches())
    steps = steps_of(document, flag.key)
    result, contexts = [], 0
    for at_ms in instants:
        columns = ColumnFlags(document, at_ms, list_reader([document], options.population))
        (simulated,) = run(columns, {flag.key: steps}, batches, (), options.population.progress)
        counts = tuple((audience.variant, audience.count) for audience in simulated.variants)
        contexts = simulated.contexts
        result.append(SimulatedInstant(at_ms=at_ms, counts=counts))
    return RolloutSimulation(
        key=flag.key, environment=environment, source=source.name, contexts=contexts, instants=tuple(result)
    )


def going_on_from(flag: Flag, now_ms: int) -> Flag:
    """Return a flag whose waiting steps are let go when they are due, and not before `now_ms`."""
    overrides = {name: replace(part, rules=_going_on(part.rules, now_ms)) for name, part in flag.environments.items()}
    return replace(flag, rules=_going_on(flag.rules, now_ms), environments=overrides)


def _going_on(rules: tuple[Rule, ...], now_ms: int) -> tuple[Rule, ...]:
    result: list[Rule] = []
    for rule in rules:
        strategy = strategy_of(rule)
        if rule.strategy is None:
            result.append(rule)
        elif strategy is not None:
            result.extend(expand(replace(rule, percentage=None), expected(strategy, now_ms)))
    return tuple(result)


def _instants(flag: Flag, environment: str, options: RolloutSimulateOptions) -> list[int]:
    views = rollouts_of(flag, (environment,), options.now_ms)
    bends = sorted({at for view in views for at, _ in (*view.known, *view.expected)})
    if not bends:
        raise NothingMatchedError(f"nothing grows in {flag.key} in {environment}")
    days = list(range(bends[0], bends[-1], max(options.every_ms, (bends[-1] - bends[0]) // _MOST + 1)))
    return sorted({*days, *bends})
