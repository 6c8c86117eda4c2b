"""Numbers of signed pointers: within an epoch they only rise, and no number is used twice."""

from __future__ import annotations

from typing import Protocol

from flagctl.errors import UntrustedError


class Numbered(Protocol):
    """A manifest, a kill list, or a pointer to a list."""

    @property
    def epoch(self) -> int:
        """Number of the time between two rotations of keys."""

    @property
    def seq(self) -> int:
        """Number within the epoch."""

    @property
    def digest(self) -> str:
        """Digest of the payload."""


def check_newer(held: Numbered | None, found: Numbered, what: str, key: str) -> bool:
    """Return whether a pointer is another one than the held one.

    Args:
        held: What was accepted last, None for nothing.
        found: What was read, with a good signature.
        what: For messages, such as ``manifest``.
        key: Whose signature it is, likewise.

    Raises:
        UntrustedError: ``rollback`` if it is older, ``equivocation`` if it is another one of the same number.
    """
    if held is None or held.epoch != found.epoch or found.seq > held.seq:
        return True
    if found.seq < held.seq:
        raise UntrustedError(
            f"{what} {found.seq} is older than {what} {held.seq}, which was seen already", reason="rollback"
        )
    if found.digest != held.digest:
        raise UntrustedError(
            f"there are two different {what}s with number {found.seq}: somebody who holds the {key} has signed both",
            reason="equivocation",
        )
    return False
