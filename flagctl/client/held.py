"""What a client holds and serves, as values that are replaced as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.client.sync import NO_TAGS, Tags
from flagctl.errors import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.bundle.accept import Trusted
    from flagctl.bundle.kill import KillList
    from flagctl.errors import FlagctlError
    from flagctl.evaluator.flagset import FlagSet

_MAYBE_ROTATED: Final = frozenset({"unknown-key", "bad-signature", "threshold-not-met", "wrong-epoch"})


class Held(NamedTuple):
    """What is served, and where it came from; replaced as a whole.

    Attributes:
        state: Accepted manifest and bundle under the current root of trust.
        flags: The bundle, ready to answer; None before the first.
        stale: Whether `flags` answers as stale.
        killed: Keys of the flags that `flags` forces off.
        source: ``remote``, ``l2``, ``cache`` or ``bootstrap``.
        tags: Tags of manifest and kill list at the remote; empty if they did not come from there.
        data: The manifest's envelope, for passing it on.
    """

    state: Trusted
    flags: FlagSet | None = None
    stale: bool = False
    killed: frozenset[str] = frozenset()
    source: str | None = None
    tags: Tags = NO_TAGS
    data: bytes | None = None


class Clocks(NamedTuple):
    """Time and chance, replaceable in tests: seconds since 1970, monotonic seconds, a number from 0 to 1."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]
    uniform: Callable[[], float]


def maybe_rotated(error: FlagctlError | None) -> bool:
    """Return whether a refusal may come from keys that were rotated meanwhile."""
    return isinstance(error, UntrustedError) and error.reason in _MAYBE_ROTATED


def newer_kills(one: KillList | None, other: KillList | None) -> KillList | None:
    """Return the newer of two kill lists that were both accepted."""
    if one is None or other is None:
        return one or other
    return other if (other.epoch, other.seq) > (one.epoch, one.seq) else one
