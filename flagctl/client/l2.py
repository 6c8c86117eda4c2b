"""The shared cache: Redis or Valkey beside the remote, used by many processes. It is never trusted.

What it holds is read with the eyes of a client, like everything else, so the worst that whoever controls it can do is to
withhold news for a while. A pass over it takes at most its timeout (0.1 s) and goes through a breaker; whatever is wrong, the
remote is asked instead, and what the client accepted there is written back, on condition that nothing newer is replaced.

How often who is asked, with the client's poll interval P:

- the cache: every pass, so every P, and at once after a hint;
- the remote, by somebody: one client of all takes each look, by a claim in the cache that lasts `CLAIM_SHARE` · P;
- the remote, by this client: at its first pass, whenever the cache is of no use, and at least every `OWN_LOOKS` · P, whatever
  the cache and its claims say. That bounds what a cache can withhold.

So a change reaches everybody within about P even if nobody pushes it; a missed hint costs at most one poll interval.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from flagctl.bundle.accept import is_expired
from flagctl.bundle.names import blob_key, kill_key, manifest_key
from flagctl.client.breaker import Breaker, Pauses
from flagctl.client.mirror import put_kills, put_manifest, put_object, put_root
from flagctl.client.noting import Noting
from flagctl.client.sync import LackingError, Pulled, Source, Tags, follow_chain, look
from flagctl.errors import FlagctlError, RemoteError, UntrustedError, UsageError
from flagctl.storage.redis import RedisRemote

if TYPE_CHECKING:
    from flagctl.bundle.accept import Trusted
    from flagctl.client.held import Clocks, Held
    from flagctl.client.updater import Updater
    from flagctl.storage.redis_channel import Subscription

OWN_LOOKS: Final = 12
"""In poll intervals: after so long a client looks at the remote itself, whatever the cache says."""

CLAIM_SHARE: Final = 0.75
"""Of a poll interval. Waits are at least 0.8 of it, so that a client that is alone looks at the remote in each pass."""

L2_PAUSES: Final = Pauses(1.0, 15.0)
"""A probe costs little, and a cache that is back should be used soon."""

WRITE_PAUSES: Final = Pauses(5.0, 300.0)
"""For claims and repairs, which have a breaker of their own: some clients may only read."""

PATIENCE: Final = 1.0
"""Seconds for a pass that a hint led to, unless somebody waits for its end."""

_WRITE_SECONDS: Final = 2.0
_HINT: Final = b"manifest %d %d"


class L2Status(NamedTuple):
    """What a client says about its shared cache.

    Attributes:
        url: Where it is, without secrets.
        state: Of its breaker: ``closed`` (in use), ``open`` or ``half-open``.
        listening: Whether hints and kill lists arrive.
        reads: Passes over it.
        updates: Manifests and kill lists taken over from it, pushed ones included.
        messages: Messages that arrived.
        repairs: Pointers and bundles written to it.
        last_error: Why it could not be used last, None if it could.
    """

    url: str
    state: str
    listening: bool
    reads: int
    updates: int
    messages: int
    repairs: int
    last_error: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON values."""
        return self._asdict()


class Known(NamedTuple):
    """A pointer in the cache that was verified and is held: its tag there, and the digest of its payload."""

    tag: str | None = None
    digest: str | None = None


_NOTHING: Final = Known()


def hint_of(epoch: int, seq: int) -> bytes:
    """Return the message that tells readers of a new manifest."""
    return _HINT % (epoch, seq)


@final
class SharedCache:
    """One environment's shared cache, as one client uses it.

    Args:
        url: ``redis://host:port/db/prefix``.
        place: Project and environment.
        clocks: Time and chance.
        writes: Whether to write back what is missing or bad.

    Raises:
        UsageError: If the location cannot be used, or the redis library is not installed.
    """

    def __init__(self, url: str, place: tuple[str, str], clocks: Clocks, *, writes: bool = True) -> None:
        self._url = url
        self._project, self._environment = place
        self._writes = writes
        self.breaker = Breaker(clocks.monotonic, clocks.uniform, pauses=L2_PAUSES)
        self._writing = Breaker(clocks.monotonic, clocks.uniform, pauses=WRITE_PAUSES)
        self._remote = RedisRemote(url, self._project)
        self._forget()
        self._calm = _set_event()  # nobody is patient
        self._hurried = False
        self.listening = False
        self.reads = self.updates = self.messages = self.repairs = 0
        self.last_error: str | None = None

    def read(self, state: Trusted, now: float, *, patient: bool = False) -> Pulled | None:
        """Make a pass over the cache.

        Args:
            state: What is held.
            now: Seconds since 1970.
            patient: Whether it may take longer than its timeout: nothing else is to be asked instead.

        Returns:
            What came of it, None if it could not be asked.
        """
        permit = self.breaker.enter()
        if permit is None:
            return None
        self.reads += 1
        watched = Noting(self._remote)
        manifest, kills = state.manifest, state.kills
        tags = Tags(
            self._manifest.tag if manifest is not None and manifest.digest == self._manifest.digest else None,
            self._kills.tag if kills is not None and kills.digest == self._kills.digest else None,
        )
        self._forget()
        self._hurried = False
        if patient:
            self._calm.clear()
        try:
            with self._remote.budget(max(self._remote.timeout, PATIENCE) if patient else self._remote.timeout):
                pulled = look(Source(watched), state, now=now, tags=tags)
                if isinstance(pulled.kills_problem, RemoteError) and not isinstance(pulled.kills_problem, LackingError):
                    raise pulled.kills_problem  # noqa: TRY301 - it ends this pass like any other trouble
        except RemoteError as error:
            self.last_error = error.message
            (self.breaker.gave_up if self._hurried else self.breaker.failed)(permit)
            return None
        except BaseException:
            self.breaker.gave_up(permit)
            raise
        finally:
            self._calm.set()
        self.breaker.succeeded(permit)
        self.last_error = pulled.problem.message if pulled.problem is not None else None
        self._remember(pulled, watched)
        return pulled

    def hurry(self) -> None:
        """Wait for the end of a patient pass, or of repairs, of another thread, as long as a pass may take; then end them.

        For whoever wants to make a pass that can ask the remote.
        """
        if not self._calm.wait(self._remote.timeout):
            self._hurried = True
            self._remote.cut_short()

    def follow_chain(self, state: Trusted) -> Trusted:
        """Take the steps of the chain of roots that the cache has; trouble leaves the state as it is."""
        try:
            with self._remote.budget(self._remote.timeout):
                return follow_chain(self._remote, state)[0]
        except RemoteError:
            return state

    def claim(self, seconds: float) -> bool:
        """Return whether this client should look at the remote for all; also if the cache cannot be asked."""
        permit = self._writing.enter() if self._writes else None
        if permit is None:
            return True
        try:
            mine = self._remote.claim(f"{self._environment}/looked", seconds)
        except RemoteError as error:
            self.last_error = error.message
            self._writing.failed(permit)
            return True
        except BaseException:
            self._writing.gave_up(permit)
            raise
        self._writing.succeeded(permit)
        return mine

    def repair(self, held: Held, pulled: Pulled | None, *, sure: bool, now: float) -> None:
        """Write back what the cache lacks, has older or has damaged; trouble with it is only recorded.

        Args:
            held: What is held.
            pulled: What was read from the remote in this pass.
            sure: Whether the remote was seen in this pass to have nothing newer.
            now: Seconds since 1970.
        """
        state = held.state
        manifest, kills = state.manifest, state.kills
        outdated = (
            manifest is not None
            and held.data is not None
            and manifest.digest != self._manifest.digest
            and not is_expired(manifest, now)
        )
        lacking = kills is not None and kills.digest != self._kills.digest
        objects = _objects(pulled)
        if not (outdated or lacking or objects) or not self._writes or self.breaker.state != "closed":
            return
        permit = self._writing.enter()
        if permit is None:
            return
        self._hurried = False
        self._calm.clear()
        try:
            self._remote.ping()  # one that hangs is waited for no longer than by a read
            with self._remote.budget(_WRITE_SECONDS):
                if lacking:
                    self._put_kills(state, sure=sure)
                for key, data in objects:
                    self.repairs += put_object(self._remote, key, data)
                if outdated and held.data is not None:
                    self._put_manifest(state, held.data, sure=sure)
        except FlagctlError as error:
            self.last_error = error.message
            (self._writing.gave_up if self._hurried else self._writing.failed)(permit)
        except BaseException:
            self._writing.gave_up(permit)
            raise
        else:
            self._writing.succeeded(permit)
        finally:
            self._calm.set()

    def subscribe(self) -> Subscription:
        """Return the channel of hints and kill lists, over a connection of its own.

        Raises:
            RemoteError: If the cache cannot be reached.
        """
        return self._remote.subscribe(self._environment)

    def status(self) -> L2Status:
        """Return what the client says about it."""
        return L2Status(
            url=self._remote.url,
            state=self.breaker.state,
            listening=self.listening,
            reads=self.reads,
            updates=self.updates,
            messages=self.messages,
            repairs=self.repairs,
            last_error=self.last_error,
        )

    def renew_after_fork(self) -> None:
        """Let go of the parent's connections without touching them, and of its locks."""
        self._remote = RedisRemote(self._url, self._project)
        self.breaker.renew()
        self._writing.renew()
        self._calm = _set_event()
        self.listening = False

    def close(self) -> None:
        """Close the connections."""
        self._remote.close()

    def _put_manifest(self, state: Trusted, data: bytes, *, sure: bool) -> None:
        manifest = state.manifest
        if manifest is None:
            return
        if state.root is not None and state.root.version > 1:
            self.repairs += put_root(self._remote, state.root)
        tag = put_manifest(self._remote, state, data, sure=sure)
        if tag is not None:
            self.repairs += 1
            self._manifest = Known(tag, manifest.digest)
            self._remote.tell(self._environment, hint_of(manifest.epoch, manifest.seq))

    def _put_kills(self, state: Trusted, *, sure: bool) -> None:
        kills = state.kills
        tag = put_kills(self._remote, state, sure=sure)
        if tag is not None and kills is not None:
            self.repairs += 1
            self._kills = Known(tag, kills.digest)
            self._remote.tell(self._environment, kills.data)

    def _remember(self, pulled: Pulled, watched: Noting) -> None:
        """Note which pointers lie there, if they are those that are held now."""
        manifest, kills = pulled.state.manifest, pulled.state.kills
        if pulled.problem is None and manifest is not None:
            self._manifest = Known(watched.tags.get(manifest_key(self._environment)), manifest.digest)
        tag = watched.tags.get(kill_key(self._environment))
        if pulled.kills_problem is None and kills is not None and tag is not None:
            self._kills = Known(tag, kills.digest)

    def _forget(self) -> None:
        self._manifest = self._kills = _NOTHING


def attach_cache(updater: Updater, url: str, l2: str | None, clocks: Clocks) -> None:
    """Give an updater its shared cache.

    Args:
        updater: Gets it.
        url: Of the remote. One in Redis is its own channel of hints; nobody writes back there.
        l2: Of the shared cache, None if there is none beside the remote.
        clocks: Time and chance.

    Raises:
        UsageError: If the location cannot be used, there is no root of trust, or the redis library is not installed.
    """
    state = updater.held.state
    if state.root is None or state.project is None:
        raise UsageError(
            "a shared cache is refused without a root of trust: whoever can write there could change the flags",
            hint="give trust='trust.json', or leave out l2=",
        )
    place = (state.project, state.environment)
    updater.shared = SharedCache(l2 or url, place, clocks, writes=l2 is not None)


def is_of_use(pulled: Pulled | None) -> bool:
    """Return whether a pass over the cache makes one over the remote needless.

    An older manifest does, too: the client holds a newer one, which came from the remote.
    """
    if pulled is None:
        return False
    for problem in (pulled.problem, pulled.kills_problem):
        if problem is not None and not (isinstance(problem, UntrustedError) and problem.reason == "rollback"):
            return False
    return True


def _set_event() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def _objects(pulled: Pulled | None) -> list[tuple[str, bytes]]:
    """Return what was fetched from the remote to get at the bundle: others need it, too."""
    objects: list[tuple[str, bytes]] = []
    if pulled is None or pulled.problem is not None or pulled.state.manifest is None:
        return objects
    if pulled.delta is not None:
        objects.append(pulled.delta)
    if pulled.blob is not None:
        manifest = pulled.state.manifest
        objects.append((blob_key(manifest.environment, manifest.bundle.blob_sha256), pulled.blob))
    return objects
