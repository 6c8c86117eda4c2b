"""Events in Spark, for data that one machine cannot hold: the same tables as in DuckDB, the same expressions on them.

Where Spark differs from DuckDB, this module takes the difference away: the session's time zone is UTC, instants are integers
of microseconds whatever a file's precision, every column of JSON lines is read as text and cast by name, and casts that fail
give nothing instead of ending the query.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flagctl.errors import UsageError
from flagctl.warehouse import usable
from flagctl.warehouse.copies import Copies
from flagctl.warehouse.memory import bytes_of
from flagctl.warehouse.usable import EXPERIMENT_KINDS, KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.experiments.data import DataFinding
    from flagctl.warehouse.listing import EventFile, Listing

_GLOB = re.compile(r"([\\*?\[\]{}])")
_SHARED = {
    "spark.sql.session.timeZone": "UTC",
    # Spark refuses nanoseconds; as integers they are read as what they are.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.ansi.enabled": "true",
}
_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
    "spark.ui.showConsoleProgress": "false",
}


class SparkEngine:
    """Spark with the events of one listing.

    Args:
        master: Such as ``local[2]`` or ``spark://host:7077``; None leaves it to Spark's own configuration. A session that
            this process has already is used as it is, and left running.
        memory_limit: Of the driver, such as ``4GB``; takes effect when this process starts Spark for the first time.

    Raises:
        UsageError: If the packages or Java are missing, or Spark does not start.
    """

    name = "spark"
    nearby = None
    """Its rows are elsewhere."""

    def __init__(self, master: str | None = None, *, memory_limit: str | None = None) -> None:
        try:
            import ibis  # noqa: PLC0415 - slow to import
            import pyspark.sql  # noqa: PLC0415 - the same
        except ImportError as error:
            raise UsageError(
                f"--engine spark needs {error.name}, which is not installed", hint='pip install "flagctl[spark]"'
            ) from error
        running = pyspark.sql.SparkSession.getActiveSession()
        self._own = running is None
        self.session: Any = _session(master, memory_limit) if running is None else running
        for name, value in _SHARED.items():
            self.session.conf.set(name, value)
        self.backend: Any = ibis.pyspark.connect(self.session)
        self._cached: list[Any] = []
        self._copies: Copies | None = None
        self.findings: list[DataFinding] = []
        self.lost: set[str] = set()

    def close(self) -> None:
        """Forget the tables, and end Spark if it was started here."""
        for frame in self._cached:
            frame.unpersist()
        if self._copies is not None:
            self._copies.close()
        if self._own:
            self.session.stop()

    def table(self, name: str) -> Any:
        """Return a table as an Ibis expression."""
        return self.backend.table(name)

    def materialise(self, name: str, expression: Any) -> Any:
        """Compute a table once and return it as an Ibis expression."""
        self._keep(name, self.backend.compile(expression))
        return self.backend.table(name)

    def numbered(self, name: str, expression: Any) -> Any:
        """Compute a table of one row for each ``unit_id`` once, with a column ``unit`` that stands for it.

        It is the id itself: a number that is unique over all machines is another one whenever a lost part is computed again.
        """
        return self.materialise(name, expression.mutate(unit=expression.unit_id))

    def rows(self, expression: Any) -> list[dict[str, Any]]:
        """Return the rows of a small result."""
        return [row.asDict() for row in self.session.sql(self.backend.compile(expression)).collect()]

    def arrays(self, expression: Any) -> dict[str, Any]:
        """Return the columns of a result that may be long, each as an array of numbers."""
        # Not Ibis's own way, which goes through pandas.
        table = self.session.sql(self.backend.compile(expression)).toArrow()
        return {name: table.column(name).to_numpy() for name in table.column_names}

    def load(self, listing: Listing, kinds: tuple[str, ...] = EXPERIMENT_KINDS) -> None:
        """Make a view of each kind of events, and ``events`` of conversions and measurements.

        Unusable rows are left out and counted in `findings`.

        Raises:
            UsageError: If the files lie in a store that this Spark cannot read.
        """
        if listing.database:
            raise UsageError("Spark does not read a warehouse's file", hint="give it the folder of events")
        self.findings += usable.unreadable(listing)
        for kind in kinds:
            self.lost |= usable.without_broken(listing, kind, self._load, self.findings, unpacks_carefully=True)
        if {"conversions", "measurements"} <= set(kinds):
            self.session.sql("""
                SELECT ts, event_id, environment, unit_type, unit_id, event, value, attrs FROM conversions
                UNION ALL
                SELECT ts, event_id, environment, unit_type, unit_id, name AS event, value, attrs FROM measurements
                WHERE unit_id IS NOT NULL""").createOrReplaceTempView("events")

    def _load(self, kind: str, listing: Listing) -> None:
        if listing.filesystem is not None and self._is_local:
            self._copies = self._copies or Copies(listing.filesystem)
            self._copies.fetch(file.path for file in listing.files if file.kind == kind)
        parts = []
        if lines := listing.of(kind, parquet=False):
            parts.append(self._json(kind, lines, listing))
        parts += self._parquet(kind, listing.of(kind, parquet=True), listing)
        if not parts:
            empty = ", ".join(f"CAST(NULL AS {_TYPES[kind][c]}) AS {_name(c)}" for c in KEPT[kind])
            self.session.sql(f"SELECT {empty} WHERE false").createOrReplaceTempView(kind)
            return
        raw = parts[0]
        for part in parts[1:]:
            raw = raw.unionByName(part)
        raw.createOrReplaceTempView(f"raw_{kind}")
        row = self.session.sql(f"SELECT {usable.counting(kind)} FROM raw_{kind}").collect()[0]  # noqa: S608
        self.findings += usable.unusable(kind, row)
        good = usable.usable(kind)
        chosen = "* EXCEPT (event_id), nullif(event_id, '') AS event_id" if "event_id" in KEPT[kind] else "*"
        self.session.sql(f"SELECT {chosen} FROM raw_{kind} WHERE {good}").createOrReplaceTempView(f"all_{kind}")  # noqa: S608
        self._drop_duplicates(kind)

    def _json(self, kind: str, files: list[EventFile], listing: Listing) -> Any:
        """Return the rows of JSON lines; a line that is no object becomes a row of nulls, which is then counted."""
        shape = ", ".join(f"{_name(c)} {'MAP<STRING, STRING>' if c == 'attrs' else 'STRING'}" for c in KEPT[kind])
        reader = self.session.read.schema(shape).option("mode", "PERMISSIVE").option("allowNonNumericNumbers", "false")
        lines = reader.json([self._address(file, listing) for file in files])
        return lines.selectExpr(*(_from_text(kind, column) for column in KEPT[kind]))

    def _parquet(self, kind: str, files: list[EventFile], listing: Listing) -> list[Any]:
        """Return the rows of Parquet files, one part for each shape that files have: Spark reads one shape at a time."""
        groups: dict[tuple[str, ...], list[EventFile]] = {}
        for file in files:
            groups.setdefault(file.types, []).append(file)
        parts = []
        for group in groups.values():
            frame = self.session.read.parquet(*(self._address(file, listing) for file in group))
            shape = group[0]
            parts.append(
                frame.selectExpr(
                    *(
                        _from_parquet(kind, c, shape)
                        if c in shape.columns
                        else f"CAST(NULL AS {_TYPES[kind][c]}) AS {_name(c)}"
                        for c in KEPT[kind]
                    )
                )
            )
        return parts

    @property
    def _is_local(self) -> bool:
        """Whether all of Spark runs on this machine, and so reads what lies on its disk."""
        return str(self.session.sparkContext.master).startswith("local")

    def _address(self, file: EventFile, listing: Listing) -> str:
        """Return how Spark opens a file: by a pattern that matches only it.

        Files of a store are read from copies where Spark runs on this machine, and by the cluster's own reader elsewhere.
        """
        if listing.filesystem is None:
            return _GLOB.sub(r"\\\1", Path(file.path).resolve().as_posix())
        if self._copies is not None:
            return _GLOB.sub(r"\\\1", self._copies.path_of(file.path).as_posix())
        try:
            self.session._jvm.java.lang.Class.forName("org.apache.hadoop.fs.s3a.S3AFileSystem")  # noqa: SLF001 - no public way
        except Exception as error:
            raise UsageError(
                "this Spark cannot read S3: hadoop-aws is not among its jars",
                hint="add org.apache.hadoop:hadoop-aws to the cluster, or use --master local[*] or --engine duckdb",
            ) from error
        return "s3a://" + _GLOB.sub(r"\\\1", file.path)

    def _drop_duplicates(self, kind: str) -> None:
        """Keep one row of each event id. Rows without an id cannot be told apart and stay."""
        found = self.session.table(f"all_{kind}")
        if "event_id" not in KEPT[kind]:
            found.createOrReplaceTempView(kind)
            return
        total, ids, different = self.session.sql(
            f"SELECT count(*), count(event_id), count(DISTINCT event_id) FROM all_{kind}"  # noqa: S608
        ).collect()[0]
        said, every = usable.hashed(kind, KEPT[kind], "xxhash64", _text_of_map)
        if total > ids:
            query = f"SELECT count(DISTINCT {every}) FROM all_{kind} WHERE event_id IS NULL"  # noqa: S608
            unlike = self.session.sql(query).collect()[0][0]
            self.findings += usable.without_ids(kind, total - ids, total - ids - unlike, total)
        if ids == different:
            found.createOrReplaceTempView(kind)
            return
        order = usable.order(kind, KEPT[kind], _text_of_map)
        self._keep(
            f"ranked_{kind}",
            f"""SELECT *, row_number() OVER ids AS _rank, first_value({said}) OVER ids AS _said FROM all_{kind}
            WHERE event_id IS NOT NULL WINDOW ids AS (PARTITION BY event_id ORDER BY {order})""",  # noqa: S608
        )
        self.session.sql(f"""SELECT * FROM all_{kind} WHERE event_id IS NULL UNION ALL
            SELECT * EXCEPT (_rank, _said) FROM ranked_{kind} WHERE _rank = 1""").createOrReplaceTempView(kind)  # noqa: S608
        others = self.session.sql(f"SELECT count_if({said} <> _said) FROM ranked_{kind}").collect()[0][0]  # noqa: S608
        if ids - different > others:
            self.findings.append(usable.duplicated(kind, ids - different - others))
        self.findings += usable.with_ids_of_others(kind, others, total)

    def _keep(self, name: str, query: str) -> None:
        from pyspark import StorageLevel  # noqa: PLC0415 - slow to import

        frame = self.session.sql(query).persist(StorageLevel.MEMORY_AND_DISK)
        self._cached.append(frame)
        frame.createOrReplaceTempView(name)


_TYPES = {
    kind: usable.types_of(
        kind,
        {
            "timestamp": "BIGINT",
            "string": "STRING",
            "int64": "BIGINT",
            "float64": "DOUBLE",
            "boolean": "BOOLEAN",
            "strings": "MAP<STRING, STRING>",
        },
    )
    for kind in KEPT
}


def _session(master: str | None, memory_limit: str | None) -> Any:
    """Start Spark; what Java says goes to a file instead of the terminal."""
    from pyspark import SparkConf, SparkContext  # noqa: PLC0415 - slow to import
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415 - the same
    from pyspark.sql import SparkSession  # noqa: PLC0415 - the same

    options: dict[str, str] = {}
    if master is None or master.startswith("local"):
        options |= _LOCAL
    if memory_limit is not None:
        options["spark.driver.memory"] = f"{max(1, bytes_of(memory_limit) >> 20)}m"
    conf = SparkConf(loadDefaults=False).setAppName("flagctl")
    if master is not None:
        conf.setMaster(master)
    for name, value in options.items():
        conf.set(name, value)
    with tempfile.NamedTemporaryFile("w+", prefix="flagctl-spark-", suffix=".log") as log:
        context = None
        try:
            gateway = SparkContext._gateway  # noqa: SLF001 - a second start in one process would leave a Java behind
            if gateway is None:
                gateway = cast("Any", launch_gateway)(conf, popen_kwargs={"stdout": log, "stderr": log})
            context = SparkContext(gateway=gateway, conf=conf)
            context.setLogLevel("OFF")
            # A cluster that does not answer shows only here, after a minute.
            return SparkSession(context)
        except Exception as error:
            if context is not None:
                context.stop()
            log.seek(0)
            raise UsageError(
                f"Spark does not start on {master or 'its default master'}: {_why(log, error)[:300]}",
                hint="it needs Java 17 or newer (JAVA_HOME), and a master that answers: local[2], spark://host:7077",
            ) from error


def _why(log: Iterable[str], error: Exception) -> str:
    """Return why Spark did not start, as its log says it last; what Python was told is often only that it did not."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    for line in log:
        if "Reason: " in line:
            return line.partition("Reason: ")[2].strip()
        if "Exception" in line or "Error" in line or "JAVA" in line:
            reason = line.strip()
    return reason


def _name(column: str) -> str:
    return f"`{column}`"


def _from_text(kind: str, column: str) -> str:
    if column == "ts":
        return f"coalesce(try_cast(ts AS BIGINT), unix_micros(try_cast({usable.WITH_TIME} AS TIMESTAMP))) AS ts"
    wanted = _TYPES[kind][column]
    name = _name(column)
    if column == "attrs" or wanted == "STRING":
        return name
    # Spark alone reads 5d and 5f as a five.
    odd = f"CASE WHEN {name} RLIKE '[dDfF]\\\\s*$' THEN NULL ELSE {name} END" if wanted == "DOUBLE" else name
    return f"try_cast({odd} AS {wanted}) AS {name}"


def _text_of_map(column: str) -> str:
    """Return what DuckDB's function of this name does."""
    entry = "concat(length(e.key), ':', e.key, coalesce(concat(length(e.value), ':', e.value), '-'))"
    return f"array_join(array_sort(transform(map_entries({column}), e -> {entry})), ',')"


def _from_parquet(kind: str, column: str, file: EventFile) -> str:
    if column == "ts" and file.nanoseconds:
        return "ts DIV 1000 AS ts"
    if column == "ts" and not file.counted:
        return "unix_micros(CAST(ts AS TIMESTAMP)) AS ts"
    name = _name(column)
    return f"try_cast({name} AS {_TYPES[kind][column]}) AS {name}"
