"""Membership lists of big segments: build a file, publish it, see what is live, look a unit up.

Publishing stores the file under its digest, then replaces the list's signed pointer on condition that it is the one that
was read. Readers go on with the old file until they have the new one.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.bundle.envelope import MAX_POINTER, seal
from flagctl.bundle.fields import NAME, format_instant
from flagctl.bundle.unit_list import (
    PAYLOAD_TYPE,
    ListPointer,
    check_file,
    list_file_key,
    list_key,
    read_pointer,
    write_pointer,
)
from flagctl.errors import ConflictError, NothingMatchedError, RemoteError, UntrustedError, UsageError
from flagctl.evaluator.lists import HashList, ListFormatError, write_list
from flagctl.ops.publication import check_signers
from flagctl.ops.target import with_newest_root
from flagctl.ops.unit_list_model import ListFile, ListState, ListStates, Membership, PublishedList
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from flagctl.model import Repository
    from flagctl.ops.target import Target
    from flagctl.signing import Signer

_ATTEMPTS: Final = 8
_FILL_SECONDS: Final = 10.0
_CHANCE: Final = 2.0**64


class FileLists:
    """Lists in files, for evaluations on this machine.

    Args:
        files: Files with units or made by `build_list`, by the lists' names.

    Raises:
        UsageError: If one cannot be read.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._lists = {name: HashList(read_units(name, path, 0.0), name, check=False) for name, path in files.items()}

    def contains(self, name: str, unit: str) -> bool | None:
        """Return whether a list contains a unit; None if it is not among these."""
        return unit in self._lists[name] if name in self._lists else None


def list_of(repository: Repository, segment: str) -> str:
    """Return the list that a segment names.

    Raises:
        NothingMatchedError: There is no such segment.
        UsageError: It names none.
    """
    found = repository.segments.get(segment)
    if found is None:
        raise NothingMatchedError(f"there is no segment '{segment}'")
    if found.members is None:
        raise UsageError(f"segment '{segment}' names no list", hint="add to its file: members: {list: NAME}")
    return found.members


def build_list(name: str, source: Path, out: Path, *, clock: Callable[[], float] = time.time) -> ListFile:
    """Make a list's file from a text file with one unit a line; empty lines do not count.

    Raises:
        UsageError: The text cannot be read, or the file cannot be written.
    """
    begin = time.perf_counter()
    data = read_units(name, source, clock())
    try:
        out.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error
    return _described(name, data, str(out), time.perf_counter() - begin)


def read_units(name: str, source: Path, now: float) -> bytes:
    """Return a list's file from a text file with units, or from one that `build_list` wrote.

    Raises:
        UsageError: It cannot be read, or is neither.
    """
    if NAME.fullmatch(name) is None:
        raise UsageError(f"'{name[:80]}' cannot be the name of a list")
    try:
        with source.open("rb") as file:
            if file.read(8) == b"FLAGLST1":
                data = source.read_bytes()
                HashList(data, name)
                return data
        with source.open(encoding="utf-8", newline=None) as text:
            return write_list(name, (line for line in map(_unit, text) if line), int(now * 1000))
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from error
    except ListFormatError as error:
        raise UsageError(f"{source} is no list '{name}': {error}") from error
    except ValueError as error:
        raise UsageError(f"{source} is no list of units in UTF-8: {error}") from error


class ListVersion(NamedTuple):
    """What is to be published.

    Attributes:
        name: The list.
        data: Its file.
        stale_after: Seconds after which its units are stale; None: never.
    """

    name: str
    data: bytes
    stale_after: int | None = None


def publish_list(
    target: Target, signers: Sequence[Signer], version: ListVersion, *, clock: Callable[[], float] = time.time
) -> PublishedList:
    """Make a list's file the current one.

    Raises:
        ConflictError: Other publishers won every round, or what is there cannot be verified.
        RemoteError: The remote cannot be reached.
        UntrustedError: The remote's chain of roots is broken.
        UsageError: The signers do not suffice.
    """
    target = with_newest_root(target)
    check_signers(target, signers)
    name, data, stale_after = version
    remote, trust = target.remote, target.trust
    units = HashList(data, name, check=False)
    sha256 = hashlib.sha256(data).hexdigest()
    for _ in range(_ATTEMPTS):
        etag, live = _live(target, name)
        same_epoch = live if live is not None and live.epoch == trust.epoch else None
        pointer = ListPointer(
            project=target.project,
            environment=target.environment,
            epoch=trust.epoch,
            seq=same_epoch.seq + 1 if same_epoch is not None else 1,
            issued=int(clock()),
            trust=trust.version,
            name=name,
            units=units.count,
            generated=units.generated_ms // 1000,
            sha256=sha256,
            size=len(data),
            stale_after=stale_after,
        )
        if same_epoch is not None and (same_epoch.sha256, same_epoch.stale_after) == (sha256, stale_after):
            return _published("unchanged", target, same_epoch, same_epoch.seq)
        file_key = list_file_key(target.environment, sha256)
        if live is None or live.sha256 != sha256:
            _put_once(target, file_key, data)
        envelope = seal(PAYLOAD_TYPE, write_pointer(pointer), signers)
        try:
            remote.put(list_key(target.environment, name), envelope, if_match=etag, if_none_match=etag is None)
        except ConflictError:
            continue
        fetched = remote.get(list_key(target.environment, name), max_bytes=MAX_POINTER)
        if not isinstance(fetched, Fetched):
            raise RemoteError(f"the list '{name}' does not read back")
        read_pointer(target.reader(), fetched.data, name)
        return _published("published", target, pointer, same_epoch.seq if same_epoch else None)
    raise ConflictError(
        f"other publishers of the list '{name}' were faster {_ATTEMPTS} times in a row", hint="try again"
    )


def fill_redis(url: str, place: tuple[str, str], name: str, data: bytes) -> int:
    """Put a list's file into Redis, for applications that ask there; return how many units it has.

    Args:
        url: Location of the server.
        place: Project and environment.
        name: The list.
        data: Its file.

    Raises:
        RemoteError: The server cannot be reached.
        UsageError: The location cannot be used, or the library is not installed.
    """
    from flagctl.storage.redis_lists import RedisListStore

    units = HashList(data, name, check=False)
    store = RedisListStore(url, *place, timeout=_FILL_SECONDS)
    try:
        return store.fill(name, units.hashes(), units.generated_ms)
    finally:
        store.close()


def list_states(target: Target, repository: Repository, *, clock: Callable[[], float] = time.time) -> ListStates:
    """Return what is live of all lists that segments name.

    Raises:
        RemoteError: The remote cannot be reached.
        UntrustedError: The remote's chain of roots is broken.
    """
    target = with_newest_root(target)
    wanted: dict[str, list[str]] = {}
    for key, segment in repository.segments.items():
        if segment.members is not None:
            wanted.setdefault(segment.members, []).append(key)
    states = tuple(_state(target, name, tuple(keys), clock()) for name, keys in sorted(wanted.items()))
    return ListStates(environment=target.environment, url=target.remote.url, lists=states)


def check_unit(name: str, unit: str, *, target: Target | None = None, file: Path | None = None) -> Membership:
    """Return whether a unit is in a list: in a file, or in the version that is live at a target.

    Raises:
        NothingMatchedError: The list was never published there.
        RemoteError: The remote cannot be reached, or lacks the file.
        UntrustedError: What is there is not vouched for.
        UsageError: The file is no list of that name.
    """
    seq = None
    if file is not None:
        data = read_units(name, file, 0.0)
    else:
        assert target is not None  # noqa: S101 - one of both is given
        data, seq = _fetch(with_newest_root(target), name)
    units = HashList(data, name, check=False)
    generated = format_instant(units.generated_ms // 1000)
    return Membership(list=name, unit=unit, member=unit in units, seq=seq, units=units.count, generated=generated)


def _fetch(target: Target, name: str) -> tuple[bytes, int]:
    fetched = target.remote.get(list_key(target.environment, name), max_bytes=MAX_POINTER)
    if not isinstance(fetched, Fetched):
        raise NothingMatchedError(f"the list '{name}' was never published for '{target.environment}'")
    pointer = read_pointer(target.reader(), fetched.data, name)
    stored = target.remote.get(list_file_key(target.environment, pointer.sha256), max_bytes=pointer.size)
    if not isinstance(stored, Fetched):
        raise RemoteError(f"the remote lacks the file of the list '{name}'")
    check_file(pointer, stored.data)
    return stored.data, pointer.seq


def _live(target: Target, name: str) -> tuple[str | None, ListPointer | None]:
    fetched = target.remote.get(list_key(target.environment, name), max_bytes=MAX_POINTER)
    if not isinstance(fetched, Fetched):
        return None, None
    try:
        return fetched.etag, read_pointer(target.reader(), fetched.data, name)
    except UntrustedError as error:
        if error.reason == "wrong-epoch":
            return fetched.etag, None  # from before a rotation of keys
        raise ConflictError(
            f"what lies in the place of the list '{name}' cannot be verified: {error.message}",
            hint=f"remove {list_key(target.environment, name)} at the remote if nobody can explain it",
        ) from error


def _put_once(target: Target, key: str, data: bytes) -> None:
    with suppress(ConflictError):  # it is there already: the name is its digest
        target.remote.put(key, data, if_none_match=True)


def _published(action: str, target: Target, pointer: ListPointer, previous: int | None) -> PublishedList:
    return PublishedList(
        action=action,
        list=pointer.name,
        environment=target.environment,
        url=target.remote.url,
        epoch=pointer.epoch,
        seq=pointer.seq,
        previous_seq=previous,
        units=pointer.units,
        size=pointer.size,
        sha256=pointer.sha256,
        generated=format_instant(pointer.generated),
        stale_after=pointer.stale_after,
    )


def _state(target: Target, name: str, segments: tuple[str, ...], now: float) -> ListState:
    fetched = target.remote.get(list_key(target.environment, name), max_bytes=MAX_POINTER)
    if not isinstance(fetched, Fetched):
        return ListState(list=name, segments=segments, state="missing", problem="never published: nobody is a member")
    try:
        pointer = read_pointer(target.reader(), fetched.data, name)
    except UntrustedError as error:
        return ListState(list=name, segments=segments, state="untrusted", problem=error.message)
    stale = pointer.stale_after is not None and now >= pointer.generated + pointer.stale_after
    return ListState(
        list=name,
        segments=segments,
        state="stale" if stale else "live",
        seq=pointer.seq,
        units=pointer.units,
        generated=format_instant(pointer.generated),
        problem="older than it should be" if stale else None,
    )


def _described(name: str, data: bytes, file: str | None, seconds: float) -> ListFile:
    units = HashList(data, name, check=False)
    return ListFile(
        list=name,
        file=file,
        units=units.count,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        generated=format_instant(units.generated_ms // 1000),
        false_positives=units.count / _CHANCE,
        seconds=round(seconds, 3),
    )


def _unit(line: str) -> str:
    return line.rstrip("\n")
