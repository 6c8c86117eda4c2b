"""TYP110: a constant of another type than the attribute's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Fix, RuleInfo, Severity
from flagctl.evaluator.operators import OPERATORS, ValueKind, positive
from flagctl.lint.constants import constants
from flagctl.lint.edits import rewrite
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP110",
    name="constant-of-wrong-type",
    severity=Severity.ERROR,
    summary="A condition compares an attribute with a constant of another type than the attribute's declared one.",
    why=(
        'Nothing is converted: the text "5" is not the number 5, and `yes` is not `true`. The comparison could never'
        " hold, and its negation always would."
    ),
    bad="""\
kind: flag
key: bulk-import
type: boolean
default: off
rules:
  - {id: five-seats, when: [{attribute: seats, operator: equals, value: "5"}], serve: on}
""",
    good="""\
kind: flag
key: bulk-import
type: boolean
default: off
rules:
  - {id: five-seats, when: [{attribute: seats, operator: equals, value: 5}], serve: on}
""",
    fixable=True,
)

_TEXT: Final = frozenset({"string", "semver", "ip"})


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each constant of another type."""
    schema = context.repository.config.context
    for (path, name), sites in context.conditions.uses.items():
        attribute = schema.lookup(path)
        operator = OPERATORS.get(positive(name)[0])
        if attribute is None or operator is None or operator.value not in {ValueKind.SCALAR, ValueKind.SCALARS}:
            continue
        kind = attribute.type.value
        if kind not in operator.reads:
            continue
        for site in sites:
            for value, route in constants(site.condition):
                if not _fits(value, kind):
                    place = Place(site.path, route)
                    yield Finding(
                        place=place,
                        message=f"attribute '{attribute.name}' is declared as {kind}, so it never is {_called(value)}",
                        help=_help(kind),
                        fix=_fix(context, place, value, kind),
                        related=((Place(context.repository.config.path, attribute.route, "key"), "declared here"),),
                        key=site.key,
                    )


def _fits(value: Any, kind: str) -> bool:
    if kind in _TEXT:
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return True


def _called(value: Any) -> str:
    word = "the boolean" if isinstance(value, bool) else "the text" if isinstance(value, str) else "the number"
    return f"{word} {shown(value)}"


def _help(kind: str) -> str:
    if kind == "boolean":
        return "write true or false, without quotes"
    return "write a number, without quotes" if kind == "number" else "put the constant into quotes"


def _fix(context: LintContext, place: Place, value: Any, kind: str) -> Fix | None:
    document = context.documents.get(place.path)
    source = document.source_of(place.route) if document is not None else None
    if kind in _TEXT and source and not isinstance(value, str):
        return rewrite(context, place, f'"{source}"', title="put it into quotes")
    if isinstance(value, str) and (
        (kind == "boolean" and value in {"true", "false"})
        or (kind == "number" and value.isascii() and value.isdigit() and len(value) < 16)
    ):
        return rewrite(context, place, value, title="remove the quotes")
    return None
