"""`flagctl experiment selftest`: whether a metric's test is honest on the experiment's own data."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.experiment_analyze import days_of, find_experiment, open_events
from flagctl.ops.loading import load, readable

if TYPE_CHECKING:
    from flagctl.experiments.selftest import SelfTest
    from flagctl.model import Experiment, Metric
    from flagctl.ops.experiment_analyze import AnalyzeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestOptions:
    """What to test.

    Attributes:
        events: Where events are and what reads them; its `key` is the experiment's.
        metric: Key of a metric; None is the primary one.
        runs: How often units are dealt out.
        seed: Another one deals otherwise.
    """

    events: AnalyzeOptions
    metric: str | None = None
    runs: int = 500
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestResult:
    """A metric's test where there is nothing to find.

    Attributes:
        experiment: Key.
        metric: Key.
        source: Where the events came from.
        test: What was counted.
    """

    experiment: str
    metric: str
    source: str
    test: SelfTest

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-experiment-selftest.schema.json`)."""
        return {"experiment": self.experiment, "metric": self.metric, "source": self.source, **self.test.to_dict()}


def self_test(options: SelfTestOptions) -> SelfTestResult:
    """Deal out the experiment's units at random, many times.

    Raises:
        NothingMatchedError: If there is no such experiment, no events, or no unit that counts.
        UsageError: If the metric is unknown or a quantile, or packages are missing.
        RemoteError: If the store cannot be read.
        FindingsError: If the flag files have errors.
    """
    reading = options.events
    experiment = find_experiment(readable(load(reading.root, revision=reading.revision)), reading.key)
    metric = chosen_metric(experiment, options.metric)
    if metric.kind == "quantile":
        raise UsageError(
            f"{metric.key} is a quantile, which has no sum over units",
            hint="the self-test is for conversion, count, mean, revenue and ratio",
        )
    with closing(open_events(reading, days_of(experiment, reading.now_ms))) as engine:
        from flagctl.experiments.analysis import control_of, shares_of
        from flagctl.experiments.reduce import NotEnoughDataError
        from flagctl.experiments.selftest import self_test as run_test
        from flagctl.warehouse.run import AggregateOptions, Run
        from flagctl.warehouse.units import unit_values

        wanted = AggregateOptions(
            as_of_ms=reading.now_ms, environment=reading.environment, details=False, progress=reading.progress
        )
        columns = unit_values(Run(engine, experiment, wanted), metric)
    shares, control = shares_of(experiment), control_of(experiment)
    others = [share for name, share in shares.items() if name != control]
    try:
        found = run_test(
            columns,
            shares=(shares[control], others[0]),
            runs=options.runs,
            alpha=experiment.decision.alpha / 100 / len(others),
            seed=options.seed,
            progress=reading.progress,
        )
    except NotEnoughDataError as error:
        raise NothingMatchedError(
            f"{experiment.key} cannot be tested: {error}", hint="units count when their window is over"
        ) from error
    return SelfTestResult(experiment=experiment.key, metric=metric.key, source=reading.events, test=found)


def chosen_metric(experiment: Experiment, key: str | None) -> Metric:
    """Return a metric of an experiment by its key; without one the primary one.

    Raises:
        UsageError: If there is none.
    """
    if key is None and experiment.primary is not None:
        return experiment.primary
    for metric in experiment.metrics:
        if metric.key == key:
            return metric
    known = ", ".join(metric.key for metric in experiment.metrics) or "none"
    wanted = "primary metric" if key is None else f"metric '{key}'"
    raise UsageError(f"experiment '{experiment.key}' has no {wanted}", hint=f"its metrics: {known}")
