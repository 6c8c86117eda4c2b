"""The tallies of a process: one for each flag, variant and reason, and what was reported of each.

A tally is made when its outcome is first seen and stays: their number is that of the flags times their variants and
reasons, and keys that are no flag's are counted together after the first thousand. So the sum of all counts is the
number of evaluations, whatever an application asks for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.evaluator.tally import NEVER, Tally

if TYPE_CHECKING:
    from flagctl.client.telemetry.options import Telemetry

MOST_UNKNOWN: Final = 1_000
"""So many keys that are no flag's are counted one by one."""

OTHER: Final = "(other)"
"""Stands for the keys beyond that, and for keys that no flag can have."""

MISFIT: Final = "ERROR:TYPE_MISMATCH"

_Key = tuple[str, str | None, str, str]


class Count(NamedTuple):
    """How often a flag answered a variant for a reason; `variant` is None where a caller's default was served."""

    flag: str
    variant: str | None
    reason: str
    times: int


class Book:
    """All tallies.

    Args:
        options: How often outcomes go into the evaluation log.
    """

    def __init__(self, options: Telemetry) -> None:
        self._tallies: dict[_Key, Tally] = {}
        self._reported: dict[_Key, tuple[int, int]] = {}
        self._unknown: set[str] = set()
        self._rate = options.log_rate
        self._full = frozenset(options.full_log)

    def tally(self, flag: str, variant: str | None, reason: str, config: str = "") -> Tally:
        """Return the tally of an outcome; `config` tells settings of an experiment apart."""
        key = (flag, variant, reason, config)
        tally = self._tallies.get(key)
        if tally is None:
            made = Tally(flag, variant, reason)
            made.due = 1 if self._rate > 0 or flag in self._full else NEVER
            tally = self._tallies.setdefault(key, made)
        return tally

    def unknown(self, flag: str | None, reason: str) -> Tally:
        """Return the tally of a key that is no flag's; None is one that no flag can have."""
        if flag is None or (flag not in self._unknown and len(self._unknown) >= MOST_UNKNOWN):
            flag = OTHER
        else:
            self._unknown.add(flag)
        return self.tally(flag, None, reason)

    def next_due(self, tally: Tally) -> int:
        """Return the number of evaluations of an outcome at which another one is logged."""
        done = tally.count + tally.misfits
        if tally.flag in self._full:
            return done + 1
        if self._rate <= 0:
            return NEVER
        taken = math.ceil(done * self._rate - 1e-9)
        return max(done, math.floor(taken / self._rate + 1e-9)) + 1

    def totals(self) -> list[Count]:
        """Return all counts since the process began."""
        return [
            Count(tally.flag, variant, reason, count)
            for tally in list(self._tallies.values())
            for variant, reason, count in ((tally.variant, tally.reason, tally.count), (None, MISFIT, tally.misfits))
            if count
        ]

    def collect(self) -> list[Count]:
        """Return what was counted since the last call, one entry for each flag, variant and reason."""
        found: dict[tuple[str, str | None, str], int] = {}
        for key, tally in list(self._tallies.items()):
            count, misfits = now = (tally.count, tally.misfits)
            before = self._reported.get(key, (0, 0))
            if now == before:
                continue
            self._reported[key] = now
            if count != before[0]:
                outcome = (tally.flag, tally.variant, tally.reason)
                found[outcome] = found.get(outcome, 0) + count - before[0]
            if misfits != before[1]:
                outcome = (tally.flag, None, MISFIT)
                found[outcome] = found.get(outcome, 0) + misfits - before[1]
        return [Count(*outcome, count) for outcome, count in found.items()]

    def reset(self) -> None:
        """Begin to count anew, in a forked child: what was counted before is the parent's to report."""
        for tally in self._tallies.values():
            tally.count = tally.misfits = 0
            if tally.due < NEVER:
                tally.due = 1
        self._reported.clear()
