"""The methods of a client that ask its attribute providers; what they do is in `flagctl.client.completing`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.client.completing import Completing


class Completable:
    """A client that may have attribute providers."""

    _completing: Completing | None

    def complete(self, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return a context with all attributes that the providers know, after waiting for each at most its timeout.

        Evaluations do so by themselves, for what a flag reads. This is for doing it once, before many.
        """
        return dict(context or {}) if self._completing is None else self._completing.look_up(context)

    async def complete_async(self, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """As `complete`, without blocking the event loop; then evaluate with what it returns."""
        return dict(context or {}) if self._completing is None else await self._completing.look_up_async(context)
