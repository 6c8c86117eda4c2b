"""Copying an environment from its remote to other places that readers use: Redis, or a folder with the layout of a remote.

A relay is a reader: it accepts what a client would accept, under a root of trust, and copies nothing else. Objects are written
before the pointers to them, and pointers only if they are newer than what lies there (`flagctl.client.mirror`), so that several
relays, publishers and clients may write to one place. While the remote is down, places that lost something are filled from memory.
"""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Final, NamedTuple, final

from flagctl.bundle.envelope import MAX_POINTER
from flagctl.bundle.names import blob_key, delta_key, kill_copy_key, kill_key, log_key, manifest_key, trust_key
from flagctl.client.l2 import hint_of
from flagctl.client.mirror import put_kills, put_manifest, put_object
from flagctl.client.noting import Noting
from flagctl.client.sync import NO_TAGS, Source, follow_chain, look, read_kill_copy, read_stored_bundle
from flagctl.errors import FlagctlError, RemoteError, UntrustedError
from flagctl.ops.relay_lists import ListRelay
from flagctl.storage.file import FileRemote
from flagctl.storage.redis import RedisRemote
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flagctl.bundle.accept import Trusted
    from flagctl.bundle.manifest import Manifest
    from flagctl.client.sync import Tags
    from flagctl.storage.remote import Remote

CHAIN_SECONDS: Final = 60.0
"""How often the chain of roots is looked at without a reason."""

CHECK_SECONDS: Final = 60.0
"""How often every object is looked at in every place."""

_KEPT_SECONDS: Final = 86_400.0
"""How long a folder keeps bundles that nothing points to any more: a reader may be about to fetch one."""

_SWEPT: Final = ("blobs/", "deltas/", "list-files/")


class PlaceReport(NamedTuple):
    """What became of one place in a pass.

    Attributes:
        url: Where it is, without secrets.
        written: Keys that were written.
        readers: How many listened when something was told; None if nothing was, or nobody can listen there.
        error: What went wrong.
    """

    url: str
    written: tuple[str, ...] = ()
    readers: int | None = None
    error: str | None = None


class PassReport(NamedTuple):
    """What came of a pass.

    Attributes:
        environment: Environment.
        changed: Whether the remote had something new.
        epoch: Of the manifest, None before the first.
        seq: Of the manifest.
        kills_seq: Of the kill list.
        problem: Why the remote could not be read, or what it has was refused.
        kills_problem: The same for the kill list.
        places: What became of each place.
        lists_problem: As `problem`, for the lists of big segments.
    """

    environment: str
    changed: bool
    epoch: int | None
    seq: int | None
    kills_seq: int | None
    problem: FlagctlError | None
    kills_problem: FlagctlError | None
    places: tuple[PlaceReport, ...]
    lists_problem: FlagctlError | None = None

    @property
    def is_good(self) -> bool:
        """Whether everything went well."""
        kills = self.kills_problem if isinstance(self.kills_problem, UntrustedError) else None
        whole = self.problem is None and kills is None and self.lists_problem is None
        return whole and all(place.error is None for place in self.places)


@final
class Relay:
    """Copies one environment, pass by pass.

    Args:
        source: The remote.
        state: A reader's state: environment and root of trust.
        places: Where to.
        clock: Seconds since 1970.
        monotonic: Seconds that never jump.

    Attributes:
        carries_lists: Whether the lists of big segments are copied, too.
    """

    def __init__(
        self,
        source: Remote,
        state: Trusted,
        places: Sequence[Remote],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = Noting(source)
        self._state = state
        self._shipped = state.root.version if state.root is not None else 0
        self.carries_lists = True
        self._lists = ListRelay(source)
        self._places = [_Place(place) for place in places]
        self._clock = clock
        self._monotonic = monotonic
        self._tags: Tags = NO_TAGS
        self._data: bytes | None = None
        self._complete: tuple[Trusted, bytes] | None = None  # of which every object is at hand
        self._objects: dict[str, bytes] = {}
        self._roots: dict[str, bytes] = {}
        self._chain_at: float | None = None

    @property
    def state(self) -> Trusted:
        """What was accepted."""
        return self._state

    @property
    def source_url(self) -> str:
        """The remote, without secrets."""
        return self._source.url

    @property
    def urls(self) -> tuple[str, ...]:
        """The places, without secrets."""
        return tuple(place.remote.url for place in self._places)

    def run(self) -> PassReport:
        """Make a pass. Trouble is reported, never raised."""
        before = self._state
        problem: FlagctlError | None = None
        kills_problem: FlagctlError | None = None
        lists_problem: FlagctlError | None = None
        try:
            problem, kills_problem = self._read()
            if problem is None:
                self._gather()
                lists_problem = self._lists.read(self._state) if self.carries_lists else None
        except (RemoteError, UntrustedError) as error:
            problem = error
        state = self._state
        manifest, kills = state.manifest, state.kills
        return PassReport(
            environment=state.environment,
            changed=manifest is not before.manifest or kills is not before.kills,
            epoch=manifest.epoch if manifest else None,
            seq=manifest.seq if manifest else None,
            kills_seq=kills.seq if kills else None,
            problem=problem,
            kills_problem=kills_problem,
            places=tuple(self._fill(place, sure=problem is None) for place in self._places),
            lists_problem=lists_problem,
        )

    def close(self) -> None:
        """Close the connections to the places."""
        for place in self._places:
            close = getattr(place.remote, "close", None)
            if close is not None:
                close()

    def _read(self) -> tuple[FlagctlError | None, FlagctlError | None]:
        now = self._monotonic()
        self._source.objects.clear()
        if self._chain_at is None or now - self._chain_at >= CHAIN_SECONDS:
            self._follow_chain(now)
        problem, kills_problem = self._look()
        refused = isinstance(problem, UntrustedError) or isinstance(kills_problem, UntrustedError)
        if refused and self._follow_chain(now):
            problem, kills_problem = self._look()
        return problem, kills_problem

    def _follow_chain(self, now: float) -> bool:
        self._chain_at = now
        before = self._state
        try:
            self._state, _ = follow_chain(self._source, before)
        except RemoteError:
            return False  # some stores answer "forbidden" for what does not exist
        root = self._state.root
        if root is None or root is before.root:
            return False
        for version in range(self._shipped + 1, root.version + 1):
            key = trust_key(version)
            self._roots |= {key: self._source.objects[key]} if key in self._source.objects else {}
        return True

    def _look(self) -> tuple[FlagctlError | None, FlagctlError | None]:
        pulled = look(Source(self._source), self._state, now=self._clock(), tags=self._tags)
        self._state = pulled.state
        self._tags = pulled.tags
        if pulled.data is not None:
            self._data = pulled.data
        kills_problem = pulled.kills_problem
        if not isinstance(kills_problem, UntrustedError) and self._state.kills is None:
            kills_problem = None  # some stores answer "forbidden" for a list that was never written
        return pulled.problem, kills_problem

    def _gather(self) -> None:
        """Have every object that readers of the current manifest may ask for."""
        manifest = self._state.manifest
        if manifest is None:
            return
        wanted = {**dict.fromkeys(_keys_of(manifest)), **self._roots}
        objects: dict[str, bytes] = dict(self._roots)
        for key in wanted:
            if key in objects:
                continue
            data = self._objects.get(key) or self._checked(manifest, key)
            if data is not None:
                objects[key] = data
        self._objects = objects
        if self._data is not None:
            self._complete = (self._state, self._data)

    def _checked(self, manifest: Manifest, key: str) -> bytes | None:
        """Fetch an object and check it; None for a delta that is lost or damaged, which readers do without."""
        environment, floor = manifest.environment, manifest.kill_floor
        recorded = self._source.objects.get(key)
        if key == blob_key(environment, manifest.bundle.blob_sha256):
            data = recorded or read_stored_bundle(self._source, manifest)
            if hashlib.sha256(data).hexdigest() != manifest.bundle.blob_sha256:
                raise UntrustedError("the stored bundle is not the one in the manifest", reason="wrong-blob-digest")
            return data
        if floor is not None and key == kill_copy_key(environment, floor.sha256):
            data = recorded or read_kill_copy(self._source, manifest, floor)
            return data if hashlib.sha256(data).hexdigest() == floor.sha256 else None
        for delta in manifest.deltas:
            if key == delta_key(environment, delta.source, manifest.bundle.sha256):
                try:
                    found = self._source.get(key, max_bytes=delta.size)
                except UntrustedError:
                    return None
                return found.data if isinstance(found, Fetched) and delta.is_stored_as(found.data) else None
        return None

    def _fill(self, place: _Place, *, sure: bool) -> PlaceReport:
        if self._state.manifest is None and self._state.kills is None:
            return PlaceReport(place.remote.url)
        written: list[str] = []
        try:
            readers = self._fill_all(place, written, sure=sure)
        except FlagctlError as error:
            place.checked_at = None
            return PlaceReport(place.remote.url, tuple(written), error=error.message)
        except OSError as error:
            return PlaceReport(place.remote.url, tuple(written), error=str(error))
        return PlaceReport(place.remote.url, tuple(written), readers)

    def _fill_all(self, place: _Place, written: list[str], *, sure: bool) -> int | None:
        state, remote = self._state, place.remote
        environment, kills = state.environment, state.kills
        told: int | None = None
        if put_kills(remote, state, sure=sure) is not None and kills is not None:
            written.append(kill_key(environment))
            put_object(remote, kill_copy_key(environment, kills.floor.sha256), kills.data)
            told = place.tell(environment, kills.data)
        if self._complete is None:
            return told
        complete, data = self._complete
        manifest = complete.manifest
        if manifest is None:
            return told
        now = self._monotonic()
        due = place.checked_at is None or now - place.checked_at >= CHECK_SECONDS
        if due or not _has(remote, manifest_key(environment), data):
            written += [key for key, value in self._objects.items() if put_object(remote, key, value)]
            if place.keeps_log:
                key = log_key(environment, manifest.epoch, manifest.seq, manifest.digest)
                written += [key] if put_object(remote, key, data) else []
            place.sweep(environment, [*self._objects, *self._lists.keys(environment)])
            place.checked_at = now
        written += self._lists.fill(remote, complete._replace(root=state.root), due=due, sure=sure)
        if put_manifest(remote, complete._replace(root=state.root), data, sure=sure) is not None:
            written.append(manifest_key(environment))
            told = place.tell(environment, hint_of(manifest.epoch, manifest.seq))
        return told


class _Place:
    """A place with what the relay knows about it."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.checked_at: float | None = None

    @property
    def keeps_log(self) -> bool:
        """Whether it is meant to be looked at by people, too."""
        return not isinstance(self.remote, RedisRemote)

    def tell(self, environment: str, message: bytes) -> int | None:
        return self.remote.tell(environment, message) if isinstance(self.remote, RedisRemote) else None

    def sweep(self, environment: str, objects: Iterable[str]) -> None:
        """Remove old bundles from a folder; Redis forgets them by itself."""
        if not isinstance(self.remote, FileRemote):
            return
        kept = frozenset(objects)
        for folder in _SWEPT:
            for key in self.remote.list(f"{environment}/{folder}"):
                path = self.remote.path_of(key)
                try:
                    if key not in kept and time.time() - os.stat(path).st_mtime > _KEPT_SECONDS:  # noqa: PTH116
                        os.unlink(path)  # noqa: PTH108
                except FileNotFoundError:
                    continue


def _keys_of(manifest: Manifest) -> list[str]:
    environment, floor = manifest.environment, manifest.kill_floor
    keys = [blob_key(environment, manifest.bundle.blob_sha256)]
    keys += [delta_key(environment, delta.source, manifest.bundle.sha256) for delta in manifest.deltas]
    return keys if floor is None else [*keys, kill_copy_key(environment, floor.sha256)]


def _has(remote: Remote, key: str, data: bytes) -> bool:
    try:
        found = remote.get(key, max_bytes=MAX_POINTER)
    except UntrustedError:
        return False
    return isinstance(found, Fetched) and found.data == data
