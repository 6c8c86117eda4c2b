"""How much memory DuckDB may take, where it puts what does not fit, and what is said when that does not suffice."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE: Final = "FLAGCTL_MEMORY_LIMIT"
"""Environment variable with the limit for whoever gives none."""
MOST: Final = 2_500_000_000
"""Bytes that DuckDB may take unless told otherwise: with Python and what DuckDB does not count, the process stays below 4 GiB."""
MOST_BY_THREAD: Final = 500_000_000
"""Every thread works on blocks of its own; with less for each, a machine of many cores would spill more than it computes."""
OWN_SHARE: Final = 0.8
"""Of the memory that it sees, in a container the container's, DuckDB takes this much by itself."""
SHARE: Final = 0.5
"""Of the same memory, what is taken unless told otherwise: other programs need some."""
BESIDE: Final = 1 / 3
"""Of the limit, how much arrays of numbers may take besides."""

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B", re.IGNORECASE)


def bytes_of(text: str) -> int:
    """Return the number of bytes of a size such as ``4GB`` or ``512 MiB``.

    Raises:
        UsageError: If it is none.
    """
    match = _SIZE.fullmatch(text.strip())
    size = 0
    if match:
        number, prefix, binary = match.groups()
        power = "KMGT".find(prefix.upper()) + 1 if prefix else 0
        size = int(float(number) * (1024 if binary else 1000) ** power)
    if not size:
        raise UsageError(f"a memory limit is a size such as 4GB or 512MiB, not '{text}'")
    return size


def bound(connection: Any, memory_limit: str | None) -> None:
    """Bound DuckDB's memory: by what was asked for, by the environment, or by what suits the machine.

    Args:
        connection: Of DuckDB, with its own limit.
        memory_limit: Such as ``4GB``; None if nobody asked.

    Raises:
        UsageError: If the limit is none.
    """
    wanted = memory_limit or os.environ.get(VARIABLE)
    if wanted:
        limit = bytes_of(wanted)
    else:
        own, threads = connection.execute(
            "SELECT current_setting('memory_limit'), current_setting('threads')"
        ).fetchone()
        limit = default_limit(bytes_of(own), int(threads))
    connection.execute(f"SET memory_limit = '{limit}B'")


def default_limit(own: int, threads: int) -> int:
    """Return the bytes that DuckDB may take if nobody says anything.

    Args:
        own: What it would take by itself.
        threads: That it uses.
    """
    return min(max(MOST, threads * MOST_BY_THREAD), int(own / OWN_SHARE * SHARE))


def spill_folder() -> str:
    """Return the name of a temporary folder that DuckDB makes when it has to, and removes.

    Its own choice for a database in memory would be ``.tmp`` in the working folder, which may be somebody's repository.
    """
    return str(Path(tempfile.gettempdir()) / f"flagctl-duckdb-{uuid.uuid4().hex[:12]}")


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Say what to do when neither memory nor disk suffices.

    Raises:
        UsageError: If so.
    """
    import duckdb  # noqa: PLC0415 - slow to import

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        said = str(error).splitlines()[0]
        used = re.search(r"\(.*/(.*) used\)", said)
        size = used.group(1) if used else "all there is"
        if "offload" in said:
            raise UsageError(
                f"the disk for intermediate results is full: {size} were free",
                hint=f"let TMPDIR name a folder with more space than {tempfile.gettempdir()}, or raise --memory-limit",
            ) from error
        raise UsageError(
            f"the memory limit of {size} is too low, even with what was put aside on the disk",
            hint=f"raise it: --memory-limit 4GB, or {VARIABLE}=4GB",
        ) from error
