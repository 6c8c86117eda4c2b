"""Rollouts on a flag's page: what grows, and what somebody may do about it.

A move is an edit like others: it is shown as a difference first, and saved as a commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from markupsafe import Markup

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.model import LinearPercentage
from flagctl.ops import rollout_move
from flagctl.ops.rollout import rollouts_of, strategy_of
from flagctl.ops.rollout_move import Which
from flagctl.ops.rollout_picture import curve_svg
from flagctl.ops.rollout_words import next_change, step_when
from flagctl.review import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.model import Flag
    from flagctl.ops.edit import Draft
    from flagctl.ops.rollout import RolloutView
    from flagctl.server.ui.rendering import Ask


class Move(NamedTuple):
    """Something that can be done with a rollout.

    Attributes:
        title: Of its page, with the flag's key in it.
        button: Of the page that saves it.
        means: What it does, in a sentence.
        reason: Whether a reason is kept in the file.
        typed: Whether the flag's key is to be typed, because somebody loses something.
    """

    title: str
    button: str
    means: str
    reason: bool = False
    typed: bool = False


MOVES: Final[dict[str, Move]] = {
    "advance": Move(
        "Advance the rollout of {key}",
        "Advance",
        "Lets the next step begin when it is due. It starts a plan that has no start yet, and ends a hold.",
    ),
    "hold": Move(
        "Hold the rollout of {key}",
        "Hold",
        "No further step begins until somebody resumes or advances. Whoever has it keeps it.",
        reason=True,
    ),
    "resume": Move("Resume the rollout of {key}", "Resume", "The plan goes on, later by as long as it was held."),
    "abort": Move("Abort the rollout of {key}", "Abort", "Nobody is served it any more.", reason=True, typed=True),
    "flip": Move("Flip {key}", "Flip", "Everybody whom no target or rule says otherwise about gets the other variant."),
}
_OFFERED: Final = {
    "planned": ("advance", "hold", "abort"),
    "running": ("advance", "hold", "abort"),
    "waiting": ("advance", "hold", "abort"),
    "held": ("resume", "advance", "abort"),
    "finished": ("abort",),
}


class Step(NamedTuple):
    """A line of a calendar: share or group, its state, and when."""

    label: str
    state: str
    waits: str | None
    when: str


class Card(NamedTuple):
    """A rollout as the page shows it.

    Attributes:
        view: The rollout.
        number: Of the card, so that others can lead to it.
        picture: Its curve; None if nothing has a date.
        steps: Its calendar.
        following: What changes next, empty if nothing does.
        buttons: Name of a move, what stands on its button, and the environment it is about.
    """

    view: RolloutView
    number: int
    picture: Markup | None
    steps: tuple[Step, ...]
    following: str
    buttons: tuple[tuple[str, str, str], ...]


def cards(flag: Flag, environments: Sequence[str], now_ms: int) -> list[Card]:
    """Return everything that grows in a flag, or has two colours."""
    found: list[Card] = []
    for number, view in enumerate(rollouts_of(flag, environments, now_ms), 1):
        picture = curve_svg(view, now_ms)
        steps = tuple(Step(one.label, one.state, one.waits_for, step_when(one)) for one in view.steps)
        if view.kind == "linear":
            ends = ((share, at, "done" if at <= now_ms else "later") for at, share in view.known)
            steps = tuple(Step(words.share(share), state, None, words.instant(at)) for share, at, state in ends)
        found.append(
            Card(
                view=view,
                number=number,
                picture=Markup(picture) if picture else None,  # noqa: S704 - the picture escapes its texts
                steps=steps,
                following=next_change(view) if view.state not in {"aborted", "finished"} else "",
                buttons=_buttons(flag, view),
            )
        )
    return found


def _buttons(flag: Flag, view: RolloutView) -> tuple[tuple[str, str, str], ...]:
    if view.kind == "blue-green":
        other = f" to {view.previous}" if view.previous else ""
        return tuple(("flip", f"Flip {name}{other}", name) for name in view.environments)
    shared = any(not _has_own_rules(flag, name) for name in view.environments)
    environment = "" if shared or not view.environments else view.environments[0]
    offered = _OFFERED.get(view.state, ())
    if view.kind == "linear":
        offered = () if view.state == "finished" else ("hold", "abort")
    following = next((step for step in view.steps if step.state == "next"), None)
    begin = "Start" if view.waits_for == "start" else f"Advance to {following.label}" if following else "Advance"
    return tuple((name, begin if name == "advance" else MOVES[name].button, environment) for name in offered)


def _has_own_rules(flag: Flag, environment: str) -> bool:
    override = flag.environments.get(environment)
    return override is not None and "rules" in override.given


def places(flag: Flag, environments: Sequence[str], rule: str, move: str) -> dict[str, str]:
    """Return where a rollout may be moved: the environment, empty for all that share their rules, and that in words.

    Args:
        flag: The flag.
        environments: Names of all.
        rule: Id of the rule that grows; nothing for two colours.
        move: What is to be done.
    """
    if move == "flip":
        return {name: name for name in environments if flag.blue_green_in(name) is not None}
    shared = [name for name in environments if not _has_own_rules(flag, name)]
    found: dict[str, str] = {}
    if shared and any(_grows(one, rule) for one in flag.rules):
        found[""] = f"{', '.join(shared)} (they share their rules)" if len(shared) > 1 else shared[0]
        if len(shared) > 1:
            found |= {name: f"{name} alone, with its own copy of the rules" for name in shared}
    for name in environments:
        if name not in shared and any(_grows(one, rule) for one in flag.in_environment(name).rules):
            found[name] = name
    return found


def _grows(rule: Any, wanted: str) -> bool:
    grows = strategy_of(rule) is not None or isinstance(rule.percentage, LinearPercentage)
    return grows and wanted in {"", rule.id}


def carry_out(ask: Ask, draft: Draft, key: str, name: str) -> None:
    """Do with a draft what a form says.

    Raises:
        UsageError: If it can't be done now.
        NothingMatchedError: If there is no such move, or nothing of that name grows.
    """
    if name not in MOVES:
        raise NothingMatchedError("there is no such move", hint=f"there are: {', '.join(MOVES)}")
    environment = ask.field("env") or ask.query("env") or None
    if name == "flip":
        if environment is None:
            raise UsageError("flip it in which environment?")
        rollout_move.flip(draft, key, environment, to=ask.field("to") or None)
        return
    rule = ask.field("rule") or ask.query("rule") or None
    which = Which(key=key, rule=rule, environment=environment, copy_down=True)
    reason = ask.field("reason").strip() or None
    if name == "advance":
        rollout_move.advance(draft, which, at_once=ask.field("now") == "yes")
    elif name == "hold":
        rollout_move.hold(draft, which, reason)
    elif name == "resume":
        rollout_move.resume(draft, which)
    else:
        rollout_move.abort(draft, which, reason)
