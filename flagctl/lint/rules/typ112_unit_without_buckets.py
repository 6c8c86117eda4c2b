"""TYP112: a unit that never has a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.units import unit_sites

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP112",
    name="unit-without-buckets",
    severity=Severity.ERROR,
    summary="`bucket_by` names an attribute whose declared type has no buckets.",
    why=(
        "A unit is a text or an integer, such as a user's or an account's id. A boolean, list or object has no bucket, so"
        " a percentage by it never takes anybody in."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
bucket_by: groups
rules:
  - {id: ramp, percentage: 20, serve: on}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
bucket_by: email
rules:
  - {id: ramp, percentage: 20, serve: on}
""",
)

_WITHOUT: Final = frozenset({"boolean", "list", "object"})


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each such `bucket_by`."""
    schema = context.repository.config.context
    for unit in unit_sites(context.repository):
        attribute = schema.lookup(unit.attribute)
        if attribute is not None and attribute.type.value in _WITHOUT:
            yield Finding(
                place=Place(unit.path, unit.route),
                message=f"attribute '{attribute.name}' is declared as {attribute.type.value}, which has no buckets",
                help="name an attribute that identifies units, such as targeting_key",
                related=((Place(context.repository.config.path, attribute.route, "key"), "declared here"),),
                key=unit.key,
            )
