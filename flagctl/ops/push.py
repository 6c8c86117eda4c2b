"""Telling a shared cache what was just written to the remote, so that clients need not wait for their next look.

The remote is what counts: trouble here is a warning, and clients and agents make up for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import FlagctlError, UsageError

if TYPE_CHECKING:
    from flagctl.bundle.kill import KillList
    from flagctl.ops.target import Target

PUSH_SECONDS: Final = 2.0
"""How long one operation of the cache may take if its location does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A push to a shared cache.

    Attributes:
        url: Where it is, without secrets.
        readers: How many clients listened.
    """

    url: str
    readers: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"url": self.url, "readers": self.readers}


def check_l2(url: str | None) -> str | None:
    """Return the location of a shared cache, or None if there is none.

    Raises:
        UsageError: If it is no location in Redis. That is said before anything is published, not after.
    """
    if url is None:
        return None
    from flagctl.storage.redis_server import parse_redis_url

    if not url.startswith(("redis://", "rediss://")):
        raise UsageError("a shared cache is in Redis", hint="write l2: redis://host:6379/0")
    parse_redis_url(url)
    return url


def push_published(target: Target) -> tuple[Pushed | None, tuple[str, ...]]:
    """Copy what is current at the remote to the shared cache, and tell its readers; return it, and warnings."""
    if target.l2 is None:
        return None, ()
    from flagctl.client.l2 import hint_of
    from flagctl.ops.relay import Relay
    from flagctl.storage.redis import RedisRemote

    try:
        cache = RedisRemote(target.l2, target.project, timeout=PUSH_SECONDS)
    except UsageError as error:  # the library is not installed
        return None, (f"published, but not pushed: {error.message}: {error.hint}",)
    relay = Relay(target.remote, target.reader(), [cache])
    relay.carries_lists = False  # clients of a shared cache read them from the remote; they may be large
    try:
        report = relay.run()
        place = report.places[0]
        trouble = place.error or (report.problem.message if report.problem is not None else None)
        readers = place.readers
        if trouble is None and readers is None and report.epoch is not None and report.seq is not None:
            # A client was faster with the copy; whoever knows the number already ignores the hint.
            readers = cache.tell(target.environment, hint_of(report.epoch, report.seq))
    except FlagctlError as error:
        trouble, readers = error.message, None
    finally:
        relay.close()
    if trouble is not None or readers is None:
        return None, (f"published, but not pushed: {trouble}; clients learn of it at their next look at the remote",)
    return Pushed(url=cache.url, readers=readers), ()


def push_kills(target: Target, kills: KillList) -> tuple[Pushed | None, tuple[str, ...]]:
    """Send a kill list that was written to the remote to the clients that listen; return it, and warnings."""
    if target.l2 is None:
        return None, ()
    from flagctl.bundle.names import kill_copy_key
    from flagctl.client.mirror import put_kills, put_object
    from flagctl.storage.redis import RedisRemote

    try:
        cache = RedisRemote(target.l2, target.project, timeout=PUSH_SECONDS)
    except UsageError as error:  # the library is not installed
        return None, (f"written, but not pushed: {error.message}: {error.hint}",)
    try:
        # Whoever listens has it before anything is stored.
        readers = cache.tell(target.environment, kills.data)
        put_object(cache, kill_copy_key(target.environment, kills.floor.sha256), kills.data)
        put_kills(cache, target.reader()._replace(kills=kills), sure=True)
    except FlagctlError as error:
        warning = f"written, but not pushed: {error.message}; clients learn of it at their next look at the remote"
        return None, (warning,)
    finally:
        cache.close()
    return Pushed(url=cache.url, readers=readers), ()
