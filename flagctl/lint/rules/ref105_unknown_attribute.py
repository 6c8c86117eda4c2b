"""REF105: an attribute that the evaluation context does not declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.edits import rename
from flagctl.lint.finding import Finding, Place
from flagctl.lint.units import unit_sites
from flagctl.lint.words import advice, attribute_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="REF105",
    name="unknown-attribute",
    severity=Severity.ERROR,
    summary="A condition, `bucket_by` or `breakdowns` reads an attribute that `flagctl.yaml` does not declare.",
    why=(
        "Applications send the declared attributes. A misspelt one is missing from every context, so the condition never"
        " holds (and its negation always does), silently. Declare the attribute, or set `additional: allow` in"
        " `flagctl.yaml` if applications send attributes that nobody declares."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: germans
    when: [{attribute: contry, operator: equals, value: DE}]
    serve: on
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: germans
    when: [{attribute: country, operator: equals, value: DE}]
    serve: on
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each use of an undeclared attribute."""
    schema = context.repository.config.context
    if schema.additional:
        return
    for (path, _), sites in context.conditions.uses.items():
        if not schema.allows(path):
            for site in sites:
                yield _finding(context, Place(site.path, (*site.condition.route, "attribute")), path, site.key)
    for unit in unit_sites(context.repository):
        if not schema.allows(unit.attribute):
            yield _finding(context, Place(unit.path, unit.route), unit.attribute, unit.key)
    for experiment in context.repository.experiments.values():
        for position, name in enumerate(experiment.breakdowns):
            if not schema.allows(tuple(name.split("."))):
                place = Place(experiment.path, ("breakdowns", position))
                yield _finding(context, place, tuple(name.split(".")), experiment.key)


def _finding(context: LintContext, place: Place, path: tuple[str, ...], key: str) -> Finding:
    known = [attribute.name for attribute in context.repository.config.context.attributes.values()]
    name = attribute_name(path)
    return Finding(
        place=place,
        message=f"the evaluation context declares no attribute '{name}'",
        help=advice(name, known, kind="declared attributes"),
        fix=rename(context, place, name, known),
        related=((Place(context.repository.config.path, ("context", "attributes"), "key"), "declare it here"),),
        key=key,
    )
