"""ROL105: two different salts that draw the same buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.evaluator.buckets import seed
from flagctl.lint.finding import Finding, Place
from flagctl.model import ExperimentStatus, Rollout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="ROL105",
    name="salt-seed-collision",
    severity=Severity.ERROR,
    summary="Two different salts of one environment have the same seed.",
    why=(
        "A salt is reduced to a 32-bit seed. Two salts with the same one put every unit into the same bucket, so two draws"
        " that should be independent pick the same units. It is rare (about one repository in a hundred with ten thousand"
        " salts) and cured by changing one of the two, preferably the newer."
    ),
    bad="""\
kind: flag
key: first
type: boolean
default: off
salt: banner-34509
rules: [{id: ramp, percentage: 20, serve: on}]
---
kind: flag
key: second
type: boolean
default: off
salt: banner-100629
rules: [{id: ramp, percentage: 20, serve: on}]
""",
    good="""\
kind: flag
key: first
type: boolean
default: off
rules: [{id: ramp, percentage: 20, serve: on}]
---
kind: flag
key: second
type: boolean
default: off
rules: [{id: ramp, percentage: 20, serve: on}]
""",
)


class _Use(NamedTuple):
    """A salt in use; `environments` is None for all."""

    salt: str
    place: Place
    key: str
    environments: frozenset[str] | None


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each salt whose seed another salt of the same environment has."""
    salts = {use[0] for use in _uses(context)}
    by_seed: dict[int, str] = {}
    colliding: set[str] = set()
    for salt in salts:
        other = by_seed.setdefault(seed(salt), salt)
        if other is not salt:
            colliding.update((salt, other))
    if not colliding:
        return
    uses: dict[str, list[_Use]] = {}
    for use in _uses(context):
        if use.salt in colliding:
            uses.setdefault(use.salt, []).append(use)
    ordered = sorted(uses)
    for index, salt in enumerate(ordered):
        for other in ordered[:index]:
            if seed(other) == seed(salt):
                yield from _pair(uses[other], uses[salt])


def _pair(left: list[_Use], right: list[_Use]) -> Iterator[Finding]:
    for later in right:
        for earlier in left:
            if earlier.environments is None or later.environments is None or earlier.environments & later.environments:
                yield Finding(
                    place=later.place,
                    message=f"the salts '{later.salt}' and '{earlier.salt}' have the same seed {seed(later.salt)},"
                    " so both draw the same buckets",
                    help="change one of the two salts, preferably the newer one's",
                    related=((earlier.place, f"salt '{earlier.salt}' is used here"),),
                    key=later.key,
                )
                return


def _uses(context: LintContext) -> Iterator[_Use]:
    for flag, state, environments in context.states:
        drawing = [rule for rule in state.rules if rule.percentage is not None or rule.rollout is not None]
        rollout = state.default if isinstance(state.default, Rollout) else None
        if not drawing and rollout is None:
            continue
        where = frozenset(environments)
        for rule in drawing:
            part = "percentage" if rule.percentage is not None else "rollout"
            place = Place(flag.path, (*rule.route, part if rule.salt is None else "salt"), "key")
            yield _Use(flag.salt_of(rule), place, flag.key, where)
        if rollout is not None:
            yield _Use(flag.salt_of(None, rollout), Place(flag.path, rollout.route, "key"), flag.key, where)
    for experiment in context.repository.experiments.values():
        if experiment.status is not ExperimentStatus.COMPLETED:
            yield _Use(experiment.key, Place(experiment.path, ("key",)), experiment.key, None)
            route = ("key",) if experiment.layer is None else ("layer",)
            yield _Use(experiment.allocation_salt, Place(experiment.path, route), experiment.key, None)
