"""Where a Redis or Valkey server is, and the library's client for it: short timeouts, no retries, no secrets in messages.

For whoever needs commands of their own, such as streams or sets; `flagctl.storage.redis` keeps objects there.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from flagctl.errors import FlagctlError, RemoteError, UsageError
from flagctl.storage.remote import check_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

PASSWORD_VARIABLE: Final = "FLAGCTL_REDIS_PASSWORD"  # noqa: S105 - the name of a variable
DEFAULT_PREFIX: Final = "flagctl"

_LONGEST_TIMEOUT: Final = 60.0


class Address(NamedTuple):
    """A location, taken apart.

    Attributes:
        host: Host.
        port: Port.
        db: Number of the database.
        prefix: What all keys begin with.
        tls: Whether the connection is encrypted.
        username: User, None for the default one.
        password: Password, None for none.
        timeout: Seconds that an operation may take, None if the location does not say.
    """

    host: str
    port: int
    db: int
    prefix: str
    tls: bool
    username: str | None
    password: str | None
    timeout: float | None

    @property
    def url(self) -> str:
        """The location without secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        tail = f"/{self.prefix}" if self.prefix != DEFAULT_PREFIX else ""
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.db}{tail}"


def parse_redis_url(url: str) -> Address:
    """Take ``redis://[user:password@]host[:port][/db[/prefix]][?timeout=seconds]`` (or ``rediss://``) apart.

    Raises:
        UsageError: If it is no such location; the message holds no password.
    """
    form = "write redis://host:6379/0, redis://host:6379/0/prefix, or rediss:// for TLS"
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
        timeout = _timeout(parts.query)
    except ValueError:
        raise UsageError("the location of Redis is not readable", hint=form) from None
    shown = f"{parts.scheme}://{parts.hostname or ''}"
    db, _, prefix = parts.path.strip("/").partition("/")
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname or parts.fragment or not (db or "0").isdecimal():
        raise UsageError(f"the location '{shown}…' names no host and database of Redis", hint=form)
    return Address(
        host=parts.hostname,
        port=port,
        db=int(db or "0"),
        prefix=check_key(prefix) if prefix else DEFAULT_PREFIX,
        tls=parts.scheme == "rediss",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else os.environ.get(PASSWORD_VARIABLE) or None,
        timeout=timeout,
    )


def _timeout(query: str) -> float | None:
    values = parse_qs(query, keep_blank_values=True, strict_parsing=bool(query))
    if not values:
        return None
    timeout = float(values.pop("timeout", [""])[0])
    if values or not 0.001 <= timeout <= _LONGEST_TIMEOUT:
        raise ValueError
    return timeout


def connect(address: Address, timeout: float) -> Redis:
    """Return the library's client, with short timeouts and without retries; nothing is connected yet.

    For whoever needs commands of their own, such as streams or sets. Connections must not cross a fork.

    Args:
        address: Where.
        timeout: Seconds to wait for a connection, and for the next bytes.

    Raises:
        UsageError: If the library is not installed.
    """
    check_installed()
    import redis  # noqa: PLC0415 - it takes a tenth of a second, and the first request is soon enough
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    tls: dict[str, Any] = {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True} if address.tls else {}
    client: Redis = redis.Redis(
        host=address.host,
        port=address.port,
        db=address.db,
        username=address.username,
        password=address.password,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        **tls,
    )
    return client


def check_installed() -> None:
    """Refuse to go on without the library.

    Raises:
        UsageError: If it is not installed.
    """
    if find_spec("redis") is None:
        raise UsageError("redis:// locations need the redis library", hint='pip install "flagctl[redis]"')


def translate(error: Exception, url: str) -> FlagctlError:
    """Return the error to raise for one of the library's.

    Args:
        error: Whatever it raised; answers of a hostile server end in errors of any kind.
        url: Location without secrets.
    """
    if isinstance(error, FlagctlError):
        return error
    name = type(error).__name__
    text = " ".join(str(error).split())[:200] or name
    if name in {"AuthenticationError", "AuthorizationError", "NoPermissionError"} or "NOAUTH" in text:
        return RemoteError(
            f"{url} refuses access: {text}",
            hint=f"give user and password in the location, or the password in {PASSWORD_VARIABLE}",
        )
    return RemoteError(f"{url} cannot be reached: {text}")


def close_client(client: Redis) -> None:
    """Close all connections of a client, also those that somebody still waits at."""
    quietly(client.close)
    quietly(client.connection_pool.disconnect)


def quietly(close: Callable[[], Any]) -> None:
    """Close something that may be broken already."""
    try:
        close()
    except Exception:  # noqa: BLE001 - it is gone either way
        return
