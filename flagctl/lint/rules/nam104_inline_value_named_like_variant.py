"""NAM104: an inline value whose name is taken by a variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.context import variant_names
from flagctl.lint.finding import Finding, Place
from flagctl.model import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="NAM104",
    name="inline-value-named-like-variant",
    severity=Severity.ERROR,
    summary="A rule with an inline value has the name of a declared variant as its id.",
    why=(
        "An inline value is an anonymous variant that is named after its rule. If a declared variant has that name,"
        " results and analytics would show two different values under one name."
    ),
    bad="""\
kind: flag
key: rate-limit
type: number
variants: {low: 100, high: 1000}
default: low
rules:
  - {id: high, when: [{attribute: plan, operator: equals, value: pro}], value: 5000}
""",
    good="""\
kind: flag
key: rate-limit
type: number
variants: {low: 100, high: 1000}
default: low
rules:
  - {id: professionals, when: [{attribute: plan, operator: equals, value: pro}], value: 5000}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each inline value with a variant's name."""
    for flag, rule in context.rules:
        if rule.value is not UNSET and rule.id in variant_names(flag):
            variant = next(variant for variant in flag.variants if variant.name == rule.id)
            yield Finding(
                place=Place(flag.path, (*rule.route, "id")),
                message=f"the rule's inline value would be called '{rule.id}', like a variant of the flag",
                help=f"choose another id, or serve the variant: serve: {rule.id}",
                related=((Place(flag.path, variant.route, "key"), "the variant is here"),),
                key=flag.key,
            )
