"""What an experiment measured as SVG, effects with their intervals and the primary metric over time; and how long it must run."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from flagctl import plots

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.experiments.analysis import MetricResult, Results
    from flagctl.ops.experiment_power import PowerResult

_WIDEST = 5.0
"""Where an interval is cut off, as a relative difference: the first hours know so little that nothing else could be seen."""


def effects_svg(results: Results, show: Callable[[float], str]) -> str:
    """Return the relative effect on each metric; empty if none is known.

    Args:
        results: Of the analysis.
        show: Writes a relative difference.
    """
    rows = []
    for metric in results.metrics:
        for one in metric.estimates:
            if one.relative is None or one.relative_low is None or one.relative_high is None:
                continue
            many = len(metric.estimates) > 1
            rows.append(
                plots.Interval(
                    label=f"{metric.metric.key} · {one.variant}" if many else metric.metric.key,
                    middle=one.relative,
                    low=max(one.relative_low, -_WIDEST),
                    high=min(one.relative_high, _WIDEST),
                    tone=_tone(metric, one.relative_low, one.relative_high),
                )
            )
    title = "Relative effect on each metric, with its interval"
    return plots.forest(title, rows, show, lambda value: f"{value * 100:{'+' if value else ''}g} %")


def _tone(metric: MetricResult, low: float, high: float) -> str:
    up = metric.metric.direction != "decrease"
    if low > 0:
        return "good" if up else "bad"
    return ("bad" if up else "good") if high < 0 else ""


def over_time_svg(results: Results, started_ms: int | None, show: Callable[[str, float], str]) -> str:
    """Return the difference in the primary metric by day, with the planned end; empty if no day is known.

    Args:
        results: Of the analysis.
        started_ms: When the experiment began, milliseconds since the epoch.
        show: Writes a difference in a metric of some kind.
    """
    primary = results.primary
    if primary is None or not primary.series:
        return ""
    dates = [date.fromisoformat(day) for day, _ in primary.series]
    series = []
    for index, first in enumerate(primary.series[0][1]):
        known = [
            (float((day - dates[0]).days), one.difference, (one.low, one.high))
            for day, one in zip(dates, (estimates[index] for _, estimates in primary.series), strict=True)
            if one.difference is not None and one.low is not None and one.high is not None
        ]
        points = tuple((day, difference) for day, difference, _ in known)
        series.append(
            plots.Series(
                label=first.variant,
                points=points,
                band=tuple(band for _, _, band in known),
                color=color_of(results, first.variant),
            )
        )

    def label(place: float) -> str:
        return (dates[0] + timedelta(days=place)).isoformat()[5:]

    return plots.lines(
        f"Difference in {primary.metric.key} from the control: running confidence sequence",
        series,
        partial(show, primary.metric.kind),
        label,
        vertical=_planned_end(dates[0], results.stage.planned_days, started_ms),
    )


def _planned_end(first: date, planned_days: int | None, started_ms: int | None) -> tuple[float, str] | None:
    """Return where the planned end is; what a day is drawn at counts what came up to its end."""
    if planned_days is None or started_ms is None:
        return None
    end = datetime.fromtimestamp(started_ms / 1000, UTC) + timedelta(days=planned_days)
    midnight = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return (end - midnight) / timedelta(days=1) - 1, "planned end"


def color_of(results: Results, variant: str) -> int:
    """Return the colour of a variant: the same in every picture, with and without the control."""
    return list(results.srm.observed).index(variant)


def power_svg(result: PowerResult, show: Callable[[float], str]) -> str:
    """Return the smallest effect that is seen, by days if it is known how many units come each day, else by units.

    Args:
        result: Of the plan.
        show: Writes a relative difference.
    """
    plan, per_day = result.plan, result.per_day

    def place(units: float) -> float:
        return units / per_day + result.wait_days if per_day else units

    points = tuple((place(units), effect) for units, effect in result.line)
    needed = f"{plan.days} days" if plan.days is not None else f"{plan.units:,} units"
    return plots.lines(
        f"Smallest effect on {result.metric} that is seen, by {'days' if per_day else 'units'}: {needed} are needed",
        [plots.Series(label=result.metric, points=points)],
        show,
        (lambda days: f"{days:.0f} d") if per_day else (lambda units: f"{units:,.0f}"),
        vertical=(place(plan.units), needed),
    )
