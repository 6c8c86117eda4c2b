"""Experiments and data for the tests of statistics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flagctl.experiments.data import COLUMNS, ArmMetric, DayData, ExperimentData, MetricData, Moments
from flagctl.model import Decision, Experiment, ExperimentStatus, Metric, Rollout, RolloutArm

DAY = 86_400_000
START = 1_760_000_000_000


def moments(**columns) -> Moments:
    """Moments of columns of equal length, named as in `COLUMNS`."""
    names = [name for name in COLUMNS if name in columns]
    rows = np.array([np.asarray(columns[name], dtype=float) for name in names])
    matrix = np.atleast_2d(np.cov(rows)) if rows.shape[1] > 1 else None
    covariances = {}
    if matrix is not None:
        for i, one in enumerate(names):
            for j in range(i, len(names)):
                covariances[one, names[j]] = float(matrix[i, j])
    return Moments(
        n=rows.shape[1], means={n: float(r.mean()) for n, r in zip(names, rows, strict=True)}, covariances=covariances
    )


def arm(variant: str, values, **more) -> ArmMetric:
    """One metric of one variant from its units' values."""
    values = np.asarray(values, dtype=float)
    return ArmMetric(variant=variant, moments=moments(value=values, **more), conversions=int((values != 0).sum()))


def share(variant: str, conversions: int, n: int) -> ArmMetric:
    """A proportion from its counts."""
    p = conversions / n
    variance = p * (1 - p) * n / (n - 1)
    return ArmMetric(
        variant=variant,
        moments=Moments(n=n, means={"value": p}, covariances={("value", "value"): variance}),
        conversions=conversions,
    )


def experiment(
    *, primary: Metric | None = None, arms=("off", "on"), decision: Decision | None = None, **more
) -> Experiment:
    """A running experiment with equal shares."""
    weight = 100_000 // len(arms)
    weights = [weight] * (len(arms) - 1) + [100_000 - weight * (len(arms) - 1)]
    return Experiment(
        key="hero-test",
        path="hero-test.yaml",
        flag="hero",
        status=ExperimentStatus.RUNNING,
        variants=Rollout(arms=tuple(RolloutArm(variant=v, weight=w) for v, w in zip(arms, weights, strict=True))),
        control=arms[0],
        primary=primary or Metric(kind="conversion", event="order"),
        decision=decision or Decision(planned_days=14, planned_units=20_000),
        registration="sha256:" + "0" * 64,
        **more,
    )


def observed(
    setup: Experiment, metrics: dict[str, MetricData], *, days: int = 14, units=None, **more
) -> ExperimentData:
    """Data of an experiment after some days, without a series."""
    first = next(iter(metrics.values()))
    units = units or {one.variant: one.moments.n if one.moments else one.quantile.n for one in first.arms}
    return ExperimentData(
        experiment=setup,
        started_ms=START,
        as_of_ms=START + days * DAY,
        freshest_ms=START + days * DAY,
        units=units,
        metrics=metrics,
        **more,
    )


def with_days(data: ExperimentData, series: list[dict[str, int]]) -> ExperimentData:
    """The same with new units for each day."""
    days = tuple(DayData(date=f"2026-11-{i + 1:02d}", units=units) for i, units in enumerate(series))
    return replace(data, days=days)
