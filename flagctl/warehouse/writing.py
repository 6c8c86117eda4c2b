"""Events as Parquet files, one folder for each day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.events import COLUMNS, ColumnType
from flagctl.warehouse.pipeline import DAY_US

if TYPE_CHECKING:
    from pathlib import Path


def arrow_schema(kind: str) -> Any:
    """Return the PyArrow schema of a kind of events: instants in microseconds, UTC, which every engine reads."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    types = {
        ColumnType.TIMESTAMP: pa.timestamp("us", "UTC"),
        ColumnType.STRING: pa.string(),
        ColumnType.INT64: pa.int64(),
        ColumnType.FLOAT64: pa.float64(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.STRINGS: pa.map_(pa.string(), pa.string()),
    }
    return pa.schema([pa.field(one.name, types[one.type], nullable=one.nullable) for one in COLUMNS[kind]])


def write_days(folder: Path, columns: dict[str, Any], name: str = "part-0.parquet") -> list[Path]:
    """Write events as ``dt=YYYY-MM-DD/<name>`` below a folder that is called like their kind.

    Args:
        folder: Its name is a key of `flagctl.events.COLUMNS`.
        columns: Values by column; instants as integers of microseconds. Columns that are left out are empty.
        name: Of the files.

    Returns:
        The files.
    """
    import numpy as np  # noqa: PLC0415 - slow to import
    import pyarrow as pa  # noqa: PLC0415 - the same
    from pyarrow import parquet  # noqa: PLC0415 - the same

    schema = arrow_schema(folder.name)
    arrays = [pa.array(columns.get(field.name, [None] * len(columns["ts"])), field.type) for field in schema]
    table = pa.Table.from_arrays(arrays, schema=schema)
    days = np.asarray(columns["ts"], dtype="int64") // DAY_US
    written = []
    for day in np.unique(days):
        date = str(np.datetime64(int(day), "D"))
        path = folder / f"dt={date}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table.filter(pa.array(days == day)), path, compression="zstd")
        written.append(path)
    return written
