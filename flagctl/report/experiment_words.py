"""What reports of experiments say, whatever they are written in: rows and sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flagctl.ops.experiment_list import metric_words
from flagctl.report.values import count, show_instant

if TYPE_CHECKING:
    from flagctl.experiments.analysis import MetricResult, Results
    from flagctl.experiments.bayes import Posterior
    from flagctl.experiments.estimates import Estimate
    from flagctl.ops.experiment_analyze import AnalyzeResult

RULES = {
    "hybrid": "may stop early, decides at the planned end",
    "sequential": "may stop at any time",
    "fixed": "decides at the planned end only",
    "group_sequential": "decides at planned looks",
    "bayesian": "weighs chances and losses",
}
"""What each rule does."""

METHODS = {
    "confidence_sequence": "confidence sequence, valid at any time",
    "hybrid_end": "at the planned end",
    "welch": "single look",
    "group_sequential": "at the last planned look",
}

OUTCOMES = {
    "invalid": ("red", "INVALID"),
    "halt": ("red", "HALT"),
    "ship": ("green", "SHIP"),
    "no_effect": ("blue", "NO EFFECT"),
    "inconclusive": ("yellow", "INCONCLUSIVE"),
    "keep_running": ("cyan", "KEEP RUNNING"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A variant's effect on one metric.

    Attributes:
        metric: Its key.
        role: ``primary``, ``secondary`` or ``guardrail``.
        variant: Compared variant.
        control: Control's mean; of a conversion the share of units.
        mean: Variant's mean, likewise.
        effect: Relative difference, or absolute where there is none.
        interval: Of the effect.
        p_value: Always-valid where the method is; corrected for secondary metrics.
        verdict: ``better``, ``worse``, ``unclear`` or why there is nothing.
    """

    metric: str
    role: str
    variant: str
    control: str
    mean: str
    effect: str
    interval: str
    p_value: str
    verdict: str


def number(value: float | None) -> str:
    """Return a number with about four digits.

    >>> number(0.12346), number(1234.56), number(None)
    ('0.1235', '1,235', '')
    """
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def share(value: float | None) -> str:
    """Return a relative difference in percent, with its sign.

    >>> share(0.0123), share(None)
    ('+1.23 %', '')
    """
    return "" if value is None else f"{value * 100:+.2f} %"


def level(kind: str, value: float | None) -> str:
    """Return a value of a metric: of a conversion the share of units in percent.

    >>> level("conversion", 0.2184), level("mean", 3.7712), level("mean", None)
    ('21.84 %', '3.771', '')
    """
    return f"{number(value * 100)} %" if kind == "conversion" and value is not None else number(value)


def gap(kind: str, value: float | None) -> str:
    """Return a difference between values of a metric, with its sign: of conversions in percentage points.

    >>> gap("conversion", -0.0123), gap("mean", 12.5), gap("conversion", 0.0), gap("mean", None)
    ('-1.23 pp', '+12.5', '0 pp', '')
    """
    if value is None:
        return ""
    shown = value * 100 if kind == "conversion" else value
    sign = "+" if shown > 0 else ""
    return f"{sign}{number(round(shown, 12))}" + (" pp" if kind == "conversion" else "")


def gap_range(kind: str, low: float | None, high: float | None) -> str:
    """Return both ends of a difference; empty if one is unknown.

    >>> gap_range("conversion", -0.01, 0.025)
    '-1 pp to +2.5 pp'
    """
    return "" if low is None or high is None else f"{gap(kind, low)} to {gap(kind, high)}"


def loss(kind: str, value: float) -> str:
    """Return an expected loss; what is next to none is not written with ten digits.

    >>> loss("conversion", 0.0012), loss("conversion", 2.5e-8), loss("mean", 1.8e-5)
    ('0.12 pp', '<0.001 pp', '<0.001')
    """
    shown = value * 100 if kind == "conversion" else value
    text = "<0.001" if 0 < shown < 0.001 else number(shown)
    return text + (" pp" if kind == "conversion" else "")


def p_text(value: float | None) -> str:
    """Return a p-value.

    >>> p_text(0.03456), p_text(1e-9)
    ('0.035', '<0.001')
    """
    if value is None:
        return ""
    return "<0.001" if value < 0.001 else f"{value:.2g}"


def rows(results: Results) -> list[Row]:
    """Return a row for each metric and variant."""
    found = []
    for metric in results.metrics:
        for index, estimate in enumerate(metric.estimates):
            p = estimate.p_value
            if metric.corrected_p_values and index < len(metric.corrected_p_values):
                p = metric.corrected_p_values[index]
            # The risk of the whole experiment: the correction has covered its variants.
            found.append(_row(metric, estimate, p, results.stage.each_alpha * len(metric.estimates)))
    return found


def _row(metric: MetricResult, estimate: Estimate, p: float | None, alpha: float) -> Row:
    relative = estimate.relative is not None and estimate.relative_low is not None
    kind = metric.metric.kind
    effect = share(estimate.relative) if relative else gap(kind, estimate.difference)
    if relative:
        interval = f"{share(estimate.relative_low)} to {share(estimate.relative_high)}"
    else:
        interval = gap_range(kind, estimate.low, estimate.high)
    return Row(
        metric=metric.metric.key,
        role=metric.role,
        variant=estimate.variant,
        control=level(kind, estimate.control),
        mean=level(kind, estimate.mean),
        effect=effect,
        interval=interval,
        p_value=p_text(p),
        verdict=_verdict(metric, estimate, p, alpha),
    )


def _verdict(metric: MetricResult, estimate: Estimate, p: float | None, alpha: float) -> str:
    if estimate.reason is not None:
        return estimate.reason
    if estimate.low is None or estimate.high is None or (metric.role == "secondary" and (p is None or p > alpha)):
        return "unclear"
    sign = -1 if metric.metric.direction == "decrease" else 1
    if estimate.low > 0:
        return "better" if sign > 0 else "worse"
    if estimate.high < 0:
        return "worse" if sign > 0 else "better"
    return "unclear"


def measured(result: AnalyzeResult) -> list[tuple[str, str, str]]:
    """Return what each metric measures: its role, its key, and how one unit's number comes about."""
    return [(one.role, one.metric.key, metric_words(one.metric)) for one in result.results.metrics]


def facts(result: AnalyzeResult) -> list[tuple[str, str]]:
    """Return what stands above the numbers: names and values."""
    data, stage = result.data, result.results.stage
    end = f" of {stage.planned_days}" if stage.planned_days else ""
    units = ", ".join(f"{name} {number_of:,}" for name, number_of in data.units.items())
    found = [
        ("flag", result.experiment.flag),
        (
            "days",
            f"{stage.days}{end}" + ("" if data.started_ms is None else f", since {show_instant(data.started_ms)}"),
        ),
        ("units", f"{data.total_units:,} ({units})"),
        ("control", result.experiment.control or result.experiment.variants.arms[0].variant),
        (
            "rule",
            f"{stage.method.replace('_', ' ')} ({RULES[stage.method]}), {result.experiment.decision.alpha:g} % risk of a false alarm",
        ),
        ("shares", shares(result)),
    ]
    if data.immature:
        found.append(("waiting", f"{count(data.immature, 'unit')} whose window is still open"))
    if result.experiment.hypothesis:
        found.insert(0, ("hypothesis", result.experiment.hypothesis))
    return found


def shares(result: AnalyzeResult) -> str:
    """Return what the test of sample ratios says."""
    srm = result.results.srm
    if srm.p_value is None:
        return "too few units to test"
    return (
        f"as they should be (p = {srm.p_value:.2g})"
        if not srm.mismatch
        else f"NOT as they should be (p = {srm.p_value:.1g})"
    )


def chance(value: float) -> str:
    """Return a probability in percent; what is nearly certain is not called certain.

    >>> chance(0.975), chance(0.99999), chance(0.0)
    ('97.5 %', '>99.9 %', '<0.1 %')
    """
    if value > 0.999:
        return ">99.9 %"
    return "<0.1 %" if value < 0.001 else f"{value * 100:.1f} %"


def gains(metric: MetricResult, one: Posterior) -> tuple[str, str]:
    """Return the chance that a variant is better, and the loss to expect of it, where less may be better."""
    kind = metric.metric.kind
    if metric.metric.direction == "decrease":
        return chance(1 - one.chance_to_win), loss(kind, one.expected_loss_control)
    return chance(one.chance_to_win), loss(kind, one.expected_loss)


def posteriors(metric: MetricResult) -> list[str]:
    """Return what the Bayesian view says about each variant of a metric."""
    found = []
    for one in metric.posteriors:
        wins, loss = gains(metric, one)
        low, high = (gap(metric.metric.kind, end) for end in (one.low, one.high))
        between = f"the difference is between {low} and {high} with a chance of 95 %"
        found.append(f"{one.variant} is better with a chance of {wins}; expected loss {loss}; {between}.")
    return found


def method_note(results: Results) -> str:
    """Return how the intervals are to be read, and how far a success is to be trusted."""
    primary = results.primary
    known = [] if primary is None else [one for one in primary.estimates if one.low is not None]
    if primary is None or not known:
        return ""
    name, alpha = known[0].method, known[0].alpha
    shown = f"Intervals: {(1 - alpha) * 100:g} %, {METHODS.get(name, name)}."
    sentences = ["Effects are relative to the control.", shown]
    if results.stage.method == "bayesian":
        sentences += posteriors(primary)
    if any(
        before != after
        for one in results.metrics
        for before, after in zip((e.p_value for e in one.estimates), one.corrected_p_values, strict=False)
    ):
        sentences.append("p of secondary metrics is corrected for their number, intervals are not.")
    for one in results.stratified:
        if one.relative is not None and one.relative_low is not None and one.relative_high is not None:
            shown = f"{share(one.relative)} ({share(one.relative_low)} to {share(one.relative_high)})"
            sentences.append(f"{one.variant}, post-stratified, single look: {shown}.")
    if any(_verdict(primary, one, one.p_value, alpha) == "better" for one in primary.estimates):
        risks = [
            f"{risk * 100:.0f} % if {rate * 100:.0f} % of all ideas work" for rate, risk in results.false_positive_risks
        ]
        sentences.append(f"Chance that such a success is none: {', '.join(risks)}.")
    return " ".join(sentences)
