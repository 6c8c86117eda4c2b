"""The page on telemetry says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from flagctl.client import Telemetry, sinks
from flagctl.events import COLUMNS, EVENT_FORMAT_VERSION

PAGE = Path(__file__).parents[4] / "docs" / "telemetry.md"


def described() -> str:
    """Return the tables of all events in Markdown."""
    parts = []
    for kind, columns in COLUMNS.items():
        rows = [
            f"| `{column.name}` | {column.type}{', may be empty' if column.nullable else ''} | {column.about} |"
            for column in columns
        ]
        parts += [f"### {kind}", "", "| column | type | |", "|---|---|---|", *[r.replace("``", "`") for r in rows], ""]
    return "\n".join(parts)


def test_the_page_has_every_column_of_every_event() -> None:
    text = PAGE.read_text("utf-8")
    found = re.search(r"<!-- columns -->\n(.*)<!-- /columns -->", text, re.DOTALL)
    assert found is not None
    assert found[1] == described(), "put what described() returns between the marks"
    assert f"Version {EVENT_FORMAT_VERSION}." in text


def test_the_page_has_every_setting_with_its_default() -> None:
    (section,) = re.findall(r"^## Settings\n(.*?)^## ", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", section, re.MULTILINE))
    defaults = {name: eval(shown) for name, shown in rows.items()}  # noqa: S307 - the documentation is ours
    assert defaults == Telemetry._field_defaults


def test_the_page_names_every_sink() -> None:
    text = PAGE.read_text("utf-8")
    assert [name for name in sinks.__all__ if name not in {"Sink", "Sizes"} and f"`{name}(" not in text] == []
