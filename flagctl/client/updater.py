"""Keeps one environment's flags up to date: reads copies, polls the remote, swaps what is served.

Order within a pass, so that whatever fails leaves everything before it good:

1. root chain (hourly, and when a refusal may come from a rotated key), 2. manifest, bundle and kill list through
`flagctl.bundle.accept`, 3. swap: one assignment, 4. copy on disk, 5. the tags are remembered, 6. listeners are called,
outside the locks. A manifest that is refused does not hold a kill list up, and the other way round.

With a shared cache a pass asks it first, and the remote if the cache is of no use or its time has come; then the cache is
repaired (`flagctl.client.l2` has the rules). Kill lists may come at any time, from the thread that listens to the cache.

`_lock` belongs to a pass and may be held for as long as the network takes; `_guard` belongs to what is held, and is never held
while waiting. All of a client's answers come from the reference that is swapped; nothing here is on their path.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, final

from flagctl.client.breaker import REMOTE_PAUSES, Breaker
from flagctl.client.held import Clocks, maybe_rotated
from flagctl.client.notes import status_of
from flagctl.client.serving import Serving
from flagctl.client.sync import Source, follow_chain, look
from flagctl.errors import FlagctlError, RemoteError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.bundle.accept import Trusted
    from flagctl.client.l2 import SharedCache
    from flagctl.client.status import ClientStatus
    from flagctl.client.sync import Pulled
    from flagctl.evaluator.flagset import FlagSet
    from flagctl.storage.remote import Remote

CHAIN_SECONDS: Final = 3600.0
"""How often the chain of roots is looked at without a reason."""

FORK_SECONDS: Final = 2.0
"""How long after the beginning of a pass a fork waits for its end."""

FIRST_FORK_SECONDS: Final = 6.0
"""The same for the first pass, which loads modules: a child that is forked meanwhile could never load them."""

SHORTEST_BACKOFF: Final = REMOTE_PAUSES.first
LONGEST_BACKOFF: Final = REMOTE_PAUSES.longest

HINT_SPREAD: Final = 0.2
"""Seconds over which a fleet that got a hint spreads its passes over the shared cache."""

HINT_GAP: Final = 1.0
"""Seconds between two passes that hints lead to."""

__all__ = ["CHAIN_SECONDS", "FORK_SECONDS", "LONGEST_BACKOFF", "SHORTEST_BACKOFF", "Clocks", "Updater"]

_MARGIN: Final = 0.01
"""A wait may end a little early."""


@final
class Updater(Serving):
    """What a client serves, and the passes that keep it up to date.

    Args:
        state: Holds the root of trust the app came with.
        open_remote: Opens the remote; called again in a forked child, where connections cannot be shared.
        clocks: Time and chance.
        poll_interval: Seconds between passes.
        on_swap: Gets the flags to serve, under the guard.
    """

    def __init__(
        self,
        state: Trusted,
        open_remote: Callable[[], Remote],
        clocks: Clocks,
        poll_interval: float,
        on_swap: Callable[[FlagSet], None],
    ) -> None:
        super().__init__(state, clocks, on_swap)
        self._open_remote = open_remote
        self._poll_interval = poll_interval
        self._remote = open_remote()
        self._lock = threading.Lock()
        self._breaker = Breaker(clocks.monotonic, clocks.uniform)
        self.shared: SharedCache | None = None
        self._pass_began = 0.0
        self._chain_at: float | None = None
        self._hinted_at = 0.0
        self._own_look_at: float | None = None  # when the remote's time comes although the shared cache is of use

    def renew_after_fork(self) -> None:
        """Replace everything that a forked child must not share, and serve what the parent served."""
        self._lock = threading.Lock()
        self._breaker.renew()
        self._remote = self._open_remote()
        if self.shared is not None:
            self.shared.renew_after_fork()
        self._serve_after_fork()

    def hold_still(self) -> threading.Lock | None:
        """Wait for the end of a pass that has begun a moment ago; return the lock that keeps the next one from beginning.

        A pass that takes long waits for the network, where a fork does no harm, and forks must not wait for the network.
        """
        lock = self._lock
        seconds = FORK_SECONDS if self._notes.polls > 1 else FIRST_FORK_SECONDS
        left = self._pass_began + seconds - time.monotonic()
        return lock if lock.acquire(timeout=max(0.0, left)) else None

    def disconnect(self) -> None:
        """Let go of connections that the remote and the shared cache may have kept."""
        close = getattr(self._remote, "close", None)
        if close is not None:
            close()
        if self.shared is not None:
            self.shared.close()

    def load_copy(self, load: Callable[[Trusted, float], Pulled], source: str) -> None:
        """Take over a copy if it is accepted and newer than what is held; trouble with it is only recorded."""
        with self._lock:
            held = self._held
            try:
                pulled = load(held.state, self._clocks.wall())
            except (UntrustedError, RemoteError) as error:
                self._notes.note_copy(error, source)
                return
            if isinstance(pulled.kills_problem, UntrustedError):
                self._notes.note_copy(pulled.kills_problem, source)
            if pulled.state is not held.state and pulled.state.document is not None:
                with self._guard:
                    self._swap(pulled.state, source)
                    self._held = self._held._replace(data=pulled.data)

    def load_shared(self) -> None:
        """Take over what the shared cache has; for a client that has nothing on disk, before it falls back on its image."""
        with self._lock:
            if self.shared is not None and self._held.flags is None:
                self._ask_shared(self.shared)

    def update(self, *, follow: bool = False) -> bool:
        """Make one pass.

        Args:
            follow: Ask the remote, whatever the shared cache says and however often it has failed, and look at the chain of
                roots even if its time has not come.

        Returns:
            Whether another manifest or kill list was taken over.

        Raises:
            RemoteError: If the remote cannot be reached, or lacks something.
            UntrustedError: If the update was refused; what was served goes on being served.
        """
        if self.shared is not None:
            self.shared.hurry()
        return self._update(lambda: self._pass(follow=follow))

    def update_shared(self) -> bool:
        """Make a pass over the shared cache only, after a hint; the remote is not asked because somebody says so."""
        shared = self.shared
        return shared is not None and self._update(lambda: self._pass_shared(shared))

    def first_delay(self) -> float:
        """Return seconds to the first pass: none without flags; else random, so that a fleet does not start in step."""
        return 0.0 if self._held.flags is None else self._clocks.uniform() * self._poll_interval

    def next_delay(self) -> float:
        """Return seconds to the next pass."""
        regular = self._poll_interval * (0.8 + 0.4 * self._clocks.uniform())
        if not self._breaker.failures:
            return regular
        retry = self._breaker.retry_in()
        # The shared cache is polled at its usual pace while the remote is left alone.
        return retry if self.shared is None else min(regular, retry + _MARGIN)

    def hint_delay(self) -> float:
        """Return seconds to wait after a hint: random, and such that hints cannot make a client busy."""
        now = time.monotonic()
        delay = max(HINT_SPREAD * self._clocks.uniform(), self._hinted_at + HINT_GAP - now)
        self._hinted_at = now + delay
        return delay

    def hint_again(self) -> float | None:
        """Return seconds until a hint should be followed again, because the cache could not be asked; None if it was."""
        shared = self.shared
        if shared is None or shared.breaker.state == "closed":
            return None
        return shared.breaker.retry_in() + _MARGIN

    def status(self, *, closed: bool, conversions_dropped: int) -> ClientStatus:
        """Return what the client says about itself."""
        url, failures = self._remote.url, self._breaker.failures
        status = status_of(self._held, self._notes, self._clocks, url=url, failures=failures)
        if closed:
            status = status._replace(state="closed")
        elif not self.ready.is_set():  # the first flags are held a moment before they are served
            status = status._replace(state="not-ready")
        l2 = None if self.shared is None else self.shared.status().to_dict()
        return status._replace(conversions_dropped=conversions_dropped, l2=l2)

    def _update(self, make_pass: Callable[[], None]) -> bool:
        before = self._held.state
        try:
            with self._lock:
                self._pass_began = time.monotonic()
                before = self._held.state
                self._notes.polls += 1
                try:
                    make_pass()
                finally:
                    self._renew_staleness()
        finally:
            after = self._held.state
            changed = after.manifest is not before.manifest or after.kills is not before.kills
            if changed:
                self._tell(self.listeners)
            self._tell(self.observers)
        return changed

    def _pass(self, *, follow: bool) -> None:
        shared = self.shared
        if shared is None:
            self._ask_remote(follow=follow, insist=True)
            return
        of_use = not follow and self._ask_shared(shared)
        pulled: Pulled | None = None
        problem: FlagctlError | None = None
        if not of_use or self._is_own_look_due(shared):
            try:
                pulled = self._ask_remote(follow=follow, insist=follow)
            except FlagctlError as error:
                problem = error
            self._own_look_at = self._next_own_look() if problem is None else None
        sure = pulled is not None and pulled.problem is None
        shared.repair(self._held, pulled, sure=sure, now=self._clocks.wall())
        if problem is not None:
            raise problem

    def _pass_shared(self, shared: SharedCache) -> None:
        self._ask_shared(shared, patient=True)

    def _is_own_look_due(self, shared: SharedCache) -> bool:
        """Return whether the remote is to be asked although the shared cache is of use."""
        from flagctl.client.l2 import CLAIM_SHARE  # noqa: PLC0415 - only clients with a shared cache pay

        if self._own_look_at is None or self._clocks.monotonic() >= self._own_look_at:
            return True
        return self._breaker.retry_in() == 0.0 and shared.claim(self._poll_interval * CLAIM_SHARE)

    def _next_own_look(self) -> float:
        from flagctl.client.l2 import OWN_LOOKS  # noqa: PLC0415

        spread = 0.8 + 0.2 * self._clocks.uniform()
        return self._clocks.monotonic() + OWN_LOOKS * self._poll_interval * spread

    def _ask_shared(self, shared: SharedCache, *, patient: bool = False) -> bool:
        """Make a pass over the shared cache; return whether it makes one over the remote needless."""
        from flagctl.client.l2 import is_of_use  # noqa: PLC0415

        base = self._held.state
        pulled = shared.read(base, self._clocks.wall(), patient=patient)
        if pulled is None:
            return False
        if maybe_rotated(pulled.problem) or maybe_rotated(pulled.kills_problem):
            state = shared.follow_chain(base)
            if state is not base:
                self._turn_to(state)
                base = self._held.state
                pulled = shared.read(base, self._clocks.wall(), patient=patient) or pulled
        for problem in (pulled.problem, pulled.kills_problem):
            if problem is not None and not (isinstance(problem, UntrustedError) and problem.reason == "rollback"):
                self._notes.count_rejection(problem)
        shared.updates += self._take_over(base, pulled, "l2")
        of_use = is_of_use(pulled)
        if of_use and self._held.source in {"cache", "bootstrap"}:
            self._amend(source="l2")
        return of_use

    def _ask_remote(self, *, follow: bool, insist: bool) -> Pulled | None:
        """Make a pass over the remote; None if its breaker is open."""
        permit = self._breaker.enter(insist=insist)
        if permit is None:
            return None
        try:
            pulled = self._look(follow=follow)
        except FlagctlError as error:
            self._breaker.failed(permit)
            self._notes.last_error = error
            self._notes.count_rejection(error)
            raise
        except BaseException:
            self._breaker.gave_up(permit)
            raise
        self._breaker.succeeded(permit)
        self._notes.success_at = self._clocks.monotonic()
        self._notes.last_error = None
        return pulled

    def _look(self, *, follow: bool) -> Pulled:
        now = self._clocks.monotonic()
        followed = follow or self._chain_at is None or now - self._chain_at >= CHAIN_SECONDS
        if followed:
            self._follow_chain(now)
        try:
            pulled = self._pull()
        except UntrustedError as error:
            if followed or not maybe_rotated(error) or not self._follow_chain(now):
                raise
            return self._pull()
        if not followed and maybe_rotated(self._notes.kills_error) and self._follow_chain(now):
            return self._pull()
        return pulled

    def _follow_chain(self, now: float) -> bool:
        """Follow the chain of roots; return whether it led on. A refused root is recorded and stops nothing."""
        held = self._held
        self._chain_at = now
        try:
            state, refusal = follow_chain(self._remote, held.state)
        except RemoteError:
            # Some stores answer "forbidden" for what does not exist. If they are down, the manifest will show it.
            return False
        self._notes.count_rejection(refusal)
        if state is held.state or state.root is None:
            return False
        self._turn_to(state)
        return True

    def _pull(self) -> Pulled:
        held = self._held
        pulled = look(Source(self._remote), held.state, now=self._clocks.wall(), tags=held.tags)
        self._notes.note_kills(pulled)
        self._take_over(held.state, pulled, "remote")
        self._amend(tags=pulled.tags)
        if pulled.problem is not None:
            if not self._is_behind(pulled.problem):
                raise pulled.problem
            return pulled
        self._amend(source="remote")
        return pulled

    def _is_behind(self, problem: FlagctlError) -> bool:
        """Return whether the remote merely has not got yet what the shared cache had: such as a CDN in front of a store."""
        return isinstance(problem, UntrustedError) and problem.reason == "rollback" and self._held.source == "l2"
