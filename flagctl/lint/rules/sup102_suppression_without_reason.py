"""SUP102: a suppression that does not say why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.suppressions import NEEDS_REASON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="SUP102",
    name="suppression-without-reason",
    severity=Severity.WARNING,
    summary="A `# flagctl: ignore[...]` comment gives no reason.",
    why=(
        "The next reader has to decide whether it still holds, and can't without knowing why it was put there. Rules about"
        " secrets are not silenced at all without a reason."
    ),
    bad="""\
kind: flag
key: dark-mode  # flagctl: ignore[OWN101]
type: boolean
default: off
""",
    good="""\
kind: flag
key: dark-mode  # flagctl: ignore[OWN101] a prototype that is gone next week
type: boolean
default: off
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each suppression without a reason."""
    for suppression in context.suppressions:
        if suppression.selectors and not suppression.reason:
            strict = any(code.startswith(NEEDS_REASON) for codes in suppression.selectors.values() for code in codes)
            yield Finding(
                place=Place(suppression.path, span=suppression.span),
                message="this suppression gives no reason" + (", so it has no effect" if strict else ""),
                help="write why behind the bracket: # flagctl: ignore[CODE] because ...",
                key=context.documents[suppression.path].key,
            )
