"""The part of a relay that copies the lists of big segments: signed pointers, and the files they name.

A list is as public and as untrusted as everything else there: it is held to the root of trust before it is copied. Files are
large, so each is read from the remote once for every version, and kept in memory to fill places that lose it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

from flagctl.bundle.envelope import MAX_POINTER
from flagctl.bundle.unit_list import ListPointer, check_file, is_newer, list_file_key, list_key, read_pointer
from flagctl.client.listed import list_names
from flagctl.client.mirror import put_list, put_object
from flagctl.errors import FlagctlError, RemoteError
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from flagctl.bundle.accept import Trusted
    from flagctl.storage.remote import Remote


class _Held(NamedTuple):
    """A version of a list: pointer, its envelope, the file, and the tag the envelope came with."""

    pointer: ListPointer
    envelope: bytes
    data: bytes
    etag: str | None


@final
class ListRelay:
    """Copies the lists that one environment's bundle names.

    Args:
        source: The remote.
    """

    def __init__(self, source: Remote) -> None:
        self._source = source
        self._held: dict[str, _Held] = {}

    def read(self, state: Trusted) -> FlagctlError | None:
        """Read what is new; return the first thing that is wrong, which stops no other list."""
        names = () if state.document is None else list_names(state.document)
        for name in self._held.keys() - set(names):
            del self._held[name]
        problem: FlagctlError | None = None
        for name in names:
            try:
                self._look(state, name)
            except FlagctlError as error:
                problem = problem or error
        return problem

    def keys(self, environment: str) -> list[str]:
        """Return the places of the files in use."""
        return [list_file_key(environment, held.pointer.sha256) for held in self._held.values()]

    def fill(self, place: Remote, state: Trusted, *, due: bool, sure: bool) -> list[str]:
        """Put the lists into a place; return the keys that were written.

        Args:
            place: Where to.
            state: A reader's state.
            due: Whether every file is looked for, even if its pointer lies there.
            sure: Whether what cannot be verified is replaced, too.

        Raises:
            RemoteError: If the place cannot be reached.
        """
        environment = state.environment
        written: list[str] = []
        present = set(place.list(f"{environment}/list-files/")) if due and self._held else set()
        for name, held in self._held.items():
            file = list_file_key(environment, held.pointer.sha256)
            key = list_key(environment, name)
            lies = place.get(key, max_bytes=MAX_POINTER) if not due else None
            same = isinstance(lies, Fetched) and lies.data == held.envelope
            # A file of the right name is not read again: who uses it checks it.
            if (due and file not in present) or (not due and not same):
                written += [file] if put_object(place, file, held.data) else []
            if not same and put_list(place, state, held.pointer, held.envelope, sure=sure) is not None:
                written.append(key)
        return written

    def _look(self, state: Trusted, name: str) -> None:
        held = self._held.get(name)
        key = list_key(state.environment, name)
        found = self._source.get(key, etag=None if held is None else held.etag, max_bytes=MAX_POINTER)
        if not isinstance(found, Fetched):
            return  # as before, or never published: then there is nothing to copy
        pointer = read_pointer(state, found.data, name)
        if held is not None and not is_newer(held.pointer, pointer):
            self._held[name] = held._replace(etag=found.etag)
            return
        file = self._source.get(list_file_key(state.environment, pointer.sha256), max_bytes=pointer.size)
        if not isinstance(file, Fetched):
            raise RemoteError(f"the remote lacks the file of the list '{name}'")
        check_file(pointer, file.data)
        self._held[name] = _Held(pointer, found.data, file.data, found.etag)
