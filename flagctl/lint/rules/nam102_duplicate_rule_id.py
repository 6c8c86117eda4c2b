"""NAM102: two rules of one list with the same id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import Rule

INFO = RuleInfo(
    code="NAM102",
    name="duplicate-rule-id",
    severity=Severity.ERROR,
    summary="Two rules of the same list have the same id.",
    why=(
        "Results, exposures and analytics name the rule that decided. With two rules of one name nobody can tell which"
        " one it was, and an inline value, which is named after its rule, would be ambiguous."
    ),
    bad="""\
kind: flag
key: rate-limit
type: number
value: 100
rules:
  - {id: large, when: [{attribute: seats, operator: greater_than, value: 500}], value: 5000}
  - {id: large, when: [{attribute: plan, operator: equals, value: enterprise}], value: 1000}
""",
    good="""\
kind: flag
key: rate-limit
type: number
value: 100
rules:
  - {id: large, when: [{attribute: seats, operator: greater_than, value: 500}], value: 5000}
  - {id: contracts, when: [{attribute: plan, operator: equals, value: enterprise}], value: 1000}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each rule whose id was taken before."""
    for flag in context.repository.flags.values():
        for rules in (flag.rules, *(override.rules for override in flag.environments.values())):
            if len(rules) > 1 and len({rule.id for rule in rules}) < len(rules):
                yield from _duplicates(flag.path, flag.key, rules)


def _duplicates(path: str, key: str, rules: tuple[Rule, ...]) -> Iterator[Finding]:
    first: dict[str, Rule] = {}
    for rule in rules:
        earlier = first.setdefault(rule.id, rule)
        if earlier is not rule:
            yield Finding(
                place=Place(path, (*rule.route, "id")),
                message=f"the rule id '{rule.id}' is taken by an earlier rule",
                help="give each rule an id of its own; keep the older rule's, because analytics know it",
                related=((Place(path, (*earlier.route, "id")), "the first one is here"),),
                key=key,
            )
