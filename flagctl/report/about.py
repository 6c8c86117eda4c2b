"""flagctl's version and its exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.report.table import Column, render_table

if TYPE_CHECKING:
    from flagctl.report.style import Style


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInfo:
    """What `flagctl version` says."""

    version: str
    python: str

    @classmethod
    def current(cls) -> VersionInfo:
        """Return this process's."""
        import sys  # noqa: PLC0415

        import flagctl  # noqa: PLC0415

        return cls(version=flagctl.__version__, python=".".join(map(str, sys.version_info[:3])))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output."""
        return {"version": self.version, "python": self.python}


def render_version(info: VersionInfo, style: Style) -> str:
    """Return one line."""
    return f"flagctl {style.paint(info.version, 'bold')} (Python {info.python})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitCodeTable:
    """Exit codes as ``(code, name, meaning)``."""

    codes: tuple[tuple[int, str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output."""
        return {"exit_codes": [{"code": code, "name": name, "meaning": meaning} for code, name, meaning in self.codes]}


def render_exit_codes(table: ExitCodeTable, style: Style) -> str:
    """Return a table."""
    columns = (
        Column(title="CODE", right=True, paint=("bold",)),
        Column(title="NAME"),
        Column(title="MEANING", wraps=True),
    )
    return render_table(columns, table.codes, style)
