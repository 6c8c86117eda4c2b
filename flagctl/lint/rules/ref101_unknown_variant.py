"""REF101: a variant that the flag does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.context import variant_names
from flagctl.lint.edits import rename
from flagctl.lint.expectations import expected_variants
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import advice
from flagctl.model import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.diagnostics import Route
    from flagctl.lint.context import LintContext
    from flagctl.model import EnvironmentOverride, Experiment, Flag, Rollout

INFO = RuleInfo(
    code="REF101",
    name="unknown-variant",
    severity=Severity.ERROR,
    summary="A name that should be one of a flag's variants is none of them.",
    why=(
        "Rules, targets, rollouts, prerequisites and experiments name variants; a name that does not exist has no value to"
        " serve, so the flag could not answer. It is usually a typo, or a variant that was renamed in one place only."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
variants: {on: true, off: false}
default: off
rules:
  - id: beta
    when: [{attribute: beta, operator: equals, value: true}]
    serve: enabled
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
variants: {on: true, off: false}
default: off
rules:
  - id: beta
    when: [{attribute: beta, operator: equals, value: true}]
    serve: on
""",
    fixable=True,
)


class _Use(NamedTuple):
    """A variant's name somewhere; `part` is "key" where it is a mapping's key."""

    name: str
    route: Route
    is_key: bool = False


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each use of an unknown variant."""
    for flag in context.repository.flags.values():
        names = variant_names(flag)
        for use in _uses(flag):
            if use.name not in names:
                yield _finding(context, (flag.path, flag.key), use, flag)
        for prerequisite, route in _prerequisites(flag):
            other = context.repository.flags.get(prerequisite[0])
            if other is not None:
                yield from _missing(context, flag, other, (prerequisite[1], route))
    for experiment in context.repository.experiments.values():
        flag_of = context.repository.flags.get(experiment.flag)
        if flag_of is not None:
            names = variant_names(flag_of)
            for use in _experiment_uses(experiment):
                if use.name not in names:
                    yield _finding(context, (experiment.path, experiment.key), use, flag_of)
    for expected in expected_variants(context):
        flag_of = context.repository.flags.get(expected.flag)
        if flag_of is None or context.is_broken("flag", flag_of.key):
            continue
        if expected.name not in _served(flag_of):
            yield _finding(context, (expected.place.path, None), _Use(expected.name, expected.place.route), flag_of)


def _served(flag: Flag) -> set[str]:
    """Return everything a result's variant can be: declared variants, and rules with an inline value."""
    rules = [*flag.rules, *(rule for override in flag.environments.values() for rule in override.rules)]
    return {*variant_names(flag), *(rule.id for rule in rules if rule.value is not UNSET)}


def _uses(flag: Flag) -> Iterator[_Use]:
    yield from _part_uses(flag, ())
    for override in flag.environments.values():
        yield from _part_uses(override, override.route)


def _part_uses(part: Flag | EnvironmentOverride, route: Route) -> Iterator[_Use]:
    if part.off is not None:
        yield _Use(part.off, (*route, "off"))
    default, colours = part.default, part.blue_green
    if colours is not None:
        yield _Use(colours.active, (*colours.route, "active"))
        if colours.previous is not None:
            yield _Use(colours.previous, (*colours.route, "previous"))
    elif isinstance(default, str):
        yield _Use(default, (*route, "default"))
    elif default is not None:
        yield from _arms(default)
    for target in part.targets:
        yield _Use(target.variant, target.route, is_key=True)
    for rule in part.rules:
        if rule.serve is not None:
            yield _Use(rule.serve, (*rule.route, "serve"))
        if rule.rollout is not None:
            yield from _arms(rule.rollout)


def _arms(rollout: Rollout) -> Iterator[_Use]:
    for arm in rollout.arms:
        yield _Use(arm.variant, arm.route, is_key=True)


def _experiment_uses(experiment: Experiment) -> Iterator[_Use]:
    yield from _arms(experiment.variants)
    if experiment.control is not None:
        yield _Use(experiment.control, ("control",))
    if experiment.winner is not None:
        yield _Use(experiment.winner, ("winner",))


def _prerequisites(flag: Flag) -> Iterator[tuple[tuple[str, tuple[str, ...]], Route]]:
    for prerequisite in flag.prerequisites:
        yield (prerequisite.flag, prerequisite.variants), prerequisite.route
    for override in flag.environments.values():
        for prerequisite in override.prerequisites:
            yield (prerequisite.flag, prerequisite.variants), prerequisite.route


def _missing(context: LintContext, flag: Flag, other: Flag, wanted: tuple[tuple[str, ...], Route]) -> Iterator[Finding]:
    names, route = wanted
    known = variant_names(other)
    for index, name in enumerate(names):
        if name not in known:
            yield _finding(context, (flag.path, flag.key), _Use(name, (*route, "variants", index)), other)


def _finding(context: LintContext, user: tuple[str, str | None], use: _Use, flag: Flag) -> Finding:
    path, key = user
    names = [variant.name for variant in flag.variants]
    place = Place(path, use.route, "key" if use.is_key else "value")
    return Finding(
        place=place,
        message=f"flag '{flag.key}' has no variant '{use.name}'",
        help=advice(use.name, names, kind="variants"),
        fix=rename(context, place, use.name, names),
        key=key,
    )
