"""TYP107: a constant that is no version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.evaluator.operators import ValueKind
from flagctl.evaluator.versions import parse_version
from flagctl.lint.constants import sites_with
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP107",
    name="bad-version",
    severity=Severity.ERROR,
    summary="The constant of a `semver_...` operator is not a version.",
    why=(
        "Versions are compared by Semantic Versioning 2.0.0. A leading `v` and missing minor and patch numbers are"
        " accepted (`v2` is 2.0.0, `1.2-rc.1` is 1.2.0-rc.1); anything else has no place in the order."
    ),
    bad="""\
kind: flag
key: new-player
type: boolean
default: off
rules:
  - {id: recent, when: [{attribute: app_version, operator: semver_greater_or_equal, value: 3.x}], serve: on}
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
    """Yield a finding for each constant that is no version."""
    for site, (value, route) in sites_with(context, ValueKind.SEMVER):
        if isinstance(value, str) and parse_version(value) is None:
            yield Finding(
                place=Place(site.path, route),
                message=f"{shown(value)} is not a version",
                help="write MAJOR.MINOR.PATCH, such as 2.10.0 or 3.0.0-rc.1",
                key=site.key,
            )
