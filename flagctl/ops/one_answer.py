"""Whether a flag gives everybody one answer in an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.model import FULL, FixedPercentage, Rollout, SteppedPercentage

if TYPE_CHECKING:
    from flagctl.model import Flag, Rule, Schedule
    from flagctl.model.rollout import Percentage


def one_answer(flag: Flag, environment: str, now_ms: int) -> str | None:
    """Return the variant that everybody gets from now on for ever, unless the file changes; None if it may differ.

    Args:
        flag: The flag.
        environment: Name of the environment.
        now_ms: Steps and ramps that are over by then count as over, milliseconds since the epoch.
    """
    state = flag.in_environment(environment)
    if not state.enabled:
        return state.off
    answers: set[str | None] = set()
    if not _always(state.schedule, now_ms) or state.prerequisites:
        answers.add(state.off)
    answers |= {target.variant for target in state.targets if target.units}
    for rule in state.rules:
        share = FULL if rule.percentage is None else _share(rule.percentage, now_ms)
        if share == 0:
            continue
        answers.add(_served(rule))
        if not rule.when and share == FULL and _always(rule.schedule, now_ms):
            break
    else:
        answers.add(_only(state.default))
    return answers.pop() if len(answers) == 1 else None


def _served(rule: Rule) -> str | None:
    if rule.serve is not None:
        return rule.serve
    return _only(rule.rollout)


def _only(outcome: str | Rollout | None) -> str | None:
    if not isinstance(outcome, Rollout):
        return outcome
    names = {name for _, _, name in outcome.ranges()}
    whole = sum(end - start for start, end, _ in outcome.ranges()) == FULL
    return names.pop() if len(names) == 1 and whole else None


def _share(percentage: Percentage, now_ms: int) -> int | None:
    if isinstance(percentage, FixedPercentage):
        return percentage.thousandths
    if isinstance(percentage, SteppedPercentage):
        last = percentage.steps[-1]
        return last.thousandths if last.from_ms <= now_ms else None
    return percentage.end if percentage.to_ms <= now_ms else None


def _always(schedule: Schedule | None, now_ms: int) -> bool:
    if schedule is None:
        return True
    return schedule.until_ms is None and (schedule.from_ms is None or schedule.from_ms <= now_ms)
