"""Tables for people, kept in step: rows that changed are written, rows that went are removed, all in one transaction."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError
from flagctl.warehouse import memory
from flagctl.warehouse.tables import FLAG_EVALUATIONS, TABLES, Table, create_statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flagctl.warehouse.duck import DuckEngine

_BATCH = 20_000
_PATIENCE = 10
"""Seconds that PostgreSQL has to accept a connection, unless the URL or the environment says otherwise."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """What keeping a table in step did.

    Attributes:
        table: Its name.
        rows: How many there are now.
        written: Rows that are new or differ from what was there.
        removed: Rows that are not there any more.
    """

    table: str
    rows: int
    written: int
    removed: int


class Keeper:
    """A database whose tables are kept in step. Made by `keeper`.

    Args:
        cursor: Of the database, within the transaction.
        dialect: ``duckdb`` or ``postgres``.
    """

    def __init__(self, cursor: Any, dialect: str) -> None:
        self._cursor = cursor
        self._dialect = dialect

    def prepare(self) -> None:
        """Make the tables that are not there yet, one process at a time.

        Raises:
            UsageError: If a table of one of the names is somebody else's.
        """
        if self._dialect == "postgres":
            self._cursor.execute("SELECT pg_advisory_xact_lock(hashtext('flagctl_warehouse'))")
        for table in TABLES:
            self._cursor.execute(create_statement(table, self._dialect))
            self._cursor.execute(f"SELECT * FROM {table.name} LIMIT 0")  # noqa: S608
            if [column[0] for column in self._cursor.description] != list(table.columns):
                raise UsageError(
                    f"the database has a table {table.name} with other columns", hint="give another database or schema"
                )

    def replace(self, table: Table, rows: Sequence[dict[str, Any]]) -> TableChange:
        """Let a table have these rows and no others."""
        written = self._write(table, rows, update=True)
        keep = {row["id"] for row in rows}
        self._cursor.execute(f"SELECT id FROM {table.name}")  # noqa: S608
        gone = [row[0] for row in self._cursor.fetchall() if row[0] not in keep]
        if gone:
            self._cursor.executemany(f"DELETE FROM {table.name} WHERE id = {self._mark}", [(one,) for one in gone])  # noqa: S608
        return self._change(table, written, len(gone))

    def add(self, table: Table, batches: Iterable[Sequence[dict[str, Any]]]) -> TableChange:
        """Let a table have these rows, too; those whose key it has already stay as they are."""
        return self._change(table, sum(self._write(table, rows, update=False) for rows in batches), 0)

    @property
    def _mark(self) -> str:
        return "?" if self._dialect == "duckdb" else "%s"

    def _change(self, table: Table, written: int, removed: int) -> TableChange:
        return TableChange(table=table.name, rows=self._count(table), written=written, removed=removed)

    def _count(self, table: Table) -> int:
        self._cursor.execute(f"SELECT count(*) FROM {table.name}")  # noqa: S608
        return int(self._cursor.fetchone()[0])

    def _write(self, table: Table, rows: Sequence[dict[str, Any]], *, update: bool) -> int:
        """Write rows through a temporary table, so that the database itself says how many were new or different."""
        if not rows:
            return 0
        names = list(table.columns)
        arriving = f"arriving_{table.name}"
        self._cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {arriving} AS SELECT * FROM {table.name} WHERE false")  # noqa: S608
        self._cursor.execute(f"DELETE FROM {arriving}")  # noqa: S608
        self._send(
            arriving, [tuple(self._value(row[name], kind) for name, kind in table.columns.items()) for row in rows]
        )
        columns = ", ".join(names)
        others = names[1:]
        action = "NOTHING"
        if update:
            settings = ", ".join(f"{name} = excluded.{name}" for name in others)
            differs = " OR ".join(f"{table.name}.{name} IS DISTINCT FROM excluded.{name}" for name in others)
            action = f"UPDATE SET {settings} WHERE {differs}"
        self._cursor.execute(
            f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {arriving} ON CONFLICT (id) DO {action}"  # noqa: S608
            " RETURNING id"
        )
        return len(self._cursor.fetchall())

    def _value(self, value: Any, kind: str) -> Any:
        """Return a cell: instants come as microseconds, JSON as text."""
        if kind != "instant" or value is None:
            return value
        moment = _EPOCH + timedelta(microseconds=value)
        return moment if self._dialect == "postgres" else moment.replace(tzinfo=None)

    def _send(self, arriving: str, rows: list[tuple[Any, ...]]) -> None:
        if self._dialect == "postgres":
            with self._cursor.copy(f"COPY {arriving} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        import pyarrow as pa  # noqa: PLC0415 - slow to import

        columns = [pa.array(list(column)) for column in zip(*rows, strict=True)]
        self._cursor.register("sent", pa.table(columns, names=[f"c{index}" for index in range(len(columns))]))
        self._cursor.execute(f"INSERT INTO {arriving} SELECT * FROM sent")  # noqa: S608
        self._cursor.unregister("sent")


@contextlib.contextmanager
def keeper(place: str | Path) -> Iterator[Keeper]:
    """Open a database within one transaction.

    Args:
        place: The file of a warehouse, or ``postgresql://user:password@host/database``.

    Raises:
        UsageError: If it cannot be opened, is of another kind, has other tables of the same names, or a package is missing.
    """
    if str(place).startswith(("postgresql://", "postgres://")):
        with _postgres(str(place)) as backend, backend.con.transaction():
            made = Keeper(backend.con.cursor(), "postgres")
            made.prepare()
            yield made
        return
    scheme, separator, _ = str(place).partition("://")
    if separator:
        raise UsageError(
            f"tables are kept in a warehouse's file or in postgresql://…, not in {scheme}://",
            hint="--to warehouse.duckdb or --to postgresql://user@host/database",
        )
    from flagctl.warehouse.database import opened  # noqa: PLC0415 - the same

    with opened(Path(place)) as engine:
        engine.connection.execute("BEGIN")
        # A cursor of DuckDB would be a connection of its own, outside of the transaction.
        made = Keeper(engine.connection, "duckdb")
        try:
            yield made
        except BaseException:
            engine.connection.execute("ROLLBACK")
            raise
        engine.connection.execute("COMMIT")


@contextlib.contextmanager
def _postgres(url: str) -> Iterator[Any]:
    try:
        import ibis  # noqa: PLC0415 - slow to import
        import psycopg  # noqa: PLC0415 - the same
    except ImportError as error:
        raise UsageError(
            f"PostgreSQL needs {error.name}, which is not installed", hint='pip install "flagctl[postgres]"'
        ) from error
    # Without a limit, a server that does not answer is waited for without an end.
    limit = {} if "connect_timeout=" in url or os.environ.get("PGCONNECT_TIMEOUT") else {"connect_timeout": _PATIENCE}
    try:
        backend = ibis.connect(url.replace("postgresql://", "postgres://", 1), **limit)
    except (psycopg.Error, ValueError) as error:
        raise UsageError(f"PostgreSQL cannot be reached: {str(error).splitlines()[0]}") from error
    try:
        yield backend
    except psycopg.Error as error:
        raise UsageError(f"PostgreSQL refused: {str(error).splitlines()[0]}") from error
    finally:
        backend.disconnect()


def evaluation_batches(engine: DuckEngine) -> Iterator[list[dict[str, Any]]]:
    """Yield rows of ``flag_evaluations`` from the evaluations that an engine has read; those without an id are left out."""
    with memory.explained():
        found = engine.connection.execute(
            "SELECT event_id, flag, environment, unit_id, variant, CASE WHEN json_valid(value) THEN value END,"
            " reason, ts, CASE WHEN json_valid(context) THEN context END FROM evaluations WHERE event_id IS NOT NULL"
        )
    while rows := found.fetchmany(_BATCH):
        yield [dict(zip(FLAG_EVALUATIONS.columns, row, strict=True)) for row in rows]
