"""In the place of `Updater` for a client that serves one set of flags for ever: no remote, no thread, no trust root."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, final

from flagctl.bundle.accept import Trusted
from flagctl.client.held import Held
from flagctl.client.status import ClientStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.evaluator.flagset import FlagSet

_SOURCE: Final = "fixed"


@final
class StillUpdater:
    """What `Client` needs of an updater, for flags that never change.

    Args:
        url: Where they are said to come from.
        flags: What to serve.
        on_swap: Gets the flags to serve.
    """

    def __init__(self, url: str, flags: FlagSet, on_swap: Callable[[FlagSet], None]) -> None:
        header = flags.header
        self._url = url
        self._on_swap = on_swap
        self.held = Held(Trusted(header.env, header.project, document=flags.document), flags, source=_SOURCE)
        self.ready = threading.Event()
        self.ready.set()
        self.listeners: tuple[Callable[[], None], ...] = ()
        self.observers: tuple[Callable[[], None], ...] = ()

    def serve_again(self) -> None:
        """Hand over the flags once more."""
        if self.held.flags is not None:
            self._on_swap(self.held.flags)

    def tell_of_lists(self) -> None:
        """Call the listeners, as `Serving.tell_of_lists`."""
        for listener in self.listeners:
            listener()

    def update(self, *, follow: bool = False) -> bool:  # noqa: ARG002 - as `Updater.update`
        """Return that nothing changed."""
        return False

    def disconnect(self) -> None:
        """Do nothing: there is no connection."""

    def status(self, *, closed: bool, conversions_dropped: int) -> ClientStatus:
        """Return what the client says about itself."""
        state = self.held.state
        document = state.document
        return ClientStatus(
            state="closed" if closed else "ready",
            url=self._url,
            environment=state.environment,
            project=state.project,
            source=_SOURCE,
            epoch=None,
            seq=None,
            bundle_sha256=document.sha256 if document else None,
            flag_count=len(document.flag_keys()) if document else None,
            commit=None,
            issued=None,
            expires=None,
            trust_version=None,
            trust_expired=False,
            seconds_since_success=None,
            polls=0,
            updates=0,
            failures=0,
            rejected={},
            last_error=None,
            last_error_reason=None,
            killed=(),
            kills_seq=None,
            kills_error=None,
            cache_error=None,
            conversions_dropped=conversions_dropped,
        )
