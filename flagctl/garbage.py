"""Python's collector of reference cycles, out of the way where many objects and no cycles are made."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_FROZEN_AT_START: Final = gc.get_freeze_count()
"""Python 3.12 starts with a few frozen objects of its own."""


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Don't look for reference cycles meanwhile: while thousands of flags become objects, that doubles the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            # Through the permanent generation all new objects get into the oldest one without being looked at. What a
            # caller has frozen for good must stay there.
            movable = gc.get_freeze_count() <= _FROZEN_AT_START
            if movable:
                gc.freeze()
            gc.enable()
            if movable:
                gc.unfreeze()
