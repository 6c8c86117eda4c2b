"""When a rule may look, and what it says at a look.

A fixed look counts what happened up to the planned day and nothing later: whoever may choose the day of the look has as many
looks as there are days. So the planned looks are instants, and whoever reads events stops reading at `deciding_instant`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flagctl.experiments.boundaries import HYBRID_SHARE, repeated_p_value, spending_bounds
from flagctl.experiments.estimates import compared, standard_error
from flagctl.experiments.fixed import welch
from flagctl.experiments.sequential import confidence_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.experiments.analysis import Stage
    from flagctl.experiments.data import DayData, ExperimentData
    from flagctl.experiments.estimates import Estimate, Reduced
    from flagctl.model import Experiment

DAY_MS = 86_400_000
DEFAULT_LOOKS = 5
"""Looks of a group-sequential test that names no number."""


def method_in_force(experiment: Experiment) -> str:
    """Return the rule that is applied: the committed one, or ``sequential`` where that one is no longer valid.

    A planned end that was moved may have been moved after a look at the data, and a rule that decides at a planned end needs
    one; only a rule for any time is then still valid.
    """
    decision = experiment.decision
    method = decision.effective_method
    planned = decision.planned_days is not None or (decision.planned_units is not None and method != "group_sequential")
    if method in {"hybrid", "fixed", "group_sequential"} and (experiment.amendments or not planned):
        return "sequential"
    return method


def look_days(planned_days: int, looks: int) -> tuple[int, ...]:
    """Return after how many full days a group-sequential test looks; the last one is the planned end."""
    return tuple(sorted({math.ceil(planned_days * (position + 1) / looks) for position in range(looks)}))


def deciding_instant(
    experiment: Experiment, now_ms: int, *, started_ms: int | None = None, days: Sequence[DayData] = ()
) -> int:
    """Return up to which instant events may count for the verdict: now, or the latest planned look before it.

    Args:
        experiment: With its decision.
        now_ms: Milliseconds since the epoch.
        started_ms: When it began; None is what its file says.
        days: Units by day, which tell when a planned number of units was reached.
    """
    decision, method = experiment.decision, method_in_force(experiment)
    started = started_ms if started_ms is not None else experiment.started_at_ms
    limit = now_ms
    if experiment.ended_at_ms is not None and experiment.metrics:
        limit = min(limit, experiment.ended_at_ms + max(metric.window_ms for metric in experiment.metrics))
    if method == "sequential" or started is None:
        return limit
    if decision.planned_days is None:
        reached = _day_of(days, decision.planned_units)
        if reached is None:
            return limit
        # Before the least number of days nothing is decided, so a look before it would be none.
        return min(limit, max(reached, started + decision.minimum_days * DAY_MS))
    if method != "group_sequential":
        return min(limit, started + decision.planned_days * DAY_MS)
    # A look after an experiment was stopped is none of those that were planned.
    ran = limit if experiment.ended_at_ms is None else min(limit, experiment.ended_at_ms)
    over = (ran - started) // DAY_MS
    past = [day for day in look_days(decision.planned_days, decision.looks or DEFAULT_LOOKS) if day <= over]
    return min(limit, started + past[-1] * DAY_MS) if past else ran


def _day_of(days: Sequence[DayData], units: int | None) -> int | None:
    """Return the end of the day on which so many units were reached."""
    total = 0
    for day in days:
        total += sum(day.units.values())
        if units is not None and total >= units:
            start = datetime.fromisoformat(day.date).replace(tzinfo=UTC)
            return int(start.timestamp() * 1000) + DAY_MS
    return None


def information(data: ExperimentData, days: Sequence[int]) -> list[float]:
    """Return how many units counted towards the primary metric at each look: those whose window was over, if that matters.

    Args:
        data: What was observed.
        days: Full days since the start, ascending.
    """
    primary, started = data.experiment.primary, data.started_ms
    if not data.days or started is None:
        return [float(day) for day in days]
    waits = primary is not None and data.experiment.decision.maturity == "complete"
    wait = primary.window_ms if primary is not None and waits else 0
    first = int(datetime.fromisoformat(data.days[0].date).replace(tzinfo=UTC).timestamp() * 1000)
    result = []
    for day in days:
        # Days of the calendar and days since the start differ; within a day units are taken to come evenly.
        until = (started + day * DAY_MS - wait - first) / DAY_MS
        shares = [min(1.0, max(0.0, until - index)) for index in range(len(data.days))]
        result.append(sum(share * sum(one.units.values()) for share, one in zip(shares, data.days, strict=True)))
    return result


def estimate(control: Reduced, variant: Reduced, name: str, stage: Stage, data: ExperimentData) -> Estimate:
    """Return the estimate of a variant by the rule in force.

    Args:
        control: The control.
        variant: The variant.
        name: Of the variant.
        stage: Rule, risk and how far the experiment is.
        data: Units by day, for the information at planned looks.
    """
    alpha, planned = stage.each_alpha, stage.pair_units
    if stage.method == "sequential":
        return confidence_sequence(control, variant, name=name, alpha=alpha, planned=planned)
    if stage.method == "hybrid" and not stage.ended:
        return confidence_sequence(control, variant, name=name, alpha=alpha * HYBRID_SHARE, planned=planned)
    if stage.method == "hybrid":
        return replace(welch(control, variant, name=name, alpha=alpha * (1 - HYBRID_SHARE)), method="hybrid_end")
    if stage.method == "group_sequential":
        return _at_look(control, variant, name, stage, data)
    return welch(control, variant, name=name, alpha=alpha)


def _at_look(control: Reduced, variant: Reduced, name: str, stage: Stage, data: ExperimentData) -> Estimate:
    """Return the repeated confidence interval of the last planned look: Jennison & Turnbull (2000), section 9.2."""
    planned = stage.planned_days or stage.days
    past = [day for day in look_days(planned, stage.looks) if day <= stage.days]
    single = welch(control, variant, name=name, alpha=stage.each_alpha)
    units = information(data, past)
    if not past or not units[-1] or single.difference is None:
        return _without_bounds(single, single.reason or "before the first planned look that has units")
    times = [day / planned for day in past]
    bound = spending_bounds(units, stage.each_alpha, times)[-1]
    if math.isinf(bound):
        return _without_bounds(single, "nothing new since the look before")
    z = single.difference / standard_error(control, variant)
    return compared(
        control,
        variant,
        method="group_sequential",
        name=name,
        half=bound,
        p_value=repeated_p_value(z, units, times, stage.each_alpha),
        alpha=stage.each_alpha,
    )


def _without_bounds(single: Estimate, reason: str) -> Estimate:
    """Return the difference alone: bounds of a single look may not be read between planned looks."""
    return replace(
        single,
        method="group_sequential",
        low=None,
        high=None,
        relative_low=None,
        relative_high=None,
        p_value=None,
        reason=reason,
    )
