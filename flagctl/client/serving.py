"""What a client serves, and how it is replaced: under a lock that nobody holds while waiting, by one assignment."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from flagctl.bundle.accept import is_expired
from flagctl.bundle.accept_kills import check_kill_list
from flagctl.client.held import Clocks, Held, newer_kills
from flagctl.client.notes import Notes
from flagctl.errors import FlagctlError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.bundle.accept import Trusted
    from flagctl.client.copies import LastKnownGood
    from flagctl.client.sync import Pulled
    from flagctl.evaluator.flagset import FlagSet


class Serving:
    """What is served, and who is told of changes.

    Args:
        state: Holds the root of trust the app came with.
        clocks: Time and chance.
        on_swap: Gets the flags to serve, under the guard.

    Attributes:
        ready: Set once there is something to evaluate.
        listeners: Called after every change of what is served.
        observers: Called after every pass, whatever came of it.
        last_known_good: The copy on disk, if there is one.
    """

    def __init__(self, state: Trusted, clocks: Clocks, on_swap: Callable[[FlagSet], None]) -> None:
        self._clocks = clocks
        self._on_swap = on_swap
        self._held = Held(state)
        self._guard = threading.Lock()
        self._telling = threading.RLock()
        self._notes = Notes()
        self.ready = threading.Event()
        self.listeners: tuple[Callable[[], None], ...] = ()
        self.observers: tuple[Callable[[], None], ...] = ()
        self.last_known_good: LastKnownGood | None = None

    @property
    def held(self) -> Held:
        """What is served."""
        return self._held

    def has_manifest(self, epoch: int, seq: int) -> bool:
        """Return whether the manifest that is held is as new."""
        manifest = self._held.state.manifest
        return manifest is not None and (manifest.epoch, manifest.seq) >= (epoch, seq)

    def take_kills(self, data: bytes) -> bool:
        """Take over a kill list that was pushed; return whether it is another one.

        Raises:
            UntrustedError: If it is refused; ``rollback`` if it is merely older.
        """
        if self._held.state.kills is not None and self._held.state.kills.data == data:
            return False
        try:
            with self._guard:
                kills = check_kill_list(self._held.state, data)
                if kills is None:
                    return False
                self._swap(self._held.state._replace(kills=kills), self._held.source)
                self._notes.updates += 1
                state = self._held.state
        except UntrustedError as error:
            self._notes.count_rejection(error)
            raise
        self._keep(lambda copy: copy.save_kills(state))
        self._tell(self.listeners)
        self._tell(self.observers)
        return True

    def check_expiry(self) -> None:
        """Serve as stale what has expired meanwhile."""
        before = self._held
        self._renew_staleness()
        if self._held is not before:
            self._tell(self.listeners)
            self._tell(self.observers)

    def serve_again(self) -> None:
        """Hand over what is served once more, for somebody who dresses it in another way now."""
        with self._guard:
            if self._held.flags is not None:
                self._on_swap(self._held.flags)

    def tell_of_lists(self) -> None:
        """Call the listeners because the same flags may answer otherwise: other units are in big segments."""
        self._tell(self.listeners)

    def seconds_to_expiry(self) -> float | None:
        """Return seconds until what is served becomes stale; None if it is, or nothing is served."""
        held = self._held
        if held.stale or held.state.manifest is None:
            return None
        return max(0.0, held.state.manifest.expires - self._clocks.wall())

    def _turn_to(self, state: Trusted) -> None:
        """Hold a newer root of trust. It may end the power to force flags off."""
        with self._guard:
            self._swap(self._held.state._replace(root=state.root), self._held.source)
        if self.last_known_good is not None:
            self._keep(lambda copy: copy.save_trust(state.root) if state.root else None)

    def _take_over(self, base: Trusted, pulled: Pulled, source: str) -> bool:
        """Serve and keep what a pass led to; return whether anything changed.

        A kill list may have been pushed while the pass waited for the network; the newer one counts.
        """
        if pulled.state is base:
            if pulled.data is not None and self._held.data is None:
                self._amend(data=pulled.data)
            return False
        with self._guard:
            before = self._held
            state = pulled.state._replace(kills=newer_kills(before.state.kills, pulled.state.kills))
            self._swap(state, source if state.manifest is not before.state.manifest else before.source)
            if pulled.data is not None:
                self._held = self._held._replace(data=pulled.data)
            self._notes.updates += 1
        if state.kills is not before.state.kills:
            self._keep(lambda copy: copy.save_kills(state))
        if pulled.data is not None:
            self._keep(lambda copy: copy.save(state, pulled))
        return True

    def _swap(self, state: Trusted, source: str | None) -> None:
        """Serve a new state, under the guard: everything that can fail is done before the one assignment."""
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
        self._held = Held(state, flags, stale, killed, source, before.tags, before.data)
        self._on_swap(flags)
        self.ready.set()

    def _renew_staleness(self) -> None:
        with self._guard:
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
            self._notes.cache_error = error.message
        else:
            self._notes.cache_error = None

    def _tell(self, callables: tuple[Callable[[], None], ...]) -> None:
        """Call listeners, one after the other also when two threads have news."""
        if not callables:
            return
        with self._telling:
            for each in callables:
                try:
                    each()
                except Exception:
                    import logging  # noqa: PLC0415 - most apps never get here

                    logging.getLogger("flagctl").exception("a listener of the flag client failed")

    def _amend(self, **changes: Any) -> None:
        """Replace parts of what is held that change nothing about the answers."""
        with self._guard:
            self._held = self._held._replace(**changes)

    def _serve_after_fork(self) -> None:
        """Replace the locks in a forked child, and serve what the parent served."""
        self._guard = threading.Lock()
        self._telling = threading.RLock()
        self.ready = threading.Event()
        if self._held.flags is not None:
            self._on_swap(self._held.flags)
            self.ready.set()
