"""BRK102: a breaker, or one of its limits, that can never do anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model import FULL, Rollout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import Breaker, Flag, FlagState

INFO = RuleInfo(
    code="BRK102",
    name="breaker-that-never-trips",
    severity=Severity.WARNING,
    summary="A limit that no code can exceed, or a breaker on a flag that serves only its `off` variant.",
    why=(
        "More than 100 % of calls cannot fail. And a breaker acts on variants other than `off`: where none of them is ever"
        " served, there is nothing to switch off. It looks like a safety net and is none."
    ),
    bad="""\
kind: flag
key: new-checkout
type: boolean
default: on
breaker: {error_rate: 100%}
""",
    good="""\
kind: flag
key: new-checkout
type: boolean
default: on
breaker: {error_rate: 5%}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each limit or breaker of no effect."""
    environments = context.environments
    for flag in context.repository.flags.values():
        if flag.breaker is None:
            continue
        if flag.breaker.error_rate == FULL:
            yield _finding(flag, "error_rate", "an error rate of more than 100 % is impossible", flag.breaker)
        states = [flag.in_environment(name) for name in environments]
        if states and all(_only_off(state) for state in states):
            yield Finding(
                place=Place(flag.path, ("breaker",), "key"),
                message=f"the breaker of flag '{flag.key}' has nothing to do: only the 'off' variant is ever served",
                help="remove it, or let a rule or the default serve another variant",
                key=flag.key,
            )


def _finding(flag: Flag, name: str, message: str, breaker: Breaker) -> Finding:
    instead = "remove the breaker" if breaker.latency_p95_ms is None else f"remove '{name}'"
    return Finding(
        place=Place(flag.path, ("breaker", name)),
        message=message,
        help=f"write a share that is too much for this code, such as 5%, or {instead}",
        key=flag.key,
    )


def _only_off(state: FlagState) -> bool:
    """Return whether a flag can serve nothing but `off`; False where that takes a closer look."""
    if state.off is None:
        return False
    served = {target.variant for target in state.targets}
    for rule in state.rules:
        if rule.serve is None:
            return False
        served.add(rule.serve)
    if isinstance(state.default, Rollout):
        return False
    return served | {state.default} <= {state.off}
