"""What flags answer to a population, as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flagctl.report.style import one_line, plain, shorten, wrap
from flagctl.report.table import Column, render_table
from flagctl.report.values import count, show_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flagctl.ops.measure import Measured
    from flagctl.ops.simulate import SimulateResult
    from flagctl.population.counting import Group
    from flagctl.population.measure import MeasuredFlag, MeasuredGroup, MeasuredMovement, Served
    from flagctl.population.simulate import RuleAudience, SimulatedFlag, VariantAudience
    from flagctl.report.style import Style

_MOST_GROUPS = 12
"""Groups that text shows; the JSON output has them all."""
_EXAMPLE = 160
"""Characters of an example where the terminal sets no limit."""
_INDENT = "  "


def percent(share: float) -> str:
    """Return a share as people read it: enough digits to tell it from nothing.

    >>> percent(0.25), percent(0.00004), percent(0.123456)
    ('25 %', '0.004 %', '12.35 %')
    """
    text = f"{share * 100:.2f}".rstrip("0").rstrip(".") if share >= 0.001 or not share else f"{share * 100:.1g}"
    return f"{text} %"


def render_measured(measured: Measured, style: Style) -> list[str]:
    """Return the lines of a measured change: each flag with its movements, examples and groups."""
    contexts = count(measured.contexts, "context")
    lines = ["", style.paint(f"Measured on {contexts} of {plain(measured.source)}:", "bold")]
    for flag in measured.flags:
        lines += _flag(flag, style)
    if not measured.flags:
        lines.append("  no flag may answer differently")
    return lines


def _flag(flag: MeasuredFlag, style: Style) -> list[str]:
    share = flag.changed / flag.contexts
    text = f"{flag.key} [{flag.environment}]: "
    text += f"{percent(share)} change ({flag.changed:,})" if flag.changed else "nobody changes"
    lines = [style.paint(wrap(plain(text), style.width, "    ", _INDENT), *(("yellow",) if flag.changed else ("dim",)))]
    for movement in flag.movements:
        if movement.is_change:
            lines += _movement(movement, style)
    for attribute, groups in flag.by.items():
        if flag.changed:
            lines += _by(attribute, groups, style)
    return lines


def _movement(movement: MeasuredMovement, style: Style) -> list[str]:
    text = f"{_change(movement)}  {percent(movement.share)} ({movement.count:,})"
    lines = [wrap(plain(text), style.width, " " * 8, " " * 6)]
    for context in movement.examples:
        example = one_line(json.dumps(context, ensure_ascii=False))
        limit = _EXAMPLE if style.width is None else max(style.width - 13, 20)
        lines.append(" " * 8 + style.paint("e.g. " + shorten(example, limit), "dim"))
    return lines


def _change(movement: MeasuredMovement) -> str:
    before, after = movement.before, movement.after
    same_name = before.variant == after.variant and before.error_code == after.error_code
    return f"{_served(before, value=same_name)} → {_served(after, value=same_name)}"


def _served(served: Served, *, value: bool = False) -> str:
    if served.error_code == "FLAG_NOT_FOUND":
        return "no flag"
    if served.variant is None:
        return "caller default" + (f" ({served.error_code})" if served.error_code else "")
    return f"{served.variant} ({show_value(served.value, 40)})" if value else served.variant


def _by(attribute: str, groups: Sequence[MeasuredGroup], style: Style) -> list[str]:
    rows = []
    for group in groups[:_MOST_GROUPS]:
        changes = [f"{_change(m)} {percent(m.count / group.contexts)}" for m in group.movements if m.is_change]
        share = percent(group.changed / group.contexts)
        rows.append([_group(group.group), f"{group.contexts:,}", share, ", ".join(changes)])
    columns = [
        Column(title=f"by {attribute}", flexible=True),
        Column(title="contexts", right=True),
        Column(title="change", right=True),
        Column(title="", wraps=True, paint=("dim",)),
    ]
    return _indented(columns, rows, len(groups), style)


def _indented(columns: Sequence[Column], rows: Sequence[Sequence[str]], total: int, style: Style) -> list[str]:
    from dataclasses import replace  # noqa: PLC0415 - only where a table is shown

    narrower = style if style.width is None else replace(style, width=max(style.width - 6, 20))
    lines = [f"      {line}".rstrip() for line in render_table(columns, rows, narrower).split("\n")]
    if total > len(rows):
        more = total - len(rows)
        lines.append(style.paint(f"      … and {count(more, 'more value')}: --output-format json has all", "dim"))
    return lines


def _group(group: Group) -> str:
    if group.kind != "value":
        return {"missing": "(missing)", "others": "(all others)"}[group.kind]
    value: Any = group.value
    return value if isinstance(value, str) and value else show_value(value, 40)


def render_simulation(result: SimulateResult, style: Style) -> str:
    """Return audiences: of one flag step by step, of several in a table."""
    contexts = count(result.contexts, "context")
    lines = [style.paint(plain(f"{contexts} of {result.source} [{result.environment}]"), "dim"), ""]
    if len(result.flags) == 1:
        return "\n".join([*lines, *_simulated(result.flags[0], style)])
    rows = [[flag.key, _gets(flag.variants), ", ".join(_idle(flag)) or "-"] for flag in result.flags]
    columns = [
        Column(title="flag", flexible=True),
        Column(title="gets", flexible=True),
        Column(title="rules that decide for nobody", wraps=True, paint=("dim",), droppable=True),
    ]
    return "\n".join([*lines, render_table(columns, rows, style)])


def _idle(flag: SimulatedFlag) -> list[str]:
    return [audience.rule for audience in flag.rules if audience.rule is not None and not audience.count]


def _gets(variants: Iterable[VariantAudience]) -> str:
    parts = [
        f"{'caller default' if v.variant is None else v.variant} {percent(v.share)}"
        for v in sorted(variants, key=lambda v: -v.count)
        if v.count
    ]
    return ", ".join(parts) or "nobody"


def _simulated(flag: SimulatedFlag, style: Style) -> list[str]:
    rules = [[_step(step), f"{step.count:,}", percent(step.share), _gets(step.variants)] for step in flag.rules]
    numbers = [Column(title="contexts", right=True), Column(title="share", right=True)]
    columns = [Column(title="decided by", flexible=True), *numbers, Column(title="gets", wraps=True, paint=("dim",))]
    lines = [style.paint(plain(flag.key), "bold"), render_table(columns, rules, style), ""]
    variants = [
        [
            "caller default" if v.variant is None else v.variant,
            f"{v.count:,}",
            percent(v.share),
            show_value(v.value, 60),
        ]
        for v in flag.variants
    ]
    columns = [Column(title="variant", flexible=True), *numbers, Column(title="value", flexible=True, paint=("dim",))]
    lines.append(render_table(columns, variants, style))
    for attribute, groups in flag.by.items():
        rows = [[_group(g.group), f"{g.contexts:,}", _gets(g.variants)] for g in groups[:_MOST_GROUPS]]
        columns = [
            Column(title=f"by {attribute}", flexible=True),
            Column(title="contexts", right=True),
            Column(title="gets", wraps=True, paint=("dim",)),
        ]
        lines += ["", *(line.removeprefix("      ") for line in _indented(columns, rows, len(groups), style))]
    return lines


def _step(step: RuleAudience) -> str:
    if step.error_code is not None:
        return f"({step.error_code})"
    if step.rule is not None:
        return step.rule
    return {"DISABLED": "(disabled)", "STATIC": "(always the same)"}.get(step.reason or "", "(default)")
