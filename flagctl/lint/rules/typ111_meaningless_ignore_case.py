"""TYP111: `ignore_case` where nothing has a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.evaluator.operators import OPERATORS, positive
from flagctl.lint.constants import constants
from flagctl.lint.edits import drop
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP111",
    name="meaningless-ignore-case",
    severity=Severity.WARNING,
    summary="A condition has `ignore_case: true`, but compares no text.",
    why="It has no effect on numbers and booleans. Whoever reads the rule may think that it does, so it is better gone.",
    bad="""\
kind: flag
key: bulk-import
type: boolean
default: off
rules:
  - {id: five, when: [{attribute: seats, operator: equals, value: 5, ignore_case: true}], serve: on}
""",
    good="""\
kind: flag
key: bulk-import
type: boolean
default: off
rules:
  - {id: five, when: [{attribute: seats, operator: equals, value: 5}], serve: on}
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each `ignore_case` that changes nothing."""
    for (_, name), sites in context.conditions.uses.items():
        operator = OPERATORS.get(positive(name)[0])
        for site in sites:
            condition = site.condition
            if condition.ignore_case and not (
                operator is not None
                and operator.ignore_case
                and any(isinstance(constant.value, str) for constant in constants(condition))
            ):
                place = Place(site.path, (*condition.route, "ignore_case"), "key")
                yield Finding(
                    place=place,
                    message=f"ignore_case has no effect on '{name}' with this constant",
                    help="remove it",
                    fix=drop(context, place, title="remove ignore_case", safe=True),
                    key=site.key,
                )
