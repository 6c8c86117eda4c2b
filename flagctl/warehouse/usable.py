"""Which columns of events are read, which rows can be used, and what is said about the others: the same for every engine."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flagctl.errors import RemoteError, UsageError
from flagctl.events import COLUMNS, ColumnType
from flagctl.experiments.data import DataFinding
from flagctl.warehouse.lines import look_at
from flagctl.warehouse.pipeline import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flagctl.warehouse.listing import EventFile, Listing

EXPERIMENT_KINDS = ("exposures", "conversions", "measurements")
"""What experiments are analysed on."""
UNREADABLE, REUSED, LACKING = "unreadable-files", "reused-ids", "missing-ids"
"""Codes of findings that a warehouse keeps, since nobody sees them again in its tables."""
_SHOWN = 3
"""Files that are named of those with the same trouble: a wrong column is often in all of them."""
_AT_ONCE = 4
"""Files that are looked through at the same time."""
BAD_SHARE = 0.01
"""A greater share of unusable rows blocks a verdict: what is lost may be lost unevenly."""
KEPT = {
    "exposures": (
        *("ts", "event_id", "environment", "experiment", "variant", "unit_type", "unit_id", "flag", "sdk", "attrs"),
        "is_bot",
    ),
    "conversions": ("ts", "event_id", "environment", "unit_type", "unit_id", "event", "value", "attrs"),
    "measurements": ("ts", "event_id", "environment", "unit_type", "unit_id", "name", "value", "attrs"),
    "evaluations": (
        *("ts", "event_id", "environment", "flag", "variant", "value", "reason", "rule", "error_code", "unit_id"),
        *("context", "bundle", "duration_ns"),
    ),
    "usage": ("ts", "seconds", "environment", "flag", "variant", "reason", "count", "sdk"),
    "guards": ("ts", "event_id", "environment", "flag", "step", "variant", "cause"),
}
"""Columns that are read; a file without one of them has nothing there."""
WHOLE = {kind: tuple(one.name for one in columns) for kind, columns in COLUMNS.items()}
"""All columns there are, for what is kept for later."""
FINITE = f"abs(value) < {LARGEST}"
"""SQL, in every engine, that holds for numbers to compute with: not for NaN, which counts as greater than all."""
EARLIEST, LATEST = 946_684_800_000_000, 4_102_444_800_000_000
"""The years 2000 to 2099: an instant outside counts something else than microseconds, and would be in no experiment's time."""
_IN_TIME = f"ts BETWEEN {EARLIEST} AND {LATEST}"
WITH_TIME = "CASE WHEN ts LIKE '____-__-___%:%' THEN ts END"
"""SQL, in every engine, of instants as text: a day without a time is none, and engines know words such as `today`."""
REQUIRED = {
    "exposures": ("ts", "experiment", "variant", "unit_id"),
    "conversions": ("ts", "unit_id", "event", "value"),
    "measurements": ("ts", "name", "value"),
    "evaluations": ("ts", "flag", "reason"),
    "usage": ("ts", "flag", "reason", "count"),
    "guards": ("ts", "flag", "step"),
}
"""Columns without which a row says nothing."""
_NAMED = frozenset({"exposures", "conversions", "measurements"})
"""Kinds whose unit, if there is one, has a name: an empty one is somebody's mistake, and many would look like one busy unit."""
_SAID = {
    "exposures": ("unit_id", "experiment", "variant"),
    "conversions": ("unit_id", "event"),
    "measurements": ("unit_id", "name"),
    "evaluations": ("flag", "unit_id"),
    "guards": ("flag", "step"),
}
"""What is the same however often, and with whichever delay, one event is delivered."""
_FIRST = {
    "exposures": ("ts", "unit_id", "experiment", "variant"),
    "conversions": ("ts", "unit_id", "event", "value"),
    "measurements": ("ts", "unit_id", "name", "value"),
    "evaluations": ("ts", "flag", "variant"),
    "guards": ("ts", "flag", "step"),
}
"""What decides first which of several rows with one event id counts."""


def order(kind: str, columns: Sequence[str], texts: Callable[[str], str]) -> str:
    """Return the SQL order by which the first of several rows with one event id counts.

    All columns take part, so that rows which are not alike are never equal: otherwise an engine would choose. Those that only
    some readers ask for come last, so that all readers choose the same row.

    Args:
        kind: Of events.
        columns: That are read.
        texts: Makes of a column with a map a text that is the same for the same entries, and only for them.
    """
    wanted = dict.fromkeys([*_FIRST[kind], *KEPT[kind], *columns])
    maps = {one.name for one in COLUMNS[kind] if one.type is ColumnType.STRINGS}
    parts = [texts(name) if name in maps else name for name in wanted if name in columns and name != "event_id"]
    # Engines differ about where nothing belongs, unless they are told.
    return ", ".join(f"{part} ASC NULLS FIRST" for part in parts)


def hashed(kind: str, columns: Sequence[str], function: str, texts: Callable[[str], str]) -> tuple[str, str]:
    """Return the SQL hashes of what an event says whenever it is delivered, and of everything but its id.

    Args:
        kind: Of events.
        columns: That are read.
        function: An engine's hash of any number of columns.
        texts: As for `order`.
    """
    maps = {one.name for one in COLUMNS[kind] if one.type is ColumnType.STRINGS}
    every = [texts(name) if name in maps else name for name in columns if name != "event_id"]
    return tuple(f"{function}({', '.join(names)})" for names in (_SAID[kind], every))  # type: ignore[return-value]


def types_of(kind: str, names: dict[str, str]) -> dict[str, str]:
    """Return the type of each column, by an engine's names for the types of `flagctl.events.COLUMNS`."""
    return {one.name: names[one.type.value] for one in COLUMNS[kind]}


def bad_rows(kind: str) -> dict[str, str]:
    """Return for each required column of a kind of events the SQL condition under which a row cannot be used."""
    checks = {column: f"{column} IS NULL" for column in REQUIRED[kind]}
    checks["ts"] = f"ts IS NULL OR NOT {_IN_TIME}"
    if "value" in checks:
        checks["value"] = f"value IS NULL OR NOT {FINITE}"
    if kind in _NAMED:
        checks["unit_id"] = "unit_id IS NULL OR unit_id = ''" if "unit_id" in checks else "unit_id = ''"
    return checks


def counting(kind: str, whole: frozenset[str] = frozenset()) -> str:
    """Return the SQL aggregates that `unusable` reads: all rows, bad rows, and bad rows by column.

    Args:
        kind: Of events.
        whole: Columns that are known to have a value in every row, no empty text and no impossible instant, and so are not read.
    """
    checks = {
        column: check if column not in whole else f"NOT {FINITE}" if column == "value" else "false"
        for column, check in bad_rows(kind).items()
    }
    bad = " OR ".join(check for check in checks.values())
    counts = ["count(*)", *(f"count(*) FILTER (WHERE {check})" for check in (bad, *checks.values()))]
    return ", ".join(counts)


def usable(kind: str) -> str:
    """Return the SQL condition under which a row can be used."""
    conditions = [_IN_TIME, *(f"{column} IS NOT NULL" for column in REQUIRED[kind])]
    if "value" in REQUIRED[kind]:
        conditions.append(FINITE)
    if kind in _NAMED:
        conditions.append("(unit_id IS NULL OR unit_id <> '')")
    return " AND ".join(conditions)


def unusable(kind: str, row: Sequence[int]) -> list[DataFinding]:
    """Return what is to be said about the counts that `counting` asked for."""
    total, bad = row[0], row[1]
    if not bad:
        return []
    worst, most = max(zip(bad_rows(kind), row[2:], strict=False), key=lambda one: one[1], default=("", 0))
    if worst == "ts":
        worst = "ts (microseconds since 1970)"
    what = f"have no usable {worst} or another column missing" if most else "lack a column or have an unusable one"
    return [
        DataFinding(
            code="unusable-rows",
            message=f"some of {total:,} {kind} {what}, and were left out",
            count=bad,
            blocks=bad / total > BAD_SHARE,
        )
    ]


def duplicated(kind: str, count: int) -> DataFinding:
    """Return what is to be said about rows that were left out because their event was there already."""
    return DataFinding(
        code="duplicate-events", message=f"{kind} were delivered more than once, and count once", count=count
    )


def with_ids_of_others(kind: str, count: int, total: int) -> list[DataFinding]:
    """Return what is to be said about rows that were taken for deliveries of another event, which they are not."""
    message = f"some of {total:,} {kind} have the id of an event with another unit or name, and were left out"
    blocks = count > BAD_SHARE * total
    return [DataFinding(code=REUSED, message=message, count=count, blocks=blocks)] if count else []


def without_ids(kind: str, count: int, alike: int, total: int) -> list[DataFinding]:
    """Return what is to be said about rows without an id: how many there are, and how many are like another one.

    Args:
        kind: Of events.
        count: Rows without an id.
        alike: Those of them that are the same as another one in every column.
        total: Rows.
    """
    if not count or kind == "exposures":
        # Of exposures the first one counts, and however often it was delivered makes no difference.
        return []
    message = f"some of {total:,} {kind} have no event_id; delivered twice they would count twice"
    if not alike:
        return [DataFinding(code=LACKING, message=message, count=count)]
    message = f"some of {total:,} {kind} have no event_id and are the same as another one in every column, but count"
    return [DataFinding(code=LACKING, message=message, count=alike, blocks=alike > BAD_SHARE * total)]


def broken(files: Iterable[EventFile], filesystem: Any) -> list[tuple[str, str]]:
    """Read files to their ends, and return the path and the reason of those that cannot be.

    Slow, and so only done for what an engine may be wrong about, or has failed over without a name.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - rarely needed

    from pyarrow import fs  # noqa: PLC0415 - slow to import

    store = fs.LocalFileSystem() if filesystem is None else filesystem
    wanted = list(files)
    # Unpacking does not hold Python's lock, and a store takes its time to answer.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        reasons = list(pool.map(lambda one: _why_broken(one, store), wanted))
    return [(file.path, reason) for file, reason in zip(wanted, reasons, strict=True) if reason is not None]


def _why_broken(file: EventFile, store: Any) -> str | None:
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import parquet  # noqa: PLC0415 - the same

    try:
        if file.is_parquet:
            with store.open_input_file(file.path) as source:
                for batch in parquet.ParquetFile(source).iter_batches():
                    # Text that is not UTF-8, too: an engine refuses it without a name.
                    batch.validate(full=True)
        else:
            with store.open_input_stream(file.path, compression="detect") as source:
                while source.read(1 << 20):
                    pass
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read to its end: {str(error).splitlines()[0][:120]}"
    return None


def without_copies(listing: Listing, kinds: Iterable[str], findings: list[DataFinding]) -> Listing:
    """Return a listing without files that are there twice, of kinds whose events have no ids to tell them apart by.

    What was left out is added to the findings. Only files of the same size are read.
    """
    from pyarrow import fs  # noqa: PLC0415 - slow to import

    lacking = {kind for kind in kinds if all(one.name != "event_id" for one in COLUMNS[kind])}
    store = fs.LocalFileSystem() if listing.filesystem is None else listing.filesystem
    sizes: dict[tuple[str, int], list[EventFile]] = {}
    for file in listing.files:
        if file.kind in lacking and file.size:
            sizes.setdefault((file.kind, file.size), []).append(file)
    seen: dict[tuple[str, str], str] = {}
    copies: list[str] = []
    for (kind, _), files in sizes.items():
        alike = files if len(files) > 1 else []
        copies += [f.path for f in alike if seen.setdefault((kind, _known_by(f.path, store)), f.path) != f.path]
    if not copies:
        return listing
    findings.append(
        DataFinding(
            code="duplicate-events",
            message=f"{_first_of(copies)}: copies of other files, left out",
            count=len(copies),
        )
    )
    return replace(listing, files=tuple(one for one in listing.files if one.path not in copies))


def _known_by(path: str, store: Any) -> str:
    try:
        return digest_of(path, store)
    except OSError:
        # Whoever reads it says why not.
        return path


def digest_of(path: str, filesystem: Any) -> str:
    """Return the SHA-256 of a file's bytes, by which it is known wherever it lies.

    Args:
        path: Of the file.
        filesystem: PyArrow's that it is in, None for a disk.

    Raises:
        OSError: If it cannot be read.
    """
    from pyarrow import fs  # noqa: PLC0415 - slow to import

    store = fs.LocalFileSystem() if filesystem is None else filesystem
    digest = hashlib.sha256()
    with store.open_input_stream(path, compression=None) as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def without_broken(
    listing: Listing,
    kind: str,
    read: Callable[[str, Listing], None],
    findings: list[DataFinding],
    *,
    unpacks_carefully: bool,
) -> set[str]:
    """Let an engine read the files of a kind; if it fails over files that break off, without these.

    An engine may take a file of something else for one bad line, and a byte order mark for a part of the first line, so all of
    `flagctl.warehouse.lines` is looked for if a row cannot be used.

    Args:
        listing: All files.
        kind: Of events.
        read: Reads the files of a kind, and adds to the findings.
        findings: What is wrong so far.
        unpacks_carefully: Whether the engine fails over a packed file that breaks off. Else it may take what there is for the
            whole, even if that is nothing at all, and packed files are unpacked once more to see whether they have an end.

    Returns:
        Paths of the files that were left out.
    """
    before = len(findings)
    own = [one for one in listing.files if one.kind == kind]
    try:
        read(kind, listing)
    except UsageError:
        raise
    except Exception as error:
        gone = dict(broken(own, listing.filesystem))
        gone |= look_at((one for one in own if not one.is_parquet and one.path not in gone), listing.filesystem).gone
        if not gone:
            where = listing.location
            raise RemoteError(f"{where}: {kind} cannot be read: {str(error).splitlines()[0][:200]}") from error
        del findings[before:]
        left = _without(listing, gone)
        findings += unreadable(left)
        return set(gone) | without_broken(left, kind, read, findings, unpacks_carefully=unpacks_carefully)
    suspects = [one for one in own if not one.is_parquet] if len(findings) > before else []
    packed = [one for one in (suspects if unpacks_carefully else own) if one.path.endswith(".gz")]
    gone = dict(broken(packed, listing.filesystem))
    looked = look_at((one for one in suspects if one.path not in gone), listing.filesystem)
    gone |= looked.gone
    if gone or looked.marked:
        del findings[before:]
        left = _without(listing, gone)
        findings += unreadable(left)
        read(kind, replace(left, files=tuple(replace(one, marked=one.path in looked.marked) for one in left.files)))
    if looked.cut:
        message = f"{_first_of(looked.cut)}: files end within a line, and may lack more than that"
        findings.append(DataFinding(code="cut-files", message=message, count=len(looked.cut)))
    return set(gone)


def _without(listing: Listing, gone: dict[str, str]) -> Listing:
    """Return a listing without some files, by their paths, for the reasons given."""
    return replace(
        listing, files=tuple(one for one in listing.files if one.path not in gone), unreadable=tuple(gone.items())
    )


def unreadable(listing: Listing) -> list[DataFinding]:
    """Return what is to be said about files that cannot be read: once for each reason, with the first of the files."""
    reasons: dict[str, list[str]] = {}
    for path, reason in listing.unreadable:
        reasons.setdefault(reason, []).append(path)
    return [
        DataFinding(code=UNREADABLE, message=f"{_first_of(paths)}: {reason}", count=len(paths), blocks=True)
        for reason, paths in reasons.items()
    ]


def _first_of(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more
