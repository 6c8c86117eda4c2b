"""SUP103: an attempt to ignore what makes a flag meaningless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.policy import configured_selectors
from flagctl.lint.registry import matching_codes
from flagctl.lint.suppressions import is_essential

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="SUP103",
    name="suppression-of-essential-rule",
    severity=Severity.WARNING,
    summary="A comment or the configuration tries to ignore, or to make milder, a rule that can't be.",
    why=(
        "Some findings say that a flag has no meaning: a variant that does not exist, a cycle, weights that do not sum to"
        " 100. No bundle can be made of such a flag, so ignoring the finding would only move it to a worse moment."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: enabled  # flagctl: ignore[REF101] will come later
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each such attempt."""
    for suppression in context.suppressions:
        for selector, codes in (suppression.selectors or {}).items():
            if codes and all(is_essential(code) for code in codes):
                yield _finding(selector, Place(suppression.path, span=suppression.span))
    config = context.repository.config
    for selector, route, is_key in configured_selectors(config.lint):
        codes = matching_codes(selector)
        if route[1] != "select" and codes and all(is_essential(code) for code in codes):
            yield _finding(selector, Place(config.path, route, "key" if is_key else "value"))


def _finding(selector: str, place: Place) -> Finding:
    return Finding(
        place=place,
        message=f"{selector} can't be ignored or made milder",
        help="correct what it finds; this has no effect",
    )
