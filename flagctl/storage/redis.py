"""Remotes in Redis or Valkey: an untrusted cache and a hint channel beside a store.

- Objects are the raw signed bytes of any other remote, under ``<prefix>/<project>/<key>``; readers check them like all others.
- Conditional writes compare in the server, by a script, with the digest of the bytes that were read; whatever somebody else put
  in a key's place (too long, or no text at all) can be replaced on condition, too.
- Lengths are capped by the server (GETRANGE), so that a huge value is not transferred.
- One operation takes at most `timeout` seconds, or what is left of a `budget`, connecting included; then its connection is
  closed. A connection is never
  shared with a forked child, and the library's own cache and retries are off.
- Objects that are named by their digest expire a week after they were last written; pointers stay.

Changes are told on a channel for each project and environment. Messages are as untrusted as values: a hint only makes a reader
look, and a kill list is signed. A password in the location, or in FLAGCTL_REDIS_PASSWORD, shows in no message.
"""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from flagctl.errors import ConflictError, FlagctlError, RemoteError, UntrustedError
from flagctl.storage.deadline import Deadline
from flagctl.storage.redis_channel import Subscription
from flagctl.storage.redis_server import check_installed, close_client, connect, parse_redis_url, translate
from flagctl.storage.remote import NOT_MODIFIED, Fetched, NotModified, check_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

T = TypeVar("T")

TIMEOUT: Final = 0.1
"""Seconds that an operation may take if the location does not say otherwise: ``redis://host/0?timeout=0.25``."""

_SOCKET_SECONDS: Final = 2.0
"""For connections, where a bound for the whole operation is shorter, or nobody waits for it."""

_LONGEST_SECONDS: Final = 60.0
_KEPT_MS: Final = 7 * 86_400_000
_NAMED_BY_DIGEST: Final = ("/blobs/", "/deltas/", "/kills/", "/list-files/")
_NO_TEXT: Final = "no-text"
_LONGER: Final = ">"
_PAGE: Final = 1_000

# KEYS[1], then: condition ("any", "absent", "match", "longer", "no-text"), its operand(s), milliseconds to live (0: for ever), data.
_PUT: Final = """
local kind = redis.call('TYPE', KEYS[1]).ok
local wanted = ARGV[1]
local holds = wanted == 'any'
if wanted == 'absent' then holds = kind == 'none'
elseif wanted == 'no-text' then holds = kind ~= 'none' and kind ~= 'string'
elseif wanted == 'longer' then holds = kind == 'string' and redis.call('STRLEN', KEYS[1]) > tonumber(ARGV[2])
elseif wanted == 'match' then
  holds = kind == 'string' and redis.call('STRLEN', KEYS[1]) == tonumber(ARGV[3])
    and redis.sha1hex(redis.call('GET', KEYS[1])) == ARGV[2]
end
local life = tonumber(ARGV[4])
if not holds then
  if kind ~= 'none' and life > 0 then redis.call('PEXPIRE', KEYS[1], life) end
  return 0
end
if kind ~= 'none' and kind ~= 'string' then redis.call('DEL', KEYS[1]) end
if life > 0 then redis.call('SET', KEYS[1], ARGV[5], 'PX', life) else redis.call('SET', KEYS[1], ARGV[5]) end
return 1
"""


@final
class RedisRemote:
    """A remote in Redis or Valkey.

    Args:
        url: ``redis://host:port/db/prefix``.
        project: Keys of each project lie apart; None for a location whose prefix says it all.
        timeout: Seconds that an operation may take if the location does not say.

    Raises:
        UsageError: If the location cannot be used, or the library is not installed.
    """

    def __init__(self, url: str, project: str | None = None, *, timeout: float = TIMEOUT) -> None:
        self._address = parse_redis_url(url)
        check_installed()
        self._base = self._address.prefix + (f"/{check_key(project)}" if project else "")
        self._timeout = self._address.timeout or timeout
        self._lock = threading.Lock()
        self._client: Redis | None = None
        self._deadline = Deadline(_LONGEST_SECONDS, self._address.url)
        self._until: float | None = None

    @property
    def url(self) -> str:
        """Where it is, without user and password."""
        return self._address.url

    @property
    def timeout(self) -> float:
        """Seconds that an operation may take."""
        return self._timeout

    def __repr__(self) -> str:
        return f"RedisRemote({self.url!r})"

    def get(self, key: str, *, etag: str | None = None, max_bytes: int) -> Fetched | NotModified | None:
        """Read an object; see `Remote.get`. A value that is no text reads as empty."""
        place = self._key(key)
        data = self._run(lambda client: _read(client, place, max_bytes))
        if isinstance(data, str):
            return Fetched(b"", data)
        if not data:
            return None
        if len(data) > max_bytes:
            raise UntrustedError(f"{key} is larger than {max_bytes} bytes", reason="too-large")
        tag = _tag(data)
        return NOT_MODIFIED if tag == etag else Fetched(data, tag)

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_none_match: bool = False) -> str:
        """Write an object; see `Remote.put`."""
        place = self._key(key)
        life = _KEPT_MS if any(part in key for part in _NAMED_BY_DIGEST) else 0
        condition = ("absent", "", 0) if if_none_match else _condition(if_match)
        written = self._run(lambda client: client.eval(_PUT, 1, place, *condition, life, data))
        if not written:
            raise ConflictError(f"{self.url}/{key} " + ("exists already" if if_none_match else "has changed meanwhile"))
        return _tag(data)

    def list(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`; see `Remote.list`."""
        start = f"{self._base}/"
        pattern = f"{start}{prefix}".translate(_ESCAPED) + "*"
        found = self._run(lambda client: list(client.scan_iter(match=pattern, count=_PAGE)))
        return sorted(name.decode(errors="replace").removeprefix(start) for name in found)

    @staticmethod
    def longer_tag(max_bytes: int) -> str:
        """Return what `put` takes as `if_match` to replace an object that was refused as longer than this."""
        return f"{_LONGER}{max_bytes}"

    def ping(self) -> None:
        """Ask for a sign of life.

        Raises:
            RemoteError: If Redis cannot be reached.
        """
        self._run(lambda client: client.ping())

    def claim(self, name: str, seconds: float) -> bool:
        """Return whether nobody has claimed `name` within the last `seconds`, and claim it.

        Raises:
            RemoteError: If Redis cannot be reached.
        """
        place = self._key(name)
        milliseconds = max(1, int(seconds * 1000))
        return bool(self._run(lambda client: client.set(place, b"1", nx=True, px=milliseconds)))

    def tell(self, environment: str, message: bytes) -> int:
        """Send a message to the readers of an environment, and return how many of them there are.

        Raises:
            RemoteError: If Redis cannot be reached.
        """
        channel = self._channel(environment)
        return int(self._run(lambda client: client.publish(channel, message)))

    def subscribe(self, environment: str) -> Subscription:
        """Return the messages to an environment's readers, over a connection of its own.

        Raises:
            RemoteError: If Redis cannot be reached.
        """
        client = connect(self._address, max(self._timeout, _SOCKET_SECONDS))
        return Subscription(client, self._channel(environment), self.url)

    @contextmanager
    def budget(self, seconds: float) -> Iterator[None]:
        """Give all operations inside so much time together, instead of the timeout for each. For one thread at a time."""
        self._opened()  # loads the library, which is no fault of the server's
        self._until = time.monotonic() + seconds
        try:
            yield
        finally:
            with self._lock:
                self._until = None

    def cut_short(self) -> None:
        """End the budget that another thread has, and the operation that it waits for, if there is one."""
        with self._lock:
            if self._until is None:
                return
            self._until = time.monotonic()
        self._deadline.cut_short()

    def close(self) -> None:
        """Close the connections; the next operation opens another one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            close_client(client)

    def _run(self, operation: Callable[[Redis], T]) -> T:
        client = self._opened()
        left = self._timeout if self._until is None else self._until - time.monotonic()
        if left <= 0:
            raise RemoteError(f"{self.url} is too slow")
        try:
            return self._deadline.run(lambda: operation(client), left)
        except FlagctlError:
            self.close()  # whatever still waits for an answer gets none
            raise
        except Exception as error:  # noqa: BLE001 - as `translate` says
            self.close()
            raise translate(error, self.url) from None

    def _opened(self) -> Redis:
        with self._lock:
            if self._client is None:
                self._client = connect(self._address, max(self._timeout, _SOCKET_SECONDS))
            return self._client

    def _key(self, key: str) -> str:
        return f"{self._base}/{check_key(key)}"

    def _channel(self, environment: str) -> str:
        # Channels are not of a database, so its number is part of the name.
        return f"{self._base}/{check_key(environment)}@{self._address.db}"


def _read(client: Redis, place: str, max_bytes: int) -> bytes | str:
    """Return the object's bytes, one more than allowed at most; or the tag of a value that is no text."""
    from redis.exceptions import ResponseError  # noqa: PLC0415

    try:
        data: Any = client.getrange(place, 0, max_bytes)
    except ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            return _NO_TEXT
        raise
    return data if isinstance(data, bytes) else b""


def _condition(if_match: str | None) -> tuple[str, str, int]:
    if if_match is None:
        return "any", "", 0
    if if_match == _NO_TEXT:
        return _NO_TEXT, "", 0
    if if_match.startswith(_LONGER):
        return "longer", if_match[1:], 0
    digest, _, length = if_match.partition("-")
    return "match", digest, int(length) if length.isdecimal() else -1


def _tag(data: bytes) -> str:
    # The server's scripts know no other digest. Nothing rests on it but who is told "changed meanwhile".
    return f"{hashlib.sha1(data, usedforsecurity=False).hexdigest()}-{len(data)}"


_ESCAPED: Final = {ord(character): f"\\{character}" for character in "*?[]\\^"}
