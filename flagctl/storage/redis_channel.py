"""Messages over a channel of Redis or Valkey. They are as untrusted as anything there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from flagctl.errors import RemoteError
from flagctl.storage.redis_server import close_client, quietly, translate

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import PubSub

MAX_MESSAGE: Final = 64 * 1024
"""Longer messages are ignored."""


class Message(NamedTuple):
    """Something that came over a channel: the data, or None when the subscription was made (anew)."""

    data: bytes | None


@final
class Subscription:
    """Messages of one channel.

    Args:
        client: A client of its own.
        channel: Name of the channel.
        url: Of the server, without secrets.

    Raises:
        RemoteError: If the server cannot be reached.
    """

    def __init__(self, client: Redis, channel: str, url: str) -> None:
        self._client = client
        self._url = url
        self._closed = False
        try:
            self._pubsub: PubSub = client.pubsub()  # type: ignore[no-untyped-call]
            self._pubsub.subscribe(channel)
        except Exception as error:  # noqa: BLE001 - as `translate` says
            close_client(client)
            raise translate(error, url) from None

    def next(self, seconds: float) -> Message | None:
        """Wait for a message, up to so many seconds; None if there was none.

        Raises:
            RemoteError: If the connection broke, or was closed.
        """
        try:
            message: dict[str, Any] | None = self._pubsub.get_message(timeout=seconds)
        except Exception as error:  # noqa: BLE001 - as `translate` says
            raise translate(error, self._url) from None
        if self._closed:
            raise RemoteError(f"the connection to {self._url} was closed")
        if message is None:
            return None
        if message["type"] == "subscribe":
            return Message(None)
        data = message["data"]
        fits = message["type"] == "message" and isinstance(data, bytes) and len(data) <= MAX_MESSAGE
        return Message(data if fits else b"")

    def ping(self) -> None:
        """Ask for a sign of life, which `next` returns as an empty message.

        Raises:
            RemoteError: If the connection broke.
        """
        try:
            self._pubsub.ping()
        except Exception as error:  # noqa: BLE001 - as `translate` says
            raise translate(error, self._url) from None

    def close(self) -> None:
        """End it; whoever waits in `next` gets an error."""
        self._closed = True
        connection: Any = self._pubsub.connection
        if connection is not None:
            quietly(connection.disconnect)
        close_client(self._client)
