"""Calendars of rollouts in words, as the terminal and the web UI show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.review import words

if TYPE_CHECKING:
    from flagctl.ops.rollout import RolloutView, StepView

WAITS: Final = {
    "approval": "waits for approval",
    "guardrail": "waits for the guard",
    "start": "waits for its start",
    "resume": "waits: held",
    "never": "no more: aborted",
}
"""What a step waits for."""


def step_when(step: StepView) -> str:
    """Return when a step of a calendar begins or began, or what it waits for."""
    if step.begins_ms is not None:
        return words.instant(step.begins_ms)
    if step.due_ms is not None:
        return f"{words.instant(step.due_ms)} at the earliest, {WAITS.get(step.waits_for or '', '')}"
    if step.after_ms is not None:
        own = f", {WAITS[step.hold]}" if step.hold is not None else ""
        return f"{words.duration(step.after_ms)} after the step before{own}"
    return WAITS.get(step.waits_for or "", "not known yet")


def next_change(view: RolloutView) -> str:
    """Return when a rollout changes next or what it waits for; empty if nothing comes."""
    if view.next_ms is not None:
        return words.instant(view.next_ms)
    return WAITS.get(view.waits_for or "", "")
