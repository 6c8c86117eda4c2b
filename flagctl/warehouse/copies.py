"""Files of a store, copied to this machine for an engine that cannot open the store itself."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.warehouse.lines import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from collections.abc import Iterable

_AT_ONCE = 8
_CHUNK = 1 << 20


def without_mark(path: str, filesystem: Any, target: Path) -> None:
    """Write the lines of a file without the byte order mark before them, unpacked.

    Args:
        path: Of the file; packed if its name says so.
        filesystem: PyArrow's that it is in, None for a disk.
        target: What to write.
    """
    from pyarrow import fs  # noqa: PLC0415 - slow to import

    store = fs.LocalFileSystem() if filesystem is None else filesystem
    with store.open_input_stream(path, compression="detect") as source, target.open("wb") as copy:
        copy.write(source.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK))
        shutil.copyfileobj(source, copy, _CHUNK)


class Copies:
    """A temporary folder with copies, each made once.

    Args:
        filesystem: PyArrow's, which the files are read from.
    """

    def __init__(self, filesystem: Any) -> None:
        self._filesystem = filesystem
        self._folder = tempfile.TemporaryDirectory(prefix="flagctl-events-", ignore_cleanup_errors=True)
        self._copied: dict[str, Path] = {}

    def fetch(self, paths: Iterable[str]) -> None:
        """Copy files, several at once: most are small, and a store takes its time to answer.

        Raises:
            OSError: If one cannot be read, or the disk is full.
        """
        new = [path for path in dict.fromkeys(paths) if path not in self._copied]
        # Numbered, since files of several days may have one name; a name that begins with _ or . is hidden from Spark.
        wanted = {
            path: Path(self._folder.name) / f"{number}-{path.rpartition('/')[2]}"
            for number, path in enumerate(new, start=len(self._copied))
        }
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._copy, wanted, wanted.values()))
        self._copied |= wanted

    def path_of(self, path: str) -> Path:
        """Return the copy of a file that was fetched."""
        return self._copied[path]

    def close(self) -> None:
        """Remove the copies."""
        self._folder.cleanup()

    def _copy(self, path: str, target: Path) -> None:
        # Bytes as they are: what reads the copy tells packed lines by their name.
        with self._filesystem.open_input_stream(path, compression=None) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, _CHUNK)
