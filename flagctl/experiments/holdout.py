"""What a layer's experiments have brought all together: its holdout against the rest, slot by slot.

The holdout is a set of slots, and slots were drawn at random; so slots are what is compared. Whoever was never seen adds
nothing on either side, which is right: nobody has to say who could have been seen. A comparison of the units that were seen
would leave out those whom the experiments drove away. Deng, Knoblich & Lu (2018), section 3, on randomising groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import VALUE, ArmMetric, Moments
from flagctl.experiments.fixed import welch
from flagctl.experiments.reduce import NotEnoughDataError, reduce_arms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flagctl.experiments.estimates import Estimate

SLOTS = 100_000
HOLDOUT, REST = "holdout", "rest"
COUNTED = ("units", "events", "values")
"""What is compared of an event: how many units did it, how often it happened, and the sum of its values."""


def compare_slots(totals: Any, held: Sequence[tuple[int, int]], *, alpha: float) -> Estimate | None:
    """Compare what slots add up to in the holdout and in the rest.

    Args:
        totals: Array of `SLOTS` numbers: what the units of each slot add up to.
        held: The holdout's slots, half-open ranges.
        alpha: One minus the confidence.

    Returns:
        The rest compared with the holdout, per slot; None if nothing happened or one of them is too small.
    """
    inside = mask(held)
    try:
        one, other = reduce_arms((_arm(HOLDOUT, totals[inside]), _arm(REST, totals[~inside])))
    except NotEnoughDataError:
        return None
    found = welch(one, other, name=REST, alpha=alpha)
    return found if found.reason is None else None


def add_up(rows: Iterable[Mapping[str, Any]], places: Mapping[str, int]) -> dict[tuple[str, str], Any]:
    """Return what the units of each slot add up to, by event and by what is counted (of `COUNTED`).

    Args:
        rows: Of each unit and event: ``unit_id``, ``event``, number ``n`` and ``total`` of values.
        places: Unit to slot.
    """
    import numpy as np  # noqa: PLC0415 - slow to import

    sums: dict[tuple[str, str], Any] = {}
    for row in rows:
        place = places[str(row["unit_id"])]
        for of, number in zip(COUNTED, (1.0, float(row["n"]), float(row["total"] or 0.0)), strict=True):
            sums.setdefault((str(row["event"]), of), np.zeros(SLOTS))[place] += number
    # Where everybody does it once, or all values are 1, the numbers say the same and are told once.
    found: dict[tuple[str, str], Any] = {}
    for event in sorted({event for event, _ in sums}):
        for of in COUNTED:
            one = sums[event, of]
            if not any(np.array_equal(one, other) for (name, _), other in found.items() if name == event):
                found[event, of] = one
    return found


def mask(held: Sequence[tuple[int, int]]) -> Any:
    """Return an array that is true for the slots of some ranges."""
    import numpy as np  # noqa: PLC0415 - slow to import

    inside = np.zeros(SLOTS, dtype=bool)
    for start, end in held:
        inside[start:end] = True
    return inside


def share_p_value(units: int, total: int, share: float) -> float | None:
    """Return the p-value of "the holdout has its share of the units that were seen"; None with too few of them."""
    from flagctl.experiments.srm import chi_square  # noqa: PLC0415 - only here

    return chi_square({HOLDOUT: units, REST: total - units}, {HOLDOUT: share, REST: 1 - share})


def _arm(name: str, values: Any) -> ArmMetric:
    n = len(values)
    if n < 2:
        return ArmMetric(variant=name, moments=Moments(n=n, means={}, covariances={}))
    variance = float(values.var(ddof=1))
    return ArmMetric(
        variant=name,
        moments=Moments(n=n, means={VALUE: float(values.mean())}, covariances={(VALUE, VALUE): variance}),
    )
