"""`flagctl experiment simulate-events`: made-up events of an experiment, to try an analysis before there are real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import ConflictError
from flagctl.ops.experiment_analyze import DAY_MS, find_experiment, need_warehouse
from flagctl.ops.loading import load, readable

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.model import Experiment, Metric

_BASE_RATE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateEventsOptions:
    """What to make up.

    Attributes:
        root: The flag repository's root.
        key: Of the experiment.
        out: Folder to write; must not exist or be empty.
        units: How many units are exposed.
        days: Over how many days they come.
        effect: Relative difference of every variant but the control on the primary metric: 0.1 is 10 % more.
        seed: Another one gives other events.
        now_ms: Without a start in the experiment's file the last day ends here, milliseconds since the epoch.
    """

    root: Path
    key: str
    out: Path
    units: int
    days: int
    effect: float
    seed: int
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateEventsResult:
    """What was made up."""

    experiment: str
    out: Path
    units: int
    exposures: int
    conversions: int
    started_ms: int
    ended_ms: int

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-experiment-events.schema.json`)."""
        return {
            "experiment": self.experiment,
            "out": str(self.out),
            "units": self.units,
            "exposures": self.exposures,
            "conversions": self.conversions,
            "started_ms": self.started_ms,
            "ended_ms": self.ended_ms,
        }


def simulate_events(options: SimulateEventsOptions) -> SimulateEventsResult:
    """Write Parquet files of exposures and conversions.

    Units are assigned by the experiment's own buckets; every metric's events are drawn, with the effect on the primary one.

    Raises:
        NothingMatchedError: If there is no such experiment.
        ConflictError: If the folder holds something.
        UsageError: If packages are missing.
        FindingsError: If the flag files have errors.
    """
    need_warehouse()
    experiment = find_experiment(readable(load(options.root)), options.key)
    if options.out.exists() and any(options.out.iterdir()):
        raise ConflictError(
            f"{options.out} is not empty", hint="name a new folder; made-up events must not mix with real ones"
        )
    start = experiment.started_at_ms
    if start is None:
        start = (options.now_ms // DAY_MS - options.days) * DAY_MS
    import numpy as np

    rng = np.random.default_rng(options.seed)
    units = [f"sim-{options.seed}-{index}" for index in range(options.units)]
    first = start * 1000 + rng.integers(0, options.days * DAY_MS * 1000, options.units)
    variants = _assign(experiment, units)
    exposures = _exposures(experiment, units, variants, first)
    conversions = _conversions(experiment, units, variants, first, (rng, options.effect))
    _write(options.out / "exposures", exposures)
    _write(options.out / "conversions", conversions)
    return SimulateEventsResult(
        experiment=experiment.key,
        out=options.out,
        units=options.units,
        exposures=len(exposures["ts"]),
        conversions=len(conversions["ts"]),
        started_ms=start,
        ended_ms=start + options.days * DAY_MS,
    )


def _assign(experiment: Experiment, units: list[str]) -> list[str]:
    from flagctl.evaluator.buckets import bucket

    edges: list[tuple[int, int, str]] = []
    reached = 0
    for arm in experiment.variants.arms:
        if arm.ranges is None:
            edges.append((reached, reached + (arm.weight or 0), arm.variant))
            reached += arm.weight or 0
        else:
            edges += [(low, high, arm.variant) for low, high in arm.ranges]
    result = []
    for unit in units:
        place = bucket(experiment.key, unit)
        result.append(next((name for low, high, name in edges if low <= place < high), edges[0][2]))
    return result


def _exposures(experiment: Experiment, units: list[str], variants: list[str], first: Any) -> dict[str, Any]:
    count = len(units)
    return {
        "ts": first,
        "event_id": [f"x{index}" for index in range(count)],
        "environment": ["simulated"] * count,
        "experiment": [experiment.key] * count,
        "phase": [1] * count,
        "variant": variants,
        "unit_type": [".".join(experiment.bucket_by)] * count,
        "unit_id": units,
        "flag": [experiment.flag] * count,
        "layer": [experiment.layer] * count,
        "config_hash": ["simulated"] * count,
        "bundle": ["simulated"] * count,
        "reason": ["SPLIT"] * count,
        "sdk": ["simulated"] * count,
        "attrs": [[]] * count,
        "is_bot": [False] * count,
    }


def _conversions(
    experiment: Experiment, units: list[str], variants: list[str], first: Any, chance: tuple[Any, float]
) -> dict[str, Any]:
    """Draw for each event of each metric how often every unit did it, and when."""
    import numpy as np

    rng, effect = chance
    control = experiment.control or experiment.variants.arms[0].variant
    treated = np.array([variant != control for variant in variants])
    chosen: list[Any] = []
    events: list[str] = []
    moments: list[Any] = []
    values: list[Any] = []
    seen: set[str] = set()
    for metric in experiment.metrics:
        for name in metric.events:
            if name in seen:
                continue
            seen.add(name)
            lifted = metric is experiment.primary and name == metric.events[0]
            rate = np.where(treated & lifted, _BASE_RATE * (1 + effect), _BASE_RATE)
            happened = np.repeat(np.arange(len(units)), rng.poisson(rate))
            chosen.append(happened)
            events += [name] * len(happened)
            window = min(metric.window_ms, 2 * DAY_MS) * 1000
            moments.append(first[happened] + rng.integers(1, window, len(happened)))
            values.append(_values(rng, metric, len(happened)))
    places = np.concatenate(chosen) if chosen else np.array([], dtype=int)
    return {
        "ts": np.concatenate(moments) if moments else np.array([], dtype=int),
        "event_id": [f"c{index}" for index in range(len(events))],
        "environment": ["simulated"] * len(events),
        "unit_type": [".".join(experiment.bucket_by)] * len(events),
        "unit_id": [units[index] for index in places],
        "event": events,
        "value": np.concatenate(values) if values else np.array([], dtype=float),
        "experiment": [None] * len(events),
        "attrs": [[]] * len(events),
    }


def _values(rng: Any, metric: Metric, count: int) -> Any:
    import numpy as np

    if metric.kind in {"conversion", "count"}:
        return np.ones(count)
    return np.round(rng.gamma(2.0, 25.0, count), 2)


def _write(folder: Path, columns: dict[str, Any]) -> None:
    from flagctl.warehouse.writing import write_days

    write_days(folder, columns)
