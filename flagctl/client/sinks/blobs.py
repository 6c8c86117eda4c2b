"""Sinks whose events go out as whole objects: collected, sealed into bytes, and kept until they are stored.

What is collected and what waits to be stored is held in memory and bounded. An object that can't be stored now is tried
again later; when too many wait, the oldest is given up and counted.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from flagctl.events import KINDS, folder_of, to_json_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from flagctl.events import Event


class Encode(Protocol):
    """Makes an object of events of one kind."""

    def __call__(self, kind: str, events: Sequence[Event], /) -> bytes:
        """Return the object's bytes."""


class Sizes(NamedTuple):
    """When events become an object, and how much may wait.

    Attributes:
        max_events: So many events of one kind and day make an object.
        max_seconds: So do fewer after this time.
        spool_bytes: Most bytes of objects that wait to be stored.
    """

    max_events: int = 50_000
    max_seconds: float = 60.0
    spool_bytes: int = 64 * 1024 * 1024


class BlobSink:
    """Collects events and stores them as objects; a sink says how they are encoded and where they go.

    Args:
        name: Names the sink.
        ending: Of the objects' names.
        encode: Makes an object.
        store: Stores an object under a key; raises if it can't.
        sizes: When, and how much.
        accepts: Kinds of events; all without it.
        monotonic: Seconds that never jump.

    Attributes:
        given_up: Objects that were dropped because too many waited.
    """

    def __init__(  # noqa: PLR0913 - for sinks, which have fewer
        self,
        name: str,
        *,
        ending: str,
        encode: Encode,
        store: Callable[[str, bytes], object],
        sizes: Sizes,
        accepts: Collection[str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.accepts = frozenset(KINDS if accepts is None else accepts)
        self.given_up = 0
        self._ending = ending
        self._encode = encode
        self._store = store
        self._sizes = sizes
        self._monotonic = monotonic
        self._begin()

    def _begin(self) -> None:
        self._collected: dict[str, list[Event]] = {}
        self._since: dict[str, float] = {}
        self._spool: deque[tuple[str, bytes]] = deque()
        self._spooled = 0

    def open(self) -> None:
        """Begin with nothing: what a forked child finds is its parent's to store."""
        self._begin()

    def write(self, batch: Sequence[Event]) -> None:
        """Collect a batch."""
        for event in batch:
            folder = folder_of(event)
            self._collected.setdefault(folder, []).append(event)
            self._since.setdefault(folder, self._monotonic())
        self._seal(lambda folder: len(self._collected[folder]) >= self._sizes.max_events)

    def flush(self) -> None:
        """Seal what is old enough, and store what is sealed.

        Raises:
            Exception: Whatever storing raises; the object is kept and tried again.
        """
        now = self._monotonic()
        self._seal(lambda folder: now - self._since[folder] >= self._sizes.max_seconds)
        self._drain()

    def close(self) -> None:
        """Store everything, once."""
        self._seal(lambda _: True)
        self._drain()

    def _drain(self) -> None:
        while self._spool:
            key, data = self._spool[0]
            self._store(key, data)
            self._spool.popleft()
            self._spooled -= len(data)

    def _seal(self, is_due: Callable[[str], bool]) -> None:
        for folder in [folder for folder in self._collected if is_due(folder)]:
            data = self._encode(folder.partition("/")[0], self._collected[folder])
            key = f"{folder}/{time.strftime('%H%M%S', time.gmtime())}-{os.getpid()}-{os.urandom(6).hex()}{self._ending}"
            del self._collected[folder], self._since[folder]
            self._spool.append((key, data))
            self._spooled += len(data)
            while self._spooled > self._sizes.spool_bytes and len(self._spool) > 1:
                self._spooled -= len(self._spool.popleft()[1])
                self.given_up += 1

    def status(self) -> Mapping[str, Any]:
        """Return what a client's status says about the sink besides: what waits in it, and what was given up."""
        return {
            "collected_events": sum(map(len, list(self._collected.values()))),
            "waiting_objects": len(self._spool),
            "given_up_objects": self.given_up,
        }


def encode_jsonl(_kind: str, events: Sequence[Event]) -> bytes:
    """Return events as compressed lines of JSON."""
    import gzip  # noqa: PLC0415 - on the sink's thread

    return gzip.compress(b"".join(map(to_json_line, events)), mtime=0)


FORMATS: Final = ("jsonl.gz", "parquet")
