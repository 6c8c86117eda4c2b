"""OWN102: a flag that should be gone by now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="OWN102",
    name="expired-flag",
    severity=Severity.WARNING,
    summary="A flag's `lifecycle.expires` has passed.",
    why=(
        "Temporary flags are debt: each one is a branch in the code that somebody must understand and test. When the day"
        " comes, remove the flag from code and repository, or decide on a later day."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
lifecycle: {temporary: true, expires: 2020-01-31}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
lifecycle: {temporary: true, expires: 2999-01-31}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each expired flag; the day itself (in UTC) still belongs to its life."""
    today = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=context.now_ms)
    day = today.date().isoformat()
    for flag in context.repository.flags.values():
        lifecycle = flag.lifecycle
        if lifecycle is not None and lifecycle.expires is not None and lifecycle.expires < day:
            yield Finding(
                place=Place(flag.path, (*lifecycle.route, "expires")),
                message=f"flag '{flag.key}' expired on {lifecycle.expires}",
                help=f"ask {flag.owner or 'its owner'} to remove it from the code, or set a later day",
                key=flag.key,
            )
