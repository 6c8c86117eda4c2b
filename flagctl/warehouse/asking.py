"""SQL over a warehouse's file, which cannot change it or anything else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.warehouse import memory
from flagctl.warehouse.database import not_opened

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Rows that a query found.

    Attributes:
        columns: Names.
        types: Their types, as DuckDB calls them.
        rows: Values as JSON knows them.
        more: Whether there are more rows than were asked for.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool


def ask(path: Path, sql: str, limit: int) -> Answer:
    """Run one query. The file is opened for reading, and files outside of it cannot be touched.

    Args:
        path: The warehouse.
        sql: The query.
        limit: At most so many rows.

    Raises:
        NothingMatchedError: If there is no such file.
        UsageError: If the query cannot be run.
        ConflictError: If another process is writing to the warehouse.
    """
    import duckdb  # noqa: PLC0415 - slow to import

    if not path.is_file():
        raise NothingMatchedError(f"there is no warehouse {path}", hint="flagctl warehouse load makes one")
    try:
        connection = duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false"})
    except duckdb.Error as error:
        raise not_opened(str(path), error, "cannot be opened by DuckDB") from error
    try:
        memory.bound(connection, None)
        connection.execute("SET lock_configuration = true")
        _check_alone(connection.extract_statements(sql))
        with memory.explained():
            found = connection.execute(sql)
            described = found.description or []
            rows = found.fetchmany(limit + 1) if described else []
    except duckdb.Error as error:
        # Without the line of blanks and a caret, which marks nothing once lines are joined.
        message = [line.strip() for line in str(error).splitlines() if line.strip(" ^")]
        raise UsageError(f"the query cannot be run: {message[0]}", hint=" ".join(message[1:]) or None) from error
    finally:
        connection.close()
    return Answer(
        columns=tuple(column[0] for column in described),
        types=tuple(str(column[1]) for column in described),
        rows=tuple(tuple(plain(value) for value in row) for row in rows[:limit]),
        more=len(rows) > limit,
    )


def _check_alone(statements: list[Any]) -> None:
    """Refuse nothing at all, and several queries, of which only the last one would be answered."""
    import duckdb  # noqa: PLC0415 - slow to import

    # PIVOT becomes two: a type is created before.
    if sum(one.type != duckdb.StatementType.CREATE for one in statements) > 1:
        raise UsageError("one query is asked at a time, not several")
    if not statements:
        raise UsageError("the query is empty", hint='flagctl warehouse query "SELECT count(*) FROM usage"')


def plain(value: Any) -> Any:
    """Return a value of DuckDB as JSON knows it; what JSON has no word for becomes text."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.hex() if isinstance(value, bytes) else str(value)
