"""Events as Parquet files; needs PyArrow."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from flagctl.client.sinks.blobs import BlobSink, Sizes
from flagctl.errors import UsageError
from flagctl.events import COLUMNS, ColumnType

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Sequence

    from flagctl.events import Event


@final
class ParquetSink(BlobSink):
    """Writes events as Parquet files, one for each kind, day and stretch of time; timestamps are microseconds in UTC.

    Events are collected in memory first: a process that is killed loses up to `sizes.max_seconds` of them. Files appear
    whole under their names, and any number of processes may write to one folder.

    Args:
        folder: Where the folders of the kinds lie; made if need be.
        sizes: When a file is written.
        accepts: Kinds of events; all without it.
        name: Names the sink.

    Raises:
        UsageError: PyArrow is not installed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        sizes: Sizes | None = None,
        accepts: Collection[str] | None = None,
        name: str = "parquet",
    ) -> None:
        check_installed()
        self._folder = Path(folder)
        super().__init__(
            name,
            ending=".parquet",
            encode=encode_parquet,
            store=self._keep,
            sizes=sizes or Sizes(max_seconds=300.0),
            accepts=accepts,
        )

    def _keep(self, key: str, data: bytes) -> None:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(data)
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def check_installed() -> None:
    """Raise UsageError if PyArrow is not installed."""
    if find_spec("pyarrow") is None:
        raise UsageError("Parquet files need PyArrow", hint='pip install "flagctl[experiments]"')


def arrow_schema(kind: str) -> Any:
    """Return the PyArrow schema of a kind of events."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    types = {
        ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
        ColumnType.STRING: pa.string(),
        ColumnType.INT64: pa.int64(),
        ColumnType.FLOAT64: pa.float64(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.STRINGS: pa.map_(pa.string(), pa.string()),
    }
    return pa.schema([pa.field(column.name, types[column.type], column.nullable) for column in COLUMNS[kind]])


def encode_parquet(kind: str, events: Sequence[Event]) -> bytes:
    """Return events of one kind as the bytes of a Parquet file."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import parquet  # noqa: PLC0415 - the same

    rows = [event.to_row() for event in events]
    columns = {column.name: [_cell(column.type, row[column.name]) for row in rows] for column in COLUMNS[kind]}
    target = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns, schema=arrow_schema(kind)), target, compression="zstd")
    return target.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _cell(kind: ColumnType, value: Any) -> Any:
    """Return a value as PyArrow takes it; lone surrogates become question marks."""
    if kind is ColumnType.STRINGS:
        return [(_text(key), _text(item)) for key, item in value.items()]
    return _text(value) if type(value) is str else value


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()
