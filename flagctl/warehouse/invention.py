"""Made-up events of an experiment: units by its own buckets, what they do by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flagctl.model import Experiment, Metric

_BASE_RATE = 0.1
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
    return _exposures(experiment, units, variants, first), drawn


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
    import numpy as np  # noqa: PLC0415 - slow to import

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
            window = min(metric.window_ms, 2 * _DAY_MS) * 1000
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
    import numpy as np  # noqa: PLC0415 - slow to import

    if metric.kind in {"conversion", "count"}:
        return np.ones(count)
    return np.round(rng.gamma(2.0, 25.0, count), 2)
