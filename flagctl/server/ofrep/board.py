"""How the workers of one server learn from one another that there are other flags.

Each worker has a client of its own, and each looks at the remote in its own time. The first one to see a change writes its
tag into a file that all of them look at a few times a second; the others then look at the remote at once.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, final
from uuid import uuid4

if TYPE_CHECKING:
    from pathlib import Path


@final
class Board:
    """One line that all workers of a server can read and write.

    Args:
        folder: A folder of this server's own.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "newest"

    def write(self, tag: str) -> None:
        """Put up a tag; a full disk only makes the others slower."""
        with contextlib.suppress(OSError):
            temporary = self._path.with_name(f".{uuid4().hex}")
            temporary.write_text(tag, encoding="ascii")
            os.replace(temporary, self._path)  # noqa: PTH105 - the same

    def read(self) -> str | None:
        """Return the tag that was put up last."""
        try:
            return self._path.read_text(encoding="ascii")
        except OSError:
            return None
