"""Results of `flagctl test`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.explanation import render_trace_briefly
from flagctl.report.findings import escape_data, escape_property
from flagctl.report.style import Style, one_line, plain, wrap
from flagctl.report.table import Column, render_fields, render_table
from flagctl.report.values import count, show_instant, show_value

if TYPE_CHECKING:
    from flagctl.ops.coverage import Coverage
    from flagctl.ops.testing import CaseResult, TestFailure, TestResult

_MOST_OTHERS = 4
"""Further failing contexts of one case that are shown; a matrix can have hundreds."""


def render_tests(result: TestResult, style: Style, *, verbose: bool = False) -> str:
    """Return failures with what was expected and why it came otherwise, then a summary.

    Args:
        result: What the tests said.
        style: Of the terminal.
        verbose: Name the cases that passed, too.
    """
    parts: list[str] = []
    if verbose:
        passed = [f"{style.paint('ok', 'green')}    {_title(case)}" for case in result.cases if case.passed]
        if passed:
            parts.append("\n".join(passed))
    parts += [_failed_case(case, style) for case in result.failed]
    if result.coverage is not None:
        parts.append(_coverage(result.coverage, style))
    parts.append(summary_line(result, style))
    return "\n\n".join(parts)


def render_tests_concise(result: TestResult, style: Style) -> str:
    """Return one line for each failing case, then a summary."""
    lines = []
    for case in result.failed:
        first = case.failures[0]
        wrong = "; ".join(
            f"{m.part}: expected {show_value(m.expected)}, got {show_value(m.got)}" for m in first.mismatches
        )
        more = f" ({len(case.failures)} of {case.evaluations} contexts)" if case.evaluations > 1 else ""
        head = style.paint("failed", "bold", "red")
        lines.append(f"{case.place}: {head} {one_line(case.name)} [{case.environment}] {wrong}{more}")
    if result.coverage is not None:
        lines += _coverage_lines(result.coverage)
    lines.append(summary_line(result, style))
    return "\n".join(lines)


def render_tests_github(result: TestResult, prefix: str) -> str:
    """Return annotations of failing cases, then a summary."""
    lines = []
    for case in result.failed[:10]:
        text = render_tests_concise_failure(case)
        title = escape_property(f"{case.flag} in {case.environment}")
        lines.append(
            f"::error file={escape_property(prefix + case.place.path)},line={case.place.line},title={title}::{escape_data(text)}"
        )
    if len(result.failed) > 10:
        lines.append(f"{len(result.failed) - 10} more; GitHub shows 10 of each kind. All: flagctl test")
    if result.coverage is not None:
        lines += _coverage_lines(result.coverage)
    lines.append(summary_line(result, Style()))
    return "\n".join(lines)


def render_tests_concise_failure(case: CaseResult) -> str:
    """Return what was expected and what came, without colours."""
    wrong = [
        f"{mismatch.part}: expected {show_value(mismatch.expected)}, got {show_value(mismatch.got)}"
        for mismatch in case.failures[0].mismatches
    ]
    return "\n".join([case.name, *wrong])


def summary_line(result: TestResult, style: Style) -> str:
    """Return one line that says how it went."""
    failed = len(result.failed)
    total = f"{count(len(result.cases), 'case')}, {count(result.evaluations, 'evaluation')}"
    if failed:
        return style.paint(f"{count(failed, 'case')} failed", "bold", "red") + f" of {total}"
    if result.is_below_threshold and result.coverage is not None:
        wanted = f"{result.threshold:g}"
        text = f"coverage {result.coverage.percent:.1f} % is below {wanted} %"
        return style.paint(text, "bold", "red") + f"; {total} passed"
    return style.paint("passed", "bold", "green") + f": {total}"


def _title(case: CaseResult) -> str:
    return f"{plain(case.flag)} in {plain(case.environment)}: {one_line(case.name)}"


def _failed_case(case: CaseResult, style: Style) -> str:
    lines = [
        f"{style.paint('FAIL', 'bold', 'red')}  {style.paint(_title(case), 'bold')}",
        f"  {style.paint('-->', 'blue')} {case.place}",
    ]
    first, *others = case.failures
    lines.append(_failure(case, first, style))
    for other in others[:_MOST_OTHERS]:
        differs = {name: value for name, value in other.context.items() if first.context.get(name) != value}
        got = ", ".join(f"{mismatch.part} {show_value(mismatch.got)}" for mismatch in other.mismatches)
        lines.append(wrap(f"also with {show_value(differs)}: got {got}", style.width, indent="    ", first="  "))
    if len(others) > _MOST_OTHERS:
        lines.append(f"  … and {count(len(others) - _MOST_OTHERS, 'more context')} of this case")
    return "\n".join(lines)


def _failure(case: CaseResult, failure: TestFailure, style: Style) -> str:
    room = None if style.width is None else max(style.width - 24, 20)
    size = max(len(mismatch.part) for mismatch in failure.mismatches)
    lines = []
    for mismatch in failure.mismatches:
        expected = style.paint(f"expected {show_value(mismatch.expected, room)}", "green")
        got = style.paint(f"got {show_value(mismatch.got, room)}", "red")
        lines += [f"  {style.paint(mismatch.part.ljust(size), 'dim')}  {expected}", f"  {' ' * size}       {got}"]
    decided = str(failure.decided_at) if failure.decided_at else None
    context = wrap(show_value(dict(failure.context)), style.width, indent=" " * 14).lstrip()
    about = [
        f"  {style.paint('context', 'dim')}     {context}",
        render_fields(
            [
                ("at", show_instant(case.at_ms)),
                ("decided by", decided),
                ("problem", failure.trace.details.error_message),
            ],
            style,
            indent="  ",
        ),
    ]
    return "\n".join([*lines, *about, render_trace_briefly(failure.trace, failure.places, style, indent="    ")])


def _coverage(coverage: Coverage, style: Style) -> str:
    missed = [flag for flag in coverage.flags if flag.missed_rules or flag.missed_variants]
    lines = [_coverage_line(coverage)]
    if missed:
        columns = (
            Column(title="FLAG", paint=("bold",)),
            Column(title="REACHED", right=True),
            Column(title="MISSED RULES", flexible=True),
            Column(title="MISSED VARIANTS", flexible=True),
        )
        rows = [
            (f.key, f"{f.reached}/{f.total}", ", ".join(f.missed_rules), ", ".join(f.missed_variants)) for f in missed
        ]
        lines.append(render_table(columns, rows, style))
    return "\n".join(lines)


def _coverage_lines(coverage: Coverage) -> list[str]:
    """Return a line for each flag that tests do not reach all of, and one for all."""
    lines = []
    for flag in coverage.flags:
        parts = ((flag.missed_rules, "rule"), (flag.missed_variants, "variant"))
        missed = [f"{what}{'s' if len(names) > 1 else ''} {', '.join(names)}" for names, what in parts if names]
        if missed:
            lines.append(f"{flag.key}: no test reaches {'; '.join(missed)}")
    return [*lines, _coverage_line(coverage)]


def _coverage_line(coverage: Coverage) -> str:
    return f"coverage {coverage.percent:.1f} %: {coverage.reached} of {coverage.total} rules and variants"
