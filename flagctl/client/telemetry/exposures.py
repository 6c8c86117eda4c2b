"""Which units' exposures were reported lately, without a lock and in bounded memory.

Units are kept in two generations for each variant of an experiment: those of the younger one are what evaluations look
up. When the younger ones hold half of what may be remembered, they become the older ones; a unit of the older ones
that comes back moves to the younger ones and is not reported again. What nobody asked about for two changes of
generation is forgotten.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flagctl.evaluator.tally import Tally

    Units = dict[str | int, object]


class _Group:
    """The units of one variant of an experiment."""

    __slots__ = ("older", "tallies", "younger")

    def __init__(self) -> None:
        self.younger: Units = {}
        self.older: Units = {}
        self.tallies: list[Tally] = []


class Exposures:
    """What was reported.

    Args:
        capacity: Units that are remembered, over all experiments and variants.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._entries = 0
        self._groups: dict[tuple[str, str, str], _Group] = {}
        self._of: dict[Tally, _Group] = {}
        self._turning = threading.Lock()

    def join(self, tally: Tally, experiment: str, variant: str, config: str) -> None:
        """Have a tally's evaluations look units up in the experiment's: those of the same settings and variant."""
        group = self._groups.setdefault((experiment, variant, config), _Group())
        if self._of.setdefault(tally, group) is group and tally not in group.tallies:
            group.tallies.append(tally)
        tally.seen = group.younger

    def first(self, tally: Tally, unit: str, raw: object) -> bool:
        """Return whether a unit is new, and remember it; `raw` is how the context has it."""
        group = self._of[tally]
        younger, mine = group.younger, object()
        held = younger.setdefault(unit, mine)
        if type(raw) is int:
            younger[raw] = None  # so that the next look-up finds it as it is
        if held is not mine:
            return False
        younger[unit] = None
        is_new = unit not in group.older
        self._entries += 1
        if self._entries >= self._half:
            self.turn()
        return is_new

    def forget(self, tally: Tally, unit: str, raw: object) -> None:
        """Have a unit reported again, because this time nobody could take it."""
        group = self._of[tally]
        for units in (group.younger, group.older):
            units.pop(unit, None)
            if type(raw) is int:
                units.pop(raw, None)

    def turn(self, *, forget: bool = False) -> None:
        """Let the younger generation become the older one; with `forget`, begin with none."""
        # Somebody else turning at the same moment does it for all; waiting for it would be a wait in an evaluation.
        if not self._turning.acquire(blocking=False):
            return
        try:
            self._entries = 0
            for group in list(self._groups.values()):
                group.older = {} if forget else group.younger
                group.younger = {}
                for tally in list(group.tallies):
                    tally.seen = group.younger
        finally:
            self._turning.release()

    def renew_after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held. Units stay: the parent reports them."""
        self._turning = threading.Lock()

    def __len__(self) -> int:
        return sum(len(group.younger) + len(group.older) for group in list(self._groups.values()))
