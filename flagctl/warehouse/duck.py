"""Events in DuckDB: files become two tables whose rows are all usable, and the rest is counted.

Instants are integers of microseconds, so that no time zone and no precision of a timestamp can differ between engines.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.warehouse import memory, usable
from flagctl.warehouse.copies import without_mark
from flagctl.warehouse.database import attach, not_opened
from flagctl.warehouse.usable import EXPERIMENT_KINDS, KEPT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.experiments.data import DataFinding
    from flagctl.warehouse.listing import EventFile, Listing

_STORE = "arrowstore"
_SORTED_AT_ONCE = 80_000_000
"""Rows whose hashes, eight bytes each, are sorted in memory; more are compared by DuckDB, which spills."""
_BATCH = 1_000_000
"""Rows that are taken over at once."""
_PATTERN = re.compile(r"[\[*?]")


class DuckEngine:
    """DuckDB with the events of one listing.

    Args:
        database: A file, or ``:memory:``.
        memory_limit: Such as ``4GB``; beyond it intermediate results go to a temporary folder. None for what suits the machine.
        threads: Number of threads, None for all cores.
        columns: Which columns of each kind are read.
        trusting: Whether footers of Parquet files are believed about which columns have a value in every row. A file with a
            right footer and broken pages then fails only when it is needed.
    """

    name = "duckdb"

    def __init__(
        self,
        database: str = ":memory:",
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        columns: Mapping[str, tuple[str, ...]] = KEPT,
        trusting: bool = False,
    ) -> None:
        import ibis  # noqa: PLC0415 - slow to import

        options: dict[str, Any] = {}
        if database == ":memory:":
            options["temp_directory"] = memory.spill_folder()
        if threads is not None:
            options["threads"] = threads
        try:
            self.backend: Any = ibis.duckdb.connect(database, **options)
        except Exception as error:
            raise not_opened(database, error, "cannot be opened by DuckDB") from error
        self.connection: Any = self.backend.con
        try:
            memory.bound(self.connection, memory_limit)
        except BaseException:
            self.close()
            raise
        # An instant without a zone is in UTC, wherever this runs.
        self.connection.execute("SET TimeZone = 'UTC'")
        # Nothing here depends on the order of rows in files, and keeping it costs time and memory.
        self.connection.execute("SET preserve_insertion_order = false")
        # With less, those that compute wait for the one that takes over.
        self.connection.execute("SET streaming_buffer_size = '64MB'")
        self.findings: list[DataFinding] = []
        self.lost: set[str] = set()
        self._columns = columns
        self._trusting = trusting

    def close(self) -> None:
        """Close the database."""
        self.backend.disconnect()

    @property
    def nearby(self) -> DuckEngine:
        """It is in this process."""
        return self

    def room(self) -> int:
        """Return how many bytes arrays may take beside what DuckDB takes."""
        (limit,) = self.connection.execute("SELECT current_setting('memory_limit')").fetchone()
        return int(memory.bytes_of(limit) * memory.BESIDE)

    def table(self, name: str) -> Any:
        """Return a table as an Ibis expression."""
        return self.backend.table(name)

    @memory.explained()
    def materialise(self, name: str, expression: Any) -> Any:
        """Compute a table once and return it as an Ibis expression."""
        # Not `create_table`: what Ibis 12 sends before it, DuckDB 2.0 does not parse.
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {self.backend.compile(expression)}")
        return self.backend.table(name)

    @memory.explained()
    def numbered(self, name: str, expression: Any) -> Any:
        """Compute a table of one row for each ``unit_id`` once, with a column ``unit`` that stands for it: the row's number."""
        self.materialise(f"{name}_rows", expression)
        self.connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT rowid::UINTEGER AS unit, * FROM {name}_rows"  # noqa: S608
        )
        return self.backend.table(name)

    @memory.explained()
    def rows(self, expression: Any) -> list[dict[str, Any]]:
        """Return the rows of a small result."""
        # Not Ibis's own way, which imports pandas.
        result = self.connection.execute(self.backend.compile(expression))
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    @memory.explained()
    def arrays(self, expression: Any) -> dict[str, Any]:
        """Return the columns of a result that may be long, each as an array of numbers."""
        return self._arrays(self.backend.compile(expression))

    def _arrays(self, query: str) -> dict[str, Any]:
        # As a relation, and not executed: so all threads fill the arrays, not the one that takes them.
        table = self.connection.sql(query).to_arrow_table()
        return {name: _array(table.column(name)) for name in table.column_names}

    @memory.explained()
    def given(self, name: str, arrays: dict[str, Any]) -> Any:
        """Return a table of columns that are there as arrays of numbers."""
        given_arrays = arrays  # noqa: F841 - found by its name; to register it would import pandas
        # Ibis forbids that, lest the name of a table be taken for that of a variable.
        self.connection.execute("SET python_enable_replacements = true")
        try:
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM given_arrays")  # noqa: S608
        finally:
            self.connection.execute("SET python_enable_replacements = false")
        return self.backend.table(name)

    @memory.explained()
    def load(self, listing: Listing, kinds: tuple[str, ...] = EXPERIMENT_KINDS) -> None:
        """Make a table of each kind of events, and ``events`` of conversions and measurements.

        Unusable rows are left out and counted in `findings`.
        """
        self.findings += usable.unreadable(listing)
        if listing.database:
            self.findings += attach(self.connection, listing.location, {kind: self._columns[kind] for kind in kinds})
        else:
            listing = usable.without_copies(listing, kinds, self.findings)
            for kind in kinds:
                self.lost |= usable.without_broken(listing, kind, self._load, self.findings, unpacks_carefully=False)
        if not {"conversions", "measurements"} <= set(kinds):
            return
        self.connection.execute("""
            CREATE OR REPLACE TEMP VIEW events AS
            SELECT ts, event_id, environment, unit_type, unit_id, event, value, attrs FROM conversions
            UNION ALL
            SELECT ts, event_id, environment, unit_type, unit_id, name AS event, value, attrs FROM measurements
            WHERE unit_id IS NOT NULL""")

    @memory.explained()
    def _load(self, kind: str, listing: Listing) -> None:
        parts = []
        if lines := listing.of(kind, parquet=False):
            parts.append(self._json(kind, lines, listing))
        if files := listing.of(kind, parquet=True):
            parts.append(self._parquet(kind, files, listing))
        if not parts:
            types = ", ".join(f"NULL::{_SQL_TYPES[kind][c]} AS {c}" for c in self._columns[kind])
            self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {kind} AS SELECT {types} WHERE false")
            return
        self.connection.execute(f"CREATE OR REPLACE TEMP VIEW raw_{kind} AS {' UNION ALL '.join(parts)}")
        files = [one for one in listing.files if one.kind == kind]
        whole = frozenset.intersection(*(one.whole for one in files)) if self._trusting else frozenset()
        total, bad = self._count_unusable(kind, whole)
        # A condition that nothing fails would make every later query read the columns it names, too.
        good = usable.usable(kind) if bad else "true"
        has_ids = "event_id" not in self._columns[kind] or "event_id" in whole
        chosen = "*" if has_ids else "* REPLACE (nullif(event_id, '') AS event_id)"
        self.connection.execute(
            f"CREATE OR REPLACE TEMP VIEW all_{kind} AS SELECT {chosen} FROM raw_{kind} WHERE {good}"  # noqa: S608
        )
        if not has_ids:
            self._look_for_lacking_ids(kind, total - bad)
        self._drop_duplicates(kind, total - bad)

    def _json(self, kind: str, files: list[EventFile], listing: Listing) -> str:
        """Return a query of JSON lines; a line that is no object becomes a row of nulls, which is then counted."""
        wanted = {column: "MAP(VARCHAR, VARCHAR)" if column == "attrs" else "VARCHAR" for column in self._columns[kind]}
        shape = ", ".join(f"{name}: '{kind_}'" for name, kind_ in wanted.items())
        name = f"json_{kind}"
        casts = ", ".join(_from_text(kind, column) for column in self._columns[kind])
        with tempfile.TemporaryDirectory(prefix="flagctl-events-", ignore_cleanup_errors=True) as folder:
            addresses = [self._address(file, listing) for file in files if not file.marked]
            # DuckDB passes over the mark of a file among several, but not over the one of a file alone.
            for number, file in enumerate(one for one in files if one.marked):
                copy = Path(folder) / f"{number}.jsonl"
                without_mark(file.path, listing.filesystem, copy)
                addresses.append(literal(str(copy)))
            paths = ", ".join(map(_quoted, addresses))
            # Parsed once: every later query would parse the text again.
            self.connection.execute(f"""
                CREATE OR REPLACE TEMP TABLE {name} AS SELECT {casts} FROM read_json([{paths}], columns={{{shape}}},
                format='newline_delimited', ignore_errors=true, union_by_name=true)""")  # noqa: S608
        return f"SELECT * FROM {name}"  # noqa: S608

    def _parquet(self, kind: str, files: list[EventFile], listing: Listing) -> str:
        """Return a query of Parquet files, one part for each set of columns that files have."""
        groups: dict[tuple[bool, tuple[str, ...]], list[EventFile]] = {}
        for file in files:
            columns = tuple(c for c in self._columns[kind] if c in file.columns)
            groups.setdefault((file.counted, columns), []).append(file)
        parts = []
        for (counted, columns), group in groups.items():
            paths = ", ".join(_quoted(self._address(file, listing)) for file in group)
            chosen = ", ".join(
                _from_parquet(kind, c, counted=counted) if c in columns else f"NULL::{_SQL_TYPES[kind][c]} AS {c}"
                for c in self._columns[kind]
            )
            parts.append(f"SELECT {chosen} FROM read_parquet([{paths}], union_by_name=true, hive_partitioning=false)")  # noqa: S608
        return " UNION ALL ".join(parts)

    def _address(self, file: EventFile, listing: Listing) -> str:
        """Return how DuckDB opens a file. A store is read through PyArrow: DuckDB's own reader is a download of its own."""
        if listing.filesystem is None:
            return literal(file.path)
        from fsspec.implementations.arrow import ArrowFSWrapper  # noqa: PLC0415 - only for stores

        if not self.connection.filesystem_is_registered(_STORE):
            # DuckDB knows a file system by its protocol; without an own one, PyArrow's is called `abstract`.
            made = type("Store", (ArrowFSWrapper,), {"protocol": _STORE, "_strip_protocol": classmethod(_strip)})
            self.connection.register_filesystem(made(listing.filesystem))
        return f"{_STORE}://{literal(file.path)}"

    def _count_unusable(self, kind: str, whole: frozenset[str]) -> tuple[int, int]:
        """Return how many rows there are, and how many of them cannot be used; `whole` columns have a value in all."""
        row = self.connection.execute(f"SELECT {usable.counting(kind, whole)} FROM raw_{kind}").fetchone()  # noqa: S608
        self.findings += usable.unusable(kind, row)
        return int(row[0]), int(row[1])

    def _find_repeats(self, kind: str, count: int) -> bool:
        """Make the table ``repeats_KIND`` of hashes of ids that several rows may have; return whether there are any."""
        import numpy as np  # noqa: PLC0415 - slow to import
        import pyarrow as pa  # noqa: PLC0415 - the same

        hashes = f"SELECT hash(event_id) AS h FROM all_{kind} WHERE event_id IS NOT NULL"  # noqa: S608
        if count > _SORTED_AT_ONCE:
            found = f"SELECT h FROM ({hashes}) GROUP BY h HAVING count(*) > 1"  # noqa: S608
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE repeats_{kind} AS {found}")
            return bool(self.connection.execute(f"SELECT count(*) FROM repeats_{kind}").fetchone()[0])  # noqa: S608
        # Sorting numbers takes a third of the time of a table of what was seen.
        seen = self._numbers(hashes, count)
        seen.sort()
        repeated = np.unique(seen[1:][seen[1:] == seen[:-1]])
        if not len(repeated):
            return False
        self.connection.register("repeated", pa.table({"h": repeated}))
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE repeats_{kind} AS SELECT h FROM repeated")  # noqa: S608
        self.connection.unregister("repeated")
        return True

    def _look_for_lacking_ids(self, kind: str, total: int) -> None:
        lacking = f"FROM all_{kind} WHERE event_id IS NULL"
        (count,) = self.connection.execute(f"SELECT count(*) {lacking}").fetchone()
        if not count:
            return
        _, every = usable.hashed(kind, self._columns[kind], "hash", _text_of_map)
        (different,) = self.connection.execute(f"SELECT count(DISTINCT {every}) {lacking}").fetchone()
        self.findings += usable.without_ids(kind, count, count - different, total)

    def _numbers(self, query: str, most: int) -> Any:
        """Return a column of unsigned numbers as an array."""
        import numpy as np  # noqa: PLC0415 - slow to import

        found = np.empty(most, np.uint64)
        # While they are taken over all at once, they are there twice.
        if found.nbytes <= self.room():
            (numbers,) = self._arrays(query).values()
            return numbers if numbers.flags.writeable else numbers.copy()
        filled = 0
        for batch in self.connection.execute(query).to_arrow_reader(_BATCH):
            found[filled : filled + len(batch)] = _array(batch.column(0))
            filled += len(batch)
        return found[:filled]

    def _drop_duplicates(self, kind: str, count: int) -> None:
        """Keep one row of each event id. Rows without an id cannot be told apart and stay.

        Only rows whose id is there several times are kept aside and put in order: all of them do not fit into memory.
        """
        columns = self._columns[kind]
        if "event_id" not in columns or not self._find_repeats(kind, count):
            self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {kind} AS SELECT * FROM all_{kind}")  # noqa: S608
            return
        same = "CASE WHEN e.event_id IS NOT NULL THEN hash(e.event_id) END = r.h"
        names = ", ".join(columns)
        order = usable.order(kind, columns, _text_of_map)
        said, _ = usable.hashed(kind, columns, "hash", _text_of_map)
        self.connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE once_{kind} AS SELECT {names}, place = 1 AS counts, {said} <> said AS other FROM (
                SELECT *, row_number() OVER ids AS place, first_value({said}) OVER ids AS said
                FROM all_{kind} e SEMI JOIN repeats_{kind} r ON {same} WINDOW ids AS (PARTITION BY event_id ORDER BY {order}))
        """)  # noqa: S608
        left, others = self.connection.execute(
            f"SELECT count(*) FILTER (WHERE NOT counts), count(*) FILTER (WHERE other) FROM once_{kind}"  # noqa: S608
        ).fetchone()
        self.connection.execute(f"DELETE FROM once_{kind} WHERE NOT counts")  # noqa: S608
        self.connection.execute(f"""
            CREATE OR REPLACE TEMP VIEW {kind} AS SELECT {names} FROM all_{kind} e ANTI JOIN repeats_{kind} r ON {same}
            UNION ALL SELECT {names} FROM once_{kind}""")  # noqa: S608
        if left > others:
            self.findings.append(usable.duplicated(kind, left - others))
        self.findings += usable.with_ids_of_others(kind, others, count)


_SQL_NAMES = {
    "timestamp": "BIGINT",
    "string": "VARCHAR",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "boolean": "BOOLEAN",
    "strings": "MAP(VARCHAR, VARCHAR)",
}
_SQL_TYPES = {kind: usable.types_of(kind, _SQL_NAMES) for kind in KEPT}


def _from_text(kind: str, column: str) -> str:
    if column == "ts":
        return f"coalesce(try_cast(ts AS BIGINT), epoch_us(try_cast({usable.WITH_TIME} AS TIMESTAMPTZ))) AS ts"
    if column == "attrs":
        return "attrs"
    wanted = _SQL_TYPES[kind][column]
    if wanted == "VARCHAR":
        return column
    # DuckDB alone reads 1_000 as a thousand.
    return f"try_cast(CASE WHEN contains({column}, '_') THEN NULL ELSE {column} END AS {wanted}) AS {column}"


def _from_parquet(kind: str, column: str, *, counted: bool) -> str:
    if column == "ts" and not counted:
        return "epoch_us(ts) AS ts"
    # What does not fit, such as great unsigned numbers, is no reason to fail: it is nothing, and counted.
    return f"try_cast({column} AS {_SQL_TYPES[kind][column]}) AS {column}"


def literal(path: str) -> str:
    """Return the pattern that matches one path only: DuckDB takes names with brackets, stars and question marks for patterns."""
    return _PATTERN.sub(r"[\g<0>]", path)


def _text_of_map(column: str) -> str:
    """Return the SQL of a map as text, with the lengths of its parts, so that nothing in them reads like another entry."""
    entry = "length(_e.key) || ':' || _e.key || coalesce(length(_e.value) || ':' || _e.value, '-')"
    return f"array_to_string(list_sort(list_transform(map_entries({column}), lambda _e: {entry})), ',')"


def _array(column: Any) -> Any:
    """Return the numbers of a column of Arrow, none of which is null. Its own way to an array imports pandas."""
    import numpy as np  # noqa: PLC0415 - slow to import

    # The type that is there: DuckDB's may be wider than the one that Ibis thinks it has.
    kind = np.dtype(column.type.to_pandas_dtype())
    chunks = getattr(column, "chunks", [column])
    pieces = [np.frombuffer(one.buffers()[1], kind, len(one), kind.itemsize * one.offset) for one in chunks if len(one)]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces) if pieces else np.zeros(0, kind)


def _strip(_cls: type, path: Any) -> Any:
    return (
        [one.removeprefix(f"{_STORE}://") for one in path]
        if isinstance(path, list)
        else str(path).removeprefix(f"{_STORE}://")
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
