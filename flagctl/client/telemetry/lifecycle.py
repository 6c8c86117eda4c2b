"""Ends of processes and beginnings of children: hubs flush at exit, and begin anew after a fork."""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from flagctl.client.telemetry.hub import Hub

_live: Final[set[Hub]] = set()


def watch(hub: Hub) -> None:
    """Have a hub closed at the end of the process, and renewed in forked children."""
    _live.add(hub)
    if _multiprocessing_child():
        _finish_with_multiprocessing(None)


def forget(hub: Hub) -> None:
    """Leave a hub alone from now on."""
    _live.discard(hub)


def close_all() -> None:
    """Close all hubs, each within its own time."""
    for hub in list(_live):
        hub.close(hub.options.exit_timeout)


def _renew_all() -> None:
    for hub in list(_live):
        hub.renew_after_fork()
    util: Any = sys.modules.get("multiprocessing.util")
    if _live and util is not None:
        # It clears all finalizers when its child begins, and then calls this.
        util.register_after_fork(_token, _finish_with_multiprocessing)


class _Token:
    """Something that `multiprocessing` can refer to weakly."""


_token: Final = _Token()


def _multiprocessing_child() -> bool:
    process: Any = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def _finish_with_multiprocessing(_token: object) -> None:
    # Children of `multiprocessing` leave by `os._exit`, past everything that `atexit` knows, but run its finalizers.
    sys.modules["multiprocessing.util"].Finalize(None, close_all, exitpriority=0)


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
