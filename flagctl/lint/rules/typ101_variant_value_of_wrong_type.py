"""TYP101: a value that is not of the flag's type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Fix, RuleInfo, Severity
from flagctl.lint.edits import rewrite
from flagctl.lint.finding import Finding, Place
from flagctl.lint.values import FlagValue, flag_values
from flagctl.lint.words import shown
from flagctl.model import FlagType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP101",
    name="variant-value-of-wrong-type",
    severity=Severity.ERROR,
    summary="A variant's value, or an inline value, is not of the flag's type.",
    why=(
        "Applications ask for a boolean, text, number or object, and get their own default when the value is of another"
        " type. Note that `on`, `off`, `yes` and `no` are text in flag files, and only `true` and `false` are booleans."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
variants: {on: yes, off: false}
default: off
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
variants: {on: true, off: false}
default: off
""",
    fixable=True,
)

_BOOLEANS: Final = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each value of another type."""
    for flag in context.repository.flags.values():
        if flag.type is FlagType.JSON:
            continue
        for site in flag_values(flag):
            if not _fits(site.value, flag.type):
                place = Place(flag.path, site.route)
                yield Finding(
                    place=place,
                    message=f"{site.what} is {_kind(site.value)}, but the flag's type is {flag.type.value}",
                    help=_help(site, flag.type),
                    fix=_fix(context, site, place, flag.type),
                    key=flag.key,
                )


def _fits(value: Any, kind: FlagType) -> bool:
    if kind is FlagType.BOOLEAN:
        return isinstance(value, bool)
    if kind is FlagType.STRING:
        return isinstance(value, str)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {shown(value)}"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, (int, float)):
        return f"the number {shown(value)}"
    return "a list" if isinstance(value, list) else "an object"


def _help(site: FlagValue, kind: FlagType) -> str:
    if kind is FlagType.BOOLEAN:
        return "write true or false, without quotes"
    if kind is FlagType.STRING:
        return "put the value into quotes" if isinstance(site.value, (int, float)) else "write a text"
    return "write a number, without quotes"


def _fix(context: LintContext, site: FlagValue, place: Place, kind: FlagType) -> Fix | None:
    """Return a fix; safe where it only writes in YAML 1.2 what the author wrote in YAML 1.1 or without quotes."""
    value = site.value
    if kind is FlagType.BOOLEAN and isinstance(value, str):
        word = _BOOLEANS.get(value.lower())
        return rewrite(context, place, word, title=f"write {word}", safe=True) if word else None
    document = context.documents.get(place.path)
    source = document.source_of(site.route) if document is not None else None
    if kind is FlagType.STRING and isinstance(value, (int, float)) and source:
        return rewrite(context, place, f'"{source}"', title="put it into quotes", safe=True)
    if kind is FlagType.NUMBER and isinstance(value, str) and _is_number(value):
        return rewrite(context, place, value, title="remove the quotes")
    return None


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-").replace(".", "", 1)
    return digits.isascii() and digits.isdigit() and text[-1] != "."
