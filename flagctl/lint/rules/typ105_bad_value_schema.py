"""TYP105: a `value_schema` that is no JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.values import schema_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP105",
    name="bad-value-schema",
    severity=Severity.ERROR,
    summary="A flag's `value_schema` is not a JSON Schema, or refers to another document.",
    why=(
        "A schema with a misspelt keyword value checks nothing. References must stay inside the schema (`#/$defs/...`):"
        " validation never fetches anything. Without `$schema` it is read as draft 2020-12."
    ),
    bad="""\
kind: flag
key: banner
type: json
value_schema: {type: objekt}
variants: {plain: {text: Hello}}
default: plain
""",
    good="""\
kind: flag
key: banner
type: json
value_schema: {type: object}
variants: {plain: {text: Hello}}
default: plain
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each flaw of a schema."""
    for flag in context.repository.flags.values():
        if flag.value_schema is not None:
            for problem in schema_problems(flag.value_schema):
                yield Finding(
                    place=Place(flag.path, ("value_schema", *problem.route)),
                    message=f"value_schema is not a valid JSON Schema: {problem.message}",
                    key=flag.key,
                )
