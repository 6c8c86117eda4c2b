"""Membership lists in Redis or Valkey, for applications that should hold none themselves.

A list is one hash at ``<prefix>/<project>/<environment>/list-units/<name>``. Its fields are the first 16 bits of the units'
hashes, as four hexadecimal digits, each with the hashes that begin so, eight bytes each, big-endian; ``info`` has number and
age. A look-up reads one field and ``info`` of each list, in one round trip. A new version is written beside the old one and
takes its name in one step.

Nothing here is signed: whoever may write to the server decides who is a member.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.evaluator.lists import HASH_SIZE, unit_hash
from flagctl.storage.redis_server import check_installed, close_client, connect, parse_redis_url, translate
from flagctl.storage.remote import check_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis import Redis

_BATCH: Final = 2_000
_INFO: Final = "info"
_HOUR_MS: Final = 3_600_000


@final
class RedisListStore:
    """Lists of one environment in Redis.

    Args:
        url: ``redis://host:port/db/prefix``.
        project: Project.
        environment: Environment.
        timeout: Seconds that a command may take if the location does not say.

    Raises:
        UsageError: The location cannot be used, or the library is not installed.
    """

    def __init__(self, url: str, project: str, environment: str, *, timeout: float) -> None:
        check_installed()
        self._address = parse_redis_url(url)
        self._base = f"{self._address.prefix}/{check_key(project)}/{check_key(environment)}/list-units"
        self._timeout = self._address.timeout or timeout
        self._local = threading.local()

    @property
    def url(self) -> str:
        """Where it is, without user and password."""
        return self._address.url

    def which(self, names: Sequence[str], unit: str) -> dict[str, tuple[bool, int]]:
        """Return whether lists contain a unit, and when they were made, in milliseconds; lists that are there only.

        Raises:
            RemoteError: The server cannot be reached, or answers too late.
        """
        wanted = {name: unit_hash(name, unit).to_bytes(HASH_SIZE, "big") for name in names}

        def ask(client: Redis) -> Any:
            pipeline = client.pipeline(transaction=False)
            for name, digest in wanted.items():
                pipeline.hmget(f"{self._base}/{name}", [digest[:2].hex(), _INFO])
            return pipeline.execute()

        found = {}
        for (name, digest), (hashes, info) in zip(wanted.items(), self._run(ask), strict=True):
            if info is not None:
                found[name] = (_contains(hashes or b"", digest), int(info.split(b":")[1]))
        return found

    def fill(self, name: str, hashes: Iterable[int], generated_ms: int) -> int:
        """Replace a list; return how many units it has.

        Args:
            name: The list.
            hashes: The hashes of its units, ascending.
            generated_ms: When it was made.

        Raises:
            RemoteError: The server cannot be reached. Then the old version stays.
        """
        fresh = f"{self._base}/.{name}.{os.urandom(8).hex()}"
        count = 0
        batch: dict[str, bytes] = {}
        field = ""
        parts: list[bytes] = []
        for value in hashes:
            digest = value.to_bytes(HASH_SIZE, "big")
            count += 1
            if digest[:2].hex() != field:
                if parts:
                    batch[field] = b"".join(parts)
                field, parts = digest[:2].hex(), []
                if len(batch) >= _BATCH:
                    self._write(fresh, batch)
                    batch = {}
            parts.append(digest)
        if parts:
            batch[field] = b"".join(parts)
        self._write(fresh, {**batch, _INFO: f"{count}:{generated_ms}".encode()})

        def rename(client: Redis) -> None:
            pipeline = client.pipeline(transaction=True)
            pipeline.rename(fresh, f"{self._base}/{name}")
            pipeline.persist(f"{self._base}/{name}")
            pipeline.execute()

        self._run(rename)
        return count

    def close(self) -> None:
        """Close this thread's connection."""
        client = getattr(self._local, "client", None)
        if client is not None and self._local.pid == os.getpid():
            close_client(client)
        self._local.client = None

    def _write(self, key: str, fields: dict[str, bytes]) -> None:
        def write(client: Redis) -> None:
            pipeline = client.pipeline(transaction=False)
            pipeline.hset(key, mapping=fields)  # type: ignore[arg-type]
            pipeline.pexpire(key, _HOUR_MS)  # what a writer that died leaves behind
            pipeline.execute()

        self._run(write)

    def _run(self, command: Any) -> Any:
        try:
            return command(self._client())
        except Exception as error:
            self.close()
            raise translate(error, self.url) from error

    def _client(self) -> Redis:
        client: Redis | None = getattr(self._local, "client", None)
        if client is None or self._local.pid != os.getpid():
            client = connect(self._address, self._timeout)
            self._local.client, self._local.pid = client, os.getpid()
        return client


def _contains(hashes: bytes, digest: bytes) -> bool:
    return any(hashes[place : place + HASH_SIZE] == digest for place in range(0, len(hashes), HASH_SIZE))
