"""TYP108: a constant that is no instant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flagctl.diagnostics import Fix, RuleInfo, Severity
from flagctl.evaluator.instants import instant_of
from flagctl.evaluator.operators import ValueKind
from flagctl.lint.constants import sites_with
from flagctl.lint.edits import rewrite
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP108",
    name="bad-instant",
    severity=Severity.ERROR,
    summary="The constant of `before` or `after` is not an instant.",
    why=(
        "An instant needs a date, a time and a zone, as in RFC 3339, or is a number of seconds since 1970. Without a zone"
        " the same flag would change hours apart in different places."
    ),
    bad="""\
kind: flag
key: founders-badge
type: boolean
default: off
rules:
  - {id: early, when: [{attribute: signed_up_at, operator: before, value: 2026-01-01}], serve: on}
""",
    good="""\
kind: flag
key: founders-badge
type: boolean
default: off
rules:
  - {id: early, when: [{attribute: signed_up_at, operator: before, value: "2026-01-01T00:00:00Z"}], serve: on}
""",
    fixable=True,
)

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each constant that is no instant."""
    for site, (value, route) in sites_with(context, ValueKind.INSTANT):
        if not isinstance(value, bool) and instant_of(value) is None:
            place = Place(site.path, route)
            yield Finding(
                place=place,
                message=f"{shown(value)} is not an instant",
                help="write date, time and zone as in 2026-12-01T09:00:00Z, or seconds since 1970",
                fix=_fix(context, place, value),
                key=site.key,
            )


def _fix(context: LintContext, place: Place, value: object) -> Fix | None:
    """Complete a date without a time, or a time without a zone, in UTC: a guess, so never safe."""
    if not isinstance(value, str):
        return None
    for completed in (f"{value}T00:00:00Z",) if _DATE.match(value) else (f"{value}Z", f"{value}:00Z"):
        if instant_of(completed) is not None:
            return rewrite(context, place, completed, title=f"write {completed}")
    return None
