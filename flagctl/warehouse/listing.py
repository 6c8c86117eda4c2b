"""Which files of events there are, on a disk or in S3, and which of them can be read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flagctl.errors import NothingMatchedError, RemoteError, UsageError
from flagctl.events import COLUMNS, ColumnType
from flagctl.warehouse.folders import Entry, day_of, entries_of, is_hidden_below, problem_of
from flagctl.warehouse.usable import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_WIDEST = 38
"""Digits of the greatest decimals that every engine reads."""

SOURCES = b"flagctl.sources"
"""Key of a Parquet file's metadata: names of the files of lines beside it that it was made of, with their sizes."""
DIGESTS = b"flagctl.digests"
"""Key of the same metadata: the SHA-256 of each of these files."""

READ_COLUMNS = {
    "exposures": ("ts", "event_id", "experiment", "variant", "unit_id"),
    "conversions": ("ts", "event_id", "unit_id", "event", "value"),
    "measurements": ("ts", "event_id", "name", "value"),
    "evaluations": ("ts", "flag", "reason"),
    "usage": ("ts", "flag", "reason", "count"),
    "guards": ("ts", "flag", "step"),
}
"""Columns without which a Parquet file of a kind says nothing; the others are empty if they are missing."""
_MADE_BY = {
    "exposures": "clients report exposures to sinks that accept them, when they are asked for the flag of a running experiment",
    "conversions": "client.track_conversion(...) reports conversions",
    "measurements": "client.measure(...) reports measurements",
    "evaluations": "Telemetry(log_rate=...) lets clients log evaluations",
    "usage": "clients count evaluations for sinks that accept usage, and log them with Telemetry(log_rate=...)",
    "guards": "breakers of guarded code report what they do",
}
"""Who writes events of a kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """A file of events.

    Attributes:
        kind: As in `flagctl.events.KINDS`.
        path: As DuckDB, PyArrow and Spark read it; without a scheme.
        day: Its partition ``YYYY-MM-DD``, None outside of one.
        size: In bytes.
        columns: Names of a Parquet file's columns; empty for JSON lines, where every column may be missing anywhere.
        types: Names and types of a Parquet file's columns that are read.
        whole: Names of a Parquet file's columns that have a value in every row, and no empty text, as far as its footer says.
        counted: Whether instants are integers of microseconds.
        nanoseconds: Whether instants have nanoseconds.
        marked: Whether it is known to begin with a byte order mark.
        made_of: SHA-256 of each of the files of lines that it was packed from.
    """

    kind: str
    path: str
    day: str | None
    size: int
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    whole: frozenset[str] = frozenset()
    counted: bool = False
    nanoseconds: bool = False
    marked: bool = False
    made_of: tuple[str, ...] = ()

    @property
    def is_parquet(self) -> bool:
        """Whether it is Parquet; else it is JSON lines."""
        return self.path.endswith(".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files of a folder of events.

    Attributes:
        location: As it was given.
        files: In the order of their names.
        unreadable: Path and reason of files that cannot be read.
        filesystem: PyArrow's, None for files on a disk.
        database: Whether the location is a warehouse's DuckDB file, whose tables are read instead of files.
    """

    location: str
    files: tuple[EventFile, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    filesystem: Any = None
    database: bool = False

    def of(self, kind: str, *, parquet: bool) -> list[EventFile]:
        """Return the files of a kind in one of the two formats."""
        return [one for one in self.files if one.kind == kind and one.is_parquet is parquet]


def days_around(since_ms: int | None, until_ms: int) -> tuple[str, str]:
    """Return the first and the last partition whose files can hold events of a span of time.

    A day more on both sides: whoever writes the files may count days otherwise, and events may be filed by when they came.

    Args:
        since_ms: First instant, milliseconds since the epoch; None if there is none.
        until_ms: Last one.
    """
    day = timedelta(days=1)
    first = "0000-00-00" if since_ms is None else (_EPOCH + timedelta(milliseconds=since_ms) - day).date().isoformat()
    return first, (_EPOCH + timedelta(milliseconds=until_ms) + day).date().isoformat()


def list_events(
    location: str,
    kinds: Iterable[str],
    *,
    days: tuple[str, str] | None = None,
    endpoint_url: str | None = None,
    region: str | None = None,
) -> Listing:
    """List files of events and look into the Parquet ones.

    Args:
        location: A folder, ``file:///folder``, ``s3://bucket/prefix``, or the file of a warehouse.
        kinds: Which kinds to list.
        days: First and last partition to read; files outside of partitions are always read.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.

    Raises:
        NothingMatchedError: If there is no such folder, or nothing in it.
        RemoteError: If the store cannot be listed.
        UsageError: If the location is of another kind.
    """
    scheme = urlsplit(location).scheme
    if scheme == "s3":
        filesystem, found = _list_s3(location, kinds, endpoint_url, region)
    elif scheme in {"", "file"}:
        root = Path(location.removeprefix("file://"))
        try:
            if root.is_file():
                return Listing(location=location.removeprefix("file://"), files=(), database=True)
            filesystem, found = None, _list_folder(location, root, tuple(kinds))
        except OSError as error:
            raise UsageError(f"the folder {location} cannot be read: {error.strerror}") from error
    else:
        raise UsageError(
            f"events are read from folders and s3://, not from {scheme}://", hint="give a folder or s3://…"
        )
    files: list[EventFile] = []
    unreadable: list[tuple[str, str]] = []
    packed: dict[str, int] = {}
    # Parquet first: it may name lines that it was made of.
    for kind, path, size, problem in sorted(
        found, key=lambda one: (one.kind, not one.path.endswith(".parquet"), one.path)
    ):
        day = day_of(path)
        if days is not None and day is not None and not days[0] <= day <= days[1]:
            continue
        file = EventFile(kind=kind, path=path, day=day, size=size)
        if problem:
            unreadable.append((path, problem))
            continue
        try:
            if path.endswith(".parquet"):
                files.append(_look_into(file, filesystem, packed))
            elif packed.get(path) != size:
                files.append(_look_at(file))
        except _UnreadableError as error:
            unreadable.append((path, str(error)))
    return Listing(
        location=location,
        files=tuple(sorted(files, key=lambda one: (one.kind, one.path))),
        unreadable=tuple(unreadable),
        filesystem=filesystem,
    )


def _list_folder(location: str, root: Path, kinds: tuple[str, ...]) -> list[Entry]:
    if not root.is_dir():
        raise NothingMatchedError(f"there is no folder {location}", hint="name the folder that the sinks write to")
    found = entries_of(root, kinds)
    if not found:
        raise nothing_of(kinds, location, {one.kind for one in entries_of(root, COLUMNS)})
    return found


def nothing_of(
    wanted: tuple[str, ...], location: str, there: Collection[str], *, hint: str | None = None
) -> NothingMatchedError:
    """Return the error for a place without any of the events that a command reads: what there is, and who would write them.

    Args:
        wanted: Kinds of events.
        location: As it was given.
        there: Names of folders or tables with something in them; those that are no kind of events do not count.
        hint: What to do if others write them; None says where their files lie.
    """
    others = [kind for kind in COLUMNS if kind in there]
    if not others and len(wanted) > 1:
        what = "no events"
    else:
        what = f"no {' or '.join(wanted)}" + (f", only {' and '.join(others)}" if others else "")
    made = f"{_MADE_BY[wanted[0]]}; " if others else ""
    hint = hint or f"files lie in {location.rstrip('/')}/{wanted[0]}/dt=YYYY-MM-DD/"
    return NothingMatchedError(f"{location} has {what}", hint=made + hint)


def _list_s3(
    location: str, kinds: Iterable[str], endpoint_url: str | None, region: str | None
) -> tuple[Any, list[Entry]]:
    from pyarrow import fs  # noqa: PLC0415 - slow to import

    parts = urlsplit(location)
    options: dict[str, Any] = {"connect_timeout": 5.0, "request_timeout": 60.0}
    if endpoint_url:
        place = urlsplit(endpoint_url)
        options |= {"endpoint_override": place.netloc, "scheme": place.scheme}
    if region or endpoint_url:
        options["region"] = region or "us-east-1"
    store = fs.S3FileSystem(**options)
    prefix = f"{parts.netloc}/{parts.path.strip('/')}".rstrip("/")
    found: list[Entry] = []
    try:
        for kind in kinds:
            selector = fs.FileSelector(f"{prefix}/{kind}", recursive=True, allow_not_found=True)
            found += [
                Entry(kind, one.path, one.size, problem)
                for one in store.get_file_info(selector)
                if one.is_file and not is_hidden_below(one.path, prefix)
                if (problem := problem_of(one.base_name)) is not None
            ]
        selector = fs.FileSelector(prefix, allow_not_found=True)
        there = [] if found else [one.base_name for one in store.get_file_info(selector)]
    except OSError as error:
        raise RemoteError(f"{location} cannot be listed: {error}") from error
    if not found:
        raise nothing_of(tuple(kinds), location, there)
    return store, found


class _UnreadableError(Exception):
    """Why a file cannot be used."""


def _look_at(file: EventFile) -> EventFile:
    """Return a file of lines. An empty one has no events; an empty packed one is none."""
    if file.size == 0 and file.path.endswith(".gz"):
        raise _UnreadableError("it is empty, which no packed file is")
    return file


def _look_into(file: EventFile, filesystem: Any, packed: dict[str, int]) -> EventFile:
    """Return a Parquet file with what its footer says about its columns; one without any value counts as missing.

    Files of lines that were packed into it are added to `packed`, with their size: those that are still there say the same.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import parquet  # noqa: PLC0415 - the same

    try:
        metadata = parquet.read_metadata(file.path, filesystem=filesystem)
        schema = metadata.schema.to_arrow_schema()
    except (OSError, pa.ArrowException) as error:
        raise _UnreadableError(f"not a readable Parquet file: {str(error).splitlines()[0][:120]}") from error
    missing = [name for name in READ_COLUMNS.get(file.kind, ()) if name not in schema.names]
    if missing:
        raise _UnreadableError(f"the column {missing[0]} is missing")
    # Engines do not tell small letters from capitals, and would read the first one.
    known = {one.name for one in COLUMNS[file.kind]}
    alike = [name for name, count in Counter(map(str.lower, schema.names)).items() if count > 1 and name in known]
    if alike:
        raise _UnreadableError(f"the column {alike[0]} is there more than once")
    fields = [schema.field(one.name) for one in COLUMNS[file.kind] if one.name in schema.names]
    for column in COLUMNS[file.kind]:
        if column.name in schema.names and not _fits(schema.field(column.name).type, column.type):
            raise _UnreadableError(f"the column {column.name} is {schema.field(column.name).type}, not {column.type}")
    fields = [one for one in fields if not pa.types.is_null(one.type)]
    folder = file.path.rpartition("/")[0]
    told = schema.metadata or {}
    for name, size in json.loads(told.get(SOURCES, b"{}")).items():
        packed[f"{folder}/{name}"] = size
    ts = schema.field("ts").type
    return replace(
        file,
        columns=tuple(one.name for one in fields),
        types=tuple(f"{one.name} {one.type}" for one in fields),
        whole=_whole(metadata),
        counted=bool(pa.types.is_integer(ts)),
        # The old form of 96 bits has them as well, but engines read it as an instant.
        nanoseconds=bool(pa.types.is_timestamp(ts)) and ts.unit == "ns" and "INT96" not in _physical(metadata, "ts"),
        made_of=tuple(json.loads(told.get(DIGESTS, b"[]"))),
    )


def _physical(metadata: Any, name: str) -> set[str]:
    """Return how a column lies in its file."""
    columns = map(metadata.schema.column, range(metadata.num_columns))
    return {one.physical_type for one in columns if one.path == name}


def _whole(metadata: Any) -> frozenset[str]:
    """Return the columns with a value in every row, no text empty and no instant impossible, as far as the footer tells."""
    if not metadata.num_row_groups:
        return frozenset()
    whole = {metadata.schema.column(index).path for index in range(metadata.num_columns)}
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            known = column.statistics
            if known is None or not known.has_null_count or known.null_count or _may_be_empty(known):
                whole.discard(column.path_in_schema)
            elif column.path_in_schema == "ts" and not _is_in_time(known):
                whole.discard("ts")
    return frozenset(whole)


def _may_be_empty(known: Any) -> bool:
    """Return whether one of the texts that a footer tells about may be empty: the smallest text is."""
    return known.physical_type == "BYTE_ARRAY" and not (known.has_min_max and known.min_raw)


def _is_in_time(known: Any) -> bool:
    """Return whether all instants that a footer tells about are surely possible; of those in another unit it is not sure."""
    if known.physical_type != "INT64" or not known.has_min_max:
        return False
    # Unsigned numbers that are too great look like negative ones here.
    return bool(EARLIEST <= known.min_raw <= known.max_raw <= LATEST)


def _fits(actual: Any, wanted: ColumnType) -> bool:
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    kind = pa.types
    if kind.is_dictionary(actual):
        actual = actual.value_type
    if kind.is_null(actual):
        return True
    if wanted is ColumnType.TIMESTAMP:
        return bool(kind.is_timestamp(actual) or kind.is_integer(actual))
    if wanted is ColumnType.STRING:
        return bool(kind.is_string(actual) or kind.is_large_string(actual) or kind.is_string_view(actual))
    if wanted is ColumnType.STRINGS:
        return bool(kind.is_map(actual))
    if wanted is ColumnType.BOOLEAN:
        return bool(kind.is_boolean(actual))
    if wanted is ColumnType.INT64:
        return bool(kind.is_integer(actual))
    # DuckDB takes wider decimals for something else.
    narrow = kind.is_decimal(actual) and actual.precision <= _WIDEST
    # Spark reads no numbers of 16 bits.
    floating = kind.is_floating(actual) and not kind.is_float16(actual)
    return bool(floating or kind.is_integer(actual) or narrow)
