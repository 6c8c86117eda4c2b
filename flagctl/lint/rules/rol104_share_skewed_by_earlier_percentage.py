"""ROL104: shares that are not what they say, because an earlier percentage looked at the same bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.compare import precedes
from flagctl.lint.draws import (
    covers,
    draw_of,
    levels,
    overlap,
    partial_level,
    remaining,
    serves_the_same,
    takes_everyone,
)
from flagctl.lint.edits import add_before, scalar
from flagctl.lint.finding import Finding, Place
from flagctl.lint.states import WHERE, merged
from flagctl.lint.words import listed, percent
from flagctl.model import FULL, ExperimentStatus, Rollout
from flagctl.model.strategy import planned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.diagnostics import Route
    from flagctl.lint.context import LintContext
    from flagctl.lint.draws import Ranges
    from flagctl.lint.sites import StateSite
    from flagctl.model import Experiment, Flag, Rule

INFO = RuleInfo(
    code="ROL104",
    name="share-skewed-by-earlier-percentage",
    severity=Severity.ERROR,
    summary="A percentage or rollout has other shares than it says, because an earlier percentage has the same salt.",
    why=(
        "All percentages of a flag look at the same bucket of a unit. Behind a rule with 25 %, only the buckets from 25000"
        " on are left, so a rollout of 50/50 splits the rest 33/67. Give the later one a salt of its own and its draw"
        " becomes independent. A percentage that serves the same variant as the earlier one is fine: nested rings are meant"
        " to share units."
    ),
    bad="""\
kind: flag
key: hero
type: string
variants: {a: a, b: b, c: c}
default: a
rules:
  - {id: early, percentage: 25, serve: c}
  - {id: split, rollout: {a: 50, b: 50}}
""",
    good="""\
kind: flag
key: hero
type: string
variants: {a: a, b: b, c: c}
default: a
rules:
  - {id: early, percentage: 25, serve: c}
  - {id: split, rollout: {a: 50, b: 50}, salt: hero/split}
""",
    fixable=True,
)


class _Later(NamedTuple):
    """A draw that may be skewed.

    Attributes:
        rule: The rule it belongs to; None for the default.
        draw: Salt and unit.
        shares: What each outcome should get, by name.
        route: Of the key whose value says the shares.
        fix_key: The mapping key that a `salt` goes in front of; None if the salt is fixed, as an experiment's is.
    """

    rule: Rule | None
    draw: tuple[str, tuple[str, ...]]
    shares: dict[str, Ranges]
    route: Route
    fix_key: Route | None


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each skewed draw, once for all environments it is so in."""
    yield from merged(context, _skewed(context))


def _skewed(context: LintContext) -> Iterator[tuple[StateSite, Finding]]:
    for site in context.states:
        if all(rule.percentage is None for rule in site.state.rules):
            continue
        for later in _laters(context, site):
            culprits = _culprits(site, later, context.repository.experiments)
            finding = _finding(context, site.flag, later, culprits) if culprits else None
            if finding is not None:
                yield site, finding


def _laters(context: LintContext, site: StateSite) -> Iterator[_Later]:
    flag = site.flag
    for rule in site.state.rules:
        percentage = planned(rule)
        if percentage is not None:
            level = partial_level(percentage)
            if level is not None:
                draw, route = (flag.salt_of(rule), flag.unit_of(rule)), (*rule.route, _written_as(rule))
                yield _Later(rule, draw, {"it": ((0, level),)}, route, route)
        elif rule.rollout is not None:
            draw, route = (flag.salt_of(rule), flag.unit_of(rule)), (*rule.route, "rollout")
            yield _Later(rule, draw, _shares(rule.rollout), route, route)
        elif rule.experiment is not None:
            experiment = context.repository.experiments.get(rule.experiment)
            if experiment is not None and experiment.status is ExperimentStatus.RUNNING:
                shares = _shares(experiment.variants)
                yield _Later(rule, (experiment.key, experiment.bucket_by), shares, (*rule.route, "experiment"), None)
    default = site.state.default
    if isinstance(default, Rollout):
        draw = flag.salt_of(None, default), flag.unit_of(None, default)
        yield _Later(None, draw, _shares(default), default.route, default.route)


def _written_as(rule: Rule) -> str:
    """Return the key of a rule's percentage, or of the strategy that it stands for."""
    return "percentage" if rule.strategy is None or "strategy" not in rule.strategy.route else "strategy"


def _shares(rollout: Rollout) -> dict[str, Ranges]:
    result: dict[str, Ranges] = {arm.variant: () for arm in rollout.arms}
    for start, end, variant in rollout.ranges():
        result[variant] = (*result[variant], (start, end))
    return result


def _culprits(site: StateSite, later: _Later, experiments: Mapping[str, Experiment]) -> list[tuple[Rule, int]]:
    """Return the earlier percentages that every unit for `later` was refused by, with the share each took.

    Empty if nobody gets to `later` at all: that is another rule's finding.
    """
    flag, result = site.flag, []
    taken: list[tuple[int, int]] = []
    for rule in site.state.rules:
        if rule is later.rule:
            break
        if not precedes(rule, later.rule):
            continue
        if takes_everyone(rule, experiments):
            return []
        draw = draw_of(flag, rule, experiments)
        if draw is None or draw[:2] != later.draw:
            continue
        taken.extend(draw.always)
        percentage = planned(rule)
        level = partial_level(percentage) if percentage is not None else None
        if level is not None and not _is_ring(rule, later):
            result.append((rule, level))
    wanted = tuple(span for ranges in later.shares.values() for span in ranges)
    return [] if covers(taken, wanted) else result


def _is_ring(rule: Rule, later: _Later) -> bool:
    return later.rule is not None and later.rule.percentage is not None and serves_the_same(rule, later.rule)


def _finding(context: LintContext, flag: Flag, later: _Later, culprits: list[tuple[Rule, int]]) -> Finding | None:
    left = remaining([(0, level) for _, level in culprits])
    total = sum(end - start for start, end in left)
    parts = []
    skewed = False
    for name, ranges in later.shares.items():
        wanted, real = sum(end - start for start, end in ranges), overlap(ranges, left) * FULL / total
        skewed = skewed or wanted != real
        parts.append((name, percent(wanted), percent(real)))
    if not skewed:
        return None
    name = "the default" if later.rule is None else f"rule '{later.rule.id}'"
    causes = listed(_cause(rule, level) for rule, level in culprits)
    if later.rule is not None and later.rule.percentage is not None:
        effect = f"takes {parts[0][2]} of the units that reach it, not {parts[0][1]}"
    else:
        effect = (
            f"splits the units that reach it into {listed(f'{part[0]} {part[2]}' for part in parts)},"
            f" not {listed(f'{part[0]} {part[1]}' for part in parts)}"
        )
    salt = f"{flag.key}/{later.rule.id if later.rule is not None else 'default'}"
    return Finding(
        place=Place(flag.path, later.route, "key"),
        message=f"{name}{WHERE} {effect}: {causes}, with the same salt '{later.draw[0]}'",
        help=_help(flag, later, culprits[0][0], salt),
        related=tuple(
            (Place(flag.path, (*rule.route, _written_as(rule)), "key"), "the earlier one") for rule, _ in culprits
        ),
        fix=None
        if later.fix_key is None
        else add_before(context, Place(flag.path, later.fix_key), f"salt: {scalar(salt)}", title=f"add salt: {salt}"),
        key=flag.key,
    )


def _cause(rule: Rule, level: int) -> str:
    percentage = planned(rule)
    moves = percentage is not None and len(levels(percentage)) > 1
    return f"rule '{rule.id}' first takes {percent(level)}{' at some time' if moves else ''}"


def _help(flag: Flag, later: _Later, culprit: Rule, salt: str) -> str:
    if later.fix_key is None:
        return f"give rule '{culprit.id}' a salt of its own: salt: {flag.key}/{culprit.id}"
    return f"give it a salt of its own: salt: {salt}"
