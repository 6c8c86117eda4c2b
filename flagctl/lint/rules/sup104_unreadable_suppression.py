"""SUP104: a suppression or setting that names no rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.policy import configured_selectors
from flagctl.lint.registry import all_rules, matching_codes
from flagctl.lint.suppressions import is_foreign
from flagctl.lint.words import advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="SUP104",
    name="unreadable-suppression",
    severity=Severity.WARNING,
    summary="A `# flagctl: ignore` comment, or the section `lint` of the configuration, names no rule.",
    why="It has no effect, while its author believes that it has one. The codes are listed by `flagctl rule --all`.",
    bad="""\
kind: flag
key: dark-mode  # flagctl: ignore[OWN999] a prototype
type: boolean
default: off
""",
    good="""\
kind: flag
key: dark-mode  # flagctl: ignore[OWN101] a prototype
type: boolean
default: off
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each selector that stands for nothing."""
    for suppression in context.suppressions:
        place = Place(suppression.path, span=suppression.span)
        if suppression.selectors is None:
            yield Finding(
                place=place,
                message="this suppression names no code",
                help="write # flagctl: ignore[CODE] because ...",
            )
            continue
        for selector, codes in suppression.selectors.items():
            if not codes and not is_foreign(selector):
                yield _finding(selector, place)
    config = context.repository.config
    for selector, route, is_key in configured_selectors(config.lint):
        if not matching_codes(selector) and not is_foreign(selector):
            yield _finding(selector, Place(config.path, route, "key" if is_key else "value"))


def _finding(selector: str, place: Place) -> Finding:
    rules = all_rules()
    names = rules if selector.isupper() else [info.name for info in rules.values()]
    known = advice(selector, names, kind="rules")
    return Finding(
        place=place,
        message=f"there is no rule '{selector}'",
        help=known if known and known.startswith("did") else "run: flagctl rule --all",
    )
