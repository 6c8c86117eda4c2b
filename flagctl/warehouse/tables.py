"""The tables for people who ask in SQL: flags, what they answered, experiments. One definition for every database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_TYPES: Final = {
    "duckdb": {"text": "VARCHAR", "boolean": "BOOLEAN", "instant": "TIMESTAMP", "json": "JSON"},
    "postgres": {"text": "TEXT", "boolean": "BOOLEAN", "instant": "TIMESTAMPTZ", "json": "JSONB"},
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column is its key.

    Attributes:
        name: In the database.
        columns: Name to ``text``, ``boolean``, ``instant`` (UTC) or ``json``.
    """

    name: str
    columns: dict[str, str]


FEATURE_FLAGS: Final = Table(
    "feature_flags",
    {
        "id": "text",
        "key": "text",
        "name": "text",
        "description": "text",
        "type": "text",
        "enabled": "boolean",
        "default_value": "json",
        "rules": "json",
        "metadata": "json",
        "created_at": "instant",
        "created_by": "text",
        "updated_at": "instant",
        "updated_by": "text",
    },
)
FLAG_EVALUATIONS: Final = Table(
    "flag_evaluations",
    {
        "id": "text",
        "flag": "text",
        "environment": "text",
        "unit": "text",
        "variant": "text",
        "value": "json",
        "reason": "text",
        "evaluated_at": "instant",
        "context": "json",
    },
)
EXPERIMENTS: Final = Table(
    "experiments",
    {
        "id": "text",
        "key": "text",
        "flag": "text",
        "name": "text",
        "variants": "json",
        "allocation": "json",
        "metrics": "json",
        "status": "text",
        "winner": "text",
        "started_at": "instant",
        "ended_at": "instant",
        "metadata": "json",
    },
)
TABLES: Final = (FEATURE_FLAGS, FLAG_EVALUATIONS, EXPERIMENTS)


def create_statement(table: Table, dialect: str) -> str:
    """Return the SQL that makes a table unless it is there.

    Args:
        table: Which one.
        dialect: ``duckdb`` or ``postgres``.
    """
    types = _TYPES[dialect]
    columns = [f"{name} {types[kind]}" for name, kind in table.columns.items()]
    columns[0] += " PRIMARY KEY"
    return f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(columns)})"
