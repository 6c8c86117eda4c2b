"""REF103: a flag that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.edits import rename
from flagctl.lint.expectations import tested_flags
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="REF103",
    name="unknown-flag",
    severity=Severity.ERROR,
    summary="A prerequisite, an experiment or a test names a flag that does not exist.",
    why=(
        "A prerequisite on a missing flag can't be decided, an experiment on one can't serve anybody, and a test of one"
        " tests nothing. It is usually a typo, or a flag that was deleted while others still build on it."
    ),
    bad="""\
kind: flag
key: new-checkout
type: boolean
default: off
prerequisites: [{flag: payments-v3, variants: [on]}]
---
kind: flag
key: payments-v2
type: boolean
default: on
""",
    good="""\
kind: flag
key: new-checkout
type: boolean
default: off
prerequisites: [{flag: payments-v2, variants: [on]}]
---
kind: flag
key: payments-v2
type: boolean
default: on
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each use of an unknown flag."""
    for name, place, key in _uses(context):
        if not context.knows("flag", name):
            known = [other for other in context.repository.flags if other != key]
            yield Finding(
                place=place,
                message=f"there is no flag '{name}'",
                help=advice(name, known, kind="flags"),
                fix=rename(context, place, name, known),
                key=key,
            )


def _uses(context: LintContext) -> Iterator[tuple[str, Place, str | None]]:
    for flag in context.repository.flags.values():
        for prerequisite in flag.prerequisites:
            yield prerequisite.flag, Place(flag.path, (*prerequisite.route, "flag")), flag.key
        for override in flag.environments.values():
            for prerequisite in override.prerequisites:
                yield prerequisite.flag, Place(flag.path, (*prerequisite.route, "flag")), flag.key
    for experiment in context.repository.experiments.values():
        yield experiment.flag, Place(experiment.path, ("flag",)), experiment.key
    for name, place in tested_flags(context):
        yield name, place, None
