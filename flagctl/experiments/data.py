"""What a warehouse hands to the statistics: counts and moments, no events and no units.

Everything is small: its size depends on the number of variants, metrics and days, never on the number of units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.model import Experiment

VALUE = "value"
"""Column of the metric itself; of a ratio, its numerator."""
DENOMINATOR = "denominator"
"""Column of a ratio's denominator."""
COVARIATE = "covariate"
"""Column of what `value` was in the period before the first exposure."""
DENOMINATOR_COVARIATE = "denominator_covariate"
"""The same for a ratio's denominator."""
COLUMNS = (VALUE, DENOMINATOR, COVARIATE, DENOMINATOR_COVARIATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Sample moments over the units of one variant.

    Attributes:
        n: Number of units.
        means: Column to mean, for some of `COLUMNS`.
        covariances: Pair of columns to sample covariance (divisor n - 1); a pair stands once, in the order of `COLUMNS`,
            and a column with itself is its variance. Empty if n < 2.
    """

    n: int
    means: Mapping[str, float]
    covariances: Mapping[tuple[str, str], float]

    def mean(self, column: str) -> float:
        """Return a column's mean."""
        return self.means[column]

    def covariance(self, one: str, other: str) -> float:
        """Return the covariance of two columns."""
        pair = (one, other) if COLUMNS.index(one) <= COLUMNS.index(other) else (other, one)
        return self.covariances[pair]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileSample:
    """A quantile of one variant's values with the two neighbours that its interval is made of.

    Attributes:
        n: Number of units.
        events: Number of values: of events, or n if there is one value per unit.
        q: Level, between 0 and 1.
        estimate: The quantile.
        low: The quantile at the lower level that `flagctl.experiments.quantiles.levels` names.
        high: The same for the upper level.
        z: How many standard errors of the level `low` and `high` are away.
    """

    n: int
    events: int
    q: float
    estimate: float
    low: float
    high: float
    z: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmMetric:
    """One metric of one variant.

    Attributes:
        variant: Name.
        moments: For all kinds but quantiles.
        quantile: For quantiles.
        conversions: Number of units with at least one event, if the metric has one event.
        capped: Number of units whose value was cut.
    """

    variant: str
    moments: Moments | None = None
    quantile: QuantileSample | None = None
    conversions: int | None = None
    capped: int = 0

    @property
    def size(self) -> int:
        """Number of units with a value."""
        if self.quantile is not None:
            return self.quantile.n
        return 0 if self.moments is None else self.moments.n

    @property
    def happened(self) -> int | None:
        """How often the metric's event happened: units that did it, or of a quantile over events the values; None if nobody counts."""
        return self.quantile.events if self.conversions is None and self.quantile is not None else self.conversions

    @property
    def is_share(self) -> bool:
        """Whether each unit counts as yes or no, so that the mean is the share of units that converted."""
        moments, conversions = self.moments, self.conversions
        if moments is None or conversions is None or moments.n < 2 or set(moments.means) != {VALUE}:
            return False
        n, mean = moments.n, moments.mean(VALUE)
        # Sums of money may add up to the number of buyers by accident; then they vary otherwise.
        spread = abs(moments.covariance(VALUE, VALUE) - mean * (1 - mean) * n / (n - 1))
        return abs(mean * n - conversions) < 1e-6 * n and spread < 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricData:
    """One metric of all variants.

    Attributes:
        key: `flagctl.model.Metric.key`.
        arms: In the order of the experiment's variants.
        caps: Values at which units were cut: lower and upper, None where nothing is cut.
    """

    key: str
    arms: tuple[ArmMetric, ...]
    caps: tuple[float | None, float | None] = (None, None)

    def arm(self, variant: str) -> ArmMetric | None:
        """Return the data of a variant."""
        return next((arm for arm in self.arms if arm.variant == variant), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How the values of one variant are distributed.

    Attributes:
        variant: Name.
        n: Number of values other than zero.
        zeros: Share of values that are zero.
        quantiles: (level, value) of the others, ascending.
    """

    variant: str
    n: int
    zeros: float
    quantiles: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayData:
    """One UTC day: units first exposed on it, and the metrics over all units up to its end.

    Attributes:
        date: ``YYYY-MM-DD``.
        units: Variant to number of units first exposed on this day.
        metrics: Metric key to cumulative data; only where a series was asked for.
    """

    date: str
    units: Mapping[str, int]
    metrics: Mapping[str, MetricData] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFinding:
    """Something wrong with the events, with how often.

    Attributes:
        code: Stable, such as ``duplicate-events``.
        message: One sentence.
        count: How many events, units or files; 0 if the message says it, or there is nothing to count.
        blocks: Whether no verdict may be given because of it.
    """

    code: str
    message: str
    count: int
    blocks: bool = False

    def __str__(self) -> str:
        """Return the sentence, with its count where there is one."""
        return f"{self.message} ({self.count:,})" if self.count else self.message

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentData:
    """Everything that the statistics of one experiment read.

    Attributes:
        experiment: Its file.
        started_ms: When it began: the file's record, or the first exposure.
        as_of_ms: Instant up to which events were read.
        freshest_ms: Instant of the newest event that was read, None without events.
        units: Variant to number of exposed units, switchers included.
        units_by: Name (``sdk`` or an attribute) to value to variant to number of units.
        days: In order, without gaps.
        switchers: Units that were exposed to more than one variant; they are in no metric.
        excluded: Reason (such as ``bot``) to number of units that were left out.
        immature: Units whose window is still open; left out of the primary metric if the decision says so.
        metrics: Metric key to data.
        breakdowns: Attribute to value to metric key to data.
        by_age: Metric key to (days since first exposure, data of what happened on that day of a unit's life).
        strata: Metric key to stratum to data, for post-stratification; empty if there are no strata.
        findings: What is wrong with the events.
        distributions: Metric key to how its values are distributed, for a picture.
    """

    experiment: Experiment
    started_ms: int | None
    as_of_ms: int
    freshest_ms: int | None
    units: Mapping[str, int]
    units_by: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    days: tuple[DayData, ...] = ()
    switchers: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    immature: int = 0
    metrics: Mapping[str, MetricData] = field(default_factory=dict)
    breakdowns: Mapping[str, Mapping[str, Mapping[str, MetricData]]] = field(default_factory=dict)
    by_age: Mapping[str, tuple[tuple[int, MetricData], ...]] = field(default_factory=dict)
    strata: Mapping[str, Mapping[str, MetricData]] = field(default_factory=dict)
    findings: tuple[DataFinding, ...] = ()
    distributions: Mapping[str, tuple[Distribution, ...]] = field(default_factory=dict)

    @property
    def total_units(self) -> int:
        """Number of exposed units of all variants."""
        return sum(self.units.values())
