"""OWN103: a temporary flag without a last day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="OWN103",
    name="temporary-flag-without-expiry",
    severity=Severity.INFO,
    summary="A flag is `temporary`, but says not until when.",
    why="Without a day nobody is ever reminded, and temporary flags become permanent ones.",
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
lifecycle: {temporary: true}
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
    """Yield a finding for each temporary flag without an expiry."""
    for flag in context.repository.flags.values():
        lifecycle = flag.lifecycle
        if lifecycle is not None and lifecycle.temporary and lifecycle.expires is None:
            yield Finding(
                place=Place(flag.path, lifecycle.route),
                message=f"flag '{flag.key}' is temporary, but has no day of expiry",
                help="add 'expires: YYYY-MM-DD'",
                key=flag.key,
            )
