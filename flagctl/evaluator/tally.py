"""How often a flag answered what: numbers that evaluations write and an observer reads, without a lock.

An evaluation adds 1 to an attribute of the outcome it came to. On CPython with its global lock no such addition is
lost, because threads only take turns at calls and at the ends of loops; without that lock (free-threaded builds) some
may be.
"""

from __future__ import annotations

from typing import Final

NEVER: Final = 1 << 62
"""A number of evaluations that is not reached."""


class Tally:
    """Evaluations of one flag with one outcome.

    Attributes:
        flag: Key that was asked for.
        variant: Name of the variant, None where a caller's default was served.
        reason: Reason, for errors followed by a colon and the error code.
        count: Evaluations so far.
        misfits: Evaluations besides, in which the variant's value did not have the type that was asked for.
        due: Number of evaluations at which the next one goes into the evaluation log.
        seen: Units whose exposure was reported lately, as an experiment's rule reads them; empty for other outcomes.
    """

    __slots__ = ("count", "due", "flag", "misfits", "reason", "seen", "variant")

    def __init__(self, flag: str, variant: str | None, reason: str) -> None:
        self.flag = flag
        self.variant = variant
        self.reason = reason
        self.count = 0
        self.misfits = 0
        self.due = NEVER
        self.seen: dict[str | int, object] = {}
