"""JSON output."""

from __future__ import annotations

import json
from typing import Any, Protocol

FORMAT_VERSION = "1.0"
"""Of every JSON output: the minor number grows when something is added, the major one when something changes meaning."""


class HasDict(Protocol):
    """A result that can say itself as plain data."""

    def to_dict(self) -> dict[str, Any]:
        """Return the data that the published schema describes."""


def render_json(result: HasDict) -> str:
    """Return a result as indented JSON with `format_version` first."""
    ordered = {"format_version": FORMAT_VERSION, **result.to_dict()}
    ordered["format_version"] = FORMAT_VERSION
    return json.dumps(ordered, indent=2, ensure_ascii=False, allow_nan=False)
