"""From data to answers: each metric by the agreed method, health checks, and the verdict.

The method is the one that was committed before the start. What is computed beside it (a single-look estimate, the Bayesian
view, parts) is for understanding and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from flagctl.experiments import bayes, guardrail, srm, views
from flagctl.experiments.boundaries import HYBRID_SHARE
from flagctl.experiments.estimates import Estimate, Reduced, not_enough
from flagctl.experiments.fixed import single_look
from flagctl.experiments.looks import DAY_MS, DEFAULT_LOOKS, estimate, method_in_force
from flagctl.experiments.multiplicity import corrected
from flagctl.experiments.reduce import NotEnoughDataError, reduce_arms
from flagctl.experiments.sequential import confidence_sequence, intersected, running

if TYPE_CHECKING:
    from flagctl.experiments.data import ExperimentData, MetricData
    from flagctl.experiments.guardrail import GuardrailResult
    from flagctl.experiments.srm import SrmResult
    from flagctl.model import Decision, Experiment, Metric


SUCCESS_RATES = (0.1, 0.2)
"""Shares of ideas that work, as several companies have published them, for the false-positive risk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How far an experiment is.

    Attributes:
        method: The rule in force: the committed one, or ``sequential`` if it was amended while running.
        days: Full days since the start.
        planned_days: Until the planned end, None without one.
        planned_units: At which sequences are tightest.
        ended: Whether the planned end was reached while the experiment ran.
        each_alpha: Risk of a false alarm for one comparison of the primary metric (split over variants).
        looks: Planned looks of a group-sequential test.
        pair_share: Share of the units that the control and one variant have together, the smallest of all variants.
    """

    method: str
    days: int
    planned_days: int | None
    planned_units: int
    ended: bool
    each_alpha: float
    looks: int = DEFAULT_LOOKS
    pair_share: float = 1.0

    @property
    def pair_units(self) -> float:
        """Planned units of the control and one variant together."""
        return self.planned_units * self.pair_share

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "pair_share"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricResult:
    """One metric.

    Attributes:
        metric: As it was committed.
        role: ``primary``, ``secondary`` or ``guardrail``.
        estimates: One for each variant but the control, by the method in force.
        single_look: The same by a single look, to be read only at the planned end.
        posteriors: The Bayesian view.
        corrected_p_values: Over all secondary metrics and variants; None for the primary metric and guardrails.
        series: (date, running estimates) for the primary metric.
        capped: Units whose value was cut.
        caps: Values at which they were cut.
    """

    metric: Metric
    role: str
    estimates: tuple[Estimate, ...]
    single_look: tuple[Estimate, ...] = ()
    posteriors: tuple[bayes.Posterior, ...] = ()
    corrected_p_values: tuple[float | None, ...] = ()
    series: tuple[tuple[str, tuple[Estimate, ...]], ...] = ()
    capped: int = 0
    caps: tuple[float | None, float | None] = (None, None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "key": self.metric.key,
            "kind": self.metric.kind,
            "direction": self.metric.direction or "increase",
            "role": self.role,
            "estimates": [one.to_dict() for one in self.estimates],
            "single_look": [one.to_dict() for one in self.single_look],
            "posteriors": [one.to_dict() for one in self.posteriors],
            "corrected_p_values": list(self.corrected_p_values),
            "series": [{"date": date, "estimates": [e.to_dict() for e in day]} for date, day in self.series],
            "capped": self.capped,
            "caps": list(self.caps),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything that was computed, before the verdict.

    Attributes:
        stage: How far the experiment is.
        srm: Whether variants got their shares of units.
        metrics: All metrics.
        guardrails: Guardrails by variant.
        parts: The effect in parts of the units.
        differences: Whether it differs between them.
        trends: The effect by days since the first exposure.
        stratified: The primary metric post-stratified by the first breakdown, by a single look.
        false_positive_risks: (share of ideas that work, how likely a significant improvement is none).
    """

    stage: Stage
    srm: SrmResult
    metrics: tuple[MetricResult, ...]
    guardrails: tuple[GuardrailResult, ...]
    parts: tuple[views.Part, ...] = ()
    differences: tuple[views.Difference, ...] = ()
    trends: tuple[views.Trend, ...] = field(default=())
    stratified: tuple[Estimate, ...] = ()
    false_positive_risks: tuple[tuple[float, float], ...] = ()

    @property
    def primary(self) -> MetricResult | None:
        """The result of the primary metric."""
        return next((one for one in self.metrics if one.role == "primary"), None)


def stage_of(data: ExperimentData) -> Stage:
    """Return how far the experiment is at the data's instant."""
    experiment = data.experiment
    decision = experiment.decision
    started = data.started_ms if data.started_ms is not None else data.as_of_ms
    days = max(0, (data.as_of_ms - started) // DAY_MS)
    ended = False
    if decision.planned_days is not None:
        # Whoever stops earlier has chosen the day of the look, perhaps after looking.
        due = started + decision.planned_days * DAY_MS
        ended = days >= decision.planned_days and (experiment.ended_at_ms is None or experiment.ended_at_ms >= due)
    elif decision.planned_units is not None:
        ended = data.total_units >= decision.planned_units
    others = max(1, len(experiment.variants.arms) - 1)
    shares, control = shares_of(experiment), control_of(experiment)
    least = min((share for name, share in shares.items() if name != control), default=0.0)
    return Stage(
        method=method_in_force(experiment),
        days=days,
        planned_days=decision.planned_days,
        planned_units=decision.planned_units or guardrail.DEFAULT_PLANNED,
        ended=ended,
        each_alpha=decision.alpha / 100 / others,
        looks=decision.looks or DEFAULT_LOOKS,
        pair_share=(shares.get(control, 0.0) + least) or 1.0,
    )


def control_of(experiment: Experiment) -> str:
    """Return the control: the declared one, else the first variant."""
    return experiment.control or experiment.variants.arms[0].variant


def compute(data: ExperimentData) -> Results:
    """Compute everything about an experiment but the verdict."""
    experiment, stage = data.experiment, stage_of(data)
    roles = [
        *([(experiment.primary, "primary")] if experiment.primary else []),
        *((metric, "secondary") for metric in experiment.secondary),
    ]
    metrics = [_metric(data, stage, metric, role) for metric, role in roles]
    guards = _guardrails(data, stage)
    listed, differences = _parts(data)
    primary = experiment.primary
    ages = data.by_age.get(primary.key, ()) if primary else ()
    return Results(
        stage=stage,
        srm=_srm(data),
        metrics=(
            *_corrected(metrics, experiment),
            *(_metric(data, stage, m, "guardrail") for m in experiment.guardrails),
        ),
        guardrails=tuple(guards),
        parts=tuple(listed),
        differences=tuple(differences),
        trends=tuple(views.novelty(ages, control=control_of(experiment), alpha=0.05)),
        stratified=tuple(_stratified(data, stage)),
        false_positive_risks=tuple(
            (rate, views.false_positive_risk(stage.each_alpha, experiment.decision.power / 100, rate))
            for rate in SUCCESS_RATES
        ),
    )


def shares_of(experiment: Experiment) -> dict[str, float]:
    """Return each variant's share of the units, between 0 and 1."""
    shares = {}
    for arm in experiment.variants.arms:
        size = arm.weight if arm.ranges is None else sum(end - start for start, end in arm.ranges)
        shares[arm.variant] = (size or 0) / 100_000
    return shares


def _srm(data: ExperimentData) -> SrmResult:
    by_day = {day.date: day.units for day in data.days}
    return srm.check(
        data.units,
        shares_of(data.experiment),
        days=[day.units for day in data.days],
        parts={"day": by_day, **data.units_by},
    )


def _metric(data: ExperimentData, stage: Stage, metric: Metric, role: str) -> MetricResult:
    found = data.metrics.get(metric.key)
    experiment = data.experiment
    control = control_of(experiment)
    others = [arm.variant for arm in experiment.variants.arms if arm.variant != control]
    alpha = stage.each_alpha
    if found is None:
        missing = tuple(not_enough(stage.method, v, "no events came", (0, 0), alpha) for v in others)
        return MetricResult(metric=metric, role=role, estimates=missing)
    try:
        reduced = reduced_of(found)
    except NotEnoughDataError as error:
        missing = tuple(not_enough(stage.method, v, str(error), (0, 0), alpha) for v in others)
        return MetricResult(metric=metric, role=role, estimates=missing)
    known = [v for v in others if v in reduced]
    if control not in reduced:
        missing = tuple(not_enough(stage.method, v, f"{control} has no units", (0, 0), alpha) for v in others)
        return MetricResult(metric=metric, role=role, estimates=missing)
    series = _series(data, stage, metric, others) if role == "primary" else ()
    estimates = tuple(estimate(reduced[control], reduced[v], v, stage, data) for v in known)
    anytime = stage.method == "sequential" or (stage.method == "hybrid" and not stage.ended)
    # The series has all units and no covariate; only then is it a sequence of the same quantity.
    if series and anytime and experiment.decision.maturity == "all" and metric.cuped_ms is None:
        latest = {one.variant: one for one in series[-1][1]}
        estimates = tuple(intersected(one, latest.get(one.variant)) for one in estimates)
    return MetricResult(
        metric=metric,
        role=role,
        estimates=estimates,
        single_look=tuple(single_look(found, reduced, (control, v), alpha=alpha) for v in known),
        posteriors=_posteriors(found, reduced, control, known),
        series=series,
        capped=sum(arm.capped for arm in found.arms),
        caps=found.caps,
    )


def _enough(found: MetricData, decision: Decision) -> bool:
    """Return whether there are as many units and conversions as a verdict needs.

    A sequence is asymptotic. Three units that are nearly alike on the first day have an interval that excludes everything, and
    what was excluded once stays so.
    """
    happened = [arm.happened for arm in found.arms if arm.happened is not None]
    return min(arm.size for arm in found.arms) >= decision.minimum_units and (
        not happened or min(happened) >= decision.minimum_conversions
    )


def reduced_of(found: MetricData) -> dict[str, Reduced]:
    """Return the mean and the variance of each variant's metric; raises as `reduce_arms`."""
    return dict(zip([arm.variant for arm in found.arms], reduce_arms(found.arms), strict=True))


def _series(
    data: ExperimentData, stage: Stage, metric: Metric, others: list[str]
) -> tuple[tuple[str, tuple[Estimate, ...]], ...]:
    """Return the running confidence sequence of each variant, day by day."""
    control = control_of(data.experiment)
    alpha = stage.each_alpha * (HYBRID_SHARE if stage.method == "hybrid" else 1.0)
    dates: list[str] = []
    columns: dict[str, list[Estimate]] = {variant: [] for variant in others}
    for day in data.days:
        found = day.metrics.get(metric.key)
        if found is None:
            continue
        try:
            reduced = reduced_of(found)
        except NotEnoughDataError:
            continue
        if control not in reduced or any(variant not in reduced for variant in others):
            continue
        dates.append(day.date)
        for variant in others:
            counts = (reduced[control].n, reduced[variant].n)
            one = (
                confidence_sequence(
                    reduced[control], reduced[variant], name=variant, alpha=alpha, planned=stage.pair_units
                )
                if _enough(found, data.experiment.decision)
                else not_enough("confidence_sequence", variant, "too few units", counts, alpha)
            )
            columns[variant].append(one)
    lines = {variant: running(column) for variant, column in columns.items()}
    return tuple((date, tuple(lines[variant][i] for variant in others)) for i, date in enumerate(dates))


def _posteriors(
    found: MetricData, reduced: dict[str, Reduced], control: str, others: list[str]
) -> tuple[bayes.Posterior, ...]:
    arms = {arm.variant: arm for arm in found.arms}
    result = []
    for variant in others:
        pair = arms[control], arms[variant]
        if all(arm.is_share for arm in pair):
            one, other = ((arm.conversions or 0, arm.size) for arm in pair)
            result.append(bayes.beta_binomial(one, other, name=variant))
        else:
            posterior = bayes.normal(reduced[control], reduced[variant], name=variant)
            if posterior is not None:
                result.append(posterior)
    return tuple(result)


def _guardrails(data: ExperimentData, stage: Stage) -> list[GuardrailResult]:
    experiment = data.experiment
    others = max(1, len(experiment.variants.arms) - 1)
    count = max(1, len(experiment.guardrails)) * others
    alpha = experiment.decision.alpha / 100 / count
    results = []
    for metric in experiment.guardrails:
        results += guardrail.judge(
            metric,
            data.metrics.get(metric.key),
            control=control_of(experiment),
            alpha=alpha,
            planned=stage.pair_units,
            least_units=experiment.decision.minimum_units,
            variants=[arm.variant for arm in experiment.variants.arms],
        )
    return results


def _corrected(metrics: list[MetricResult], experiment: Experiment) -> list[MetricResult]:
    """Correct the p-values of the secondary metrics for their number."""
    secondary = [one for one in metrics if one.role == "secondary"]
    p_values = [e.p_value for one in secondary for e in one.estimates]
    known = [p for p in p_values if p is not None]
    adjusted = iter(corrected(known, experiment.decision.correction))
    by_metric = {
        one.metric.key: tuple(None if e.p_value is None else next(adjusted) for e in one.estimates) for one in secondary
    }
    return [
        replace(one, corrected_p_values=by_metric[one.metric.key]) if one.role == "secondary" else one
        for one in metrics
    ]


def _parts(data: ExperimentData) -> tuple[list[views.Part], list[views.Difference]]:
    primary = data.experiment.primary
    if primary is None:
        return [], []
    divided = {
        dimension: {value: metrics[primary.key] for value, metrics in values.items() if primary.key in metrics}
        for dimension, values in data.breakdowns.items()
    }
    return views.parts(divided, control=control_of(data.experiment), alpha=0.05)


def _stratified(data: ExperimentData, stage: Stage) -> list[Estimate]:
    """Return the primary metric weighed over the strata that were asked for, else over the first declared breakdown."""
    primary, breakdowns = data.experiment.primary, data.experiment.breakdowns
    if primary is None:
        return []
    strata = dict(data.strata.get(primary.key, {}))
    if not strata and breakdowns:
        values = data.breakdowns.get(breakdowns[0], {})
        strata = {value: metrics[primary.key] for value, metrics in values.items() if primary.key in metrics}
    if len(strata) < 2:
        return []
    return views.post_stratified(strata, control=control_of(data.experiment), alpha=stage.each_alpha)
