"""A warehouse: one DuckDB file with the events of many files, each loaded once, for SQL and for analyses.

Tables: one of each kind of events; `loaded_files`, by whose digests a file is known wherever it lies; `loads`, which counts
what every load did; and those of `flagctl.warehouse.tables`. Instants are timestamps in UTC.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flagctl.errors import ConflictError, FlagctlError, NothingMatchedError, UsageError
from flagctl.events import COLUMNS, EVENT_FORMAT_VERSION
from flagctl.experiments.data import DataFinding
from flagctl.warehouse import memory, usable
from flagctl.warehouse.listing import nothing_of
from flagctl.warehouse.tables import TABLES, create_statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from flagctl.warehouse.listing import EventFile, Listing

_KEPT_PROBLEMS = frozenset({usable.UNREADABLE, usable.REUSED, usable.LACKING})
_SQL_NAMES = {
    "timestamp": "TIMESTAMP",
    "string": "VARCHAR",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "boolean": "BOOLEAN",
    "strings": "MAP(VARCHAR, VARCHAR)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KindLoad:
    """What a load did with one kind of events.

    Attributes:
        kind: Of the events.
        files: Files that were new.
        known: Files that had been loaded before, or were there twice.
        rows: Events that were added.
        unusable: Events that cannot be used, and were left out.
        duplicates: Events that were there already.
    """

    kind: str
    files: int
    known: int
    rows: int
    unusable: int
    duplicates: int


def not_opened(path: str, error: Exception, what: str, hint: str | None = None) -> FlagctlError:
    """Return what to say when DuckDB does not open a file: who has it open, or `what` and DuckDB's own first line."""
    said = str(error).splitlines()[0]
    holder = re.search(r"Conflicting lock is held in .*?\((PID \d+)\)", said)
    if holder:
        return ConflictError(
            f"{path} is open in another process ({holder.group(1)})",
            hint="while one process writes to a warehouse, no other may open it: try again when it is done",
        )
    return UsageError(f"{path} {what}: {said}", hint=hint)


def create(connection: Any) -> None:
    """Make the tables, and the columns of events, that are not there yet.

    Raises:
        UsageError: If the file is of a newer version, or is somebody else's database.
    """
    tables = {
        row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").fetchall()
    }
    if tables and "flagctl_warehouse" not in tables:
        raise UsageError("the database has other tables and is no warehouse", hint="give another file")
    connection.execute("CREATE TABLE IF NOT EXISTS flagctl_warehouse (event_format_version INTEGER)")
    row = connection.execute("SELECT max(event_format_version) FROM flagctl_warehouse").fetchone()
    if row[0] is None:
        connection.execute("INSERT INTO flagctl_warehouse VALUES (?)", [EVENT_FORMAT_VERSION])
    elif row[0] > EVENT_FORMAT_VERSION:
        raise UsageError("the warehouse was made by a newer flagctl", hint="update flagctl")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS loaded_files"
        " (digest VARCHAR PRIMARY KEY, kind VARCHAR, path VARCHAR, size BIGINT, loaded_at TIMESTAMP)"
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS loads (kind VARCHAR, loaded_at TIMESTAMP, files BIGINT, events BIGINT,"
        " unusable BIGINT, duplicates BIGINT)"
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS load_problems"
        " (source VARCHAR, kind VARCHAR, code VARCHAR, message VARCHAR, count BIGINT, found_at TIMESTAMP)"
    )
    catalog = connection.execute("SELECT current_database()").fetchone()[0]
    for kind, columns in COLUMNS.items():
        shapes = {one.name: f'"{one.name}" {_SQL_NAMES[one.type.value]}' for one in columns}
        connection.execute(f"CREATE TABLE IF NOT EXISTS {kind} ({', '.join(shapes.values())})")
        # Columns are added to events without a new version of the format.
        there = _columns_of(connection, catalog, kind)
        for shape in (shape for name, shape in shapes.items() if name not in there):
            connection.execute(f"ALTER TABLE {kind} ADD COLUMN {shape}")
    for table in TABLES:
        connection.execute(create_statement(table, "duckdb"))


def _columns_of(connection: Any, catalog: str, table: str) -> set[str]:
    found = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = ? AND schema_name = 'main' AND table_name = ?",
        [catalog, table],
    )
    return {row[0] for row in found.fetchall()}


@contextlib.contextmanager
def opened(path: Path, *, memory_limit: str | None = None) -> Iterator[Any]:
    """Open a warehouse for writing, made if it is not there, as an engine that reads all columns."""
    from flagctl.warehouse.duck import DuckEngine  # noqa: PLC0415 - it attaches warehouses itself

    if path.parent.is_dir():
        engine = DuckEngine(str(path), memory_limit=memory_limit, columns=usable.WHOLE)
    else:
        raise UsageError(f"there is no folder {path.parent}")
    try:
        create(engine.connection)
        yield engine
    finally:
        engine.close()


def load(engine: Any, listing: Listing, now_ms: int) -> list[KindLoad]:
    """Add the events of files that are not loaded yet; all of them or, if it fails, none.

    Args:
        engine: Of `opened`.
        listing: The files.
        now_ms: When it happens, milliseconds since the epoch.

    Returns:
        What was done, by kind; what is wrong with the files is in the engine's findings.
    """
    connection = engine.connection
    fresh, known, again = _new_files(connection, listing)
    found = []
    kinds = tuple(dict.fromkeys(one.kind for one in listing.files))
    engine.load(replace(listing, files=tuple(fresh.values())), kinds)
    fresh = {digest: one for digest, one in fresh.items() if one.path not in engine.lost}
    connection.execute("BEGIN")
    try:
        for kind in kinds:
            done = _add(engine, kind, [one for one in fresh.values() if one.kind == kind], again=kind in again)
            done = replace(done, known=sum(one.kind == kind for one in known))
            found.append(done)
            connection.execute(
                "INSERT INTO loads VALUES (?, make_timestamp(?), ?, ?, ?, ?)",
                [kind, now_ms * 1000, done.files, done.rows, done.unusable, done.duplicates],
            )
        for digest, file in fresh.items():
            connection.execute(
                "INSERT INTO loaded_files VALUES (?, ?, ?, ?, make_timestamp(?))",
                [digest, file.kind, file.path, file.size, now_ms * 1000],
            )
        _keep_problems(connection, listing.location, engine.findings, now_ms)
        connection.execute("COMMIT")
    except BaseException as error:
        with contextlib.suppress(Exception):
            connection.execute("ROLLBACK")
        if isinstance(error, Exception) and not isinstance(error, UsageError):
            raise UsageError(f"the warehouse cannot be written: {str(error).splitlines()[0]}") from error
        raise
    return found


def _keep_problems(connection: Any, source: str, findings: Iterable[DataFinding], now_ms: int) -> None:
    """Write down what analyses have to know that only the load sees; files that can be read by now are no problem any more."""
    connection.execute("DELETE FROM load_problems WHERE source = ? AND code = ?", [source, usable.UNREADABLE])
    for one in findings:
        # Rows that merely have no id are no problem.
        if one.code not in _KEPT_PROBLEMS or (one.code == usable.LACKING and not one.blocks):
            continue
        kind = next((k for k in COLUMNS if one.message.startswith(f"{k} ") or f"/{k}/" in one.message), None)
        connection.execute(
            "INSERT INTO load_problems VALUES (?, ?, ?, ?, ?, make_timestamp(?))",
            [source, kind, one.code, one.message, one.count, now_ms * 1000],
        )


def _new_files(connection: Any, listing: Listing) -> tuple[dict[str, EventFile], list[EventFile], set[str]]:
    """Tell files that are new from those that were loaded, as they are or as the lines that they were packed from.

    Returns:
        New files by their digests, the others, and kinds of which a new file was packed from lines that were loaded in part.
    """
    loaded = {row[0] for row in connection.execute("SELECT digest FROM loaded_files").fetchall()}
    fresh: dict[str, EventFile] = {}
    known = []
    again = set()
    for file in listing.files:
        digest = f"{file.kind}:{_digest(file.path, listing.filesystem)}"
        lines = {f"{file.kind}:{one}" for one in file.made_of}
        if digest in loaded or digest in fresh or (lines and lines <= loaded):
            known.append(file)
            continue
        fresh[digest] = file
        if lines & loaded:
            again.add(file.kind)
    return fresh, known, again


def _digest(path: str, filesystem: Any) -> str:
    try:
        return usable.digest_of(path, filesystem)
    except FileNotFoundError as error:
        raise ConflictError(
            f"{path} went away while events were read", hint="if it is being packed, load again when that is done"
        ) from error
    except OSError:
        # Whoever reads it says why not.
        return path


@memory.explained()
def _add(engine: Any, kind: str, files: list[EventFile], *, again: bool) -> KindLoad:
    """Add events of new files; if some may be there `again`, only as many rows without an id as there are not yet."""
    connection = engine.connection
    if not files:
        return KindLoad(kind=kind, files=0, known=0, rows=0, unusable=0, duplicates=0)
    catalog = connection.execute("SELECT current_database()").fetchone()[0]
    target = f'"{catalog}".main."{kind}"'
    names = usable.WHOLE[kind]
    values = ", ".join("make_timestamp(n.ts)" if name == "ts" else f'n."{name}"' for name in names)
    # The view of what was read has the same name as the table; without a catalog it hides it.
    order = ", ".join(f'"{name}"' for name in names)
    query = f"INSERT INTO {target} ({order}) SELECT {values} FROM temp.main.{kind} n"  # noqa: S608
    there = f"SELECT {order} FROM {target}"  # noqa: S608
    if "event_id" in names:
        query += f" WHERE n.event_id IS NULL OR NOT EXISTS (SELECT 1 FROM {target} o WHERE o.event_id = n.event_id)"  # noqa: S608
        there += " WHERE event_id IS NULL"
    if again:
        query += f" EXCEPT ALL {there}"
    rows = connection.execute(query).fetchone()[0]
    total, good = (
        connection.execute(f"SELECT count(*) FROM temp.main.{name}_{kind}").fetchone()[0]  # noqa: S608
        for name in ("raw", "all")
    )
    return KindLoad(kind=kind, files=len(files), known=0, rows=rows, unusable=total - good, duplicates=good - rows)


def attach(connection: Any, path: str, columns: Mapping[str, tuple[str, ...]]) -> list[DataFinding]:
    """Make the views that analyses read of a warehouse's tables.

    Returns:
        What loading found unusable.

    Raises:
        UsageError: If the file is no warehouse, or another process is writing to it.
        NothingMatchedError: If nothing was loaded into it.
    """
    quoted = path.replace("'", "''")
    try:
        connection.execute(f"ATTACH '{quoted}' AS warehouse (READ_ONLY)")
        loads = connection.execute(
            "SELECT kind, sum(events + unusable + duplicates), sum(unusable) FROM warehouse.main.loads GROUP BY kind"
        ).fetchall()
    except Exception as error:
        raise not_opened(
            path, error, "cannot be read as a warehouse", hint="flagctl warehouse load makes one"
        ) from error
    if not loads:
        raise NothingMatchedError(f"{path} has no events", hint="flagctl warehouse load")
    there = {kind for kind, total, _ in loads if total}
    if not there & set(columns):
        raise nothing_of(tuple(columns), path, there, hint="flagctl warehouse load")
    findings: list[DataFinding] = []
    for kind, names in columns.items():
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {kind} AS {_events_of(connection, kind, names)}")
        for loaded, total, bad in loads:
            if loaded == kind:
                findings += usable.unusable(kind, (int(total), int(bad)))
    return findings + _kept_problems(connection, columns, {kind: int(total) for kind, total, _ in loads})


def _kept_problems(connection: Any, kinds: Iterable[str], totals: Mapping[str, int]) -> list[DataFinding]:
    tables = "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'warehouse' AND table_name = 'load_problems'"
    if not connection.execute(tables).fetchone()[0]:
        return []
    rows = connection.execute(
        "SELECT kind, code, arg_max(message, found_at), sum(count) FROM warehouse.main.load_problems"
        " GROUP BY kind, code, CASE WHEN code = ? THEN message END ORDER BY code, kind",
        [usable.UNREADABLE],
    ).fetchall()
    return [
        DataFinding(
            code=code,
            message=f"when it was loaded, {message}",
            count=int(count),
            blocks=code == usable.UNREADABLE or count > usable.BAD_SHARE * totals.get(kind, 0),
        )
        for kind, code, message, count in rows
        if kind is None or kind in set(kinds)
    ]


def _events_of(connection: Any, kind: str, names: Iterable[str]) -> str:
    """Return a query of events of a warehouse that an older flagctl may have made: what it does not have is empty."""
    there = _columns_of(connection, "warehouse", kind)
    types = usable.types_of(kind, _SQL_NAMES)
    chosen = (f'"{name}"' if name in there else f'NULL::{types[name]} AS "{name}"' for name in names)
    columns = ", ".join("epoch_us(ts) AS ts" if one == '"ts"' else one for one in chosen)
    return f"SELECT {columns} FROM warehouse.main.{kind}"  # noqa: S608
