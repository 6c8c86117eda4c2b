"""`flagctl experiment power`: how many units, for how long, for which effect."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.errors import UsageError
from flagctl.ops.experiment_analyze import DAY_MS, find_experiment, need_warehouse
from flagctl.ops.loading import load, readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from flagctl.experiments.data import DataFinding, ExperimentData
    from flagctl.experiments.estimates import Reduced
    from flagctl.experiments.power import Design, Plan
    from flagctl.model import Experiment, Metric

_STEPS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOptions:
    """What to plan.

    Attributes:
        root: The flag repository's root.
        key: Of the experiment.
        metric: Which one; None is the primary one.
        rate: Baseline of a proportion, between 0 and 1.
        mean: Baseline of another metric: mean of one unit.
        deviation: Standard deviation of one unit.
        events: Location of past events to measure the baseline and the traffic from.
        per_day: Units that come each day; None measures it if there are events.
        effect: Relative difference to see; None is the metric's minimum effect, else 0.05.
        now_ms: Instant up to which past events count, milliseconds since the epoch.
        environment: Only events of this environment; None for all.
        memory_limit: Of DuckDB, such as ``4GB``.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.
    """

    root: Path
    key: str
    metric: str | None = None
    rate: float | None = None
    mean: float | None = None
    deviation: float | None = None
    events: str | None = None
    per_day: float | None = None
    effect: float | None = None
    now_ms: int = 0
    environment: str | None = None
    memory_limit: str | None = None
    endpoint_url: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerResult:
    """A plan, and how it would be otherwise.

    Attributes:
        experiment: Key.
        metric: Key of the metric.
        baseline: Mean of one unit.
        deviation: Standard deviation of one unit.
        measured: Number of units that the baseline was measured on; None if it was given.
        per_day: Units each day, None if unknown.
        plan: For the wanted effect.
        others: The same effect by the other rules.
        kind: Of the metric.
        planned: (days, units, relative effect) that are seen at the planned end; None without an end or a rate.
        curve: (units, relative effect) that can be seen.
        line: The same at many sizes, for a picture.
        wait_days: Days until a unit's values are complete; part of the duration.
        findings: What is wrong with the past events that the baseline was measured on.
    """

    experiment: str
    metric: str
    baseline: float
    deviation: float
    measured: int | None
    per_day: float | None
    plan: Plan
    others: tuple[Plan, ...]
    curve: tuple[tuple[int, float | None], ...]
    kind: str = "conversion"
    planned: tuple[int | None, int, float] | None = None
    line: tuple[tuple[int, float], ...] = ()
    wait_days: int = 0
    findings: tuple[DataFinding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-experiment-power.schema.json`)."""
        return {
            "experiment": self.experiment,
            "metric": self.metric,
            "kind": self.kind,
            "baseline": self.baseline,
            "deviation": self.deviation,
            "measured": self.measured,
            "per_day": self.per_day,
            "plan": self.plan.to_dict(),
            "others": [one.to_dict() for one in self.others],
            "planned": None
            if self.planned is None
            else dict(zip(("days", "units", "relative"), self.planned, strict=True)),
            "curve": [{"units": units, "relative": relative} for units, relative in self.curve],
            "findings": [one.to_dict() for one in self.findings],
        }


def power(options: PowerOptions) -> PowerResult:
    """Plan an experiment.

    Raises:
        NothingMatchedError: If there is no such experiment or metric.
        UsageError: If no baseline is given, or it does not vary.
        FindingsError: If the flag files have errors.
    """
    return plan_experiment(find_experiment(readable(load(options.root)), options.key), options)


def plan_experiment(experiment: Experiment, options: PowerOptions) -> PowerResult:
    """As `power`, of an experiment that was read already."""
    need_warehouse()
    from flagctl.experiments.power import DEFAULT_EFFECT, sample_size, smallest_effect

    metric = _metric(experiment, options.metric)
    _check_given(metric, options)
    past = None if options.events is None else _measured(experiment, metric, options)
    baseline = _given(metric, options) if past is None else past.baseline
    if baseline.variance <= 0:
        raise UsageError("the baseline does not vary, so nothing can be planned on it")
    if baseline.mean == 0:
        raise UsageError("the baseline's mean is 0, so a relative effect means nothing")
    relative = options.effect or (metric.minimum_effect or metric.margin or DEFAULT_EFFECT) / 100
    _check_effect(metric, baseline.mean, relative)
    design = _design_for(experiment, metric)
    per_day = options.per_day if options.per_day is not None or past is None else past.per_day
    effect = relative * abs(baseline.mean)
    plan = sample_size(baseline, effect, design, per_day=per_day)
    methods = [one for one in ("fixed", "hybrid", "sequential", "group_sequential") if one != design.method]

    def seen(steps: Iterable[float]) -> tuple[tuple[int, float], ...]:
        sizes = [max(2 * len(design.shares), int(plan.units * step)) for step in steps]
        return tuple((size, smallest_effect(baseline, size, design) / abs(baseline.mean)) for size in sizes)

    return PowerResult(
        experiment=experiment.key,
        metric=metric.key,
        baseline=baseline.mean,
        deviation=baseline.variance**0.5,
        measured=None if past is None else baseline.n,
        per_day=per_day,
        plan=plan,
        others=tuple(sample_size(baseline, effect, replace(design, method=one), per_day=per_day) for one in methods),
        kind=metric.kind,
        planned=_planned(experiment, design, baseline, per_day),
        curve=seen(_STEPS),
        line=seen(step / 20 for step in range(3, 61)),
        wait_days=design.wait_days,
        findings=() if past is None else past.findings,
    )


def _planned(
    experiment: Experiment, design: Design, baseline: Reduced, per_day: float | None
) -> tuple[int | None, int, float] | None:
    """Return what the planned end shows: days, units that count by then, relative effect."""
    from flagctl.experiments.power import smallest_effect

    days, total = experiment.decision.planned_days, experiment.decision.planned_units
    rate = per_day or (total / days if days and total else None)
    if rate is None and (total is None or design.wait_days):
        return None
    # Days decide when the end is; those who come in the last ones have no complete values by then.
    came = days * rate if days and rate else float(total or 0)
    units = int(came - design.wait_days * (rate or 0.0))
    if units < 2 * len(design.shares):
        return None
    return days, units, smallest_effect(baseline, units, design) / abs(baseline.mean)


def _design_for(experiment: Experiment, metric: Metric) -> Design:
    """Return the design for one metric: units count towards the primary one when their window is over."""
    from flagctl.experiments.power import design_of

    waits = experiment.decision.maturity == "complete" and metric == experiment.primary
    return replace(
        design_of(experiment),
        proportion=metric.kind == "conversion",
        wait_days=-(-metric.window_ms // DAY_MS) if waits else 0,
    )


def _metric(experiment: Experiment, key: str | None) -> Metric:
    if key is None:
        if experiment.primary is None:
            raise UsageError(
                f"experiment '{experiment.key}' has no primary metric", hint="name one under metrics: primary:"
            )
        return experiment.primary
    for metric in experiment.metrics:
        if metric.key == key:
            return metric
    known = ", ".join(metric.key for metric in experiment.metrics)
    raise UsageError(f"experiment '{experiment.key}' has no metric '{key}'", hint=f"there are: {known}")


def _given(metric: Metric, options: PowerOptions) -> Reduced:
    from flagctl.experiments.estimates import Reduced
    from flagctl.experiments.quantiles import normal_spread

    if options.rate is not None:
        if not 0 < options.rate < 1:
            raise UsageError("--rate is between 0 and 100 percent")
        return Reduced(n=1, mean=options.rate, variance=options.rate * (1 - options.rate))
    if options.mean is not None and options.deviation is not None:
        spread = normal_spread(metric.quantile / 100) if metric.quantile is not None else 1.0
        return Reduced(n=1, mean=options.mean, variance=spread * options.deviation**2)
    hint = "--rate 5" if metric.kind == "conversion" else "--mean 12 --deviation 30"
    raise UsageError("what is the metric today?", hint=f"{hint}, or --events LOCATION to measure it")


def _check_given(metric: Metric, options: PowerOptions) -> None:
    """Refuse a baseline that is of another kind than the metric: it would be planned on without a sound."""
    by_hand = [name for name in ("rate", "mean", "deviation") if getattr(options, name) is not None]
    if options.events is not None and by_hand:
        raise UsageError(f"--events measures what --{by_hand[0]} says", hint="give one of the two")
    if metric.kind == "conversion" and options.rate is None and by_hand:
        raise UsageError(f"{metric.key} is a conversion: its baseline is a rate", hint="--rate 5")
    if metric.kind != "conversion" and options.rate is not None:
        raise UsageError(f"{metric.key} is no conversion, so it has no rate", hint="--mean 12 --deviation 30")
    if (options.mean is None) != (options.deviation is None):
        raise UsageError("--mean and --deviation are given together", hint="--mean 12 --deviation 30")
    if options.deviation is not None and not 0 < options.deviation < math.inf:
        raise UsageError("--deviation is a number above 0", hint="--mean 12 --deviation 30")
    if options.mean is not None and not math.isfinite(options.mean):
        raise UsageError("--mean is a number", hint="--mean 12 --deviation 30")


class _Past(NamedTuple):
    """What past events say: one unit, how many come each day, and what is wrong with the events."""

    baseline: Reduced
    per_day: float
    findings: tuple[DataFinding, ...]


def _check_effect(metric: Metric, baseline: float, relative: float) -> None:
    """Refuse an effect that cannot be: of a conversion nobody can do more than all."""
    if not 0 < relative < math.inf:
        raise UsageError("--effect is a percentage above 0", hint="--effect 5")
    if metric.kind == "conversion" and baseline * (1 + relative) > 1:
        said = f"{metric.key} is {baseline * 100:.4g} % today and cannot rise by {relative * 100:.4g} % of that"
        raise UsageError(said, hint=f"--effect is relative, here below {(1 / baseline - 1) * 100:.4g}")


def _measured(experiment: Experiment, metric: Metric, options: PowerOptions) -> _Past:
    """Measure one unit's mean and variance on all units that were seen lately, as if each had been exposed when first seen."""
    from flagctl.experiments.reduce import NotEnoughDataError, reduce_arms
    from flagctl.warehouse.aggregate import AggregateOptions, aggregate
    from flagctl.warehouse.baseline import BaselineEngine, baseline_experiment
    from flagctl.warehouse.duck import DuckEngine
    from flagctl.warehouse.listing import days_around, list_events
    from flagctl.warehouse.usable import EXPERIMENT_KINDS

    lookback = max(metric.window_ms * 2, 14 * DAY_MS)
    listing = list_events(
        options.events or "",
        EXPERIMENT_KINDS,
        days=days_around(options.now_ms - lookback - (metric.cuped_ms or 0), options.now_ms),
        endpoint_url=options.endpoint_url,
        region=options.region,
    )
    pretended = baseline_experiment(experiment, metric)
    duck = DuckEngine(memory_limit=options.memory_limit)
    wanted = AggregateOptions(as_of_ms=options.now_ms, environment=options.environment, details=False)
    try:
        duck.load(listing)
        window = ((options.now_ms - lookback) * 1000, options.now_ms * 1000)
        engine = BaselineEngine(duck, pretended, window, options.environment)
        data = aggregate(engine, pretended, wanted, duck.findings)
    finally:
        duck.close()
    try:
        reduced = reduce_arms(data.metrics[metric.key].arms)[0]
    except NotEnoughDataError as error:
        # The one variant that all units were put into is no name that people know.
        few = str(error).removeprefix(f"{pretended.control} has ")
        waiting = f"{data.immature:,} more have values that are not complete yet"
        blocking = [str(one) for one in data.findings if one.blocks]
        said = "; ".join([few, *([waiting] if data.immature else []), *blocking])
        raise UsageError(
            f"the past events do not suffice: {said}", hint="give the baseline: --rate or --mean"
        ) from error
    # Not all units have a value of some event; who is planned for are all that are exposed.
    complete = max(reduced.n, data.total_units - data.immature)
    baseline = replace(reduced, n=complete, variance=reduced.variance * complete / reduced.n)
    taken_in = sum(end - start for start, end in experiment.allocation_slots) / 100_000
    days = max(1, len([day for day in data.days if any(day.units.values())]))
    # Those who were exposed have been taken in already.
    per_day = data.total_units / days * (1.0 if engine.exposed else taken_in)
    return _Past(baseline, per_day, tuple(_about_past(data, exposed=engine.exposed)))


def _about_past(data: ExperimentData, *, exposed: bool) -> Iterator[DataFinding]:
    """Yield what is wrong with past events; that nobody was exposed on some day says nothing of units that were seen before."""
    from flagctl.experiments.data import DataFinding

    if not exposed:
        message = (
            "no exposure is old enough for complete values: units count from what they were first seen by, which is"
            " not always a visit"
        )
        yield DataFinding(code="not-exposed", message=message, count=0)
    yield from (one for one in data.findings if one.code not in {"exposure-gaps", "empty-variants"})
    for reason, count in data.excluded.items():
        if count:
            yield DataFinding(code="excluded-units", message=f"units were left out: {reason}", count=count)
