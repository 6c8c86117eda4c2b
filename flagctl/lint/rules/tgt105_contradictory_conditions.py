"""TGT105: conditions on one attribute that can't hold together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.contradiction import contradicts
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import attribute_name
from flagctl.model import AttributeCondition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import Condition

INFO = RuleInfo(
    code="TGT105",
    name="contradictory-conditions",
    severity=Severity.WARNING,
    summary="Two conditions that must both hold contradict each other.",
    why=(
        "All conditions of a list must hold. An attribute that must equal two different constants, or lie in an empty"
        " interval, never fulfils them, so the rule is dead. Often `any:` or `in` was meant."
    ),
    bad="""\
kind: flag
key: sepa
type: boolean
default: off
rules:
  - id: dach
    when:
      - {attribute: country, operator: equals, value: DE}
      - {attribute: country, operator: equals, value: FR}
    serve: on
""",
    good="""\
kind: flag
key: sepa
type: boolean
default: off
rules:
  - id: dach
    when:
      - {attribute: country, operator: in, value: [DE, FR]}
    serve: on
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for the second condition of each contradictory pair."""
    for path, key, conditions in context.conditions.conjunctions:
        simple = _on_attributes(conditions)
        if len({condition.attribute for condition in simple}) == len(simple):
            continue
        for index, later in enumerate(simple):
            for earlier in simple[:index]:
                if earlier.attribute == later.attribute and contradicts(earlier, later):
                    yield Finding(
                        place=Place(path, later.route),
                        message=f"attribute '{attribute_name(later.attribute)}' can't fulfil this condition and an"
                        " earlier one that must hold with it",
                        help="use 'in', or 'any:' around alternatives",
                        related=((Place(path, earlier.route), "the earlier one is here"),),
                        key=key,
                    )
                    break


def _on_attributes(conditions: tuple[Condition, ...]) -> list[AttributeCondition]:
    return [condition for condition in conditions if condition.__class__ is AttributeCondition]
