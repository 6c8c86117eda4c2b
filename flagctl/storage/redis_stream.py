"""Entries appended to a stream in Redis or Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from flagctl.storage.redis_server import check_installed, close_client, connect, parse_redis_url, translate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis


@final
class RedisStream:
    """A stream that entries are appended to; the oldest ones go when it is long enough.

    Args:
        url: ``redis://host:port/db/prefix``; the stream's key is ``<prefix>:<name>``.
        name: Of the stream.
        max_length: Entries that are kept, roughly.
        timeout: Seconds that a command may take if the location does not say.

    Raises:
        UsageError: The location can't be used, or the library is not installed.
    """

    def __init__(self, url: str, name: str, *, max_length: int, timeout: float) -> None:
        self._address = parse_redis_url(url)
        check_installed()
        self.key = f"{self._address.prefix}:{name}"
        self._max_length = max_length
        self._timeout = self._address.timeout or timeout
        self._client: Redis | None = None

    @property
    def url(self) -> str:
        """Where it is, without user and password."""
        return self._address.url

    def append(self, entries: Sequence[dict[str, bytes | str]]) -> None:
        """Append entries in one transaction: all of them, or none.

        Raises:
            RemoteError: The server can't be reached, refuses, or takes too long.
        """
        try:
            if self._client is None:
                self._client = connect(self._address, self._timeout)
            pipeline: Any = self._client.pipeline(transaction=True)
            for entry in entries:
                pipeline.xadd(self.key, entry, maxlen=self._max_length, approximate=True)
            pipeline.execute()
        except Exception as error:
            self.disconnect()
            raise translate(error, self.url) from error

    def disconnect(self) -> None:
        """Let go of the connection; the next call makes another."""
        client, self._client = self._client, None
        if client is not None:
            close_client(client)

    def abandon(self) -> None:
        """Forget the connection without touching it, in a forked child."""
        self._client = None
