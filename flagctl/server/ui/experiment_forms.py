"""Forms about experiments and layers as edits: create, start, stop, amend, hold out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.errors import UsageError
from flagctl.ops.edit_paths import parse_weights
from flagctl.ops.experiment_edit import (
    NewExperiment,
    amend_experiment,
    create_experiment,
    set_holdout,
    start_experiment,
    stop_experiment,
)

if TYPE_CHECKING:
    from flagctl.ops.edit import Draft
    from flagctl.server.ui.rendering import Ask

NOBODY = "-"
"""Stands for no winner: nothing at all is chosen where nobody has chosen yet."""
_MOST_DAYS = 10_000
_MOST_UNITS = 10**12


def create(ask: Ask, draft: Draft) -> None:
    """Make a draft of an experiment, and let a rule of the flag hand units to it if that is wished.

    Raises:
        UsageError: If a field is missing or can't be read.
        NothingMatchedError: If there is no such flag or layer.
    """
    key, flag = _text(ask, "key"), _text(ask, "flag")
    if not key or not flag:
        raise UsageError("an experiment needs a key and a flag")
    if draft.has(key, "experiment"):
        raise UsageError(f"there is an experiment '{key}' already")
    shares = _text(ask, "variants")
    primary = _text(ask, "primary")
    layer = _text(ask, "layer")
    new = NewExperiment(
        key=key,
        flag=flag,
        owner=_text(ask, "owner") or None,
        hypothesis=_text(ask, "hypothesis") or None,
        variants=parse_weights([part for part in shares.replace(",", " ").split() if part]) if shares else None,
        control=_text(ask, "control") or None,
        primary=f"{primary}:{_text(ask, 'kind') or 'conversion'}" if primary else None,
        traffic=None if layer else percent_of(ask, "share"),
        layer=layer or None,
        slots=percent_of(ask, "share") if layer else None,
        days=number_of(ask, "days", _MOST_DAYS),
        minimum_effect=percent_of(ask, "effect"),
    )
    create_experiment(draft, new)
    draft.titles.append(f"Create experiment {key}")
    if _text(ask, "serve") == "yes":
        draft.notes.clear()  # they say that no rule serves it
        draft.add_rule(flag, {"id": key, "experiment": key})


def start(ask: Ask, draft: Draft, key: str) -> None:
    """Let a draft run.

    Raises:
        UsageError: If something is missing that must be agreed on.
    """
    days, units = number_of(ask, "days", _MOST_DAYS), number_of(ask, "units", _MOST_UNITS)
    start_experiment(draft, key, days=days, units=units)


def stop(ask: Ask, draft: Draft, key: str) -> None:
    """Complete an experiment.

    Raises:
        UsageError: If nobody said who won.
    """
    winner = _text(ask, "winner")
    if not winner:
        raise UsageError("who won?", hint="choose a variant, or that nobody won")
    stop_experiment(draft, key, winner=None if winner == NOBODY else winner)


def amend(ask: Ask, draft: Draft, key: str) -> None:
    """Change what was agreed on, and say why.

    Raises:
        UsageError: If there is no reason, or nothing was changed.
    """
    text, reason = ask.field("text"), " ".join(ask.field("reason").split())
    if text:
        draft.write(draft.find(key, "experiment"), text)
    if not reason:
        raise UsageError("say why it had to change; every report shows it")
    amend_experiment(draft, key, reason)


def hold_out(ask: Ask, draft: Draft, layer: str) -> None:
    """Give a layer's holdout another size.

    Raises:
        UsageError: If it is no share, or the layer has no room.
    """
    share = percent_of(ask, "share")
    if share is None:
        raise UsageError("how many percent of the layer?")
    set_holdout(draft, layer, share)


def percent_of(ask: Ask, name: str) -> float | None:
    """Return a field with a percentage; None if it is empty.

    Raises:
        UsageError: If it is no number from 0 to 100.
    """
    text = (_text(ask, name) or ask.query(name).strip()).rstrip("%").strip()
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 100:
        raise UsageError(f"{text[:40]} is no percentage", hint="a number from 0 to 100")
    return int(found) if found == int(found) else found


def number_of(ask: Ask, name: str, most: int) -> int | None:
    """Return a field with a whole number above zero; None if it is empty.

    Raises:
        UsageError: If it is none, or greater than anybody means.
    """
    text = _text(ask, name) or ask.query(name).strip()
    if not text:
        return None
    if not (text.isdecimal() and len(text) < 16 and 0 < int(text) <= most):
        raise UsageError(f"{text[:40]} is no number of {name}")
    return int(text)


def _text(ask: Ask, name: str) -> str:
    return ask.field(name).strip()
