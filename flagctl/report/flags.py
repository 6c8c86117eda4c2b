"""`flagctl list` and `flagctl show` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.model import UNSET
from flagctl.ops.listing import describe_default
from flagctl.report.style import Style, plain, wrap
from flagctl.report.table import Column, render_fields, render_table
from flagctl.report.values import count, show_value
from flagctl.review import words

if TYPE_CHECKING:
    from flagctl.model import Flag, FlagState, Rule
    from flagctl.ops.listing import EnvironmentSummary, FlagSummary, ListResult, ShowResult


def render_list(result: ListResult, style: Style) -> str:
    """Return a table of flags with their state in each environment."""
    if not result.flags:
        return "no flags yet"
    environments = [summary.environment for summary in result.flags[0].environments]
    columns = [
        Column(title="FLAG", paint=("bold",)),
        Column(title="TYPE", droppable=True),
        Column(title="OWNER", droppable=True),
        *(Column(title=name.upper(), flexible=True) for name in environments),
        Column(title="TAGS", flexible=True, droppable=True),
    ]
    rows = [
        [
            summary.flag.key,
            summary.flag.type.value,
            summary.flag.owner or "-",
            *(_state(summary.flag, environment) for environment in summary.environments),
            ", ".join(summary.flag.tags),
        ]
        for summary in result.flags
    ]
    shown = len(result.flags)
    total = count(shown, "flag") if shown == result.total else f"{shown} of {count(result.total, 'flag')}"
    return f"{render_table(columns, rows, style)}\n\n{total}"


def _state(flag: Flag, summary: EnvironmentSummary) -> str:
    if not summary.enabled:
        return "disabled"
    text = summary.default or "caller's default"
    if flag.is_value_flag:
        value = flag.in_environment(summary.environment).variants[0].value
        text = "{…}" if isinstance(value, (dict, list)) else show_value(value)
    elif "%" in text:
        text = f"{text.count('%')}-way split"
    if summary.rules:
        text += f" +{count(summary.rules, 'rule')}"
    return text


def render_show(result: ShowResult, style: Style) -> str:
    """Return what a flag is, in every environment."""
    flag = result.summary.flag
    parts = [_head(result.summary, style), _variants(flag, style)]
    groups: list[tuple[list[str], FlagState]] = []
    for name, state in result.states:
        same = next((names for names, other in groups if _alike(other, state)), None)
        if same is None:
            groups.append(([name], state))
        else:
            same.append(name)
    parts += [_environment(", ".join(names), flag, state, style) for names, state in groups]
    links = render_fields(
        [
            ("used by", ", ".join(result.used_by) or None),
            ("segments", ", ".join(result.segments) or None),
            ("experiments", ", ".join(result.experiments) or None),
            ("tests", ", ".join(result.tests) or "none"),
        ],
        style,
    )
    return "\n\n".join([*parts, links])


def _alike(one: FlagState, other: FlagState) -> bool:
    """Return whether two states say the same, wherever they are written."""
    return _described(one) == _described(other)


def _described(state: FlagState) -> list[str]:
    return _state_lines(state, "", Style())


def _head(summary: FlagSummary, style: Style) -> str:
    flag = summary.flag
    title = style.paint(flag.key, "bold") + (f"  {plain(flag.name)}" if flag.name else "")
    lifecycle = None
    if flag.lifecycle is not None and flag.lifecycle.temporary:
        lifecycle = "temporary" + (f", expires {flag.lifecycle.expires}" if flag.lifecycle.expires else "")
    fields = render_fields(
        [
            ("type", flag.type.value),
            ("owner", flag.owner),
            ("tags", ", ".join(flag.tags) or None),
            ("lifecycle", lifecycle),
            ("breaker", words.breaker(flag.breaker) if flag.breaker else None),
            ("file", flag.path),
        ],
        style,
    )
    about = [wrap(plain(flag.description.strip()), style.width)] if flag.description else []
    return "\n".join([title, *about, fields])


def _variants(flag: Flag, style: Style) -> str:
    room = None if style.width is None else max(style.width - 4 - max(len(v.name) for v in flag.variants), 20)
    rows = [(variant.name, show_value(variant.value, room)) for variant in flag.variants]
    return f"{style.paint('variants', 'bold')}\n{render_fields(rows, style, indent='  ')}"


def _environment(names: str, flag: Flag, state: FlagState, style: Style) -> str:
    title = style.paint(names, "bold", "cyan")
    status = (
        "" if state.enabled else style.paint("  disabled: serves " + (state.off or "the caller's default"), "yellow")
    )
    return "\n".join([title + status, *_state_lines(state, flag.key, style)])


def _state_lines(state: FlagState, key: str, style: Style) -> list[str]:
    lines = [] if state.enabled else ["  disabled"] if not key else []
    if state.schedule is not None:
        start = "-" if state.schedule.from_ms is None else words.instant(state.schedule.from_ms)
        end = "-" if state.schedule.until_ms is None else words.instant(state.schedule.until_ms)
        lines.append(f"  only from {start} until {end}")
    lines += [f"  needs {plain(need.flag)} = {plain(' or '.join(need.variants))}" for need in state.prerequisites]
    for target in state.targets:
        units = ", ".join(target.units[:5]) + (f", … {len(target.units) - 5} more" if len(target.units) > 5 else "")
        lines.append(f"  {plain(units)} → {plain(target.variant)}")
    for rule in state.rules:
        head = f"  {style.paint(plain(rule.id), 'bold')}: "
        when = " and ".join(map(words.condition, rule.when)) or "always"
        text = wrap(
            f"{plain(rule.id)}: {plain(when)} → {plain(_outcome(rule))}", style.width, indent="    ", first="  "
        )
        plain_head = f"  {plain(rule.id)}: "
        lines.append(head + text[len(plain_head) :] if text.startswith(plain_head) else text)
    otherwise = describe_default(state.default) or "the caller's default"
    lines.append(f"  otherwise → {plain(otherwise)}")
    if not key:
        lines += [show_value([variant.name, variant.value]) for variant in state.variants]
    return lines


def _outcome(rule: Rule) -> str:
    if rule.experiment is not None:
        return f"experiment {rule.experiment}"
    if rule.rollout is not None:
        return describe_default(rule.rollout) or ""
    served = rule.serve if rule.serve is not None else show_value(None if rule.value is UNSET else rule.value, 60)
    if rule.percentage is None:
        return served
    plan = rule.strategy
    planned = "" if plan is None or plan.rule != rule.id else f"; {words.strategy(plan)}"
    return f"{served} for {words.percentage(rule.percentage)}{planned}"
