"""SUP101: a suppression that silences nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.edits import cut_comment
from flagctl.lint.finding import Finding, Place
from flagctl.lint.suppressions import is_essential, is_foreign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="SUP101",
    name="unused-suppression",
    severity=Severity.WARNING,
    summary="A `# flagctl: ignore[...]` comment has nothing to ignore.",
    why=(
        "The problem was corrected, or the comment stands at the wrong line. Left alone it would hide the next problem of"
        " that kind."
    ),
    bad="""\
kind: flag
key: dark-mode
owner: team-web
type: boolean
default: off  # flagctl: ignore[OWN101] the prototype
""",
    good="""\
kind: flag
key: dark-mode  # flagctl: ignore[OWN101] the prototype
type: boolean
default: off
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each unused comment, or each unused code of one."""
    suppressions = context.suppressions
    for suppression in suppressions:
        if suppression.path in suppressions.unread:  # what could not be read may be what is to be ignored
            continue
        unused = [
            selector
            for selector, codes in (suppression.selectors or {}).items()
            if selector not in suppression.used
            and codes
            and codes <= suppressions.checked
            and not is_foreign(selector)
            and not all(is_essential(code) for code in codes)
        ]
        if unused:
            everything = len(unused) == len(suppression.selectors or {})
            document = context.documents[suppression.path]
            yield Finding(
                place=Place(suppression.path, span=suppression.span),
                message=f"nothing to ignore here for {', '.join(unused)}",
                help="remove the comment" if everything else "remove these codes from the comment",
                fix=cut_comment(suppression.path, document.text, suppression.span, title="remove the comment")
                if everything
                else None,
                key=document.key,
            )
