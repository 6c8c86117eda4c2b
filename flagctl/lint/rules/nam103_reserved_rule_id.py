"""NAM103: a rule id that means something else in results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="NAM103",
    name="reserved-rule-id",
    severity=Severity.ERROR,
    summary="A rule is called `target`, `default`, `breaker` or `prerequisite:...`.",
    why=(
        "Evaluation details name what decided: a rule's id, `target` for an individually targeted unit, `breaker` for a"
        " breaker that tripped, or `prerequisite:KEY` for a prerequisite that failed. A rule of such a name would be taken for one of these."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - {id: default, when: [{attribute: beta, operator: equals, value: true}], serve: on}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - {id: beta, when: [{attribute: beta, operator: equals, value: true}], serve: on}
""",
)

_RESERVED = frozenset({"target", "default", "breaker"})


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each reserved id."""
    for flag, rule in context.rules:
        if rule.id in _RESERVED or rule.id.startswith("prerequisite:"):
            yield Finding(
                place=Place(flag.path, (*rule.route, "id")),
                message=f"the rule id '{rule.id}' is reserved",
                help="evaluation details use it for something else; choose another id",
                key=flag.key,
            )
