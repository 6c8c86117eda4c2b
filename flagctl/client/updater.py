"""Keeps one environment's flags up to date: reads copies, polls the remote, swaps what is served.

Order within a pass, so that whatever fails leaves everything before it good:

1. root chain (hourly, and when a refusal may come from a rotated key), 2. manifest, bundle and kill list through
`flagctl.bundle.accept`, 3. swap: one assignment, 4. copy on disk, 5. the tags are remembered, 6. listeners are called,
outside the lock. A manifest that is refused does not hold a kill list up, and the other way round.

All of a client's answers come from the reference that is swapped; nothing here is on their path.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from flagctl.bundle.accept import Trusted, is_expired
from flagctl.bundle.fields import format_instant
from flagctl.client.status import ClientStatus
from flagctl.client.sync import NO_TAGS, Pulled, Source, Tags, follow_chain, look
from flagctl.errors import FlagctlError, RemoteError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.client.copies import LastKnownGood
    from flagctl.evaluator.flagset import FlagSet
    from flagctl.storage.remote import Remote

CHAIN_SECONDS: Final = 3600.0
"""How often the chain of roots is looked at without a reason."""

FORK_SECONDS: Final = 2.0
"""How long after the beginning of a pass a fork waits for its end."""

SHORTEST_BACKOFF: Final = 1.0
LONGEST_BACKOFF: Final = 300.0

_MAYBE_ROTATED: Final = frozenset({"unknown-key", "bad-signature", "threshold-not-met", "wrong-epoch"})


class Held(NamedTuple):
    """What is served, and where it came from; replaced as a whole.

    Attributes:
        state: Accepted manifest and bundle under the current root of trust.
        flags: The bundle, ready to answer; None before the first.
        stale: Whether `flags` answers as stale.
        killed: Keys of the flags that `flags` forces off.
        source: ``remote``, ``cache`` or ``bootstrap``.
        tags: Tags of manifest and kill list at the remote; empty if they did not come from there.
    """

    state: Trusted
    flags: FlagSet | None = None
    stale: bool = False
    killed: frozenset[str] = frozenset()
    source: str | None = None
    tags: Tags = NO_TAGS


class Clocks(NamedTuple):
    """Time and chance, replaceable in tests: seconds since 1970, monotonic seconds, a number from 0 to 1."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]
    uniform: Callable[[], float]


def _maybe_rotated(error: FlagctlError | None) -> bool:
    """Return whether a refusal may come from keys that were rotated meanwhile."""
    return isinstance(error, UntrustedError) and error.reason in _MAYBE_ROTATED


@final
class Updater:
    """The state of a client and one pass over it.

    Args:
        state: Holds the root of trust the app came with.
        open_remote: Opens the remote; called again in a forked child, where connections cannot be shared.
        clocks: Time and chance.
        poll_interval: Seconds between passes.
        on_swap: Gets the flags to serve, under the lock.
    """

    def __init__(
        self,
        state: Trusted,
        open_remote: Callable[[], Remote],
        clocks: Clocks,
        poll_interval: float,
        on_swap: Callable[[FlagSet], None],
    ) -> None:
        self._open_remote = open_remote
        self._clocks = clocks
        self._poll_interval = poll_interval
        self._on_swap = on_swap
        self._held = Held(state)
        self._remote = open_remote()
        self._lock = threading.Lock()
        self.ready = threading.Event()
        self.listeners: tuple[Callable[[], None], ...] = ()
        self.observers: tuple[Callable[[], None], ...] = ()  # after every pass, whatever came of it
        self.last_known_good: LastKnownGood | None = None
        self._pass_began = 0.0
        self._chain_at: float | None = None
        self._success_at: float | None = None
        self._polls = self._updates = self._failures = 0
        self._rejected: dict[str, int] = {}
        self._last_error: FlagctlError | None = None
        self._cache_error: str | None = None
        self._kills_error: FlagctlError | None = None

    @property
    def held(self) -> Held:
        """What is served."""
        return self._held

    def renew_after_fork(self) -> None:
        """Replace everything that a forked child must not share, and serve what the parent served."""
        self._lock = threading.Lock()
        self.ready = threading.Event()
        self._remote = self._open_remote()
        if self._held.flags is not None:
            self._on_swap(self._held.flags)
            self.ready.set()

    def hold_still(self) -> threading.Lock | None:
        """Wait for the end of a pass that has begun a moment ago; return the lock that keeps the next one from beginning.

        A pass that takes long waits for the network, where a fork does no harm, and forks must not wait for the network.
        """
        lock = self._lock
        left = self._pass_began + FORK_SECONDS - time.monotonic()
        return lock if lock.acquire(timeout=max(0.0, left)) else None

    def disconnect(self) -> None:
        """Let go of a connection that the remote may have kept."""
        close = getattr(self._remote, "close", None)
        if close is not None:
            close()

    def load_copy(self, load: Callable[[Trusted, float], Pulled], source: str) -> None:
        """Take over a copy if it is accepted and newer than what is held; trouble with it is only recorded."""
        with self._lock:
            held = self._held
            try:
                pulled = load(held.state, self._clocks.wall())
            except UntrustedError as error:
                if error.reason != "rollback":
                    self._count_rejection(error)
                    self._cache_error = f"{source}: {error.message} ({error.reason})"
            except RemoteError as error:
                self._cache_error = f"{source}: {error.message}"
            else:
                problem = pulled.kills_problem
                if isinstance(problem, UntrustedError) and problem.reason != "rollback":
                    self._count_rejection(problem)
                    self._cache_error = f"{source}: {problem.message} ({problem.reason})"
                if pulled.state is not held.state and pulled.state.document is not None:
                    self._swap(pulled.state, source)

    def update(self, *, follow: bool = False) -> bool:
        """Make one pass over the remote.

        Args:
            follow: Look at the chain of roots even if its time has not come.

        Returns:
            Whether another manifest or kill list was taken over.

        Raises:
            RemoteError: If the remote cannot be reached, or lacks something.
            UntrustedError: If the update was refused; what was served goes on being served.
        """
        try:
            return self._update(follow=follow)
        finally:
            _call(self.observers)

    def _update(self, *, follow: bool) -> bool:
        with self._lock:
            self._pass_began = time.monotonic()
            before = self._held.state
            self._polls += 1
            try:
                self._pass(follow=follow)
            except FlagctlError as error:
                self._failures += 1
                self._last_error = error
                if isinstance(error, UntrustedError):
                    self._count_rejection(error)
                raise
            finally:
                self._renew_staleness()
            self._failures = 0
            self._success_at = self._clocks.monotonic()
            self._last_error = None
            after = self._held.state
            changed = after.manifest is not before.manifest or after.kills is not before.kills
        if changed:
            _call(self.listeners)
        return changed

    def check_expiry(self) -> None:
        """Serve as stale what has expired meanwhile."""
        with self._lock:
            before = self._held
            self._renew_staleness()
            changed = self._held is not before
        if changed:
            _call(self.listeners)
            _call(self.observers)

    def serve_again(self) -> None:
        """Hand over what is served once more, for somebody who dresses it in another way now."""
        with self._lock:
            if self._held.flags is not None:
                self._on_swap(self._held.flags)

    def first_delay(self) -> float:
        """Return seconds to the first pass: none without flags; else random, so that a fleet does not start in step."""
        return 0.0 if self._held.flags is None else self._clocks.uniform() * self._poll_interval

    def next_delay(self) -> float:
        """Return seconds to the next pass, or to the manifest's expiry if that is sooner."""
        uniform = self._clocks.uniform()
        if self._failures:
            longest = min(LONGEST_BACKOFF, SHORTEST_BACKOFF * 2.0 ** min(self._failures, 30))
            delay = max(SHORTEST_BACKOFF, uniform * longest)
        else:
            delay = self._poll_interval * (0.8 + 0.4 * uniform)
        return delay

    def seconds_to_expiry(self) -> float | None:
        """Return seconds until what is served becomes stale; None if it is, or nothing is served."""
        held = self._held
        if held.stale or held.state.manifest is None:
            return None
        return max(0.0, held.state.manifest.expires - self._clocks.wall())

    def status(self, *, closed: bool, conversions_dropped: int) -> ClientStatus:
        """Return what the client says about itself."""
        held = self._held
        manifest = held.state.manifest
        root = held.state.root
        error, kills_error = self._last_error, self._kills_error
        serving = "not-ready" if held.flags is None else "stale" if held.stale else "ready"
        return ClientStatus(
            state="closed" if closed else serving,
            url=self._remote.url,
            environment=held.state.environment,
            project=held.state.project or (manifest.project if manifest else None),
            source=held.source,
            epoch=manifest.epoch if manifest else None,
            seq=manifest.seq if manifest else None,
            bundle_sha256=manifest.bundle.sha256 if manifest else None,
            flag_count=len(held.state.document.flag_keys()) if held.state.document else None,
            commit=manifest.commit if manifest else None,
            issued=format_instant(manifest.issued) if manifest else None,
            expires=format_instant(manifest.expires) if manifest else None,
            trust_version=root.version if root else None,
            trust_expired=root is not None and self._clocks.wall() >= root.expires,
            seconds_since_success=None if self._success_at is None else self._clocks.monotonic() - self._success_at,
            polls=self._polls,
            updates=self._updates,
            failures=self._failures,
            rejected=dict(self._rejected),
            last_error=error.message if error else None,
            last_error_reason=error.reason if isinstance(error, UntrustedError) else None,
            killed=tuple(sorted(held.state.killed)),
            kills_seq=held.state.kills.seq if held.state.kills else None,
            kills_error=kills_error.message if kills_error else None,
            cache_error=self._cache_error,
            conversions_dropped=conversions_dropped,
        )

    def _pass(self, *, follow: bool) -> None:
        now = self._clocks.monotonic()
        followed = follow or self._chain_at is None or now - self._chain_at >= CHAIN_SECONDS
        if followed:
            self._follow_chain(now)
        try:
            self._pull()
            refused = self._kills_error
        except UntrustedError as error:
            if followed or not _maybe_rotated(error) or not self._follow_chain(now):
                raise
            self._pull()
        else:
            if not followed and _maybe_rotated(refused) and self._follow_chain(now):
                self._pull()

    def _follow_chain(self, now: float) -> bool:
        """Follow the chain of roots; return whether it led on. A refused root is recorded and stops nothing."""
        held = self._held
        self._chain_at = now
        try:
            state, refusal = follow_chain(self._remote, held.state)
        except RemoteError:
            # Some stores answer "forbidden" for what does not exist. If they are down, the manifest will show it.
            return False
        if refusal is not None:
            self._count_rejection(refusal)
        if state is held.state or state.root is None:
            return False
        self._swap(state, held.source)  # a root may end the power to force flags off
        if self.last_known_good is not None:
            self._keep(lambda copy: copy.save_trust(state.root) if state.root else None)
        return True

    def _pull(self) -> None:
        held = self._held
        pulled = look(Source(self._remote), held.state, now=self._clocks.wall(), tags=held.tags)
        state = pulled.state
        self._note_kills(pulled)
        if state is not held.state:
            self._swap(state, "remote" if state.manifest is not held.state.manifest else held.source)
            self._updates += 1
        if state.kills is not held.state.kills:
            self._keep(lambda copy: copy.save_kills(state))
        if pulled.data is not None:
            self._keep(lambda copy: copy.save(state, pulled))
        self._held = self._held._replace(tags=pulled.tags)
        if pulled.problem is not None:
            raise pulled.problem
        self._held = self._held._replace(source="remote")

    def _note_kills(self, pulled: Pulled) -> None:
        """Record trouble with the kill list. Some stores answer "forbidden" for one that was never written."""
        error = pulled.kills_problem
        if isinstance(error, UntrustedError):
            self._count_rejection(error)
        elif error is not None and pulled.state.kills is None:
            error = None
        self._kills_error = error

    def _swap(self, state: Trusted, source: str | None) -> None:
        """Serve a new state: everything that can fail is done before the one assignment."""
        # Imported when there is something to evaluate: it keeps the first import of the client short.
        from flagctl.evaluator.flagset import FlagSet  # noqa: PLC0415

        before = self._held
        if state.document is None or state.manifest is None:
            self._held = before._replace(state=state)  # a kill list that came before the first bundle
            return
        stale = is_expired(state.manifest, self._clocks.wall())
        killed = state.killed
        if before.flags is None:
            flags = FlagSet(state.document, self._clocks.wall)
        elif before.state.document is not state.document:
            flags = before.flags.replace(state.document)  # flags that did not change keep what was made of them
        else:
            flags = before.flags
        if stale != before.stale or killed != before.killed:
            flags = flags.with_state(killed, stale=stale)
        self._held = Held(state, flags, stale, killed, source, before.tags)
        self._on_swap(flags)
        self.ready.set()

    def _renew_staleness(self) -> None:
        held = self._held
        if held.flags is None or held.state.manifest is None:
            return
        stale = is_expired(held.state.manifest, self._clocks.wall())
        if stale != held.stale:
            self._swap(held.state, held.source)

    def _keep(self, save: Callable[[LastKnownGood], Any]) -> None:
        """Write to the copy on disk; a disk that is full or read-only stops nothing."""
        if self.last_known_good is None:
            return
        try:
            save(self.last_known_good)
        except FlagctlError as error:
            self._cache_error = error.message
        else:
            self._cache_error = None

    def _count_rejection(self, error: UntrustedError) -> None:
        self._rejected[error.reason] = self._rejected.get(error.reason, 0) + 1


def _call(callables: tuple[Callable[[], None], ...]) -> None:
    for each in callables:
        try:
            each()
        except Exception:
            import logging  # noqa: PLC0415 - most apps never get here

            logging.getLogger("flagctl").exception("a listener of the flag client failed")
