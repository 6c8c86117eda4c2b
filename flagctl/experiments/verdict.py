"""The verdict, by the rule that was committed before the start.

Problems of the data beat harm, harm beats success, and success needs every guardrail unharmed. Plain p-values never decide:
looking at one every day for two weeks gives 22 false alarms in 100.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from flagctl.experiments.analysis import control_of
from flagctl.experiments.looks import DAY_MS
from flagctl.experiments.outlook import outlook
from flagctl.model import ExperimentStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.experiments.analysis import MetricResult, Results, Stage
    from flagctl.experiments.data import ExperimentData
    from flagctl.experiments.estimates import Estimate

SWITCHER_LIMIT = 0.01
"""A greater share of units that changed variants makes a result invalid."""

STALE_DAYS = 2
"""Without an event for so many days a running experiment's data are stale."""


class Outcome(Enum):
    """What to do, in the order in which one beats another."""

    INVALID = "invalid"
    HALT = "halt"
    SHIP = "ship"
    NO_EFFECT = "no_effect"
    INCONCLUSIVE = "inconclusive"
    KEEP_RUNNING = "keep_running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the agreed rule says.

    Attributes:
        outcome: What to do.
        winner: The variant to ship, else None.
        headline: One sentence.
        reasons: Why, one sentence each.
        warnings: What a reader must know before the numbers.
        days_left: Until the planned end; without one, until about when more is known; None if nobody can tell.
    """

    outcome: Outcome
    headline: str
    winner: str | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    days_left: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "outcome": self.outcome.value,
            "winner": self.winner,
            "headline": self.headline,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            "days_left": self.days_left,
        }


def decide(data: ExperimentData, results: Results, *, later: int = 0) -> Verdict:
    """Return the verdict.

    Args:
        data: What was observed.
        results: What was computed of it.
        later: Full days between the end of the data and the question: what came after a planned look does not count.
    """
    stage = results.stage
    left = None if stage.planned_days is None else max(0, stage.planned_days - stage.days - later)
    warnings = tuple(_warnings(data, results))

    def say(outcome: Outcome, headline: str, *reasons: str, winner: str | None = None) -> Verdict:
        return Verdict(
            outcome=outcome, headline=headline, winner=winner, reasons=reasons, warnings=warnings, days_left=left
        )

    broken = _invalid(data, results)
    if broken:
        return say(Outcome.INVALID, "The result cannot be trusted.", *broken)
    harmed = [one for one in results.guardrails if one.state == "harmed"]
    if harmed:
        reasons = [f"guardrail {one.metric}, {one.variant}: {one.reason}" for one in harmed]
        return say(Outcome.HALT, "Stop: a guardrail is broken.", *reasons)
    primary = results.primary
    if primary is None:
        return say(Outcome.INCONCLUSIVE, "There is no primary metric, so nothing can be decided.")
    missing = [f"{one.variant}: {one.reason}" for one in primary.estimates if one.reason is not None]
    early = _too_early(data, results)
    sign = -1.0 if primary.metric.direction == "decrease" else 1.0
    worse = [one for one in primary.estimates if _beyond(one, -sign)]
    better = [one for one in primary.estimates if _beyond(one, sign)]
    # A Bayesian rule without a planned end has no risk of false alarms to keep; the others are sequential then.
    planned = stage.planned_days is not None or data.experiment.decision.planned_units is not None
    may_decide = stage.method not in {"fixed", "bayesian"} or stage.ended or not planned
    if worse and may_decide and not better and len(worse) == len(primary.estimates) and not early:
        names = ", ".join(one.variant for one in worse)
        return say(Outcome.HALT, f"Stop: {names} is worse on {primary.metric.key}.", *_effects(primary, worse))
    if stage.method == "bayesian" and not early:
        better = _bayesian_winners(results, sign) if may_decide else []
    unsafe = {one.variant: _unproven(data, results, one.variant) for one in better}
    proven = [one for one in better if not unsafe[one.variant]]
    if proven and may_decide and not early:
        best = max(proven, key=lambda one: sign * float(one.difference or 0))
        return say(
            Outcome.SHIP,
            f"Ship {best.variant}: it is better on {primary.metric.key}, and no guardrail is broken.",
            *_effects(primary, proven),
            winner=best.variant,
        )
    open_guards = [reason for one in better if may_decide for reason in unsafe[one.variant]]
    # What came up to the planned end never becomes more, however long one waits.
    if stage.ended and (not early or (stage.method != "sequential" and not _waits_for_days(data, stage))):
        return _at_the_end(data, results, say, early, open_guards)
    reasons = [*early, *missing, *open_guards]
    stopped = data.experiment.status is ExperimentStatus.COMPLETED
    # How long it takes to see an effect is of no use to a variant that waits for something else.
    coming = None if reasons or left or stopped else outlook(data, results)
    if not reasons:
        reasons = [_undecided(stage, worse)]
    if not may_decide:
        reasons = [f"the {stage.method} rule decides at the planned end only", *early]
    if stopped:
        left = None
        return say(Outcome.INCONCLUSIVE, "It was stopped before its rule decided.", *reasons)
    if left:
        return say(Outcome.KEEP_RUNNING, f"Keep running for {_days(left)}.", *reasons)
    if coming is None:
        return say(Outcome.KEEP_RUNNING, "Keep running.", *reasons)
    left = coming.days or None
    wait = f" for about {_days(coming.days)}" if coming.days else ""
    return say(Outcome.KEEP_RUNNING, f"Keep running{wait}.", *reasons, coming.reason)


def _undecided(stage: Stage, worse: Sequence[Estimate]) -> str:
    if stage.method == "bayesian":
        return f"no variant is better with a chance of {(1 - stage.each_alpha / 2) * 100:g} %"
    names = ", ".join(one.variant for one in worse)
    rest = "the interval of the primary metric still includes no difference"
    return f"{names} is worse; of the others {rest}" if names else rest


def _days(left: int) -> str:
    return f"{left:,} more {'day' if left == 1 else 'days'}"


class _Say(Protocol):
    def __call__(self, outcome: Outcome, headline: str, *reasons: str, winner: str | None = None) -> Verdict: ...


def _unproven(data: ExperimentData, results: Results, variant: str) -> list[str]:
    """Return which guardrails stand between a better variant and shipping it: unknown ones, and margins not yet shown."""
    margins = {metric.key: metric.margin for metric in data.experiment.guardrails}
    return [
        f"{variant} is better, but guardrail {one.metric}: {one.reason}"
        for one in results.guardrails
        if one.variant in {variant, ""}
        and (one.state == "no_data" or (one.state == "open" and margins.get(one.metric, 0.0) > 0))
    ]


def _waits_for_days(data: ExperimentData, stage: Stage) -> bool:
    """Return whether the planned units came so fast that the least number of days is not over; the look is at its end then."""
    return stage.planned_days is None and stage.days < data.experiment.decision.minimum_days


def _at_the_end(
    data: ExperimentData, results: Results, say: _Say, early: Sequence[str], open_guards: Sequence[str]
) -> Verdict:
    primary = results.primary
    worth = primary.metric.minimum_effect if primary else None
    estimates = primary.estimates if primary else ()
    control = control_of(data.experiment)
    if early:
        headline = f"The planned end is reached with too little to decide on; {control} stays."
        return say(Outcome.INCONCLUSIVE, headline, *early)
    if worth is not None and estimates and all(_within(one, worth) for one in estimates):
        return say(
            Outcome.NO_EFFECT,
            f"No effect worth having: it is smaller than {worth:g} % either way.",
            *_effects(primary),
        )
    missing = "with a better variant that its guardrails hold back" if open_guards else "without a decision"
    headline = f"The planned end is reached {missing}; {control} stays."
    return say(Outcome.INCONCLUSIVE, headline, *open_guards, *_effects(primary))


def _beyond(one: Estimate, sign: float) -> bool:
    if one.low is None or one.high is None or one.difference is None or one.reason is not None:
        return False
    # An earlier day may have left an interval that the present difference is not in. Nothing is shipped against what is seen now.
    return (one.low > 0 if sign > 0 else one.high < 0) and sign * one.difference > 0


def _within(one: Estimate, percent: float) -> bool:
    if one.low is None or one.high is None or not one.control:
        return False
    limit = abs(one.control) * percent / 100
    return -limit < one.low and one.high < limit


def _effects(primary: MetricResult | None, chosen: Sequence[Estimate] | None = None) -> list[str]:
    """Return the relative effects on the primary metric, and between which values they lie; of some variants, or of all."""
    if primary is None:
        return []
    lines = []
    for one in primary.estimates if chosen is None else chosen:
        if one.difference is None or one.low is None or one.high is None:
            lines.append(f"{one.variant}: {one.reason}")
        elif one.relative is not None and one.relative_low is not None and one.relative_high is not None:
            shown = [f"{value * 100:+.2f} %" for value in (one.relative, one.relative_low, one.relative_high)]
            values = f"{_level(primary, one.mean)} instead of {_level(primary, one.control)}"
            lines.append(f"{one.variant}: {shown[0]} ({shown[1]} to {shown[2]}), {values}")
        else:
            lines.append(f"{one.variant}: {one.difference:+.4g} ({one.low:+.4g} to {one.high:+.4g})")
    return lines


def _level(primary: MetricResult, value: float | None) -> str:
    if value is None:
        return "nothing"
    return f"{value * 100:.4g} %" if primary.metric.kind == "conversion" else f"{value:,.4g}"


def _bayesian_winners(results: Results, sign: float) -> list[Estimate]:
    primary = results.primary
    if primary is None:
        return []
    sure = 1 - results.stage.each_alpha / 2
    chances = {p.variant: p.chance_to_win if sign > 0 else 1 - p.chance_to_win for p in primary.posteriors}
    return [one for one in primary.estimates if chances.get(one.variant, 0.0) >= sure]


def _invalid(data: ExperimentData, results: Results) -> list[str]:
    reasons = []
    if results.srm.mismatch:
        shares = ", ".join(
            f"{name} {count} instead of {results.srm.expected[name]:.0f}"
            for name, count in results.srm.observed.items()
        )
        reasons.append(f"the variants did not get their shares of units: {shares} (p = {results.srm.p_value:.1g})")
        reasons += [f"shares are wrong where {name} = {value}" for name, value, _ in results.srm.drivers[:3]]
    total = data.total_units
    if total and data.switchers / total > SWITCHER_LIMIT:
        share = data.switchers / total * 100
        reasons.append(f"{data.switchers} of {total} units changed variants ({share:.1f} %)")
    reasons += [str(one) for one in data.findings if one.blocks]
    if data.experiment.status is ExperimentStatus.RUNNING and data.freshest_ms is not None:
        age = data.as_of_ms - data.freshest_ms
        if age > STALE_DAYS * DAY_MS:
            reasons.append(f"the newest event is {age // DAY_MS} days older than the instant of this analysis")
    return reasons


def _too_early(data: ExperimentData, results: Results) -> list[str]:
    decision, stage = data.experiment.decision, results.stage
    reasons = []
    if stage.days < decision.minimum_days:
        reasons.append(f"{stage.days} of at least {decision.minimum_days} full days are over")
    if not data.units:
        return [*reasons, "no unit was exposed"]
    variant, units = min(data.units.items(), key=lambda one: one[1])
    primary = data.experiment.primary
    found = data.metrics.get(primary.key) if primary else None
    arms = found.arms if found else ()
    if arms:
        variant, units = min(((arm.variant, arm.size) for arm in arms), key=lambda one: one[1])
    if units < decision.minimum_units:
        counted = " that count towards the primary metric" if units < data.units.get(variant, 0) else ""
        reasons.append(f"{variant} has {units} of at least {decision.minimum_units} units{counted}")
    happened = [arm.happened for arm in arms]
    known = [one for one in happened if one is not None]
    if known and min(known) < decision.minimum_conversions:
        reasons.append(f"a variant has {min(known)} of at least {decision.minimum_conversions} conversions")
    return reasons


def _warnings(data: ExperimentData, results: Results) -> list[str]:
    experiment = data.experiment
    found = [str(one) for one in data.findings if not one.blocks]
    found += [f"what was agreed on was changed while it ran: {one.reason}" for one in experiment.amendments]
    if experiment.status is ExperimentStatus.DRAFT:
        found.append("it is a draft, so its rule serves nobody before it is started")
    elif experiment.registration is None:
        found.append("nothing was registered at the start, so nobody can tell whether metrics were chosen afterwards")
    agreed = experiment.decision.effective_method
    if agreed != results.stage.method:
        why = "since it was changed while it ran" if experiment.amendments else "no end is planned"
        rule = agreed.replace("_", " ")
        found.append(f"{why}, the result is read by the sequential rule instead of the {rule} one")
    if agreed == "bayesian":
        found.append("the Bayesian rule does not limit how often a difference is found where there is none")
    if results.stage.days % 7 and results.stage.ended:
        found.append(f"{results.stage.days} days are not full weeks: days of the week may differ")
    p = results.srm.p_value
    if p is not None and not results.srm.mismatch and p < 0.01:
        found.append(f"the shares of units are odd, though not enough to block (p = {p:.2g})")
    if data.switchers:
        found.append(f"{data.switchers} units changed variants and were left out")
    for reason, count in data.excluded.items():
        found.append(f"{count} units were left out: {reason}")
    return found
