"""What an experiment's data are, computed the slow and plain way over Python objects."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from flagctl.model import Experiment, Metric

MINUTE = 60_000_000


def units_of(experiment: Experiment, exposures, until: int):
    """Return unit to (first instant, variant); switchers and bots are left out."""
    seen = defaultdict(list)
    for one in {event.event_id: event for event in reversed(exposures)}.values():
        if one.experiment == experiment.key and one.ts < until:
            seen[one.unit_id].append(one)
    result = {}
    for unit, events in seen.items():
        variants = {event.variant for event in events}
        if len(variants) == 1 and not any(event.is_bot for event in events):
            result[unit] = (min(event.ts for event in events), variants.pop())
    return result


def value_of(metric: Metric, events, first: int, *, before: bool = False) -> float:
    """Return one unit's value of a metric that is not a ratio."""
    start = first - MINUTE
    if before:
        kept = [e for e in events if start - metric.cuped_ms * 1000 <= e.ts < start]
    else:
        kept = [e for e in events if start <= e.ts < first + metric.window_ms * 1000]
    kept = [e for e in kept if e.event == metric.event]
    if metric.kind == "conversion":
        return float(bool(kept))
    return float(len(kept)) if metric.kind == "count" else float(sum(e.value for e in kept))


def columns_of(experiment: Experiment, metric: Metric, exposures, conversions, until: int):
    """Return variant to a list of (value, value before), one of each unit that is old enough."""
    primary = experiment.primary is metric and experiment.decision.maturity == "complete"
    by_unit = defaultdict(list)
    for event in {event.event_id: event for event in conversions}.values():
        if event.ts < until:
            by_unit[event.unit_id].append(event)
    found = defaultdict(list)
    for unit, (first, variant) in units_of(experiment, exposures, until).items():
        if primary and first + metric.window_ms * 1000 > until:
            continue
        pre = value_of(metric, by_unit[unit], first, before=True) if metric.cuped_ms else 0.0
        found[variant].append((value_of(metric, by_unit[unit], first), pre))
    if metric.winsorize_upper is not None:
        everything = [value for rows in found.values() for value, _ in rows]
        cap = float(np.quantile(everything, metric.winsorize_upper / 100))
        found = {v: [(min(value, cap), pre) for value, pre in rows] for v, rows in found.items()}
    return found
