"""TGT102: a negation that also holds where the attribute is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.evaluator.operators import positive
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import attribute_name
from flagctl.model import AttributeCondition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.lint.sites import ConditionSite

INFO = RuleInfo(
    code="TGT102",
    name="negated-operator-on-optional-attribute",
    severity=Severity.WARNING,
    summary="A negated condition looks at an attribute that is not declared as required.",
    why=(
        "A negation is exactly the opposite of its operator, so it also holds when the attribute is missing: `country"
        " not_in [US]` is true for everybody whose country is unknown. Declare the attribute `required: true`, or ask for"
        " `exists` beside it, or say that this is what you want with a suppression."
    ),
    bad="""\
kind: flag
key: sepa
type: boolean
default: off
rules:
  - {id: world, when: [{attribute: country, operator: not_equals, value: US}], serve: on}
""",
    good="""\
kind: flag
key: sepa
type: boolean
default: off
rules:
  - id: world
    when:
      - {attribute: country, operator: exists}
      - {attribute: country, operator: not_equals, value: US}
    serve: on
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each negation that a missing attribute fulfils."""
    schema = context.repository.config.context
    for (path, name), sites in context.conditions.uses.items():
        operator, negated = positive(name)
        attribute = schema.lookup(path)
        if operator == "exists" or (attribute is not None and attribute.required):
            continue
        for site in sites:
            if _holds_when_missing(site, negated) and not _guarded(site):
                yield Finding(
                    place=Place(site.path, (*site.condition.route, "operator")),
                    message=f"{_called(site, name)} also holds when attribute '{attribute_name(path)}' is missing",
                    help="declare the attribute as required, or add the condition "
                    f"{{attribute: {attribute_name(path)}, operator: exists}}",
                    key=site.key,
                )


def _holds_when_missing(site: ConditionSite, negated: bool) -> bool:
    """Deeper negations are left alone: what a missing attribute means there depends on the rest."""
    return (negated and site.nots == 0) or (not negated and site.nots == 1 and site.direct)


def _called(site: ConditionSite, name: str) -> str:
    return f"'not' around '{name}'" if site.nots else f"'{name}'"


def _guarded(site: ConditionSite) -> bool:
    """Return whether a condition beside it already needs the attribute to be there."""
    return any(
        isinstance(other, AttributeCondition)
        and other is not site.condition
        and other.attribute == site.condition.attribute
        and not positive(other.operator)[1]
        for other in site.scope
    )
