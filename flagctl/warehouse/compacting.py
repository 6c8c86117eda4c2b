"""Files of lines become one Parquet file for each day and kind: a tenth of the size, and read thirty times as fast.

Nothing is lost on the way: the new file is written under a hidden name, read again and compared, then renamed, and only then
are the lines removed. It names what it was made of, so that lines which are still there (a crash between the two steps, or
`keep`) are not counted twice. A file with a line that cannot be used stays as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError
from flagctl.warehouse import memory, usable
from flagctl.warehouse.duck import DuckEngine, literal
from flagctl.warehouse.listing import DIGESTS, SOURCES
from flagctl.warehouse.writing import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flagctl.warehouse.listing import EventFile, Listing

_ROWS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What was done with the lines of one kind and day.

    Attributes:
        kind: Of events.
        day: Partition.
        path: The new file; None if nothing was left to write.
        files: Files of lines that it replaces.
        rows: Events in it.
        duplicates: Events that were there more than once, and are once in it.
        bytes_before: Size of the files.
        bytes_after: Size of the new one.
        left: Files that were left as they are, because a line cannot be used.
    """

    kind: str
    day: str
    path: str | None = None
    files: int = 0
    rows: int = 0
    duplicates: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    left: tuple[str, ...] = ()


def compact(
    listing: Listing,
    *,
    before: str,
    keep: bool = False,
    memory_limit: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Compacted]:
    """Pack the lines of past days.

    Args:
        listing: Files on a disk.
        before: Only days before this one, ``YYYY-MM-DD``: applications still write lines of today.
        keep: Leave the lines where they are; they are not read any more.
        memory_limit: Of DuckDB.
        progress: Called with the folder that is packed next.

    Raises:
        UsageError: If a file that was written is not what was read; nothing was removed.
    """
    groups: dict[tuple[str, str, Path], list[EventFile]] = defaultdict(list)
    for file in listing.files:
        if not file.is_parquet and file.day is not None and file.day < before:
            groups[file.kind, file.day, Path(file.path).parent].append(file)
    done = []
    for (kind, day, folder), files in sorted(groups.items()):
        if progress is not None:
            progress(f"packing {kind} of {day}")
        done.append(_pack(replace(listing, files=tuple(files)), (kind, day, folder), keep, memory_limit))
    _remove_leftovers(listing, before, keep=keep)
    return done


def _pack(listing: Listing, place: tuple[str, str, Path], keep: bool, memory_limit: str | None) -> Compacted:
    kind, day, _ = place
    good: list[EventFile] = list(listing.files)
    left: list[EventFile] = []
    with _reading(kind, listing, memory_limit) as engine:
        if _is_whole(engine):
            return _replace_lines(engine, place, good, keep=keep)
    # Rare, so only now file by file.
    for file in listing.files:
        with _reading(kind, replace(listing, files=(file,)), memory_limit) as engine:
            if not _is_whole(engine):
                good.remove(file)
                left.append(file)
    done = Compacted(kind=kind, day=day)
    if good:
        with _reading(kind, replace(listing, files=tuple(good)), memory_limit) as engine:
            done = _replace_lines(engine, place, good, keep=keep)
    return replace(done, left=tuple(one.path for one in left))


@contextlib.contextmanager
def _reading(kind: str, listing: Listing, memory_limit: str | None) -> Iterator[DuckEngine]:
    engine = DuckEngine(memory_limit=memory_limit, columns=usable.WHOLE)
    try:
        engine.load(replace(listing, unreadable=()), (kind,))
        yield engine
    finally:
        engine.close()


def _is_whole(engine: DuckEngine) -> bool:
    """Return whether every line that was read can be used, and is no other event than its id says."""
    return not any(one.code in {"unusable-rows", "unreadable-files", "reused-ids"} for one in engine.findings)


def _replace_lines(
    engine: DuckEngine, place: tuple[str, str, Path], files: list[EventFile], *, keep: bool
) -> Compacted:
    kind, day, folder = place
    total, rows = (
        engine.connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
        for name in (f"all_{kind}", kind)
    )
    target = _write(engine, kind, folder, files)
    _verify(engine, kind, target)
    final = target.with_name(target.name.removeprefix(".").removesuffix(".part"))
    target.rename(final)
    if not keep:
        for file in files:
            if Path(file.path).stat().st_size == file.size:
                Path(file.path).unlink()
    return Compacted(
        kind=kind,
        day=day,
        path=str(final),
        files=len(files),
        rows=rows,
        duplicates=total - rows,
        bytes_before=sum(one.size for one in files),
        bytes_after=final.stat().st_size,
    )


def _query(kind: str) -> str:
    names = ", ".join("make_timestamp(ts) AS ts" if one == "ts" else f'"{one}"' for one in usable.WHOLE[kind])
    return f"SELECT {names} FROM {kind}"  # noqa: S608


@memory.explained()
def _write(engine: DuckEngine, kind: str, folder: Path, files: list[EventFile]) -> Path:
    """Write the events in the order of their instants to a hidden file."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import parquet  # noqa: PLC0415 - the same

    made_of = {
        SOURCES: {Path(one.path).name: one.size for one in files},
        DIGESTS: [usable.digest_of(one.path, None) for one in files],
    }
    # What the lines leave out is left out here, too; the columns are those of the sinks.
    fields = [field.with_nullable(True) for field in arrow_schema(kind)]
    schema = pa.schema(fields, {key: json.dumps(told).encode() for key, told in made_of.items()})
    number = 1
    while (folder / f"packed-{number}.parquet").exists():
        number += 1
    target = folder / f".packed-{number}.parquet.part"
    result: Any = engine.connection.execute(f"{_query(kind)} ORDER BY ts")
    reader = result.to_arrow_reader(_ROWS)
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
    with target.open("rb+") as file:
        # Lines are removed next: a machine that fails then must not lose both.
        os.fsync(file.fileno())
    return target


@memory.explained()
def _verify(engine: DuckEngine, kind: str, target: Path) -> None:
    """Compare what was written, row by row, with what was read.

    Raises:
        UsageError: If they differ; nothing was removed.
    """
    names = ", ".join("epoch_us(ts) AS ts" if one == "ts" else f'"{one}"' for one in usable.WHOLE[kind])
    address = literal(str(target)).replace("'", "''")
    written = f"SELECT {names} FROM read_parquet('{address}', hive_partitioning=false)"  # noqa: S608
    own = f"SELECT * FROM {kind}"  # noqa: S608
    differ = engine.connection.execute(
        f"SELECT (SELECT count(*) FROM ({own} EXCEPT ALL {written})) + (SELECT count(*) FROM ({written} EXCEPT ALL {own}))"  # noqa: S608
    ).fetchone()[0]
    if differ:
        target.unlink()
        raise UsageError(f"{target.parent}: {differ} events differ after writing them; nothing was removed")


def _remove_leftovers(listing: Listing, before: str, *, keep: bool) -> None:
    """Remove lines that an earlier run packed and was ended before it could remove them."""
    from pyarrow import parquet  # noqa: PLC0415 - slow to import

    if keep:
        return
    for file in listing.files:
        if not file.is_parquet or file.day is None or file.day >= before:
            continue
        sources = json.loads((parquet.read_schema(file.path).metadata or {}).get(SOURCES, b"{}"))
        for name, size in sources.items():
            path = Path(file.path).parent / name
            if path.is_file() and path.stat().st_size == size:
                path.unlink()
