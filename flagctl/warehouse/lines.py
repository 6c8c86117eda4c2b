"""Files of lines that hold something else, or end too early: an engine sees one bad line in them, however many events they hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.warehouse.listing import EventFile

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some editors and libraries put before UTF-8."""
_SIGNS = {
    b"\x1f\x8b": "it is packed with gzip, and its name does not end in .gz",
    b"\x28\xb5\x2f\xfd": "it is packed with zstd",
    b"PAR1": "it is Parquet, and its name does not end in .parquet",
    b"\xff\xfe": "it is UTF-16; lines of JSON are UTF-8",
    b"\xfe\xff": "it is UTF-16; lines of JSON are UTF-8",
}
"""First bytes of what is no text."""
_CHUNK = 1 << 16
_LONGEST = 1 << 24
"""Bytes of a line; engines read none that is longer."""
_TRIED = 100
"""Lines of which one should be an object."""


class Looked(NamedTuple):
    """What is known of files of lines.

    Attributes:
        gone: Path to the reason of those that are something else.
        marked: Paths of those that begin with a byte order mark, packed or not.
        cut: Paths of those that end within a line, though not packed.
    """

    gone: dict[str, str]
    marked: set[str]
    cut: list[str]


def look_at(files: Iterable[EventFile], filesystem: Any) -> Looked:
    """Look at the beginnings and ends of files; those that are packed can be unpacked."""
    from pyarrow import fs  # noqa: PLC0415 - slow to import

    store = fs.LocalFileSystem() if filesystem is None else filesystem
    found = Looked({}, set(), [])
    for file in files:
        with store.open_input_stream(file.path, compression="detect") as source:
            head = _head(source)
        if head.startswith(BYTE_ORDER_MARK):
            found.marked.add(file.path)
        reason = next((why for sign, why in _SIGNS.items() if head.startswith(sign)), None)
        if reason is None and not _has_objects(head.removeprefix(BYTE_ORDER_MARK)):
            reason = "none of its first lines is a JSON object"
        if reason is not None:
            found.gone[file.path] = reason
        elif not file.path.endswith(".gz") and _ends_within_a_line(file, store):
            found.cut.append(file.path)
    return found


def _head(source: Any) -> bytes:
    """Return the first lines, whole but for a file without any ends of lines."""
    head: bytes = source.read(_CHUNK)
    while len(head) < _LONGEST and b"\n" not in head and (more := source.read(_CHUNK)):
        head += more
    if more := source.read(1):
        head = head[: head.rfind(b"\n") + 1] or head + more
    return head


def _has_objects(head: bytes) -> bool:
    """Return whether one of some lines is an object; there may also be none at all."""
    lines = [one for one in head.split(b"\n") if one.strip()]
    return not lines or any(map(_is_object, lines[:_TRIED]))


def _is_object(line: bytes) -> bool:
    try:
        # Decoded here: of bytes it would guess whether they are UTF-16.
        return isinstance(json.loads(line.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _ends_within_a_line(file: EventFile, store: Any) -> bool:
    with store.open_input_file(file.path) as source:
        size = source.size()
        source.seek(max(0, size - _CHUNK))
        tail: bytes = source.read()
    last = tail.rpartition(b"\n")[2]
    return bool(last.strip()) and (len(last) < _CHUNK or size == len(last)) and not _is_object(last)
