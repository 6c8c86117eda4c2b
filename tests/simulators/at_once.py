"""Many threads that do one thing at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable


def at_once(number: int, work: Callable[[int], object]) -> None:
    """Run ``work(0)`` to ``work(number - 1)`` in threads that start together; none may raise."""
    barrier, errors = threading.Barrier(number), []

    def run(index: int) -> None:
        barrier.wait()
        try:
            work(index)
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
