"""TYP104: a value that breaks the flag's own schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.values import flag_values, value_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP104",
    name="value-schema-violation",
    severity=Severity.ERROR,
    summary="A variant's value, or an inline value, breaks the flag's `value_schema`.",
    why=(
        "The schema is the promise that application code relies on when it reads the value. Every value that the flag can"
        " serve in any environment must keep it."
    ),
    bad="""\
kind: flag
key: banner
type: json
value_schema: {type: object, required: [text], properties: {text: {type: string}, rows: {type: integer}}}
variants:
  plain: {text: Hello}
  large: {text: Hello, rows: two}
default: plain
""",
    good="""\
kind: flag
key: banner
type: json
value_schema: {type: object, required: [text], properties: {text: {type: string}, rows: {type: integer}}}
variants:
  plain: {text: Hello}
  large: {text: Hello, rows: 2}
default: plain
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each part of a value that breaks the schema."""
    for flag in context.repository.flags.values():
        if flag.value_schema is None:
            continue
        for site in flag_values(flag):
            for problem in value_problems(flag.value_schema, site.value):
                yield Finding(
                    place=Place(flag.path, (*site.route, *problem.route)),
                    message=f"{site.what} breaks the flag's value_schema: {problem.message}",
                    related=((Place(flag.path, ("value_schema",), "key"), "the schema is here"),),
                    key=flag.key,
                )
