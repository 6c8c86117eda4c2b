"""Contexts into a file: JSONL, CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from typing import IO, TYPE_CHECKING, Any

from flagctl.errors import UsageError
from flagctl.model.config import AttributeType
from flagctl.population.cells import write_cell
from flagctl.population.nesting import heading, nested

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Path = tuple[str, ...]
    Rows = Iterable[Sequence[Mapping[Path, Any]]]


def write_population(stream: IO[bytes], form: str, types: Mapping[Path, AttributeType], batches: Rows) -> int:
    """Write contexts and return how many there were.

    Args:
        stream: Where to.
        form: ``jsonl``, ``csv`` or ``parquet``.
        types: Type of each attribute that may occur: the columns of CSV and Parquet.
        batches: Contexts by path.

    Raises:
        UsageError: If PyArrow is missing, or contexts don't fit into columns.
    """
    return {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}[form](stream, types, batches)


def _jsonl(stream: IO[bytes], _types: Mapping[Path, AttributeType], batches: Rows) -> int:
    written = 0
    for batch in batches:
        lines = [json.dumps(nested(row), ensure_ascii=False, separators=(",", ":")) for row in batch]
        stream.write("".join(line + "\n" for line in lines).encode())
        written += len(batch)
    return written


def _csv(stream: IO[bytes], types: Mapping[Path, AttributeType], batches: Rows) -> int:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([heading(path) for path in types])
    written = 0
    for batch in batches:
        writer.writerows([[write_cell(row.get(path)) for path in types] for row in batch])
        written += len(batch)
    text.flush()
    text.detach()
    return written


def _parquet(stream: IO[bytes], types: Mapping[Path, AttributeType], batches: Rows) -> int:
    try:
        import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it
        from pyarrow import parquet  # noqa: PLC0415 - the same
    except ImportError:
        raise UsageError(
            "writing Parquet needs PyArrow", hint='install it: pip install "flagctl[population]"'
        ) from None
    kinds = {
        AttributeType.NUMBER: pa.float64(),
        AttributeType.BOOLEAN: pa.bool_(),
        AttributeType.LIST: pa.list_(pa.string()),
    }
    schema = pa.schema([(heading(path), kinds.get(kind, pa.string())) for path, kind in types.items()])
    written = 0
    try:
        with parquet.ParquetWriter(stream, schema) as writer:
            for batch in batches:
                columns = [
                    pa.array([row.get(path) for row in batch], type=field.type)
                    for path, field in zip(types, schema, strict=True)
                ]
                writer.write_batch(pa.record_batch(columns, schema=schema))
                written += len(batch)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UsageError(
            f"these contexts don't fit into columns of one type each: {error}", hint="write JSONL instead"
        ) from error
    return written
