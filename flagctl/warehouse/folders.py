"""What lies in a folder of events: files to read, and what cannot be read though it was meant to be.

Nothing is passed over in silence but what writers have not finished, and what has nothing to do with events: a file that is
left out may be half of a variant.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flagctl.events import COLUMNS, SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PARTITION = re.compile(r"/dt=(\d{4}-\d{2}-\d{2})/")
_EVENTS = re.compile(
    r"\.(jsonl?|ndjson|parquet|pq|csv|tsv|avro|orc)(\.(gz|zst|zstd|bz2|xz|lz4|snappy|br|zip|\d+))?$", re.IGNORECASE
)
"""Endings of files that hold rows, whichever way."""
_FIRST_DAY, _LAST_DAY = "2000-01-01", "2099-12-31"


class Entry(NamedTuple):
    """A file, or a folder that cannot be looked into.

    Attributes:
        kind: Of events.
        path: Where it is.
        size: In bytes; 0 of a link that leads nowhere.
        problem: Why it cannot be read, empty if nothing is known against it.
    """

    kind: str
    path: str
    size: int
    problem: str = ""


def entries_of(root: Path, kinds: Iterable[str]) -> list[Entry]:
    """Return what lies in the folders of some kinds of events, links included, each folder once.

    Raises:
        OSError: If the folder itself cannot be read.
    """
    found: list[Entry] = []
    names = sorted(one.name for one in root.iterdir())
    for kind in kinds:
        folder = root / kind
        if folder.is_dir():
            found += _below(kind, folder)
        elif kind in names:
            found.append(Entry(kind, folder.as_posix(), 0, "it is no folder"))
        else:
            alike = (name for name in names if name.lower() == kind and name not in COLUMNS)
            found += [Entry(kind, (root / name).as_posix(), 0, f"the folder's name has to be {kind}") for name in alike]
    return found


def _below(kind: str, folder: Path) -> list[Entry]:
    found: list[Entry] = []
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        found.append(Entry(kind, str(error.filename), 0, f"the folder cannot be read: {error.strerror}"))

    # Links are followed, since a day may lie on another disk; a link to a folder above it is a circle.
    for place, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = [name for name in sorted(folders) if not _is_hidden(name) and _is_new(Path(place, name), seen)]
        found += [one for name in sorted(names) if (one := _entry(kind, Path(place, name))) is not None]
    return found


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Return whether a folder was not looked into yet; one that cannot be asked is left to whoever walks."""
    try:
        about = folder.stat()
    except OSError:
        return True
    place = (about.st_dev, about.st_ino)
    new = place not in seen
    seen.add(place)
    return new


def _entry(kind: str, path: Path) -> Entry | None:
    problem = problem_of(path.name)
    if problem is None:
        return None
    shown = path.as_posix().encode("utf-8", "backslashreplace").decode()
    if shown != path.as_posix():
        return Entry(kind, shown, 0, "its name is not UTF-8")
    try:
        about = path.stat()
    except PermissionError as error:
        return Entry(kind, shown, 0, f"it cannot be read: {error.strerror}")
    except OSError:
        return Entry(kind, shown, 0, problem or "it is a link to a file that is not there")
    return Entry(kind, shown, about.st_size, problem) if stat.S_ISREG(about.st_mode) else None


def problem_of(name: str) -> str | None:
    """Return what keeps a file of this name from being read: empty if nothing does, None if it is no file of events."""
    if _is_hidden(name):
        return None
    if name.endswith(SUFFIXES):
        return ""
    return f"its name does not end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}" if _EVENTS.search(name) else None


def is_hidden_below(path: str, prefix: str) -> bool:
    """Return whether a file of a store, or a folder that it is in, has a name of what is not complete."""
    return any(map(_is_hidden, path.removeprefix(prefix).strip("/").split("/")))


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def day_of(path: str) -> str | None:
    """Return the partition of a file ``YYYY-MM-DD``; None outside of one, or if no event can be of that day.

    The innermost one: the whole folder may lie in a partition of something else.
    """
    days: Sequence[str] = _PARTITION.findall(path)
    if not days or not _FIRST_DAY <= days[-1] <= _LAST_DAY:
        return None
    try:
        date.fromisoformat(days[-1])
    except ValueError:
        return None
    return days[-1]
