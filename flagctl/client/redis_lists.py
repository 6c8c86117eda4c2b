"""Big segments whose lists are asked in Redis, for applications that should not hold them.

::

    lists = RedisLists("redis://localhost:6379/0", project="acme-shop", environment="production", lists=["vip-customers"])
    client = flagctl.Client(..., lists=lists)

A unit's memberships are looked up together and remembered for a minute; an evaluation waits for at most `timeout` seconds, and
not at all while the server fails: then nobody is a member, and details say ``unavailable``. Redis is believed: lists there are
not signed. ``flagctl segment publish --redis URL`` fills it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, final

from flagctl.client.attribute_source import AttributeSource
from flagctl.client.attributes import Attributes
from flagctl.client.breaker import uniform
from flagctl.storage.redis_lists import RedisListStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@final
class RedisLists:
    """Reads lists in Redis.

    Args:
        url: ``redis://host:port/db/prefix``.
        project: Project.
        environment: Environment.
        lists: Names of the lists that segments of this environment name.
        timeout: Seconds that an evaluation may wait.
        ttl: Seconds for which a unit's memberships are remembered.
        stale_after: Seconds after which a list is stale; None: never.
        clock: Seconds since 1970.

    Raises:
        UsageError: The location cannot be used, or the library is not installed.
    """

    def __init__(  # noqa: PLR0913 - all but the first are named
        self,
        url: str,
        *,
        project: str,
        environment: str,
        lists: Sequence[str],
        timeout: float = 0.05,
        ttl: float = 60.0,
        stale_after: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._provider = _Memberships(RedisListStore(url, project, environment, timeout=max(timeout, 0.05)), lists)
        settings = Attributes(self._provider, ttl=ttl, negative_ttl=min(ttl, 5.0), timeout=timeout)
        self._source = AttributeSource(settings, time.monotonic, uniform)
        self._stale_after = stale_after
        self._clock = clock

    def contains(self, name: str, unit: str) -> bool | None:
        """Return whether a list contains a unit; None if that is not known."""
        found = self._source.attributes(unit).get(name)
        return None if found is None else bool(found)

    def health(self, name: str) -> str:
        """Return ``healthy``, ``stale`` or ``unavailable``, as of the last look-up."""
        generated = self._provider.generated.get(name)
        if generated is None or self._source.status()["state"] != "closed":
            return "unavailable"
        if self._stale_after is not None and self._clock() >= generated / 1000 + self._stale_after:
            return "stale"
        return "healthy"

    def status(self) -> tuple[Mapping[str, Any], ...]:
        """Return what a client's status says, as JSON values."""
        source = self._source.status()
        return tuple(
            {"list": name, "health": self.health(name), "last_error": source["last_error"]}
            for name in sorted(self._provider.names)
        )

    def close(self) -> None:
        """Let the threads end."""
        self._source.close()


class _Memberships:
    """A provider whose attributes are lists, each with whether it contains the unit."""

    def __init__(self, store: RedisListStore, lists: Sequence[str]) -> None:
        self.names = frozenset(lists)
        self.generated: dict[str, int] = {}
        self._store = store

    def lookup(self, unit: str) -> dict[str, bool]:
        """Return which lists contain a unit."""
        found = self._store.which(sorted(self.names), unit)
        self.generated = {name: generated for name, (_, generated) in found.items()}
        return {name: is_member for name, (is_member, _) in found.items()}
