"""What a policy says about a change: for people, as annotations of GitHub, as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.report.findings import escape_data
from flagctl.report.style import plain, wrap
from flagctl.report.table import Column, render_table
from flagctl.review.policy import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.ops.policy import PolicyResult
    from flagctl.report.style import Style
    from flagctl.review.verdicts import Verdict

_ANNOTATIONS = 10
"""GitHub shows so many errors of a step."""


def render_policy(result: PolicyResult, style: Style) -> str:
    """Return each rule with figure, limit and verdict, by environment; refusals say how to proceed."""
    lines = [style.paint(f"{plain(result.base)} → {plain(result.head)}", "dim")]
    for environment in result.environments:
        lines += ["", style.paint(plain(environment), "bold")]
        verdicts = [verdict for verdict in result.verdicts if verdict.environment == environment]
        lines += [line for verdict in verdicts for line in _verdict(verdict, style)] or ["  no rules"]
    lines += ["", _summary(result, style)]
    return "\n".join(lines)


def _verdict(verdict: Verdict, style: Style) -> list[str]:
    mark, *colours = (
        ("✓", "green") if verdict.passed else ("!", "yellow") if verdict.overridden else ("✗", "red", "bold")
    )
    head = f"{verdict.code} {verdict.rule}: "
    figure = f" ({plain(verdict.measured)}; {plain(verdict.limit)})"
    text = wrap(head + plain(verdict.message) + figure, style.width, " " * 6, " " * 4)
    lines = ["  " + style.paint(mark, *colours) + text[3:]]
    if verdict.place is not None and not verdict.passed:
        lines.append("      " + style.paint(plain(verdict.place), "dim"))
    if verdict.overridden is not None:
        lines.append(wrap(f"overridden: {plain(verdict.overridden)}", style.width, " " * 8, " " * 6))
    elif verdict.help is not None:
        lines.append(wrap(f"= help: {plain(verdict.help)}", style.width, " " * 14, " " * 6))
    return lines


def _summary(result: PolicyResult, style: Style) -> str:
    if not result.environments:
        return "No environment has a policy."
    overridden = sum(verdict.overridden is not None for verdict in result.verdicts)
    text = _count(len(result.refusals), "refusal") if result.refusals else "The policy allows this change"
    text += f", {_count(overridden, 'override')}" if overridden else ""
    text += "." if result.passed else ""
    lines = [style.paint(text, "bold", "green" if result.passed else "red")]
    lines += [f"The override of {plain(rule)} was not needed." for rule in result.unused]
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def render_policy_github(result: PolicyResult, prefix: str) -> str:
    """Return workflow commands that annotate a pull request: refusals as errors, overrides as warnings.

    Args:
        result: The verdicts.
        prefix: Path of the flag repository inside the git repository, ``""`` or ending in a slash.
    """
    overridden = [verdict for verdict in result.verdicts if verdict.overridden is not None]
    commands = _annotations("error", result.refusals, prefix) + _annotations("warning", overridden, prefix)
    left_out = max(0, len(result.refusals) - _ANNOTATIONS) + max(0, len(overridden) - _ANNOTATIONS)
    if left_out:
        commands.append(f"{left_out} more; all: flagctl policy check")
    return "\n".join(commands)


def _annotations(command: str, verdicts: Iterable[Verdict], prefix: str) -> list[str]:
    found = []
    for verdict in list(verdicts)[:_ANNOTATIONS]:
        properties = {"title": f"{verdict.code} {verdict.rule} [{verdict.environment}]"}
        if verdict.place is not None:
            properties |= {"file": prefix + verdict.place.path, "line": str(verdict.place.line)}
        listed = ",".join(
            f"{name}={escape_data(value).replace(':', '%3A').replace(',', '%2C')}" for name, value in properties.items()
        )
        text = f"{verdict.message} ({verdict.measured}; {verdict.limit})"
        text += (
            f"\noverridden: {verdict.overridden}" if verdict.overridden else f"\n{verdict.help}" if verdict.help else ""
        )
        found.append(f"::{command} {listed}::{escape_data(text)}")
    return found


def render_policy_markdown(result: PolicyResult, limit: int = 65_536) -> str:
    """Return a page for a summary or a comment: what is refused with how to proceed, then everything that was looked at, folded.

    Args:
        result: The verdicts.
        limit: Most bytes.
    """
    from flagctl.report.markdown import Folded, Page, md  # noqa: PLC0415  only this format needs it

    title = (
        "✅ The policy allows this change"
        if result.passed
        else f"❌ {_count(len(result.refusals), 'refusal')} by policy"
    )
    aside = [v for v in result.verdicts if v.overridden is not None]
    return Page(
        marker="flagctl:policy",
        head=(f"### {title}", "", f"{md(result.base)} → {md(result.head)}"),
        header=("", "rule", "environment", "found", "how to proceed"),
        rows=tuple(
            (_sign(v), f"{v.code} `{v.rule}`", md(v.environment), _found(v), md(v.overridden or v.help or ""))
            for v in (*result.refusals, *aside)
        ),
        noun="refusals and overrides",
        folded=(
            Folded(
                title="Everything that was checked",
                lines=tuple(
                    f"- {_sign(v)} {v.code} `{v.rule}` in {md(v.environment)}: {_found(v)} ({md(v.measured)}; {md(v.limit)})"
                    for v in result.verdicts
                ),
                noun="verdicts",
            ),
        ),
        command="flagctl policy check",
    ).render(limit)


def _found(verdict: Verdict) -> str:
    from flagctl.report.markdown import md  # noqa: PLC0415  only this format needs it

    return md(verdict.message) + (f"<br>{md(str(verdict.place))}" if verdict.place and not verdict.passed else "")


def _sign(verdict: Verdict) -> str:
    return "✅" if verdict.passed else "⚠️" if verdict.overridden is not None else "❌"


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """All rules that a policy can have."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-policy-rules.schema.json`)."""
        return {"format_version": "1.0", "rules": [{"name": rule.name, "codes": dict(rule.codes)} for rule in RULES]}


def render_policy_rules(_: PolicyRules, style: Style) -> str:
    """Return a line for each code."""
    columns = (Column(title="RULE", paint=("bold",)), Column(title="CODE"), Column(title="REFUSES WHEN", wraps=True))
    rows = [(rule.name, code, text) for rule in RULES for code, text in rule.codes.items()]
    return render_table(columns, rows, style)
