"""What metrics say about a rollout: sources of numbers, and the verdict that is drawn from them.

Where numbers come from is said on the command line only, so that a change of flag files makes nobody run a command or ask a server.
Where units can be told by their buckets, newcomers of each step are compared with those still in line, and all steps make one confidence
sequence, which holds at every look of the whole rollout. Otherwise everybody who has the feature is compared with everybody else, each step
by a sequence of its own, and the steps share the risk of a false alarm. Metrics share it always.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from flagctl.errors import FlagctlError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from flagctl.experiments.estimates import Reduced
    from flagctl.experiments.guardrail import GuardrailResult
    from flagctl.model.strategy import Guard, GuardMetric
    from flagctl.ops.guard_arms import Arms

CONTROL: Final = "control"
TREATMENT: Final = "treatment"

IN_LINE: Final = "in_line"
EVERYBODY_ELSE: Final = "everybody_else"
COMPARED: Final = (IN_LINE, EVERYBODY_ELSE, "experiment")
"""Whom those who have the feature can be compared with."""


class GuardDataError(FlagctlError):
    """Numbers could not be had, or make no sense. It counts as a check without data."""


def why(error: BaseException) -> str:
    """Return in words why numbers could not be read, for whoever reads the log of a job."""
    reason = getattr(error, "reason", None)  # of what urllib could not open
    if isinstance(reason, OSError):
        return why(reason)
    match error:
        case json.JSONDecodeError():
            return "this is no JSON"
        case UnicodeDecodeError():
            return "this is no text in UTF-8"
        case KeyError():
            return f"'{error.args[0]}' is missing"
        case OSError(strerror=str() as text):
            return text
        case TypeError() | AttributeError():
            return "it is not built as the documentation says"
    return str(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a source is asked.

    Attributes:
        flag: Key of the flag.
        environment: Only numbers of this one; None for all.
        guard: What is measured.
        treatment: Variant of those who have the feature.
        control: Variant of the others; None if they have no certain one.
        since_ms: When the step that is served began, milliseconds since the epoch.
        now_ms: Numbers up to here count.
        arms: Who is to be compared, by buckets; None if that is by variants only.
    """

    flag: str
    environment: str | None
    guard: Guard
    treatment: str
    control: str | None
    since_ms: int
    now_ms: int
    arms: Arms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One side of a comparison: how many units, their mean, and the variance of one unit around it."""

    units: int
    mean: float
    variance: float


Stratum = tuple[Arm, Arm]
"""Control and treatment, drawn from the same mix of units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardData:
    """What a source answers.

    Attributes:
        as_of_ms: Instant of the newest datum, milliseconds since the epoch; None if nobody knows.
        metrics: By name, strata that are compared one by one and then pooled.
        expected: Share of the units that each arm should have, if that is known.
        verdict: Results that somebody else has judged, such as an experiment's guardrails; None if `metrics` are to be.
        problems: Why the numbers cannot be believed.
        control: ``in_line``: a stratum for each step of the rollout, the last one is served now. ``everybody_else``: of this
            step only.
    """

    as_of_ms: int | None
    metrics: Mapping[str, tuple[Stratum, ...]]
    expected: tuple[float, float] | None = None
    verdict: tuple[GuardrailResult, ...] | None = None
    problems: tuple[str, ...] = ()
    control: str = EVERYBODY_ELSE


class GuardSource(Protocol):
    """Where numbers come from."""

    def read(self, question: Question) -> GuardData:
        """Return the numbers.

        Raises:
            GuardDataError: If there are none, or they make no sense.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardVerdict:
    """What the metrics say.

    Attributes:
        state: ``harmed``; ``no_data``: missing or old; ``too_few`` units so far; ``untrusted``: arms of the wrong size; ``open``: no harm is shown,
            nor that there is none; ``safe``: all metrics are within their margins.
        results: One for each metric.
        reason: In plain words.
        control: Whom those who have the feature were compared with; None if with nobody.
    """

    state: str
    results: tuple[GuardrailResult, ...]
    reason: str
    control: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "state": self.state,
            "guardrails": [one.to_dict() for one in self.results],
            "reason": self.reason,
            "control": self.control,
        }


def judge(guard: Guard, data: GuardData, now_ms: int, *, risk: float = 1.0) -> GuardVerdict:
    """Judge the metrics of a guard.

    Args:
        guard: Metrics with their margins.
        data: The numbers.
        now_ms: The instant, milliseconds since the epoch.
        risk: Share of the guard's risk that this test may take.
    """
    if data.verdict is not None:
        control: str | None = "experiment"
    else:
        control = data.control if data.metrics else None
    return replace(_judge(guard, data, now_ms, risk), control=control)


def _judge(guard: Guard, data: GuardData, now_ms: int, risk: float) -> GuardVerdict:
    from flagctl.experiments.guardrail import overall

    if data.as_of_ms is None:
        return GuardVerdict(state="no_data", results=(), reason="no numbers came, or nothing says how old they are")
    age = now_ms - data.as_of_ms
    if age < -guard.max_age_ms:
        return GuardVerdict(state="no_data", results=(), reason="the newest numbers are of a time to come")
    if age > guard.max_age_ms:
        reason = f"the newest numbers are {age // 60_000} min old, {guard.max_age_ms // 60_000} are allowed"
        return GuardVerdict(state="no_data", results=(), reason=reason)
    if data.problems:
        return GuardVerdict(state="untrusted", results=data.verdict or (), reason="; ".join(data.problems))
    results = data.verdict if data.verdict is not None else tuple(_results(guard, data, risk))
    state = overall(results)
    if state == "no_data" and all(one.state != "no_data" or _came(one, data) for one in results):
        state = "too_few" if results else "no_data"
    if state != "harmed" and (skew := _skew(data)) is not None:
        return GuardVerdict(state="untrusted", results=results, reason=skew)
    return GuardVerdict(state=state, results=results, reason=_reason(state, results))


def _came(result: GuardrailResult, data: GuardData) -> bool:
    """Return whether there are numbers, only not enough of them yet."""
    # an experiment names the variant that has too few values, and none where a metric has no events at all
    named = data.verdict is not None and bool(result.variant)
    return result.units > 0 or result.metric in data.metrics or named


def healthy(guard: Guard, verdict: GuardVerdict) -> bool:
    """Return whether a verdict lets a rollout go on."""
    return verdict.state == "safe" or (verdict.state == "open" and not guard.safe)


def _results(guard: Guard, data: GuardData, risk: float) -> list[GuardrailResult]:
    from flagctl.experiments.guardrail import GuardrailResult, compare
    from flagctl.model import Metric

    alpha = guard.risk * risk / len(guard.metrics)
    results = []
    for metric in guard.metrics:
        strata = data.metrics.get(metric.metric, ())
        if not strata:
            reason = "no numbers came"
            results.append(GuardrailResult(metric=metric.metric, variant=TREATMENT, state="no_data", reason=reason))
            continue
        control, treatment = pooled(strata)
        result = compare(
            Metric(kind="mean", name=metric.metric, direction=metric.direction, margin=metric.margin),
            control,
            treatment,
            variant=TREATMENT,
            alpha=alpha,
            least_units=guard.minimum_units,
        )
        result = replace(result, reason=_numbers(metric, control, treatment, result))
        results.append(_with_enough_now(result, guard, data, strata))
    return results


def _with_enough_now(
    result: GuardrailResult, guard: Guard, data: GuardData, strata: Sequence[Stratum]
) -> GuardrailResult:
    """Return a result that says nothing good as long as it hangs on earlier steps alone."""
    fewest = min(arm.units for arm in strata[-1])
    if data.control != IN_LINE or result.state not in {"open", "safe"} or fewest >= guard.minimum_units:
        return result
    reason = f"{fewest} units on a side since the step began; {guard.minimum_units} are the least"
    return replace(result, state="no_data", reason=reason)


def pooled(strata: Sequence[Stratum]) -> tuple[Reduced, Reduced]:
    """Return control and treatment over strata, both weighted by the treatment's units, so that a changing mix does no harm."""
    from flagctl.experiments.estimates import Reduced

    used = [pair for pair in strata if pair[0].units > 0 and pair[1].units > 0]
    total = sum(pair[1].units for pair in used)
    sides = []
    for side in (0, 1):
        n = sum(pair[side].units for pair in used)
        if not n:
            sides.append(Reduced(n=0, mean=0.0, variance=0.0))
            continue
        weights = [pair[1].units / total for pair in used]
        mean = sum(weight * pair[side].mean for weight, pair in zip(weights, used, strict=True))
        error = sum(
            weight**2 * pair[side].variance / pair[side].units for weight, pair in zip(weights, used, strict=True)
        )
        sides.append(Reduced(n=n, mean=mean, variance=error * n))
    return sides[0], sides[1]


def _skew(data: GuardData) -> str | None:
    if data.expected is None or not data.metrics:
        return None
    from flagctl.experiments.srm import THRESHOLD, chi_square

    strata = max(data.metrics.values(), key=lambda pairs: sum(one.units + other.units for one, other in pairs))
    observed = {CONTROL: sum(pair[0].units for pair in strata), TREATMENT: sum(pair[1].units for pair in strata)}
    whole = sum(data.expected)
    p_value = chi_square(observed, {CONTROL: data.expected[0] / whole, TREATMENT: data.expected[1] / whole})
    if p_value is None or p_value >= THRESHOLD:
        return None
    return f"{observed[CONTROL]} units without and {observed[TREATMENT]} with it are not the shares they should be"


def _reason(state: str, results: Sequence[GuardrailResult]) -> str:
    worst = [one for one in results if one.state == ("no_data" if state == "too_few" else state)]
    return "; ".join(f"{_named(one)}: {one.reason}" for one in worst) if worst else "there is nothing to judge"


def _named(one: GuardrailResult) -> str:
    """Return a metric with its variant, of which an experiment may have several."""
    return one.metric if one.variant in {"", TREATMENT} else f"{one.metric}, {one.variant}"


def _numbers(metric: GuardMetric, control: Reduced, treatment: Reduced, result: GuardrailResult) -> str:
    if result.state == "no_data":
        return result.reason
    word = {"harmed": "worse than allowed", "safe": "within the margin"}.get(result.state, "no harm shown")
    allowed = f", {metric.margin:g} % allowed" if metric.margin else ""
    return f"{word}, {treatment.mean:.4g} against {control.mean:.4g} in {result.units} units{allowed}"


def arm_names(question: Question, known: Container[str]) -> tuple[str, str]:
    """Return what control and treatment are called in an answer.

    Raises:
        GuardDataError: If it is not clear who has the feature and who does not.
    """
    if CONTROL in known and TREATMENT in known:
        return CONTROL, TREATMENT
    if question.control is None:
        raise GuardDataError("nobody knows which variant the others have: give the flag a `default`, or label arms")
    return question.control, question.treatment


def parse_answer(text: str) -> GuardData:
    """Read the JSON that a command or a file gives.

    Raises:
        GuardDataError: If it is not as documented.
    """
    try:
        data = json.loads(text)
        if data.get("state") is not None and "guardrails" in data:
            return _judged(data)
        metrics = {name: tuple(_strata(value)) for name, value in data["metrics"].items()}
        expected = data.get("expected")
        return GuardData(
            as_of_ms=_instant(data["as_of"]),
            metrics=metrics,
            expected=None if expected is None else (float(expected[CONTROL]), float(expected[TREATMENT])),
            problems=tuple(map(str, data.get("problems", ()))),
            control=_control(data.get("control", EVERYBODY_ELSE)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GuardDataError(f"the numbers cannot be read: {why(error)}") from error


def _judged(data: dict[str, Any]) -> GuardData:
    """Read the output of `flagctl experiment guard`."""
    from flagctl.experiments.guardrail import GuardrailResult

    results = tuple(GuardrailResult(**one) for one in data["guardrails"])
    if data["state"] not in {"harmed", "no_data", "open", "safe"}:
        raise ValueError(f"no state is '{data['state']}'")
    return GuardData(
        as_of_ms=data["freshest_ms"], metrics={}, verdict=results, problems=tuple(map(str, data.get("problems", ())))
    )


def _control(value: Any) -> str:
    if value not in {IN_LINE, EVERYBODY_ELSE}:
        raise ValueError(f"`control` is {IN_LINE} or {EVERYBODY_ELSE}")
    return str(value)


def _instant(value: Any) -> int:
    from flagctl.evaluator.instants import parse_instant

    instant = parse_instant(value)
    if instant is None:
        raise ValueError(f"'{value}' is no instant")
    return instant // 1000


def _strata(value: Any) -> list[Stratum]:
    items = value if isinstance(value, list) else [value]
    return [(_arm(item[CONTROL]), _arm(item[TREATMENT])) for item in items]


def _arm(item: dict[str, Any]) -> Arm:
    units = item["units"]
    if isinstance(units, bool) or not isinstance(units, int) or units < 0:
        raise ValueError("units are a whole number from 0 on")
    if "events" in item:
        return proportion(units, float(item["events"]))
    if not units:
        return Arm(units=0, mean=0.0, variance=0.0)
    mean, variance = float(item["mean"]), float(item["variance"])
    if not (math.isfinite(mean) and math.isfinite(variance) and variance >= 0):
        raise ValueError("mean and variance are finite numbers, and a variance is not negative")
    return Arm(units=units, mean=mean, variance=variance)


def proportion(units: int, events: float) -> Arm:
    """Return an arm of which so many units had an event.

    Raises:
        ValueError: If there are more events than units, or fewer than none.
    """
    if not math.isfinite(events) or not 0 <= events <= max(units, 0):
        raise ValueError(f"{events:g} of {units} units cannot have had the event")
    share = events / units if units else 0.0
    return Arm(units=units, mean=share, variance=share * (1 - share))
