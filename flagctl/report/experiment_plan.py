"""Experiments before their results: lists, one experiment, and how large it must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.ops.experiment_list import metric_words
from flagctl.report import experiment_words as words
from flagctl.report.style import plain, wrap
from flagctl.report.table import Column, render_table
from flagctl.report.values import count, show_instant, show_share

if TYPE_CHECKING:
    from flagctl.ops.experiment_list import ExperimentListResult, ExperimentSummary, LayerSummary
    from flagctl.ops.experiment_power import PowerResult
    from flagctl.report.style import Style

_BAR = 30


def render_experiments(result: ExperimentListResult, style: Style) -> str:
    """Return a table of experiments, and the room in their layers."""
    if not result.experiments:
        return "no experiments"
    columns = [
        Column(title="EXPERIMENT", wraps=True),
        Column(title="STATUS"),
        Column(title="FLAG", flexible=True, droppable=True),
        Column(title="UNITS", right=True),
        Column(title="REGISTERED", droppable=True),
        Column(title="PRIMARY METRIC", flexible=True, droppable=True),
        Column(title="OWNER", flexible=True, droppable=True),
    ]
    rows = [
        (
            one.experiment.key,
            one.experiment.status.value,
            one.experiment.flag,
            show_share(one.share),
            one.registered,
            one.experiment.primary.key if one.experiment.primary else "",
            one.experiment.owner or "",
        )
        for one in result.experiments
    ]
    lines = [render_table(columns, rows, style)]
    for layer in result.layers:
        lines += ["", *_layer(layer, style)]
    return "\n".join(lines)


def _layer(layer: LayerSummary, style: Style) -> list[str]:
    free = sum(end - start for start, end in layer.free)
    lines = [style.paint(f"Layer {plain(layer.key)}", "bold")]
    for key, share in layer.taken:
        lines.append(f"  {show_share(share):>8}  {plain(key)}")
    if layer.holdout:
        lines.append(f"  {show_share(layer.holdout):>8}  held out")
    ranges = ", ".join(f"{start}-{end}" for start, end in layer.free)
    lines.append(style.paint(f"  {show_share(free):>8}  free" + (f" ({ranges})" if ranges else ""), "dim"))
    return lines


def render_experiment(result: ExperimentListResult, style: Style) -> str:
    """Return everything that was agreed on about one experiment."""
    summary = result.experiments[0]
    one = summary.experiment
    lines = [style.paint(plain(one.name or one.key), "bold") + f"  {one.status.value}"]
    for name, value in _facts(summary):
        lines.append(wrap(plain(value), style.width, " " * 13, f"{name:<13}"))
    for role, metrics in (
        ("primary", (one.primary,) if one.primary else ()),
        ("secondary", one.secondary),
        ("guardrail", one.guardrails),
    ):
        lines += [
            wrap(plain(f"{metric.key}: {metric_words(metric)}"), style.width, " " * 13, f"{role:<13}")
            for metric in metrics
        ]
    for amendment in one.amendments:
        text = f"{show_instant(amendment.at_ms)}: {amendment.reason}"
        lines.append(wrap(plain(text), style.width, " " * 13, f"{'amended':<13}"))
    for layer in result.layers:
        lines += ["", *_layer(layer, style)]
    return "\n".join(lines)


def _facts(summary: ExperimentSummary) -> list[tuple[str, str]]:
    one, decision = summary.experiment, summary.experiment.decision
    arms = ", ".join(
        f"{arm.variant} {show_share(arm.weight)}" if arm.weight is not None else f"{arm.variant} (pinned)"
        for arm in one.variants.arms
    )
    end = f"{decision.planned_days} days planned" if decision.planned_days else "no planned end"
    if decision.planned_units:
        end += f", {decision.planned_units:,} units"
    where = f"{show_share(summary.share)} of the units" + (f" (layer {one.layer})" if one.layer else "")
    facts = [
        ("hypothesis", one.hypothesis or ""),
        ("owner", one.owner or ""),
        (
            "flag",
            f"{one.flag}, served in {', '.join(summary.served_in)}"
            if summary.served_in
            else f"{one.flag}, served nowhere",
        ),
        ("variants", f"{arms}; control {one.control or one.variants.arms[0].variant}"),
        ("units", where + ("" if one.bucket_by == ("targeting_key",) else f" by {'.'.join(one.bucket_by)}")),
        ("decision", f"{decision.effective_method}, {decision.alpha:g} % risk, {end}"),
        ("parts", ", ".join(one.breakdowns)),
        ("bots", f"units with more than {one.bot_events_per_day} events on a day" if one.bot_events_per_day else ""),
        ("started", show_instant(one.started_at_ms) if one.started_at_ms is not None else ""),
        ("ended", show_instant(one.ended_at_ms) if one.ended_at_ms is not None else ""),
        ("winner", one.winner or ""),
        ("registered", summary.registered),
    ]
    return [(name, value) for name, value in facts if value]


def render_power(result: PowerResult, style: Style) -> str:
    """Return the plan, the other rules beside it, and which effect how many units show."""
    plan = result.plan
    effect = f"{plan.effect:.4g}" if plan.relative is None else _percent(plan.relative)
    rate = count(round(result.per_day or 0), "unit")
    days = "" if plan.days is None else f", {count(plan.days, 'day')} at {rate} a day"
    needed = f"{plan.units:,} units to see {effect} of {plain(result.metric)}{days}"
    rule = plan.method.replace("_", " ")
    under = f"{_baseline(result)}; {plan.power * 100:g} % power, {plan.alpha * 100:g} % risk, {rule}"
    if plan.days is not None and result.wait_days:
        under += f"; {count(result.wait_days, 'day')} until the values of the last units are complete"
    lines = [style.paint(wrap(needed, style.width), "bold"), wrap(under, style.width)]
    lines += [style.paint(wrap(plain(str(one)), style.width, "    ", "  ! "), "yellow") for one in result.findings]
    lines.append("")
    columns = [
        Column(title="RULE"),
        Column(title="UNITS AT MOST", right=True),
        Column(title="ON AVERAGE", right=True),
        Column(title="DAYS", right=True, droppable=True),
    ]
    rows = [
        (
            one.method.replace("_", " "),
            f"{one.units:,}",
            f"{one.expected_units:,}",
            "" if one.days is None else f"{one.days:,}",
        )
        for one in (plan, *result.others)
    ]
    lines += [render_table(columns, rows, style), "", *_at_the_end(result, style)]
    lines += ["Smallest effect that so many units show:", *_curve(result, style)]
    return "\n".join(lines)


def _curve(result: PowerResult, style: Style) -> list[str]:
    effects = [relative or 0.0 for _, relative in result.curve]
    units, seen = [f"{number:,}" for number, _ in result.curve], [_percent(one) for one in effects]
    bars = ["█" * max(1, round(one / max(effects) * _BAR)) for one in effects]
    left, right = (max(map(len, texts)) for texts in (units, seen))
    rows = zip(units, seen, bars, strict=True)
    return [f"  {number:>{left}}  {share:>{right}}  {style.paint(bar, 'cyan')}" for number, share, bar in rows]


def _percent(relative: float) -> str:
    """Return a relative effect, however small or large.

    >>> _percent(0.05), _percent(0.18844), _percent(0.00001), _percent(14.712)
    ('5 %', '18.8 %', '0.001 %', '1,471 %')
    """
    return f"{relative * 100:,.0f} %" if relative >= 10 else f"{relative * 100:.3g} %"


def _baseline(result: PowerResult) -> str:
    if result.kind == "conversion":
        baseline = f"baseline {result.baseline * 100:.4g} %"
    else:
        baseline = f"baseline {words.number(result.baseline)}, deviation {words.number(result.deviation)}"
    if result.measured:
        return f"{baseline} (measured on {count(result.measured, 'unit')})"
    return baseline + (" (as of normal values, one for each unit)" if result.kind == "quantile" else "")


def _at_the_end(result: PowerResult, style: Style) -> list[str]:
    if result.planned is None:
        return []
    days, units, relative = result.planned
    end = f"{count(days, 'day')}, {count(units, 'unit')}" if days else count(units, "unit")
    seen = _percent(relative)
    return [wrap(f"At the planned end ({end}) effects from {seen} on are seen.", style.width), ""]
