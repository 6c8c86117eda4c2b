"""Made-up events of an experiment: units by its own buckets, what they do by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flagctl.model import Experiment, Metric

_BASE_RATE = 0.1
_VISIT_RATE = 1.0
"""Of what ratios divide by: some are needed in every unit."""
_MOST = 0.999
_STEADY_RATE = 3.0
"""Of what a quantile over units is made of: with less most units would have nothing."""
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Invention:
    """What to make up.

    Attributes:
        units: How many units are exposed.
        days: Over how many days they come.
        effect: Relative difference of every variant but the control on the primary metric: 0.1 is 10 % more.
        seed: Another one gives other events.
        started_ms: Where the first day begins, milliseconds since the epoch.
    """

    units: int
    days: int
    effect: float
    seed: int
    started_ms: int


def invent(experiment: Experiment, invention: Invention) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns of exposures and of conversions."""
    import numpy as np  # noqa: PLC0415 - slow to import

    rng = np.random.default_rng(invention.seed)
    units = [f"sim-{invention.seed}-{index}" for index in range(invention.units)]
    first = invention.started_ms * 1000 + rng.integers(0, invention.days * _DAY_MS * 1000, invention.units)
    variants = _assign(experiment, units)
    drawn = _conversions(experiment, units, variants, first, (rng, invention.effect))
    return _exposures(experiment, units, variants, (first, rng)), drawn


def _assign(experiment: Experiment, units: list[str]) -> list[str]:
    from flagctl.evaluator.buckets import bucket  # noqa: PLC0415 - only here

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


def _exposures(
    experiment: Experiment, units: list[str], variants: list[str], chance: tuple[Any, Any]
) -> dict[str, Any]:
    """Return the first exposures, with a made-up value of each attribute that the effect is shown by."""
    first, rng = chance
    count = len(units)
    parts = [[(name, "ab"[pick]) for pick in rng.integers(0, 2, count)] for name in experiment.breakdowns]
    return {
        "ts": first,
        # Unlike those of other made-up experiments, so that events of several can be put together.
        "event_id": [f"{experiment.key}/{units[0]}/x{index}" for index in range(count)],
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
        "attrs": [list(one) for one in zip(*parts, strict=True)] if parts else [[]] * count,
        "is_bot": [False] * count,
    }


def _conversions(
    experiment: Experiment, units: list[str], variants: list[str], first: Any, chance: tuple[Any, float]
) -> dict[str, Any]:
    """Draw for each event of each metric how often every unit did it, and when."""
    import numpy as np  # noqa: PLC0415 - slow to import

    rng, effect = chance
    control = experiment.control or experiment.variants.arms[0].variant
    treated = np.array([variant != control for variant in variants])
    chosen: list[Any] = []
    events: list[str] = []
    moments: list[Any] = []
    values: list[Any] = []
    attrs: list[list[tuple[str, str]]] = []
    for name, kind in _kinds(experiment).items():
        rate = np.where(treated & kind.oftener, kind.lifted(effect), kind.rate)
        happened = np.repeat(np.arange(len(units)), rng.poisson(rate))
        chosen.append(happened)
        events += [name] * len(happened)
        moments.append(first[happened] + rng.integers(1, kind.window_us, len(happened)))
        drawn = _values(rng, len(happened)) if kind.valued else np.ones(len(happened))
        values.append(np.where(treated[happened] & kind.greater, drawn * (1 + effect), drawn))
        attrs += _attributes(rng, kind.attributes, len(happened))
    places = np.concatenate(chosen) if chosen else np.array([], dtype=int)
    return {
        "ts": np.concatenate(moments) if moments else np.array([], dtype=int),
        "event_id": [f"{experiment.key}/{units[0]}/c{index}" for index in range(len(events))],
        "environment": ["simulated"] * len(events),
        "unit_type": [".".join(experiment.bucket_by)] * len(events),
        "unit_id": [units[index] for index in places],
        "event": events,
        "value": np.concatenate(values) if values else np.array([], dtype=float),
        "experiment": [None] * len(events),
        "attrs": attrs,
    }


@dataclass(slots=True)
class _Kind:
    """How one event is drawn: as all metrics that read it need it."""

    window_us: int
    rate: float = _BASE_RATE
    valued: bool = False
    oftener: bool = False
    greater: bool = False
    once: bool = False
    attributes: tuple[str, ...] = ()

    def lifted(self, effect: float) -> float:
        """Return the rate of a variant: that of events, or of units that do it at least once, is greater by the effect."""
        if not self.once:
            return self.rate * (1 + effect)
        share = (1 + effect) * (1 - math.exp(-self.rate))
        return -math.log1p(-min(share, _MOST))


def _kinds(experiment: Experiment) -> dict[str, _Kind]:
    found: dict[str, _Kind] = {}
    for metric in experiment.metrics:
        for name in metric.events:
            kind = found.setdefault(name, _Kind(window_us=min(metric.window_ms, 2 * _DAY_MS) * 1000))
            if metric is experiment.primary and name == metric.events[0]:
                # A quantile does not move if its events only become more.
                kind.greater = metric.kind == "quantile"
                kind.oftener = not kind.greater
                kind.once = metric.kind == "conversion"
            if metric.kind == "quantile" and metric.level == "unit":
                kind.rate = _STEADY_RATE
            elif metric.denominator is not None and name == metric.denominator.event and not kind.oftener:
                kind.rate = max(kind.rate, _VISIT_RATE)
            numbers = _numbers(metric, name)
            kind.valued |= bool(numbers)
            kind.attributes += tuple(one for one in numbers if one != "value" and one not in kind.attributes)
    return found


def _numbers(metric: Metric, event: str) -> list[str]:
    """Return where a metric takes its numbers from: ``value``, or the attributes' names."""
    if metric.kind == "ratio":
        sides = (metric.numerator, metric.denominator)
        return [side.value for side in sides if side is not None and side.event == event and side.of == "value"]
    return [] if metric.kind in {"conversion", "count"} else [metric.value]


def _attributes(rng: Any, names: tuple[str, ...], count: int) -> list[list[tuple[str, str]]]:
    if not names:
        return [[] for _ in range(count)]
    drawn = [[(name, str(number)) for number in rng.integers(1, 6, count)] for name in names]
    return [list(one) for one in zip(*drawn, strict=True)]


def _values(rng: Any, count: int) -> Any:
    import numpy as np  # noqa: PLC0415 - slow to import

    return np.round(rng.gamma(2.0, 25.0, count), 2)
