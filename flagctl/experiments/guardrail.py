"""Guardrails: metrics that must not get worse, judged at any time.

One-sided confidence sequences, the risk split evenly over guardrails and variants (Bonferroni), so that a check every five
minutes is allowed. Anytime-valid stopping on harm is what GrowthBook's safe rollouts and LaunchDarkly's guarded rollouts do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.experiments.estimates import Reduced, standard_error
from flagctl.experiments.reduce import NotEnoughDataError, reduce_arms
from flagctl.experiments.sequential import one_sided_bounds, one_sided_p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.experiments.data import MetricData
    from flagctl.model import Metric

DEFAULT_PLANNED = 10_000
"""Units at which a guardrail's sequence is tightest if no end is planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailResult:
    """A guardrail of one variant.

    Attributes:
        metric: Its key.
        variant: Compared variant.
        state: ``harmed``: worse than the margin allows. ``safe``: shown to be within the margin. ``open``: neither yet.
            ``no_data``: too few data to say anything.
        harm: How much worse the variant is, in units of the metric; negative if it is better. None without data.
        harm_low: Lower bound of `harm`, to be compared with `margin`: the error of both is in it.
        harm_high: Upper bound of `harm`, likewise.
        margin: How much worse it may be, in units of the metric.
        p_value: Always-valid, of "no worse than the margin".
        units: Of both variants.
        reason: In plain words.
    """

    metric: str
    variant: str
    state: str
    harm: float | None = None
    harm_low: float | None = None
    harm_high: float | None = None
    margin: float | None = None
    p_value: float | None = None
    units: int = 0
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


def judge(  # noqa: PLR0913 - all by name
    metric: Metric,
    data: MetricData | None,
    *,
    control: str,
    alpha: float,
    planned: float = DEFAULT_PLANNED,
    least_units: int = 100,
    variants: Sequence[str] = (),
) -> list[GuardrailResult]:
    """Judge one guardrail for every variant but the control.

    Args:
        metric: The guardrail with direction and margin.
        data: Of all variants; None if nothing came.
        control: Variant the others are compared with.
        alpha: Risk of a false alarm for one guardrail and variant, over all looks.
        planned: Units at which the sequence is tightest.
        least_units: With fewer in a variant nothing is said.
        variants: Those that must have an answer, also if there are no data of them.
    """
    if data is None:
        return [GuardrailResult(metric=metric.key, variant="", state="no_data", reason="no events came")]
    present = [arm.variant for arm in data.arms]
    others = [one for one in dict.fromkeys((*present, *variants)) if one != control]
    try:
        reduced = dict(zip([arm.variant for arm in data.arms], reduce_arms(data.arms), strict=True))
    except NotEnoughDataError as error:
        return [GuardrailResult(metric=metric.key, variant=v, state="no_data", reason=str(error)) for v in others]
    return [
        GuardrailResult(
            metric=metric.key, variant=v, state="no_data", reason=f"{control if v in reduced else v} has no units"
        )
        if control not in reduced or v not in reduced
        else compare(
            metric, reduced[control], reduced[v], variant=v, alpha=alpha, planned=planned, least_units=least_units
        )
        for v in others
    ]


def compare(  # noqa: PLR0913 - all by name
    metric: Metric,
    control: Reduced,
    variant_data: Reduced,
    *,
    variant: str,
    alpha: float,
    planned: float = DEFAULT_PLANNED,
    least_units: int = 100,
) -> GuardrailResult:
    """Judge one guardrail for one variant; arguments as in `judge`."""
    units = control.n + variant_data.n
    if min(control.n, variant_data.n) < least_units:
        reason = f"{min(control.n, variant_data.n)} units in a variant; {least_units} are the least"
        return GuardrailResult(metric=metric.key, variant=variant, state="no_data", units=units, reason=reason)
    sign = 1.0 if metric.direction == "decrease" else -1.0
    margin = abs(control.mean) * metric.margin / 100
    # The margin is a share of the control's mean, which is itself an estimate. So the variant is compared with the control
    # multiplied by what is allowed, and the multiplied control brings the error of the margin with it.
    factor = 1 + sign * math.copysign(metric.margin / 100, control.mean)
    allowed = Reduced(n=control.n, mean=control.mean * factor, variance=control.variance * factor * factor)
    bounds = one_sided_bounds(allowed, variant_data, alpha=alpha, planned=planned)
    harm = sign * (variant_data.mean - control.mean)
    if bounds is None:
        # A margin that nobody came near is not shown: a hundred units without an error say little about errors.
        state = "harmed" if harm > margin else "open"
        reason = "no unit differs from another one"
        if metric.margin and not control.mean and not harm:
            reason = f"nothing happened on either side, and {metric.margin:g} % of nothing cannot be shown (margin: 0 would do)"
        return GuardrailResult(
            metric=metric.key, variant=variant, state=state, harm=harm, margin=margin, units=units, reason=reason
        )
    beyond = bounds if sign > 0 else (-bounds[1], -bounds[0])
    error = standard_error(allowed, variant_data)
    state = "harmed" if beyond[0] > 0 else "safe" if beyond[1] < 0 else "open"
    return GuardrailResult(
        metric=metric.key,
        variant=variant,
        state=state,
        harm=harm,
        harm_low=margin + beyond[0],
        harm_high=margin + beyond[1],
        margin=margin,
        p_value=one_sided_p_value((harm - margin) / error, units, alpha, planned),
        units=units,
        reason=_reason(state, metric) + _reach(state, margin + beyond[0], margin + beyond[1], control.mean),
    )


def _reason(state: str, metric: Metric) -> str:
    allowed = f"{metric.margin:g} % worse is allowed" if metric.margin else "it must not get worse"
    if state == "harmed":
        return f"worse than allowed ({allowed})"
    return f"shown to be within the margin ({allowed})" if state == "safe" else f"nothing is shown yet ({allowed})"


def _reach(state: str, low: float, high: float, control: float) -> str:
    """Return how much worse it is at least, at most, or between what; nothing without a value to compare with."""
    if not control:
        return ""
    least, most = (f"{abs(one / control) * 100:.3g} % {'worse' if one > 0 else 'better'}" for one in (low, high))
    if state == "harmed":
        return f": it is at least {least}"
    return f": it is at most {most}" if state == "safe" and high > 0 else f": from {least} to {most}"


def overall(results: Sequence[GuardrailResult]) -> str:
    """Return the gravest state: ``harmed``, ``no_data``, ``open`` or ``safe``; ``no_data`` without results."""
    states = {one.state for one in results}
    return next((state for state in ("harmed", "no_data", "open", "safe") if state in states), "no_data")
