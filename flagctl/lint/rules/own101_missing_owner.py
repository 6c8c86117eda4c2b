"""OWN101: a flag or experiment that nobody answers for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="OWN101",
    name="missing-owner",
    severity=Severity.WARNING,
    summary="A flag or an experiment has no `owner`.",
    why=(
        "When a flag misbehaves at night, or is old enough to be removed, somebody has to know what it is for. Set"
        " `lint: {severity: {OWN101: error}}` in `flagctl.yaml` to insist on it."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
""",
    good="""\
kind: flag
key: dark-mode
owner: team-web
type: boolean
default: off
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each document without an owner."""
    repository = context.repository
    for kind, documents in (("flag", repository.flags), ("experiment", repository.experiments)):
        for document in documents.values():
            if document.owner is None and not context.is_broken(kind, document.key):
                yield Finding(
                    place=Place(document.path, ("key",)),
                    message=f"{kind} '{document.key}' has no owner",
                    help="add 'owner: TEAM'",
                    key=document.key,
                )
