"""How long an answer takes, by where it has to come from: memory, a bundle at hand, Redis, a store.

Memory: a flag that was asked for before. First: a flag of a large bundle that nobody has asked for yet. Redis and store: one
flag of a large bundle has changed, and a client that holds the version before gets at its new value; that is reading the manifest and
the delta over the network, checking both, and the first answer. Wall times.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.bundle.envelope import Role
from flagctl.bundle.trust import TrustRoot, read_trust, write_trust
from flagctl.client.sync import Source, look, pull
from flagctl.errors import RemoteError
from flagctl.ops.bench_flags import FULL_CONTEXT, large_bundle
from flagctl.ops.publish import publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.target import Target

if TYPE_CHECKING:
    from flagctl.storage import Remote

MEMORY_LIMIT_MS: Final = 0.01
FIRST_LIMIT_MS: Final = 10.0
REDIS_LIMIT_MS: Final = 10.0
STORE_LIMIT_MS: Final = 50.0

_TIMEOUT: Final = 5.0


class Places(NamedTuple):
    """Where to measure; None leaves a level out.

    Attributes:
        redis: ``redis://host:port/db``.
        remote: ``s3://bucket/prefix`` or ``file:///folder``.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.
    """

    redis: str | None = None
    remote: str | None = None
    endpoint_url: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelTiming:
    """Answers from one level.

    Attributes:
        level: ``memory``, ``first``, ``redis`` or ``store``.
        url: Where that was, without secrets; None for the first two.
        times: How many answers were timed.
        median_ms: Milliseconds that half of them took at most.
        p99_ms: The same for 99 of 100.
        limit_ms: What this project wants `p99_ms` to stay below, on this machine's own network.
    """

    level: str
    url: str | None
    times: int
    median_ms: float
    p99_ms: float
    limit_ms: float


def measure_levels(places: Places, *, flags: int, rounds: int) -> tuple[LevelTiming, ...]:
    """Measure every level that there is.

    Args:
        places: Redis and the store; objects are written there, under a name of their own.
        flags: Size of the bundle.
        rounds: How many changes are fetched.

    Raises:
        RemoteError: If a place cannot be reached.
        UsageError: If a location cannot be used.
    """
    from flagctl.evaluator import load
    from flagctl.storage import RemoteOptions, open_remote
    from flagctl.storage.redis import RedisRemote

    data = large_bundle(max(flags, 1), 1)
    answering = load(data)
    keys = answering.keys()
    first = [_timed(answering.is_enabled, key) for key in keys[:2_000]]
    memory = [_timed(answering.is_enabled, keys[0]) for _ in range(5_000)]
    levels = [_level("memory", None, memory, MEMORY_LIMIT_MS), _level("first", None, first, FIRST_LIMIT_MS)]
    name = f"bench-{time.time_ns():x}"
    if places.redis is not None:
        cache = RedisRemote(places.redis, name, timeout=_TIMEOUT)
        levels.append(_level("redis", cache.url, _fetches(cache, data, rounds), REDIS_LIMIT_MS))
        cache.close()
    if places.remote is not None:
        options = RemoteOptions(endpoint_url=places.endpoint_url, region=places.region)
        remote = open_remote(f"{places.remote.rstrip('/')}/{name}", options=options)
        levels.append(_level("store", places.remote, _fetches(remote, data, rounds), STORE_LIMIT_MS))
    return tuple(levels)


def _timed(ask: Any, key: str) -> int:
    begin = time.perf_counter_ns()
    ask(key, FULL_CONTEXT)
    return time.perf_counter_ns() - begin


def _level(level: str, url: str | None, nanoseconds: list[int], limit: float) -> LevelTiming:
    values = sorted(nanoseconds)
    last = len(values) - 1
    return LevelTiming(
        level=level,
        url=url,
        times=len(values),
        median_ms=values[last // 2] / 1e6,
        p99_ms=values[last * 99 // 100 if last >= 100 else last] / 1e6,
        limit_ms=limit,
    )


def _fetches(remote: Remote, data: bytes, rounds: int) -> list[int]:
    """Publish change after change of one flag; return how long a client takes to answer with each."""
    from flagctl.evaluator import FlagSet

    target, signer = _target(remote)
    publish(target, data, [signer])
    held = pull(Source(remote), target.reader(), now=time.time())
    if held.state.document is None:
        raise RemoteError(f"{remote.url} does not return what was written to it")
    flags = FlagSet(held.state.document)
    key = flags.keys()[len(flags.keys()) // 2]
    times = []
    for number in range(rounds):
        publish(target, _changed(data, key, number), [signer], PublishOptions(allow_rollback=True))
        begin = time.perf_counter_ns()
        held = look(Source(remote), held.state, now=time.time(), tags=held.tags)
        if held.problem is not None:
            raise held.problem
        if held.state.document is not None:
            flags = flags.replace(held.state.document)
        flags.evaluate(key, FULL_CONTEXT)
        times.append(time.perf_counter_ns() - begin)
    return times


def _changed(data: bytes, key: str, number: int) -> bytes:
    """Return the bundle with another owner of one flag: its line changes, and what it answers does not."""
    lines = data.split(b"\n")
    start = b'"%s":' % key.encode()
    at = next(index for index, line in enumerate(lines) if line.startswith(start))
    lines[at] = lines[at].replace(b'"owner":"', b'"owner":"v%d-' % number, 1)
    return b"\n".join(lines)


def _target(remote: Remote) -> tuple[Target, Any]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from flagctl.signing import LocalSigner

    root, signer = (LocalSigner(Ed25519PrivateKey.generate()) for _ in range(2))
    content = TrustRoot(
        project="bench",
        version=1,
        epoch=1,
        expires=int(time.time()) + 86_400,
        root=Role((root.public_key,), 1),
        publish={"production": Role((signer.public_key,), 1)},
        kill={},
    )
    trust = read_trust(write_trust(content, [root]))
    return Target(remote=remote, environment="production", trust=trust), signer
