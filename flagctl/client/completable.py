"""The methods of a client that ask others than the bundle: attribute providers, and lists of members.

What they do is in `flagctl.client.completing` and `flagctl.client.big_segments`, imported when there is something to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.client.completing import Completing
    from flagctl.client.status import ClientStatus
    from flagctl.evaluator.flagset import FlagSet
    from flagctl.evaluator.lists import ListReader
    from flagctl.storage.remote import Remote

LIST_SECONDS: Final = 300.0
"""How long a look at one list, which may be large, may take."""


class ListSource(NamedTuple):
    """Where a client has lists from.

    Attributes:
        reader: Who the application says knows them; None: they are fetched.
        open_remote: Opens the remote; None for a client without one.
        folder: The client's cache folder, or None.
    """

    reader: ListReader | None = None
    open_remote: Callable[[], Remote] | None = None
    folder: str | None = None


class Completable:
    """A client that may have attribute providers, and lists."""

    _completing: Completing | None
    _latest: FlagSet | None
    _list_source: ListSource
    _lists: Any = None

    def complete(self, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return a context with all attributes that the providers know, after waiting for each at most its timeout.

        Evaluations do so by themselves, for what a flag reads. This is for doing it once, before many.
        """
        return dict(context or {}) if self._completing is None else self._completing.look_up(context)

    async def complete_async(self, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """As `complete`, without blocking the event loop; then evaluate with what it returns."""
        return dict(context or {}) if self._completing is None else await self._completing.look_up_async(context)

    def _attach_lists(self) -> None:
        from flagctl.client.big_segments import attach  # noqa: PLC0415 - only apps with big segments pay

        self._lists = attach(self, *self._list_source) or False  # type: ignore[arg-type] # every one is a `Client`

    def refresh_lists(self) -> None:
        """Look at the lists of big segments now, on the caller's thread; trouble shows in `status`."""
        if hasattr(self._lists, "look"):
            self._lists.look()

    def _list_versions(self) -> tuple[str, ...]:
        return self._lists.versions() if hasattr(self._lists, "versions") else ()

    def _with_completing(self, status: ClientStatus) -> ClientStatus:
        if self._completing is not None:
            status = status._replace(attributes=self._completing.status())
        if hasattr(self._lists, "status"):
            status = status._replace(big_segments=self._lists.status())
        return status

    def _close_completing(self) -> None:
        if self._completing is not None:
            self._completing.close()
        if hasattr(self._lists, "close") and self._list_source.reader is None:
            self._lists.close()
