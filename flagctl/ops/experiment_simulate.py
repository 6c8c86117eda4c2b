"""`flagctl experiment simulate-events`: made-up events of an experiment, to try an analysis before there are real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import ConflictError
from flagctl.ops.experiment_analyze import DAY_MS, find_experiment, need_warehouse
from flagctl.ops.loading import load, readable

if TYPE_CHECKING:
    from pathlib import Path


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
    from flagctl.warehouse.invention import Invention, invent
    from flagctl.warehouse.writing import write_days

    exposures, conversions = invent(
        experiment,
        Invention(units=options.units, days=options.days, effect=options.effect, seed=options.seed, started_ms=start),
    )
    write_days(options.out / "exposures", exposures)
    write_days(options.out / "conversions", conversions)
    return SimulateEventsResult(
        experiment=experiment.key,
        out=options.out,
        units=options.units,
        exposures=len(exposures["ts"]),
        conversions=len(conversions["ts"]),
        started_ms=start,
        ended_ms=start + options.days * DAY_MS,
    )
