"""Whether a metric's test is honest on this very data: units are dealt out at random again and again, so no effect exists.

An A/A test without the waiting: Kohavi, Tang & Xu (2020), Trustworthy Online Controlled Experiments, chapter 19. P-values
must then be spread evenly. They are not if units are not independent, or if values are so skewed that the normal
approximation has not set in. The formulas themselves are held against another library's answers for the first dealings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import COLUMNS, DENOMINATOR, VALUE, ArmMetric, Moments
from flagctl.experiments.fixed import compare_means, library, welch
from flagctl.experiments.reduce import NotEnoughDataError, reduce_arms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_BINS = 10
_DOUBT = 0.001
_STRIDE = 25
_COMPARED = 20
"""Dealings of which another library computes the p-values, too."""
_SAME = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """How a metric's test does where there is nothing to find.

    Attributes:
        units: Units that were dealt out.
        runs: How often; fewer than asked for if some had no answer.
        alpha: Risk of a false alarm that was agreed on for one comparison.
        alarms: Runs whose p-value was at most `alpha`.
        even_p_value: Of "p-values are spread evenly", Kolmogorov-Smirnov.
        alarms_p_value: Of "alarms are no more frequent than `alpha`", binomial.
        histogram: Runs by p-value, in ten equal bins.
        passed: Whether neither is below 0.001, and the other library says the same.
        library: The other library and its version.
        library_runs: Of how many runs it computed the p-values, without covariates, whose coefficients it defines otherwise.
        library_difference: The largest difference to them; 0 without such runs.
    """

    units: int
    runs: int
    alpha: float
    alarms: int
    even_p_value: float
    alarms_p_value: float
    histogram: tuple[int, ...]
    passed: bool
    library: str
    library_runs: int
    library_difference: float

    @property
    def library_agrees(self) -> bool:
        """Whether the other library says the same."""
        return self.library_difference < _SAME

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__} | {"histogram": list(self.histogram)}


def self_test(  # noqa: PLR0913 - all by name
    columns: Mapping[str, Any],
    *,
    shares: tuple[float, float],
    runs: int,
    alpha: float,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> SelfTest:
    """Deal units out to two variants at random, many times, and look at the p-values.

    Args:
        columns: Name, of `flagctl.experiments.data.COLUMNS`, to one number for each unit; the same units in each.
        shares: Relative sizes of the two variants.
        runs: How often.
        alpha: Risk of a false alarm.
        seed: Another one deals otherwise.
        progress: Called with how far it is.

    Raises:
        NotEnoughDataError: If no run had an answer.
    """
    import numpy as np  # noqa: PLC0415 - slow to import
    from scipy import stats  # noqa: PLC0415 - the same

    names = [name for name in COLUMNS if name in columns]
    table, middle = _products([np.asarray(columns[name], dtype=float) for name in names])
    units = table.shape[0]
    rng = np.random.default_rng(seed)
    border = shares[0] / sum(shares)
    total = table.sum(axis=0)
    p_values: list[float] = []
    differences: list[float] = []
    for run in range(runs):
        if progress is not None and run % _STRIDE == 0:
            progress(f"dealing out units: {run} of {runs}")
        chosen = (rng.random(units) < border).astype(float)
        part, size = chosen @ table, int(chosen.sum())
        arms = [
            ArmMetric(variant=name, moments=_moments(names, middle, sums, n))
            for name, sums, n in (("a", part, size), ("b", total - part, units - size))
        ]
        try:
            found = welch(*reduce_arms(arms), name="b", alpha=alpha)
        except NotEnoughDataError:
            continue
        if found.p_value is not None:
            p_values.append(found.p_value)
        if len(differences) < _COMPARED and (differs := _differs(arms, alpha)) is not None:
            differences.append(differs)
    if not p_values:
        raise NotEnoughDataError("units are too few, or all alike")
    alarms = sum(p <= alpha for p in p_values)
    even = float(stats.kstest(p_values, "uniform").pvalue)
    frequent = float(stats.binom.sf(alarms - 1, len(p_values), alpha))
    worst = max(differences, default=0.0)
    histogram = np.histogram(p_values, bins=_BINS, range=(0.0, 1.0))[0]
    return SelfTest(
        units=units,
        runs=len(p_values),
        alpha=alpha,
        alarms=alarms,
        even_p_value=even,
        alarms_p_value=frequent,
        histogram=tuple(int(one) for one in histogram),
        passed=even >= _DOUBT and frequent >= _DOUBT and worst < _SAME,
        library=library(),
        library_runs=len(differences),
        library_difference=worst,
    )


def _differs(arms: Sequence[ArmMetric], alpha: float) -> float | None:
    """Return how far the p-value is from that of another library; None where one of them has none."""
    both = [arm.moments for arm in arms if arm.moments is not None and VALUE in arm.moments.means]
    if len(both) < 2:
        return None
    one, other = (_without_covariates(moments) for moments in both)
    reduced = reduce_arms([ArmMetric(variant=name, moments=moments) for name, moments in (("a", one), ("b", other))])
    ours = welch(*reduced, name="b", alpha=alpha)
    if ours.p_value is None:
        return None
    theirs = compare_means(one, other, name="b", alpha=alpha)
    return None if theirs.p_value is None else abs(ours.p_value - theirs.p_value)


def _without_covariates(moments: Moments) -> Moments:
    kept = {VALUE, DENOMINATOR}
    return Moments(
        n=moments.n,
        means={name: mean for name, mean in moments.means.items() if name in kept},
        covariances={pair: value for pair, value in moments.covariances.items() if kept.issuperset(pair)},
    )


def _products(columns: Sequence[Any]) -> tuple[Any, list[float]]:
    """Return a table of the columns and of the products of each pair, shifted by their means, and those means."""
    import numpy as np  # noqa: PLC0415 - slow to import

    middle = [float(column.mean()) if len(column) else 0.0 for column in columns]
    shifted = [column - center for column, center in zip(columns, middle, strict=True)]
    products = [shifted[i] * shifted[j] for i in range(len(shifted)) for j in range(i, len(shifted))]
    return np.column_stack([*shifted, *products]), middle


def _moments(names: Sequence[str], middle: Sequence[float], sums: Any, n: int) -> Moments:
    if n < 2:
        return Moments(n=n, means={}, covariances={})
    count = len(names)
    means = [float(sums[i]) / n for i in range(count)]
    covariances = {}
    position = count
    for i in range(count):
        for j in range(i, count):
            covariances[names[i], names[j]] = (float(sums[position]) - n * means[i] * means[j]) / (n - 1)
            position += 1
    return Moments(
        n=n,
        means={name: center + mean for name, center, mean in zip(names, middle, means, strict=True)},
        covariances=covariances,
    )
