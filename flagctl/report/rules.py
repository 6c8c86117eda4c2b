"""`flagctl rule`: what a code means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.lint.suppressions import is_essential
from flagctl.report.highlight import highlight_yaml
from flagctl.report.style import Style, plain, wrap
from flagctl.report.table import Column, render_table

if TYPE_CHECKING:
    from flagctl.diagnostics import RuleInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTable:
    """Rules to show."""

    rules: tuple[RuleInfo, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-rule.schema.json`)."""
        return {"rules": [rule.to_dict() for rule in self.rules]}


def render_rule_table(table: RuleTable, style: Style) -> str:
    """Return one line for each rule."""
    columns = (
        Column(title="CODE", paint=("bold",)),
        Column(title="NAME"),
        Column(title="SEVERITY", droppable=True),
        Column(title="FIX", droppable=True),
        Column(title="SUMMARY", wraps=True),
    )
    rows = [(r.code, r.name, r.severity.value, "yes" if r.fixable else "", r.summary) for r in table.rules]
    return render_table(columns, rows, style)


def render_rules(table: RuleTable, style: Style) -> str:
    """Return everything about each rule."""
    return "\n\n\n".join(_rule(rule, style) for rule in table.rules)


def _rule(rule: RuleInfo, style: Style) -> str:
    fix = ", fixable" if rule.fixable else ""
    parts = [
        f"{style.paint(rule.code, 'bold')} {style.paint(rule.name, 'bold')}  ({rule.severity.value}{fix})",
        wrap(plain(rule.summary), style.width),
        wrap(plain(rule.why), style.width),
        f"{style.paint('Bad', 'red')}\n{_code(rule.bad, style)}",
        f"{style.paint('Good', 'green')}\n{_code(rule.good, style)}",
        wrap(_how_to_ignore(rule.code), style.width),
    ]
    return "\n\n".join(part for part in parts if part)


def _how_to_ignore(code: str) -> str:
    if is_essential(code):
        return "It can't be ignored: no bundle is made of flags that have it."
    return f"To allow it in one place: # flagctl: ignore[{code}] reason"


def _code(text: str, style: Style) -> str:
    lines = highlight_yaml(text.strip("\n"), style).split("\n")
    return "\n".join(f"    {line}".rstrip() for line in lines)
