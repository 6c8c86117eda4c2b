"""`flagctl warehouse`: events and flags in tables, for analyses again and again and for questions in SQL."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flagctl.errors import ConflictError, NothingMatchedError, UsageError
from flagctl.events import KINDS
from flagctl.ops.experiment_analyze import need_warehouse
from flagctl.ops.file_lock import try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flagctl.experiments.data import DataFinding
    from flagctl.warehouse.asking import Answer
    from flagctl.warehouse.compacting import Compacted
    from flagctl.warehouse.database import KindLoad
    from flagctl.warehouse.keeping import TableChange

DEFAULT_LIMIT = 1000
_LOCK = ".flagctl-packing.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOptions:
    """Where events are.

    Attributes:
        events: Folder, ``s3://`` location, or the file of a warehouse.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.
        memory_limit: Of DuckDB, such as ``4GB``.
        progress: Called with what is done next.
    """

    events: str
    endpoint_url: str | None = None
    region: str | None = None
    memory_limit: str | None = None
    progress: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InitResult:
    """A warehouse that is ready; its tables, with the number of their rows."""

    database: str
    tables: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-warehouse-init.schema.json`)."""
        return {"database": self.database, "tables": dict(self.tables)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What was loaded, and what is wrong with the files."""

    database: str
    source: str
    kinds: tuple[KindLoad, ...]
    findings: tuple[DataFinding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-warehouse-load.schema.json`)."""
        return {
            "database": self.database,
            "source": self.source,
            "kinds": [asdict(one) for one in self.kinds],
            "findings": [
                {"code": one.code, "message": one.message, "count": one.count, "blocks": one.blocks}
                for one in self.findings
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactResult:
    """What was packed, by kind and day."""

    source: str
    days: tuple[Compacted, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-warehouse-compact.schema.json`)."""
        return {"source": self.source, "days": [{**asdict(one), "left": list(one.left)} for one in self.days]}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """What a query found."""

    answer: Answer

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-warehouse-query.schema.json`)."""
        answer = self.answer
        return {
            "columns": [{"name": name, "type": kind} for name, kind in zip(answer.columns, answer.types, strict=True)],
            "rows": [list(row) for row in answer.rows],
            "more": answer.more,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """What to bring in step.

    Attributes:
        root: The flag repository's root.
        to: The file of a warehouse, or ``postgresql://…``.
        revision: Git revision whose flags are written; None is the work tree.
        events: Where evaluations are read from; None leaves ``flag_evaluations`` as it is.
    """

    root: Path
    to: str
    revision: str | None = None
    events: EventOptions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """What changed in the tables. `to` has no password in it."""

    to: str
    tables: tuple[TableChange, ...]
    findings: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-warehouse-sync.schema.json`)."""
        return {"to": self.to, "tables": [asdict(one) for one in self.tables], "findings": list(self.findings)}


def init(database: Path) -> InitResult:
    """Make a warehouse, or complete one; what is in it stays.

    Raises:
        UsageError: If the file is somebody else's database, or packages are missing.
    """
    need_warehouse()
    from flagctl.warehouse.database import opened

    with opened(database) as engine:
        names = engine.connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY table_name").fetchall()
        counts = {name: engine.connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names}  # noqa: S608
    return InitResult(database=str(database), tables=counts)


def load(database: Path, options: EventOptions, now_ms: int) -> LoadResult:
    """Load the events of files that are not in a warehouse yet; all of them or none.

    Raises:
        NothingMatchedError: If there are no events.
        UsageError: If packages are missing, or the warehouse cannot be written.
        RemoteError: If the store cannot be read.
    """
    need_warehouse()
    from flagctl.warehouse.database import load as run
    from flagctl.warehouse.database import opened

    listing = _listing(options, tuple(KINDS))
    if listing.database:
        raise UsageError(f"{options.events} is a warehouse itself", hint="give the folder that the sinks write to")
    with opened(database, memory_limit=options.memory_limit) as engine:
        _say(options, "loading events")
        kinds = run(engine, listing, now_ms)
        findings = tuple(engine.findings)
    return LoadResult(database=str(database), source=options.events, kinds=tuple(kinds), findings=findings)


def compact(options: EventOptions, before: str, *, keep: bool) -> CompactResult:
    """Pack the lines of past days into Parquet files.

    Args:
        options: The folder.
        before: Only days before this one, ``YYYY-MM-DD``.
        keep: Leave the lines where they are.

    Raises:
        NothingMatchedError: If there are no events.
        UsageError: If packages are missing, or the location is a store.
        ConflictError: If another process is packing them.
    """
    need_warehouse()
    from flagctl.warehouse.compacting import compact as run

    with _packing_alone(options.events):
        found = run(
            _listing(options, tuple(KINDS)),
            before=before,
            keep=keep,
            memory_limit=options.memory_limit,
            progress=options.progress,
        )
    return CompactResult(source=options.events, days=tuple(found))


@contextlib.contextmanager
def _packing_alone(events: str) -> Iterator[None]:
    """Hold the lock of a folder of events: two that pack it would remove each other's files.

    Raises:
        UsageError: If it is no folder, or cannot be written.
        NothingMatchedError: If there is no such folder.
        ConflictError: If another process holds the lock.
    """
    folder = Path(events.removeprefix("file://"))
    if urlsplit(events).scheme not in {"", "file"} or folder.is_file():
        raise UsageError("only folders can be packed", hint="sinks can write Parquet to S3 themselves")
    if not folder.is_dir():
        raise NothingMatchedError(f"there is no folder {events}", hint="name the folder that the sinks write to")
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
    try:
        if not try_lock(handle):
            raise ConflictError(f"another process is packing {folder}", hint="try again when it is done")
        yield
    finally:
        os.close(handle)


def query(database: Path, sql: str, limit: int = DEFAULT_LIMIT) -> QueryResult:
    """Ask a warehouse in SQL; the query cannot change anything.

    Raises:
        NothingMatchedError: If there is no such warehouse.
        UsageError: If the query cannot be run, or packages are missing.
    """
    need_warehouse()
    from flagctl.warehouse.asking import ask

    return QueryResult(answer=ask(database, sql, limit))


def sync(options: SyncOptions) -> SyncResult:
    """Bring ``feature_flags``, ``experiments`` and ``flag_evaluations`` in step with git and with events.

    Raises:
        UsageError: If the folder is in no git repository, the database cannot be written, or packages are missing.
        FindingsError: If `flagctl.yaml` is unusable.
        NothingMatchedError: If there are no events at the location.
    """
    need_warehouse()
    from flagctl.ops.flag_rows import experiment_rows, flag_rows, lives
    from flagctl.ops.loading import load as load_flags
    from flagctl.ops.loading import readable
    from flagctl.vcs import GitRepository
    from flagctl.vcs.log import log
    from flagctl.warehouse.keeping import keeper
    from flagctl.warehouse.tables import EXPERIMENTS, FEATURE_FLAGS

    loaded = load_flags(options.root, revision=options.revision)
    repository = readable(loaded)
    commits = log(GitRepository(options.root), revision=options.revision or "HEAD", whole_branches=True)
    known = lives((flag.path for flag in repository.flags.values()), commits)
    with keeper(options.to) as tables:
        changes = [
            tables.replace(FEATURE_FLAGS, flag_rows(loaded, repository, known)),
            tables.replace(EXPERIMENTS, experiment_rows(loaded, repository)),
        ]
        findings: tuple[str, ...] = ()
        if options.events is not None:
            change, findings = _evaluations(tables, options.events)
            changes.append(change)
    return SyncResult(to=without_password(options.to), tables=tuple(changes), findings=findings)


def _evaluations(tables: Any, options: EventOptions) -> tuple[TableChange, tuple[str, ...]]:
    from flagctl.warehouse.duck import DuckEngine
    from flagctl.warehouse.keeping import evaluation_batches
    from flagctl.warehouse.tables import FLAG_EVALUATIONS

    listing = _listing(options, ("evaluations",))
    engine = DuckEngine(memory_limit=options.memory_limit)
    try:
        engine.load(listing, ("evaluations",))
        _say(options, "writing evaluations")
        change = tables.add(FLAG_EVALUATIONS, evaluation_batches(engine))
        return change, tuple(f"{one.message} ({one.count})" for one in engine.findings)
    finally:
        engine.close()


def today(now_ms: int) -> str:
    """Return the UTC date of an instant."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()


def _listing(options: EventOptions, kinds: tuple[str, ...]) -> Any:
    from flagctl.warehouse.listing import list_events

    _say(options, "looking for events")
    return list_events(options.events, kinds, endpoint_url=options.endpoint_url, region=options.region)


def _say(options: EventOptions, text: str) -> None:
    if options.progress is not None:
        options.progress(text)


def without_password(place: str) -> str:
    """Return where tables are kept as it may be shown."""
    shown = re.sub(r"(?<=[?&]password=)[^&#]*", "***", place)
    password = urlsplit(place).password
    return shown.replace(f":{password}@", ":***@", 1) if password else shown
