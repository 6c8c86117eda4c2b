"""Putting accepted pointers into another place, where a newer one is never replaced by an older one.

Used by clients that repair their shared cache, by publishers that fill it, and by agents. Everybody may write there at any
time, so each write is on condition of the very bytes it was decided on. What lies there is held to the writer's own root of
trust:

================================== ============================================================================================
what lies there                    what happens
================================== ============================================================================================
nothing, or an older pointer       it is replaced
the same, or a newer one           it stays
of a later epoch, or needs a newer it stays: the writer is behind
flagctl
what cannot be verified            it is replaced only if the writer is `sure`: it has just seen at the remote that what it holds
                                   is current, under the root of trust it holds
================================== ============================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.bundle.accept import read_manifest
from flagctl.bundle.accept_kills import read_kill_list
from flagctl.bundle.envelope import MAX_POINTER, parse_envelope
from flagctl.bundle.kill import parse_kill_list
from flagctl.bundle.manifest import parse_manifest
from flagctl.bundle.names import kill_key, manifest_key, trust_key
from flagctl.bundle.unit_list import list_key, parse_pointer, read_pointer
from flagctl.errors import ConflictError, UntrustedError
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.bundle.accept import Trusted
    from flagctl.bundle.kill import KillList
    from flagctl.bundle.manifest import Manifest
    from flagctl.bundle.trust import TrustRoot
    from flagctl.bundle.unit_list import ListPointer
    from flagctl.storage.remote import Remote

    Pointer = Manifest | KillList | ListPointer

_ROUNDS: Final = 8
"""So many writers may be faster, one after the other; all of them wrote something at least as good."""

_NEWER: Final = frozenset({"unsupported-version", "requires-newer"})


def put_manifest(place: Remote, state: Trusted, data: bytes, *, sure: bool) -> str | None:
    """Put the manifest of a state into a place, unless what lies there is as good.

    Args:
        place: Where.
        state: Holds the manifest.
        data: The manifest's envelope.
        sure: Whether what cannot be verified is replaced, too.

    Returns:
        Tag of what was written, None if nothing was.

    Raises:
        RemoteError: If the place cannot be reached.
    """
    if state.manifest is None:
        return None
    key = manifest_key(state.environment)
    reading = _Reading(state.manifest, lambda found: read_manifest(state, found), parse_manifest)
    return _put_newer(place, key, data, reading, sure=sure)


def put_kills(place: Remote, state: Trusted, *, sure: bool) -> str | None:
    """Put the kill list of a state into a place, unless what lies there is as good; as `put_manifest`.

    Raises:
        RemoteError: If the place cannot be reached.
    """
    if state.kills is None or not state.kills.data:
        return None
    key = kill_key(state.environment)
    reading = _Reading(state.kills, lambda found: read_kill_list(state, found), parse_kill_list)
    return _put_newer(place, key, state.kills.data, reading, sure=sure)


def put_list(place: Remote, state: Trusted, pointer: ListPointer, data: bytes, *, sure: bool) -> str | None:
    """Put the pointer of a big segment's list into a place, unless what lies there is as good; as `put_manifest`.

    Raises:
        RemoteError: If the place cannot be reached.
    """
    key = list_key(state.environment, pointer.name)
    reading = _Reading(pointer, lambda found: read_pointer(state, found, pointer.name), parse_pointer)
    return _put_newer(place, key, data, reading, sure=sure)


def put_root(place: Remote, root: TrustRoot) -> bool:
    """Put a step of the chain of roots into a place; return whether something else lay there.

    Raises:
        RemoteError: If the place cannot be reached.
    """
    return put_object(place, trust_key(root.version), root.data)


def put_object(place: Remote, key: str, data: bytes) -> bool:
    """Put an immutable object into a place whose bytes were checked; return whether something else lay there, or nothing.

    Raises:
        RemoteError: If the place cannot be reached.
    """
    try:
        present = place.get(key, max_bytes=len(data))
    except UntrustedError:
        present = None
    if isinstance(present, Fetched) and present.data == data:
        return False
    place.put(key, data)
    return True


class _Reading:
    """How one kind of pointer is compared."""

    __slots__ = ("_ours", "_parse", "_read")

    def __init__(self, ours: Pointer, read: Callable[[bytes], Pointer], parse: Callable[[bytes], Pointer]) -> None:
        self._ours = ours
        self._read = read
        self._parse = parse

    def stays(self, found: bytes, *, sure: bool) -> bool:
        """Return whether what was found is to stay."""
        try:
            there = self._read(found)
        except UntrustedError as error:
            if error.reason in _NEWER:
                return True
            if error.reason != "wrong-epoch":
                return not sure
            # Signatures are checked first: it was good in its epoch.
            there = self._parse(parse_envelope(found).payload)
        same = (there.epoch, there.seq) == (self._ours.epoch, self._ours.seq)
        if same and there.digest != self._ours.digest:
            return not sure
        return (there.epoch, there.seq) >= (self._ours.epoch, self._ours.seq)


def _put_newer(place: Remote, key: str, data: bytes, reading: _Reading, *, sure: bool) -> str | None:
    for _ in range(_ROUNDS):
        tag: str | None = None
        try:
            present = place.get(key, max_bytes=MAX_POINTER)
        except UntrustedError:  # longer than any pointer
            longer_tag = getattr(place, "longer_tag", None)
            if not sure:
                return None
            if longer_tag is None:
                return place.put(key, data)
            tag = longer_tag(MAX_POINTER)
        else:
            if isinstance(present, Fetched):
                if reading.stays(present.data, sure=sure):
                    return None
                tag = present.etag
        try:
            return place.put(key, data, if_match=tag, if_none_match=tag is None)
        except ConflictError:
            continue
    return None
