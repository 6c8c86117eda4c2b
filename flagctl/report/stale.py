"""What can go, as text, annotations, SARIF and markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.findings import GITHUB_LIMIT, escape_data, escape_property
from flagctl.report.sarif import PlainFinding, render_plain_sarif
from flagctl.report.style import one_line, plain, wrap
from flagctl.report.values import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.ops.stale import StaleFinding, StaleResult
    from flagctl.report.style import Style


def render_stale(result: StaleResult, style: Style) -> str:
    """Return the findings, oldest first, with evidence and what to do."""
    lines: list[str] = []
    for one in result.findings:
        head = f"{plain(one.key)}  {style.paint(one.reason, 'yellow')}"
        about = ", ".join(filter(None, (age(one), one.owner, f"{one.path}:{one.line}")))
        lines.append(f"{style.paint(head, 'bold')}  {style.paint(plain(about), 'dim')}")
        lines.append(wrap(plain(one.evidence), style.width, "  ", "  "))
        lines.append(wrap(plain(f"→ {one.suggestion}"), style.width, "    ", "  "))
    lines += [""] if lines else []
    lines.append(style.paint(summary(result), "bold"))
    lines += [style.paint(wrap(plain(note), style.width, "  ", ""), "dim") for note in result.notes]
    return "\n".join(lines)


def summary(result: StaleResult) -> str:
    """Return how much of what was found."""
    if not result.findings:
        return f"nothing to remove among {count(result.flags, 'flag')}"
    reasons = {one.reason: 0 for one in result.findings}
    for one in result.findings:
        reasons[one.reason] += 1
    told = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items()))
    return f"{count(len(result.findings), 'finding')} among {count(result.flags, 'flag')}: {told}"


def age(one: StaleFinding) -> str:
    """Return how old a finding is."""
    return "" if one.age_days is None else count(one.age_days, "day")


def render_stale_github(result: StaleResult, prefix: str) -> str:
    """Return the findings as warnings on their files.

    Args:
        result: The findings.
        prefix: Path of the flag repository inside the git repository, ``""`` or ending in a slash.
    """
    lines = []
    for one in result.findings[:GITHUB_LIMIT]:
        place = f"file={escape_property(_path(one, prefix))},title={one.reason},line={one.line}"
        lines.append(f"::warning {place}::{escape_data(f'{one.key}: {one.evidence}. {one.suggestion}')}")
    if len(result.findings) > GITHUB_LIMIT:
        lines.append(f"{len(result.findings) - GITHUB_LIMIT} more. All: flagctl stale")
    lines.append(summary(result))
    return "\n".join(lines)


def render_stale_sarif(result: StaleResult, prefix: str, reasons: Mapping[str, str]) -> str:
    """Return the findings as a SARIF log.

    Args:
        result: The findings.
        prefix: As for `render_stale_github`.
        reasons: A sentence about each reason.
    """
    return render_plain_sarif(
        [
            PlainFinding(
                rule=f"stale/{one.reason}",
                level="error" if one.reason == "unknown-key" else "warning",
                message=f"{one.key}: {one.evidence}\n{one.suggestion}",
                path=_path(one, prefix),
                line=one.line,
                fingerprint=(one.kind, one.key, one.path if one.in_code else ""),
            )
            for one in result.findings
        ],
        {f"stale/{name}": text for name, text in reasons.items()},
    )


def render_stale_markdown(result: StaleResult) -> str:
    """Return the report of a weekly job: a table by age."""
    lines = ["## Flags that can go", "", f"{summary(result)}.", ""]
    if result.findings:
        lines += ["| age | what | owner | why | what to do |", "| ---: | --- | --- | --- | --- |"]
        for one in result.findings:
            cells = (age(one), f"`{one.key}`", one.owner or "", f"**{one.reason}**: {one.evidence}", one.suggestion)
            lines.append("| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    lines += [f"_{note}_" for note in result.notes]
    return "\n".join(lines)


def _path(one: StaleFinding, prefix: str) -> str:
    return one.path if one.in_code else prefix + one.path
