"""BRK101: a breaker on a flag that has nothing to serve when it trips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.states import WHERE, merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.lint.sites import StateSite

INFO = RuleInfo(
    code="BRK101",
    name="breaker-without-off",
    severity=Severity.ERROR,
    summary="A flag has a `breaker` but no `off` variant.",
    why=(
        "A breaker that trips serves the variant `off`, and compares the others with it. Without one it could neither tell"
        " the new code from the old, nor say what to serve. `off` is implied only for boolean flags with a variant `off`."
    ),
    bad="""\
kind: flag
key: search-ranking
type: string
variants: {classic: v1, neural: v3}
default: neural
breaker: {error_rate: 5%}
""",
    good="""\
kind: flag
key: search-ranking
type: string
variants: {classic: v1, neural: v3}
off: classic
default: neural
breaker: {error_rate: 5%}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each breaker without something to serve."""
    return merged(context, _found(context))


def _found(context: LintContext) -> Iterator[tuple[StateSite, Finding]]:
    for site in context.states:
        flag = site.flag
        if flag.breaker is not None and site.state.off is None:
            yield (
                site,
                Finding(
                    place=Place(flag.path, ("breaker",), "key"),
                    message=f"the breaker of flag '{flag.key}' has no 'off' variant to serve{WHERE}",
                    help="say which variant is the safe one: off: VARIANT",
                    key=flag.key,
                ),
            )
