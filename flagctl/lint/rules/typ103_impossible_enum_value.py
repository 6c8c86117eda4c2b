"""TYP103: a constant that the attribute can never have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import RuleInfo, Severity, did_you_mean
from flagctl.evaluator.operators import positive
from flagctl.lint.compare import same_value
from flagctl.lint.constants import constants
from flagctl.lint.edits import rewrite, scalar
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flagctl.lint.constants import Constant
    from flagctl.lint.context import LintContext
    from flagctl.lint.sites import ConditionSite
    from flagctl.model import Attribute

INFO = RuleInfo(
    code="TYP103",
    name="impossible-enum-value",
    severity=Severity.ERROR,
    summary="A condition compares with a value that the attribute's declared `enum` does not have.",
    why=(
        "The comparison can never hold, so the rule misses the units it was written for. It is usually a typo, another"
        " spelling (`Germany` for `DE`), or a value that is missing in `flagctl.yaml`."
    ),
    bad="""\
kind: flag
key: sepa
type: boolean
default: off
rules:
  - {id: eu, when: [{attribute: country, operator: in, value: [DE, GER]}], serve: on}
""",
    good="""\
kind: flag
key: sepa
type: boolean
default: off
rules:
  - {id: eu, when: [{attribute: country, operator: in, value: [DE, FR]}], serve: on}
""",
    fixable=True,
)

_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": same_value,
    "in": same_value,
    "contains_any": same_value,
    "contains_all": same_value,
    "starts_with": lambda value, constant: isinstance(value, str) and value.startswith(constant),
    "ends_with": lambda value, constant: isinstance(value, str) and value.endswith(constant),
}


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each impossible constant."""
    schema = context.repository.config.context
    for (path, name), sites in context.conditions.uses.items():
        attribute = schema.lookup(path)
        if attribute is None or attribute.enum is None:
            continue
        test = _test(positive(name)[0], attribute)
        if test is None:
            continue
        exact = frozenset(value for value in attribute.enum if isinstance(value, str))
        for site in sites:
            for constant in constants(site.condition):
                if constant.value not in exact and not _possible(constant.value, site, attribute, test):
                    yield _finding(context, site, constant, attribute)


def _test(operator: str, attribute: Attribute) -> Callable[[Any, Any], bool] | None:
    if operator == "contains":
        if attribute.type.value == "list":
            return same_value
        return lambda value, constant: isinstance(value, str) and isinstance(constant, str) and constant in value
    return _TESTS.get(operator)


def _possible(constant: Any, site: ConditionSite, attribute: Attribute, test: Callable[[Any, Any], bool]) -> bool:
    def fold(value: Any) -> Any:
        return value.casefold() if site.condition.ignore_case and isinstance(value, str) else value

    return any(test(fold(value), fold(constant)) for value in attribute.enum or ())


def _finding(context: LintContext, site: ConditionSite, constant: Constant, attribute: Attribute) -> Finding:
    known = [value for value in attribute.enum or () if isinstance(value, str)]
    place = Place(site.path, constant.route)
    closest = did_you_mean(constant.value, known) if isinstance(constant.value, str) else None
    values = ", ".join(str(value) for value in attribute.enum or ())
    return Finding(
        place=place,
        message=f"attribute '{attribute.name}' can never be {shown(constant.value)}",
        help=f"did you mean '{closest}'?" if closest else f"its declared values are {values}",
        related=((Place(context.repository.config.path, (*attribute.route, "enum")), "the values are declared here"),),
        fix=rewrite(context, place, scalar(closest), title=f"write '{closest}'") if closest else None,
        key=site.key,
    )
