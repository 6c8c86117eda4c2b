"""TGT101: a rule behind one that lets nobody past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.compare import implies
from flagctl.lint.draws import takes_everyone
from flagctl.lint.finding import Finding, Place
from flagctl.lint.states import WHERE, merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.lint.sites import StateSite
    from flagctl.model import Flag, Rule

INFO = RuleInfo(
    code="TGT101",
    name="unreachable-rule",
    severity=Severity.ERROR,
    summary="A rule can never decide, because an earlier rule takes every unit that fulfils its conditions.",
    why=(
        "The first rule that holds decides. A rule behind one without conditions, or behind one whose conditions are"
        " among its own, is dead: whoever wrote it believes that it does something. After a percentage that has arrived at"
        " 100 %, or an experiment with a winner, this is a warning: the rest is to be cleaned up."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - {id: everybody, serve: on}
  - {id: germans, when: [{attribute: country, operator: equals, value: DE}], serve: off}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - {id: germans, when: [{attribute: country, operator: equals, value: DE}], serve: off}
  - {id: everybody, serve: on}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each dead rule, once for all environments it is dead in."""
    yield from merged(context, _dead(context))


def _dead(context: LintContext) -> Iterator[tuple[StateSite, Finding]]:
    experiments = context.repository.experiments
    for site in context.states:
        rules = site.state.rules
        if len(rules) < 2:
            continue
        for position, earlier in enumerate(rules[:-1]):
            if takes_everyone(earlier, experiments):
                for later in rules[position + 1 :]:
                    if implies(later, earlier):
                        yield site, _finding(site.flag, earlier, later)


def _finding(flag: Flag, earlier: Rule, later: Rule) -> Finding:
    if earlier.when:
        reason = f"rule '{earlier.id}' comes first and asks for no more"
    elif earlier.experiment is not None:
        reason = f"rule '{earlier.id}' comes first and serves everybody the winner of its experiment"
    elif earlier.percentage is not None:
        reason = f"rule '{earlier.id}' comes first and is at 100 %"
    else:
        reason = f"rule '{earlier.id}' comes first and has no conditions"
    return Finding(
        place=Place(flag.path, (*later.route, "id")),
        message=f"rule '{later.id}' can never decide{WHERE}: {reason}",
        help="move it in front, or remove it",
        related=((Place(flag.path, (*earlier.route, "id")), "this rule takes every unit"),),
        severity=Severity.WARNING if earlier.percentage is not None or earlier.experiment is not None else None,
        key=flag.key,
    )
