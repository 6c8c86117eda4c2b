"""What a client serves at one moment, for programs that pass flags on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from flagctl.client.held import Held
    from flagctl.evaluator.flagset import FlagSet


class Snapshot(NamedTuple):
    """Flags, and what they are; all parts belong together.

    Attributes:
        flags: The flags under kill list and expiry, without guards, telemetry and attribute providers.
        stale: Whether they answer as stale.
        killed: Keys of the flags that the kill list forces off.
        seq: Number of the manifest; None without one.
        issued: When the manifest was signed, seconds since 1970; None without one.
        lists: Which version is held of each list of a big segment, as ``name sha256``.
    """

    flags: FlagSet
    stale: bool = False
    killed: frozenset[str] = frozenset()
    seq: int | None = None
    issued: int | None = None
    lists: tuple[str, ...] = ()


def snapshot_of(held: Held, lists: tuple[str, ...] = ()) -> Snapshot | None:
    """Return what is held, and which lists, or None before the first bundle."""
    if held.flags is None:
        return None
    manifest = held.state.manifest
    return Snapshot(
        held.flags,
        held.stale,
        held.killed,
        None if manifest is None else manifest.seq,
        None if manifest is None else manifest.issued,
        lists,
    )
