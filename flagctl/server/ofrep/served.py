"""One state of the flags, ready to be sent: tags for caches, and answers to requests for all flags as bytes.

An answer's tag is made of the flags' state (bundle, expiry, kill list), the context, and what the flags that go by the clock
answer right now. The last part is why a poll sees a schedule begin although nothing was published.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.server.ofrep.answers import NO_VALUE, failure, success
from flagctl.server.web.problems import json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.client.snapshot import Snapshot
    from flagctl.evaluator.document import Document
    from flagctl.evaluator.flagset import FlagSet

_CLOCK_WORDS: Final = (b'"schedule":', b'"steps":', b'"linear":')


@final
class Served:
    """The flags of one snapshot, and what was made of them.

    Args:
        snapshot: The flags.

    Attributes:
        tag: Names this state; the same in every process that serves it.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.flags: FlagSet = snapshot.flags
        self.tag = state_tag(snapshot)
        self._keys = self.flags.keys()
        self._timed: tuple[str, ...] | None = None
        self._fragments: dict[tuple[Any, ...], bytes] = {}
        header = self.flags.header
        self._metadata = json_bytes(
            {
                "project": header.project,
                "environment": header.env,
                "revision": self.flags.digest,
                "stale": snapshot.stale,
                "version": self.tag,
            }
        )

    def etag(self, context: Mapping[str, Any], extra: str = "") -> str:
        """Return the tag of an answer to a request for all flags, quoted as in a header.

        Args:
            context: The request's context.
            extra: What else the answer depends on.
        """
        if self._timed is None:
            self._timed = timed_keys(self.flags.document)
        hashed = hashlib.blake2b(digest_size=16)
        for part in (self.tag, extra, json.dumps(context, sort_keys=True, separators=(",", ":"))):
            hashed.update(part.encode("ascii"))
            hashed.update(b"\0")
        for key in self._timed:
            hashed.update(self._fragment(key, context))
        return f'"{hashed.hexdigest()}"'

    def bulk(self, context: Mapping[str, Any], streams: bytes) -> bytes:
        """Return the body that answers a request for all flags.

        Args:
            context: The request's context.
            streams: JSON array of the event streams.
        """
        fragments, evaluate = self._fragments, self.flags.evaluate
        parts = []
        for key in self._keys:
            details = evaluate(key, context, NO_VALUE)
            # Within one state a flag's variant and rule decide its value.
            mark = (key, details.variant, details.rule, details.reason, details.error_code)
            part = fragments.get(mark)
            if part is None:
                part = fragments[mark] = _render(key, details)
            parts.append(part)
        return b'{"flags":[%b],"metadata":%b,"eventStreams":%b}' % (b",".join(parts), self._metadata, streams)

    def _fragment(self, key: str, context: Mapping[str, Any]) -> bytes:
        return _render(key, self.flags.evaluate(key, context, NO_VALUE))


def _render(key: str, details: Any) -> bytes:
    return json_bytes(success(key, details) if details.error_code is None else failure(key, details))


def state_tag(snapshot: Snapshot) -> str:
    """Return a name for a state of the flags: 32 hexadecimal digits."""
    parts = [snapshot.flags.digest, "stale" if snapshot.stale else "fresh", *sorted(snapshot.killed), *snapshot.lists]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def timed_keys(document: Document) -> tuple[str, ...]:
    """Return the keys of flags whose answer may change with time alone, be it through a prerequisite.

    May name too many: it looks for words in the bundle's lines, which costs little.
    """
    keys = document.flag_keys()
    lines = {key: document.flag_line(key) for key in keys}
    timed = {key for key, line in lines.items() if any(word in line for word in _CLOCK_WORDS)}
    if not timed:
        return ()
    needs = {
        key: {flag for flag, _ in document.flag(key).get("prerequisites", ())}
        for key, line in lines.items()
        if b'"prerequisites":' in line
    }
    while found := {key for key, needed in needs.items() if key not in timed and needed & timed}:
        timed |= found
    return tuple(key for key in keys if key in timed)


@final
class BodyCache:
    """The answers that were sent last, by tag.

    Args:
        size: Bytes to keep at most.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    def get(self, etag: str) -> bytes | None:
        """Return an answer, or None."""
        body = self._bodies.get(etag)
        if body is not None:
            self._bodies.move_to_end(etag)
        return body

    def put(self, etag: str, body: bytes) -> None:
        """Keep an answer; those that were not asked for the longest make room."""
        if len(body) > self._size or etag in self._bodies:
            return
        self._bodies[etag] = body
        self._held += len(body)
        while self._held > self._size:
            _, dropped = self._bodies.popitem(last=False)
            self._held -= len(dropped)

    def clear(self) -> None:
        """Forget everything."""
        self._bodies.clear()
        self._held = 0


def matches(if_none_match: str, etag: str) -> bool:
    """Return whether an ``If-None-Match`` header names `etag`; weak and strong tags count as the same."""
    if if_none_match.strip() == "*":
        return True
    return any(part.strip().removeprefix("W/") == etag for part in if_none_match.split(","))
