"""ROL103: a draw whose buckets are all taken before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.compare import precedes
from flagctl.lint.draws import Draw, covers, draw_of, levels, rollout_draw, serves_the_same, takes_everyone
from flagctl.lint.finding import Finding, Place
from flagctl.lint.states import WHERE, merged
from flagctl.model import FULL, Rollout
from flagctl.model.strategy import planned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.lint.context import LintContext
    from flagctl.lint.sites import StateSite
    from flagctl.model import Experiment, Flag, Rule

INFO = RuleInfo(
    code="ROL103",
    name="percentage-that-never-matches",
    severity=Severity.ERROR,
    summary="A percentage, rollout or experiment never gets a unit, because earlier rules take all of its buckets.",
    why=(
        "All percentages of a flag look at the same bucket of a unit, unless they have salts of their own. Behind 30 %, a"
        " percentage of 20 finds that its buckets, 0 to 19999, are gone. Where both serve the same variant it is a"
        " warning: nobody gets a wrong answer, but one of the two rules does nothing."
    ),
    bad="""\
kind: flag
key: hero
type: string
variants: {a: a, b: b, c: c}
default: a
rules:
  - {id: first, percentage: 30, serve: b}
  - {id: second, percentage: 20, serve: c}
""",
    good="""\
kind: flag
key: hero
type: string
variants: {a: a, b: b, c: c}
default: {rollout: {b: 30, c: 20, a: 50}}
""",
)


class _Later(NamedTuple):
    """A draw that may come too late; `rule` is None for the default."""

    rule: Rule | None
    draw: Draw
    place: Place
    name: str


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each draw without buckets, once for all environments it is so in."""
    yield from merged(context, _dead(context))


def _dead(context: LintContext) -> Iterator[tuple[StateSite, Finding]]:
    experiments = context.repository.experiments
    for site in context.states:
        rules = site.state.rules
        draws = [(rule, draw) for rule in rules if (draw := draw_of(site.flag, rule, experiments)) is not None]
        if not draws:
            continue
        for later in _laters(site, draws):
            takers = _takers(site, later, experiments)
            if takers:
                yield site, _finding(site.flag, later, takers)


def _takers(site: StateSite, later: _Later, experiments: Mapping[str, Experiment]) -> list[Rule]:
    """Return the rules that together take all buckets of `later`; none if it gets some, or nobody reaches it at all."""
    takers: list[Rule] = []
    taken: list[tuple[int, int]] = []
    for rule in site.state.rules:
        if rule is later.rule:
            break
        if not precedes(rule, later.rule):
            continue
        if takes_everyone(rule, experiments):
            return []
        draw = draw_of(site.flag, rule, experiments)
        if draw is not None and draw[:2] == later.draw[:2] and draw.always and not covers(taken, draw.always):
            takers.append(rule)
            taken.extend(draw.always)
    return takers if covers(taken, later.draw.wanted) else []


def _laters(site: StateSite, draws: list[tuple[Rule, Draw]]) -> Iterator[_Later]:
    flag = site.flag
    for rule, draw in draws[1:]:
        percentage = planned(rule)
        if percentage is not None and levels(percentage)[-1] >= FULL:
            continue  # At 100 % it also serves contexts without a unit, which nothing before it takes.
        part = "rollout" if rule.rollout else "experiment" if rule.experiment is not None else "percentage"
        yield _Later(rule, draw, Place(flag.path, (*rule.route, part), "key"), f"the {part} of rule '{rule.id}'")
    default = site.state.default
    if isinstance(default, Rollout):
        yield _Later(None, rollout_draw(flag, None, default), Place(flag.path, default.route, "key"), "the default")


def _finding(flag: Flag, later: _Later, takers: list[Rule]) -> Finding:
    names = ", ".join(f"'{rule.id}'" for rule in takers)
    harmless = later.rule is not None and all(
        rule.percentage is not None and serves_the_same(rule, later.rule) for rule in takers
    )
    return Finding(
        place=later.place,
        message=f"{later.name} never gets a unit{WHERE}: {names} before it"
        f" {'takes' if len(takers) == 1 else 'take'} all of its buckets (salt '{later.draw.salt}')",
        help=_help(later, harmless=harmless),
        related=tuple((Place(flag.path, (*rule.route, "id")), "taken here") for rule in takers),
        severity=Severity.WARNING if harmless else None,
        key=flag.key,
    )


def _help(later: _Later, *, harmless: bool) -> str:
    if harmless or (later.rule is not None and later.rule.experiment is not None):
        return "remove it"
    return "put the shares into one rollout, or give it a salt of its own"
