"""TYP106: a pattern that can't be compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.evaluator.operators import ValueKind
from flagctl.lint.constants import sites_with
from flagctl.lint.finding import Finding, Place
from flagctl.patterns import PatternError, compile_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP106",
    name="bad-pattern",
    severity=Severity.ERROR,
    summary="The pattern of `matches` is malformed, uses what is not supported, or is too complex.",
    why=(
        "Patterns are compiled into an automaton when flags are published, so that matching takes linear time and means"
        " the same in every language. The price is a subset of RE2: no back-references, lookaround or `\\b`."
    ),
    bad="""\
kind: flag
key: tools
type: boolean
default: off
rules:
  - {id: staff, when: [{attribute: email, operator: matches, value: '(@acme\\.(com|org)$'}], serve: on}
""",
    good="""\
kind: flag
key: tools
type: boolean
default: off
rules:
  - {id: staff, when: [{attribute: email, operator: matches, value: '@acme\\.(com|org)$'}], serve: on}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each pattern that can't be compiled."""
    errors: dict[str, PatternError | None] = {}
    for site, (value, route) in sites_with(context, ValueKind.PATTERN):
        if not isinstance(value, str):
            continue
        if value not in errors:
            errors[value] = _error(value)
        error = errors[value]
        if error is not None:
            where = f", at character {error.position + 1}" if error.position else ""
            yield Finding(
                place=Place(site.path, route),
                message=f"bad pattern{where}: {error.message}",
                help=error.hint,
                key=site.key,
            )


def _error(pattern: str) -> PatternError | None:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        return error
    return None
