"""`flagctl performance`: how long evaluations take, and whether a variant makes applications slower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.ops.experiment_analyze import DAY_MS, need_warehouse
from flagctl.ops.loading import check_environment, find_flag, load, readable

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.experiments.estimates import Estimate

LEVELS = (0.5, 0.95, 0.99)
KINDS = ("evaluations", "exposures", "measurements")


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceOptions:
    """What to look at.

    Attributes:
        root: The flag repository's root.
        key: Of the flag.
        events: Folder or ``s3://`` location that sinks wrote to.
        now_ms: Instant up to which events count, milliseconds since the epoch.
        days: How far back.
        environment: Only of this environment; None for all.
        control: Variant the others are compared with; None is what is served by default.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.
    """

    root: Path
    key: str
    events: str
    now_ms: int
    days: int = 14
    environment: str | None = None
    control: str | None = None
    endpoint_url: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long evaluations that ended in one variant took, in nanoseconds."""

    variant: str
    count: int
    p50: float
    p95: float
    p99: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementEffect:
    """A quantile of a measurement, a variant compared with the control.

    Attributes:
        measurement: Its name.
        level: Between 0 and 1.
        estimate: The difference.
        corrected_p_value: Over everything that is compared; None without an estimate.
    """

    measurement: str
    level: float
    estimate: Estimate
    corrected_p_value: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "measurement": self.measurement,
            "level": self.level,
            "estimate": self.estimate.to_dict(),
            "corrected_p_value": self.corrected_p_value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceResult:
    """What a flag costs, and what its variants cost.

    Attributes:
        key: Of the flag.
        control: Variant the others are compared with, None if there were no measurements.
        latencies: Of evaluations.
        effects: On measurements.
        findings: What is wrong with the events.
    """

    key: str
    control: str | None
    latencies: tuple[Latency, ...]
    effects: tuple[MeasurementEffect, ...]
    findings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-performance.schema.json`)."""
        return {
            "key": self.key,
            "control": self.control,
            "latencies": [one.to_dict() for one in self.latencies],
            "effects": [one.to_dict() for one in self.effects],
            "findings": list(self.findings),
        }


def performance(options: PerformanceOptions) -> PerformanceResult:
    """Look at durations and measurements of one flag's variants.

    Raises:
        NothingMatchedError: If there is no such flag, or there are no events.
        UsageError: If packages are missing, the control has no measurements, or neither the flags nor the events have the
            environment.
        RemoteError: If the store cannot be read.
        FindingsError: If the flag files have errors.
    """
    need_warehouse()
    from flagctl.warehouse.duck import DuckEngine
    from flagctl.warehouse.listing import days_around, list_events
    from flagctl.warehouse.usage import KNOWN_MS, durations, measured

    repository = readable(load(options.root))
    flag = find_flag(repository, options.key)
    since_ms = options.now_ms - options.days * DAY_MS
    window = (since_ms * 1000, options.now_ms * 1000)
    days = days_around(since_ms - KNOWN_MS, options.now_ms)
    listing = list_events(options.events, KINDS, days=days, endpoint_url=options.endpoint_url, region=options.region)
    engine = DuckEngine()
    try:
        engine.load(listing, KINDS)
        found = durations(engine, options.key, window=window, environment=options.environment)
        table = measured(engine, options.key, window=window, environment=options.environment)
        names = sorted(
            {(row["name"], row["variant"]) for row in engine.rows(table.select("name", "variant").distinct())}
        )
        default = flag.default if isinstance(flag.default, str) else flag.off
        control = _control(options, [variant for _, variant in names], default)
        effects = _effects(engine, table, sorted({name for name, _ in names}), control) if control else []
        findings = tuple(map(str, engine.findings))
    finally:
        engine.close()
    if options.environment is not None and not found and not names:
        check_environment(repository, options.environment)
    return PerformanceResult(
        key=options.key,
        control=control,
        latencies=tuple(
            Latency(variant=row["variant"] or "", count=int(row["n"]), p50=row["p50"], p95=row["p95"], p99=row["p99"])
            for row in found
        ),
        effects=tuple(effects),
        findings=findings,
    )


def _control(options: PerformanceOptions, variants: list[str], default: str | None) -> str | None:
    from flagctl.errors import UsageError

    if not variants:
        return None
    if options.control is not None:
        if options.control not in variants:
            raise UsageError(
                f"nothing was measured with variant '{options.control}'",
                hint=f"there are: {', '.join(sorted(set(variants)))}",
            )
        return options.control
    return default if default in variants else min(variants)


def _effects(engine: Any, table: Any, names: list[str], control: str) -> list[MeasurementEffect]:
    from flagctl.experiments.multiplicity import holm
    from flagctl.experiments.views import compare_all
    from flagctl.warehouse.usage import quantiles_of

    found = [
        (name, level, estimate)
        for name in names
        for level in LEVELS
        for estimate in compare_all(quantiles_of(engine, table, name, level), control=control, alpha=0.05)
    ]
    known = [estimate.p_value for _, _, estimate in found if estimate.p_value is not None]
    adjusted = iter(holm(known))
    return [
        MeasurementEffect(
            measurement=name,
            level=level,
            estimate=estimate,
            corrected_p_value=None if estimate.p_value is None else next(adjusted),
        )
        for name, level, estimate in found
    ]
