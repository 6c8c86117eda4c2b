"""Short rests of a background thread, so that requests in other threads do not have to wait for the interpreter lock.

A thread that computes without a rest gives the lock away after 5 ms only (`sys.getswitchinterval`), each time that another
thread wakes up. Taking over a bundle of ten thousand flags takes some 200 ms of computing; every request of an app that
wakes up a few times meanwhile would be late by tens of milliseconds. A background thread therefore rests for a moment
after a fraction of a millisecond. Threads that somebody waits for do not.
"""

from __future__ import annotations

import threading
from time import perf_counter, sleep
from typing import Final

WORK: Final = 0.0003
"""Seconds of work between rests."""

REST: Final = 0.00005
"""Seconds of a rest; the system makes it some 0.1 ms."""

_PATIENCE: Final = 3.0


class _Rests(threading.local):
    """When the current thread is due for a rest; None for threads that take none."""

    due: float | None = None


_rests: Final = _Rests()


def take_rests() -> None:
    """Say that the current thread works in the background, and nobody waits for it."""
    _rests.due = perf_counter() + WORK


def rest() -> None:
    """Rest if the current thread works in the background and has worked for long enough.

    Under other threads that compute all the time, a rest takes as long as these hold the lock. Then it is taken more
    seldom, so that an update takes at most about a third longer.
    """
    due = _rests.due
    if due is None:
        return
    begun = perf_counter()
    if begun >= due:
        sleep(REST)
        ended = perf_counter()
        _rests.due = ended + max(WORK, _PATIENCE * (ended - begun))
