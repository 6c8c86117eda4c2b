"""Membership lists in a client: fetched apart from the flags, checked, swapped in the background.

A thread of its own looks after the lists that the served bundle names, a while after start and then once a minute. A list's
pointer is verified like a manifest, its file against the pointer; then one assignment replaces the old version, which goes on
answering until then. With a cache folder the file is kept there and mapped into memory, so that processes share it and a
restart has it at once.

What a list is worth stands in the details of answers that may rest on it, `metadata["big_segments"]`, by segment:
``healthy``; ``stale`` if its units are older than its publisher said they may become, or it could not be looked after for
ten minutes; ``unavailable`` if there is none, so that nobody is a member.
"""

from __future__ import annotations

import mmap
import os
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from flagctl.bundle.envelope import MAX_POINTER
from flagctl.bundle.fields import format_instant
from flagctl.bundle.unit_list import ListPointer, check_file, is_newer, list_file_key, list_key, read_pointer
from flagctl.client.listed import ListedFlags, list_names
from flagctl.errors import FlagctlError, RemoteError, UntrustedError
from flagctl.evaluator.lists import HashList, ListFormatError
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.bundle.accept import Trusted
    from flagctl.client.client import Client
    from flagctl.client.dress import Evaluating
    from flagctl.storage.remote import Remote

LOOK_SECONDS: Final = 60.0
"""Between two looks at the lists; each wait is up to a fifth shorter or longer."""

STALE_SECONDS: Final = 600.0
"""After so long without a look that succeeded, a list is stale."""

_SHORTEST_RETRY: Final = 1.0
_watched: Final[weakref.WeakSet[BigSegments]] = weakref.WeakSet()


class _Held(NamedTuple):
    """A list in use."""

    pointer: ListPointer
    units: HashList
    etag: str | None


@final
class BigSegments:
    """The lists of one client; the reader that its flags ask.

    Args:
        state: Returns the current root of trust, project and environment.
        open_remote: Opens the remote.
        names: Returns the lists that are needed.
        folder: Where files are kept; None: in memory.
        clocks: Wall clock, monotonic clock, a random number from 0 to 1.

    Attributes:
        on_change: Called after a look that led to other units, on the thread that looked.
    """

    def __init__(
        self,
        state: Callable[[], Trusted | None],
        open_remote: Callable[[], Remote],
        names: Callable[[], tuple[str, ...]],
        folder: str | None,
        clocks: tuple[Callable[[], float], Callable[[], float], Callable[[], float]],
    ) -> None:
        self._state = state
        self._open_remote = open_remote
        self._names = names
        self._folder = folder
        self._wall, self._monotonic, self._uniform = clocks
        self._held: dict[str, _Held] = {}
        self._looked_at: dict[str, float] = {}
        self._problems: dict[str, str] = {}
        self._failures = 0
        self.on_change: Callable[[], None] = _nothing
        self._begin()
        _watched.add(self)

    def _begin(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._remote: Remote | None = None

    def start(self) -> None:
        """Start the thread."""
        thread = threading.Thread(target=_run, args=(weakref.ref(self), self._stop), name="flagctl-lists", daemon=True)
        thread.start()

    def contains(self, name: str, unit: str) -> bool | None:
        """Return whether a list contains a unit; None if it is not there."""
        held = self._held.get(name)
        return None if held is None else unit in held.units

    def health(self, name: str) -> str:
        """Return ``healthy``, ``stale`` or ``unavailable``."""
        held = self._held.get(name)
        if held is None:
            return "unavailable"
        pointer = held.pointer
        too_old = pointer.stale_after is not None and self._wall() >= pointer.generated + pointer.stale_after
        looked_at = self._looked_at.get(name)
        alone = looked_at is None or self._monotonic() - looked_at >= STALE_SECONDS
        return "stale" if too_old or alone else "healthy"

    def look(self) -> None:
        """Look after all lists once. Trouble with one is recorded, and stops no other."""
        with self._lock:
            state = self._state()
            if state is None:
                return
            trouble = False
            before = self.versions()
            for name in self._names():
                try:
                    self._look(state, name)
                except (FlagctlError, ListFormatError, OSError) as error:
                    trouble = True
                    self._problems[name] = str(error)[:300]
                else:
                    self._problems.pop(name, None)
                    self._looked_at[name] = self._monotonic()
            self._failures = self._failures + 1 if trouble else 0
            changed = self.versions() != before
        if changed:
            self.on_change()

    def versions(self) -> tuple[str, ...]:
        """Return which version of each list is held, as ``name sha256``, ascending."""
        return tuple([f"{name} {held.pointer.sha256}" for name, held in sorted(self._held.items())])

    def delay(self) -> float:
        """Return seconds to the next look."""
        longest = LOOK_SECONDS * (0.8 + 0.4 * self._uniform())
        return min(longest, _SHORTEST_RETRY * 2.0 ** min(self._failures, 10)) if self._failures else longest

    def status(self) -> tuple[Mapping[str, Any], ...]:
        """Return what a client's status says about lists, as JSON values."""
        rows = []
        for name in self._names():
            held = self._held.get(name)
            pointer = None if held is None else held.pointer
            rows.append(
                {
                    "list": name,
                    "health": self.health(name),
                    "seq": pointer.seq if pointer else None,
                    "units": pointer.units if pointer else None,
                    "generated": format_instant(pointer.generated) if pointer else None,
                    "last_error": self._problems.get(name),
                }
            )
        return tuple(rows)

    def close(self) -> None:
        """Let the thread end. Lists that are held go on answering."""
        self._stop.set()

    def renew_after_fork(self) -> None:
        """Begin anew in a forked child; the lists are shared with the parent's memory."""
        stopped = self._stop.is_set()
        self._begin()
        if not stopped:
            self.start()

    def _look(self, state: Trusted, name: str) -> None:
        held = self._held.get(name)
        if held is None and self._folder is not None:
            held = self._from_folder(state, name, self._folder)
        if self._remote is None:
            self._remote = self._open_remote()
        key = list_key(state.environment, name)
        fetched = self._remote.get(key, etag=None if held is None else held.etag, max_bytes=MAX_POINTER)
        if fetched is None:
            raise RemoteError(f"the list '{name}' was never published for '{state.environment}'")
        if not isinstance(fetched, Fetched):
            return
        pointer = read_pointer(state, fetched.data, name)
        if not is_newer(None if held is None else held.pointer, pointer):
            if held is not None:
                self._held[name] = held._replace(etag=fetched.etag)
            return
        stored = self._remote.get(list_file_key(state.environment, pointer.sha256), max_bytes=pointer.size)
        if not isinstance(stored, Fetched):
            raise RemoteError(f"the remote lacks the file of the list '{name}'")
        check_file(pointer, stored.data)
        data: Any = stored.data
        if self._folder is not None:
            data = _keep(self._folder, pointer, fetched.data, stored.data) or data
        self._held[name] = _Held(pointer, HashList(data, name, check=False), fetched.etag)
        if self._folder is not None and held is not None and held.pointer.sha256 != pointer.sha256:
            with suppress(OSError):
                os.unlink(_file_path(self._folder, held.pointer))  # noqa: PTH108 - what is mapped stays readable

    def _from_folder(self, state: Trusted, name: str, folder: str) -> _Held | None:
        """Take over the copy of an earlier process, if it is still vouched for."""
        try:
            with open(_pointer_path(folder, name), "rb") as file:  # noqa: PTH123 - as in `flagctl.client.copies`
                pointer = read_pointer(state, file.read(MAX_POINTER), name)
            data = _mapped(_file_path(folder, pointer))
            check_file(pointer, data)
            held = self._held[name] = _Held(pointer, HashList(data, name, check=False), None)
        except (OSError, FlagctlError, ValueError):
            return None
        return held


def attach(client: Client, reader: Any, open_remote: Callable[[], Remote] | None, folder: str | None) -> Any:
    """Give a client whose bundle names lists somebody who knows them.

    Args:
        client: The client, which serves flags already.
        reader: Whom the application wants to be asked; None: lists are fetched from the remote.
        open_remote: Opens the remote; None for a client without one.
        folder: The client's cache folder, or None.

    Returns:
        The reader.
    """
    reference = weakref.ref(client)

    def state() -> Trusted | None:
        owner = reference()
        return None if owner is None else owner._updater.held.state  # noqa: SLF001

    def names() -> tuple[str, ...]:
        owner = reference()
        latest = None if owner is None else owner._latest  # noqa: SLF001
        return () if latest is None else list_names(latest.document)

    def tell() -> None:
        owner = reference()
        if owner is not None:
            owner._updater.tell_of_lists()  # noqa: SLF001

    if reader is None and open_remote is not None:
        held = client._updater.held.state  # noqa: SLF001
        if folder is not None:
            folder = os.path.join(folder, held.project or "_unsigned", held.environment, "lists")  # noqa: PTH118
        reader = BigSegments(state, open_remote, names, folder, client._list_clocks)  # noqa: SLF001
        reader.on_change = tell
        reader.start()
        weakref.finalize(client, reader.close).atexit = False

    def health(name: str) -> str:
        if reader is None:
            return "unavailable"
        return reader.health(name) if hasattr(reader, "health") else "healthy"

    before = client._parts.attributes  # noqa: SLF001

    def dressed(served: Evaluating) -> Evaluating:
        owner = reference()
        latest = None if owner is None else owner._latest  # noqa: SLF001
        if latest is not None and "lists" in latest.header.capabilities:
            latest.use_lists(reader)
            served = ListedFlags(served, latest.document, health)
        return served if before is None else before(served)

    client._parts = client._parts._replace(attributes=dressed)  # noqa: SLF001
    return reader


def _nothing() -> None:
    """Tell nobody."""


def _run(reference: weakref.ref[BigSegments], stop: threading.Event) -> None:
    """Look and wait, until told to stop or until the client is gone."""
    delay = 0.0
    while not stop.wait(delay):
        lists = reference()
        if lists is None:
            return
        try:
            lists.look()
        except Exception:
            import logging  # noqa: PLC0415 - most apps never get here

            logging.getLogger("flagctl").exception("looking after lists failed")
        delay = lists.delay()
        del lists


def _pointer_path(folder: str, name: str) -> str:
    return os.path.join(folder, f"{name}.json")  # noqa: PTH118


def _file_path(folder: str, pointer: ListPointer) -> str:
    return os.path.join(folder, pointer.sha256)  # noqa: PTH118


def _keep(folder: str, pointer: ListPointer, envelope: bytes, data: bytes) -> Any:
    """Write a list's file and pointer, and return the file mapped into memory; None if the disk does not take it."""
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        path = _file_path(folder, pointer)
        if not os.path.exists(path):  # noqa: PTH110
            _write(path, data)
        _write(_pointer_path(folder, pointer.name), envelope)
        mapped = _mapped(path)
        check_file(pointer, mapped)
    except (OSError, ValueError, UntrustedError):
        return None
    return mapped


def _write(path: str, data: bytes) -> None:
    temporary = f"{path}.{os.getpid()}.{threading.get_ident()}.tmp"
    with open(temporary, "wb") as file:  # noqa: PTH123
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)  # noqa: PTH105


def _mapped(path: str) -> mmap.mmap:
    with open(path, "rb") as file:  # noqa: PTH123
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _renew_all() -> None:
    for lists in list(_watched):
        lists.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
