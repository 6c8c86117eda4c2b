"""TYP102: an operator that never reads an attribute of the declared type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.evaluator.operators import OPERATORS, positive
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP102",
    name="operator-unfit-for-attribute-type",
    severity=Severity.ERROR,
    summary="An operator does not read attributes of the type that is declared for this one.",
    why=(
        "There is no coercion: an operator that meets a value of another type does not hold (and its negation does)."
        " A number comparison of a version, for example, would never be true for anybody."
    ),
    bad="""\
kind: flag
key: new-player
type: boolean
default: off
rules:
  - {id: recent, when: [{attribute: app_version, operator: greater_or_equal, value: 3}], serve: on}
""",
    good="""\
kind: flag
key: new-player
type: boolean
default: off
rules:
  - {id: recent, when: [{attribute: app_version, operator: semver_greater_or_equal, value: 3.0.0}], serve: on}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each condition whose operator can't read its attribute."""
    schema = context.repository.config.context
    for (path, name), sites in context.conditions.uses.items():
        attribute = schema.lookup(path)
        operator = OPERATORS.get(positive(name)[0])
        if attribute is None or operator is None or attribute.type.value in operator.reads:
            continue
        kind = attribute.type.value
        fitting = [other.name for other in OPERATORS.values() if kind in other.reads]
        for site in sites:
            yield Finding(
                place=Place(site.path, (*site.condition.route, "operator")),
                message=(
                    f"'{name}' reads {_kinds(operator.reads)}, but attribute '{attribute.name}' is declared as {kind}"
                ),
                help=f"operators for {kind}: {', '.join(fitting)}",
                related=((Place(context.repository.config.path, attribute.route, "key"), "declared here"),),
                key=site.key,
            )


def _kinds(reads: frozenset[str]) -> str:
    return listed(sorted(reads))
