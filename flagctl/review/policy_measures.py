"""Rules of a policy that measure: how far a percentage goes, how many units switch, how many flags change."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from flagctl.model import FULL, UNSET, ExperimentStatus, Rollout, SteppedPercentage
from flagctl.review.facts import percent
from flagctl.review.impact import percentage_at
from flagctl.review.meaning import json_meaning, meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flagctl.model import Experiment, Flag, FlagState, Percentage, Repository, Rule
    from flagctl.review.changes import Place
    from flagctl.review.facts import Facts
    from flagctl.review.impact import GroupImpact
    from flagctl.review.verdicts import Verdict

_NOISE = 5e-6
"""Half a bucket: what adding up shares may leave."""


def check_step(facts: Facts) -> Iterator[Verdict]:
    """POL301: no percentage, and no variant's share of a rollout, grows further than allowed at once."""
    limit = facts.policy.max_percentage_step
    if limit is None:
        return
    most, refused = 0, False
    for key in sorted(set(facts.before.flags) & set(facts.after.flags)):
        for what, start, end in _growth(key, facts):
            step = end - start
            most = max(most, step)
            if step <= limit:
                continue
            refused = True
            yield facts.verdict(
                "POL301",
                "max_percentage_step",
                _points(step),
                f"at most {_points(limit)}",
                f"{key}: {what} grows from {percent(start / FULL)} to {percent(end / FULL)}, {_points(step)} at once",
                subject=key,
                place=facts.place_of(key, "percentage-changed", "rollout-changed", "outcome-changed"),
                help=f"go to {percent((start + limit) / FULL)} first and watch it, or write smaller steps"
                "; if it must be: --override max_percentage_step='why'",
            )
    if not refused:
        yield facts.verdict(
            "POL301", "max_percentage_step", _points(most), f"at most {_points(limit)}", "no percentage grows faster"
        )


def _growth(key: str, facts: Facts) -> Iterator[tuple[str, int, int]]:
    """Yield what grows in a flag, with its shares before and after in thousandths."""
    old, new = facts.before.flags[key], facts.after.flags[key]
    one, other = old.in_environment(facts.environment), new.in_environment(facts.environment)
    if not other.enabled:
        return
    rules = {rule.id: rule for rule in one.rules} if one.enabled else {}
    for rule in other.rules:
        before = rules.get(rule.id)
        if rule.percentage is not None or (before is not None and before.percentage is not None):
            start = _share(before, facts.now_ms)
            yield f"rule {rule.id}", start, _share(rule, facts.now_ms)
            if rule.percentage is not None and meaning(rule.percentage) != meaning(
                before.percentage if before else None
            ):
                yield from ((f"rule {rule.id}", *step) for step in _later_steps(rule.percentage, facts.now_ms))
        if rule.rollout is not None and before is not None and before.rollout is not None:
            yield from _rollout(f"in rule {rule.id}, ", before.rollout, rule.rollout)
        if rule.experiment is not None:
            yield from _experiment(rule.experiment, facts)
    if isinstance(one.default, Rollout) and isinstance(other.default, Rollout) and one.enabled:
        yield from _rollout("in the default, ", one.default, other.default)


def _share(rule: Rule | None, now_ms: int) -> int:
    if rule is None:
        return 0
    return FULL if rule.percentage is None else percentage_at(rule.percentage, now_ms)


def _later_steps(percentage: Percentage, now_ms: int) -> Iterator[tuple[int, int]]:
    """Yield the jumps of a schedule that are still to come; a linear ramp has none."""
    if isinstance(percentage, SteppedPercentage):
        shares = [percentage_at(percentage, now_ms)]
        shares += [step.thousandths for step in percentage.steps if step.from_ms > now_ms]
        yield from pairwise(shares)


def _rollout(where: str, one: Rollout, other: Rollout) -> Iterator[tuple[str, int, int]]:
    before, after = _shares(one), _shares(other)
    for variant, end in after.items():
        yield f"{where}{variant}", before.get(variant, 0), end


def _shares(rollout: Rollout) -> dict[str, int]:
    result: dict[str, int] = {}
    for start, end, variant in rollout.ranges():
        result[variant] = result.get(variant, 0) + end - start
    return result


def _experiment(key: str, facts: Facts) -> Iterator[tuple[str, int, int]]:
    one, other = facts.before.experiments.get(key), facts.after.experiments.get(key)
    yield f"experiment {key}", _traffic(one), _traffic(other)


def _traffic(experiment: Experiment | None) -> int:
    if experiment is None or experiment.status is not ExperimentStatus.RUNNING:
        return 0
    return sum(end - start for start, end in experiment.allocation_slots)


def _points(thousandths: int) -> str:
    number = f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{number} point" if number == "1" else f"{number} points"


def check_switching(facts: Facts) -> Iterator[Verdict]:
    """POL302: no group of units has a larger share that switches. POL303: where that can't be computed, somebody looked."""
    limit = facts.policy.max_switching
    if limit is None:
        return
    shown, most, refused = f"at most {percent(limit / FULL)}", 0.0, False
    measure = "measure it with a sample of your users: flagctl policy check --population FILE"
    for key in facts.answering:
        if key not in facts.impacts:
            continue  # gone: that is the business of `breaking`
        groups = facts.impacts[key]
        if groups is None:
            share = facts.measured.get(key)
            most = max(most, share or 0.0)
            if limit >= FULL or (share is not None and share <= limit / FULL):
                continue
            refused = True
            yield facts.verdict(
                "POL303" if share is None else "POL302",
                "max_switching",
                "unknown" if share is None else percent(share),
                shown,
                f"{key}: how many units switch depends on conditions, so it cannot be computed"
                if share is None
                else f"{key}: {percent(share)} of the population get another answer",
                subject=key,
                place=facts.place_of(key) or _cause(facts, key),
                help=f"{measure}; to publish: --override max_switching='what was measured'"
                if share is None
                else "narrow the conditions; if it must be: --override max_switching='why'",
            )
            continue
        for group in groups:
            switching = _switching(facts, key, group)
            most = max(most, switching)
            if switching <= limit / FULL + _NOISE:
                continue
            refused = True
            who = f"units of rule {', '.join(group.rules)}" if group.rules else "units that no other rule takes"
            if switching > group.switching + _NOISE:
                what, less = "get another value", "bring the new value in as a variant of its own, and in smaller steps"
            elif group.switching - group.minimum > _NOISE:
                less = f"the new shares need only {percent(group.minimum)}: keep salt and order, or pin ranges"
                what = "switch variant"
            else:
                what, less = "switch variant", "go in smaller steps"
            yield facts.verdict(
                "POL302",
                "max_switching",
                percent(switching),
                shown,
                f"{key}: {percent(switching)} of the {who} {what}",
                subject=key,
                place=facts.place_of(key) or _cause(facts, key),
                help=f"{less}; if it must be: --override max_switching='why'",
            )
    if not refused:
        yield facts.verdict("POL302", "max_switching", percent(most), shown, "no larger share of a group switches")


def _switching(facts: Facts, key: str, group: GroupImpact) -> float:
    """Return the share of a group that gets another variant, or another value under the same name."""
    before = _values(facts.before.flags[key], facts.environment)
    after = _values(facts.after.flags[key], facts.environment)
    return sum(
        m.share
        for m in group.movements
        if m.before != m.after or (m.before is not None and before.get(m.before) != after.get(m.before))
    )


def _values(flag: Flag, environment: str) -> dict[str, Any]:
    state = flag.in_environment(environment)
    values = {rule.id: json_meaning(rule.value) for rule in state.rules if rule.value is not UNSET}
    return values | {variant.name: json_meaning(variant.value) for variant in state.variants}


def _cause(facts: Facts, key: str) -> Place | None:
    causes = facts.diff.reached.get(key, ())
    return next((place for cause in causes if (place := facts.place_of(cause.partition(" ")[2]))), None)


def check_radius(facts: Facts) -> Iterator[Verdict]:
    """POL304: no more flags change their answers at once."""
    limit = facts.policy.max_flags
    if limit is None:
        return
    flags = facts.answering
    shown = f"{len(flags)} flag" if len(flags) == 1 else f"{len(flags)} flags"
    if len(flags) <= limit:
        yield facts.verdict(
            "POL304", "blast_radius", shown, f"at most {limit}", "few enough flags change their answers"
        )
        return
    reached = len(set(facts.diff.reached) & set(flags))
    through = f", {reached} of them through what they depend on" if reached else ""
    yield facts.verdict(
        "POL304",
        "blast_radius",
        shown,
        f"at most {limit}",
        f"{len(flags)} flags change their answers at once{through}: {', '.join(flags[:5])}{', …' if len(flags) > 5 else ''}",
        help="publish it in parts; if it must be: --override blast_radius='why'",
    )


def check_tests(facts: Facts) -> Iterator[Verdict]:
    """POL305: every flag that is new or changes its answers has a test case in this environment."""
    if not facts.policy.tests_required:
        return
    changed = {
        c.key for c in facts.diff.changes if c.kind == "flag" and (c.category.changes_answers or c.code == "flag-added")
    }
    changed &= set(facts.after.flags)
    untested = sorted(changed - facts.tested)
    for key in untested:
        yield facts.verdict(
            "POL305",
            "tests_required",
            "0 cases",
            "at least 1 case",
            f"{key} changes, and no test case asks for it in {facts.environment}",
            subject=key,
            place=facts.place_of(key),
            help=f"write what it should answer into {key}.test.yaml, and run: flagctl test --env {facts.environment}",
        )
    if not untested:
        yield facts.verdict(
            "POL305", "tests_required", f"{len(changed)} of {len(changed)} flags", "all", "all that changes is tested"
        )


def check_experiments(facts: Facts) -> Iterator[Verdict]:
    """BRK201: units that are in a running experiment stay in it, with their variant."""
    if not facts.policy.locked_experiments:
        return
    running = [e for e in facts.before.experiments.values() if e.status is ExperimentStatus.RUNNING]
    running = [e for e in running if _is_served(e, facts.before, facts.environment)]
    refused = False
    for old in sorted(running, key=lambda experiment: experiment.key):
        new = facts.after.experiments.get(old.key)
        if new is not None and new.status is ExperimentStatus.COMPLETED:
            continue
        for problem in _moved(old, new):
            refused = True
            yield facts.verdict(
                "BRK201",
                "locked_experiments",
                problem,
                "unchanged while it runs",
                f"experiment {old.key} is running, and {problem}: its results would mix two populations",
                subject=old.key,
                place=facts.place_of(old.key),
                help="complete it first (status: completed) and start another one under a new key"
                "; if its results do not matter: --override locked_experiments='why'",
            )
    if not refused:
        count = "1 experiment" if len(running) == 1 else f"{len(running)} experiments"
        yield facts.verdict(
            "BRK201", "locked_experiments", f"{count} running", "unchanged while they run", "no unit is moved"
        )


def _is_served(experiment: Experiment, repository: Repository, environment: str) -> bool:
    flag: Flag | None = repository.flags.get(experiment.flag)
    state: FlagState | None = flag.in_environment(environment) if flag else None
    return state is not None and any(rule.experiment == experiment.key for rule in state.rules)


def _moved(old: Experiment, new: Experiment | None) -> Iterator[str]:
    if new is None:
        yield "it is removed"
        return
    if new.status is not ExperimentStatus.RUNNING:
        yield f"it goes back to {new.status.value}"
        return
    if new.flag != old.flag:
        yield f"it moves from flag {old.flag} to {new.flag}"
    if meaning(new.variants) != meaning(old.variants):
        yield "its weights change"
    if new.bucket_by != old.bucket_by:
        yield f"it takes {'.'.join(new.bucket_by)} for the unit instead of {'.'.join(old.bucket_by)}"
    if new.allocation_salt != old.allocation_salt:
        yield "it is allocated with another salt"
    elif not _covers(new.allocation_slots, old.allocation_slots):
        yield "units that are in would fall out"


def _covers(outer: Iterable[tuple[int, int]], inner: Iterable[tuple[int, int]]) -> bool:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(outer):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return all(any(a <= start and end <= b for a, b in merged) for start, end in inner)
