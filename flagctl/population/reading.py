"""Files of evaluation contexts, some thousand at a time, so that their size does not matter.

JSONL (an object on each line), CSV (a heading with attributes, dots for nested ones, cells typed by the declared context) and Parquet; the
first two also compressed with gzip. What a file can't mean is an error with its line, never a context left out.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.population.batch import BATCH_ROWS, RowBatch, TableBatch, values_at
from flagctl.population.cells import CellError, read_cell
from flagctl.population.columns import Column
from flagctl.population.gathering import NEAR, Shared
from flagctl.population.nesting import heading, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from flagctl.evaluator.plan import Path as AttributePath
    from flagctl.model.config import ContextSchema
    from flagctl.population.batch import Batch

FORMATS: Final = ("jsonl", "csv", "parquet")
"""Formats of a population, the first one is that of stdin."""

_ENDINGS: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationFile:
    """Where contexts come from.

    Attributes:
        path: The file; None is `stream`.
        stream: Bytes, if they come from elsewhere.
        form: One of `FORMATS`; None goes by the file's ending.
        schema: Declared context, which types the cells of CSV.
        batch_rows: How many contexts are looked at together.
    """

    path: Path | None
    schema: ContextSchema
    stream: IO[bytes] | None = None
    form: str | None = None
    batch_rows: int = BATCH_ROWS

    @property
    def name(self) -> str:
        """What messages call it."""
        return "stdin" if self.path is None else str(self.path)

    def batches(self) -> Iterator[tuple[Batch, float | None]]:
        """Yield the contexts in order, each batch with the share of the file that is read then (None: unknown).

        Raises:
            UsageError: If the file can't be read, or something in it is no context.
            NothingMatchedError: If there is no context in it.
        """
        form = format_of(self.path, self.form)
        empty = True
        with self._opened() as (stream, size):
            reader = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}[form](self, stream)
            while True:
                try:
                    batch = next(reader, None)
                except (OSError, EOFError, UnicodeDecodeError) as error:
                    raise UsageError(f"the population {self.name} cannot be read: {_why(error)}") from error
                if batch is None:
                    break
                empty = False
                yield batch, _progress(stream, size)
        if empty:
            raise NothingMatchedError(f"the population {self.name} has no contexts")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[IO[bytes], int | None]]:
        if self.path is None:
            if self.stream is None:
                raise UsageError("no population is given")
            yield self.stream, None
            return
        try:
            with self.path.open("rb") as stream:
                yield stream, self.path.stat().st_size
        except OSError as error:
            raise UsageError(f"the population {self.name} cannot be read: {error.strerror or error}") from error


def format_of(path: Path | None, form: str | None) -> str:
    """Return the format of a population: the one given, else by the file's ending; stdin has JSONL.

    Raises:
        UsageError: If that is none.
    """
    known = f"there are: {', '.join(FORMATS)}"
    if form is not None:
        if form not in FORMATS:
            raise UsageError(f"'{form}' is no format of a population", hint=known)
        return form
    if path is None:
        return FORMATS[0]
    name = path.name.lower().removesuffix(".gz")
    for ending, found in _ENDINGS.items():
        if name.endswith(ending):
            return found
    if name.endswith(".json"):
        raise UsageError(
            f"a population is JSONL, one object on each line, and {path} is called JSON",
            hint=f"turn a list into lines: jq -c '.[]' {path} > contexts.jsonl",
        )
    raise UsageError(f"what format does {path} have?", hint=f"name it with --population-format; {known}")


def _why(error: Exception) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(getattr(error, "strerror", "") or error)


def _progress(stream: IO[bytes], size: int | None) -> float | None:
    return min(stream.tell() / size, 1.0) if size else None


def _text(source: PopulationFile, stream: IO[bytes], newline: str | None) -> io.TextIOWrapper:
    if source.path is not None and source.path.name.lower().endswith(".gz"):
        stream = gzip.open(stream)  # type: ignore[assignment]  # noqa: SIM115 - the file below is closed by its owner
    return io.TextIOWrapper(stream, encoding="utf-8-sig", newline=newline)


# --- JSONL ---


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


_scan: Final = json.JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]


def _jsonl(source: PopulationFile, stream: IO[bytes]) -> Iterator[Batch]:
    lines = _text(source, stream, "\n")
    numbered = enumerate(lines, start=1)
    wanted: set[AttributePath] = set()
    while part := list(islice(numbered, source.batch_rows)):
        contexts: list[dict[str, Any]] = []
        gathered: dict[AttributePath, list[Any]] = {path: [] for path in wanted}
        shared = Shared()
        for start in range(0, len(part), NEAR):
            near = [
                _context(source, number, text) for number, line in part[start : start + NEAR] if (text := line.strip())
            ]
            contexts += near
            for path, values in gathered.items():
                values.extend(shared.values(path, values_at(near, path)))
        if contexts:
            batch = RowBatch(contexts, gathered)
            yield batch
            wanted |= batch.asked
    lines.detach()


def _context(source: PopulationFile, number: int, text: str) -> dict[str, Any]:
    try:
        context, end = _scan(text, 0)
    except (StopIteration, ValueError, RecursionError):
        end = -1
    if end != len(text):
        raise UsageError(
            f"{source.name}:{number}: this line is not JSON", hint="a population has one JSON object on each line"
        )
    if type(context) is not dict:
        raise UsageError(
            f"{source.name}:{number}: this line is not a JSON object",
            hint='a context looks like {"targeting_key": "user-1", "country": "DE"}',
        )
    return context


# --- CSV ---


def heading_paths(names: Sequence[str], where: str) -> list[tuple[str, ...]]:
    """Return the paths of a heading's columns.

    Raises:
        UsageError: If a name is empty or there twice, or names something inside another column.
    """
    paths: list[tuple[str, ...]] = []
    for name in names:
        path = path_of(name)
        if path is None:
            raise UsageError(
                f"{where}: '{name}' is no attribute that a column can hold",
                hint='a heading is an attribute such as plan or device.os, or a list of keys such as ["claims", "acme.com"]',
            )
        if path in paths:
            raise UsageError(f"{where}: there are two columns '{name}'")
        paths.append(path)
    for path in paths:
        for length in range(1, len(path)):
            if path[:length] in paths:
                raise UsageError(
                    f"{where}: the column '{heading(path)}' lies inside the column '{heading(path[:length])}'"
                )
    return paths


class _CsvTable:
    def __init__(
        self, source: PopulationFile, paths: list[tuple[str, ...]], columns: list[list[str]], lines: list[int]
    ) -> None:
        self._source = source
        self._columns = columns
        self._lines = lines
        self.paths = paths
        self.size = len(lines)
        self.asked: set[int] = set()

    def values(self, path: tuple[str, ...]) -> Sequence[Any]:
        column = self.column(path)
        values = [*column.distinct, None]
        return values if column.codes is None else [values[code] for code in column.codes]

    def column(self, path: tuple[str, ...]) -> Column:
        place = self.paths.index(path)
        self.asked.add(place)
        cells = self._columns[place]
        attribute = self._source.schema.lookup(path)
        kept: list[Any] = []
        places: dict[str, int] = {}
        for cell in dict.fromkeys(cells):
            try:
                value = read_cell(cell, attribute)
            except CellError as error:
                line = self._lines[cells.index(cell)]
                raise UsageError(f"{self._source.name}:{line}: '{heading(path)}' is '{cell[:60]}': {error}") from None
            places[cell] = -1 if value is None else len(kept)
            if value is not None:
                kept.append(value)
        return Column.encoded(kept, np.fromiter(map(places.__getitem__, cells), np.int64, len(cells)))

    def cell(self, path: tuple[str, ...], row: int) -> Any:
        cell = self._columns[self.paths.index(path)][row]
        try:
            return read_cell(cell, self._source.schema.lookup(path))
        except CellError:  # of a column that no flag reads
            return cell


def _csv(source: PopulationFile, stream: IO[bytes]) -> Iterator[Batch]:
    text = _text(source, stream, "")
    reader = csv.reader(text, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        paths = heading_paths(names, f"{source.name}:1") if names else []
        wanted: set[int] = set()
        while True:
            columns: list[list[str]] = [[] for _ in names]
            lines: list[int] = []
            shared = Shared()
            while len(lines) < source.batch_rows:
                near = _csv_rows(source, reader, names, lines)
                for place, cells in enumerate(zip(*near, strict=True)):
                    columns[place].extend(shared.values(place, cells) if place in wanted else cells)
                if not near:
                    break
            if not lines:
                break
            table = _CsvTable(source, paths, columns, lines)
            yield TableBatch(table)
            wanted |= table.asked
    except csv.Error as error:
        raise UsageError(f"{source.name}:{reader.line_num}: this is not CSV: {error}") from error
    text.detach()


def _csv_rows(source: PopulationFile, reader: Any, names: list[str], lines: list[int]) -> list[list[str]]:
    """Return the next rows of a CSV, none at its end, and note their lines."""
    rows: list[list[str]] = []
    for row in reader:
        if not row:
            continue
        if len(row) != len(names):
            raise UsageError(
                f"{source.name}:{reader.line_num}: this line has {len(row)} cells, and the heading has {len(names)}",
                hint="cells are separated by commas; one with a comma inside stands in double quotes",
            )
        rows.append(row)
        lines.append(reader.line_num)
        if len(rows) == min(NEAR, source.batch_rows):
            break
    return rows


# --- Parquet ---


class _ArrowTable:
    def __init__(self, paths: list[tuple[str, ...]], arrays: Any, size: int) -> None:
        self._arrays = dict(zip(paths, arrays, strict=True))
        self.paths = paths
        self.size = size

    def values(self, path: tuple[str, ...]) -> Sequence[Any]:
        return _values(self._arrays[path])

    def column(self, path: tuple[str, ...]) -> Column:
        import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it

        array = self._arrays[path]
        kind = array.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind):
            array = array.dictionary_encode()
        if not pa.types.is_dictionary(array.type):
            return Column(_values(array))
        codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        distinct = _values(array.dictionary)
        if None in distinct:  # a dictionary may hold a null of its own
            return Column(_values(array.dictionary_decode()))
        return Column.encoded(list(distinct), codes)

    def cell(self, path: tuple[str, ...], row: int) -> Any:
        return _plain(self._arrays[path][row : row + 1]).to_pylist()[0]


def _plain(array: Any) -> Any:
    """Return an array whose values Python has types for: it has none for nanoseconds."""
    import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it

    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        return array.cast(pa.timestamp("us", array.type.tz), safe=False)
    return array


def _values(array: Any) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it

    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array.to_numpy(zero_copy_only=False).tolist()  # type: ignore[no-any-return]
    if not array.null_count and (pa.types.is_integer(kind) or pa.types.is_float64(kind)):
        return array.to_numpy().tolist()  # type: ignore[no-any-return]
    return _plain(array).to_pylist()  # type: ignore[no-any-return]


def _parquet(source: PopulationFile, stream: IO[bytes]) -> Iterator[Batch]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it
        from pyarrow import parquet  # noqa: PLC0415 - the same
    except ImportError:
        raise UsageError(
            "reading Parquet needs PyArrow", hint='install it: pip install "flagctl[population]"'
        ) from None
    if source.path is None:
        stream = io.BytesIO(stream.read())  # the table of contents is at the end
    try:
        file = parquet.ParquetFile(stream)
        paths = heading_paths(file.schema_arrow.names, source.name)
        for batch in file.iter_batches(batch_size=source.batch_rows):
            if batch.num_rows:
                yield TableBatch(_ArrowTable(paths, batch.columns, batch.num_rows))
    except pa.ArrowException as error:
        raise UsageError(f"{source.name} is not Parquet: {error}") from error
