"""The shape of one finding."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Route = tuple[str | int, ...]
"""Symbolic place in a document: mapping keys and list positions from the root, e.g. ``("rules", 2, "serve")``."""


class Severity(Enum):
    """How bad a finding is; only errors stop a publication."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Applicability(Enum):
    """Whether a fix may be applied without a look: a fix that changes who gets what is never safe."""

    SAFE = "safe"
    UNSAFE = "unsafe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of a file: lines and columns count from 1 and columns count characters; `end` is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int

    def to_dict(self) -> dict[str, int]:
        """Return the span as the JSON output has it."""
        return {
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line,
            "end_column": self.end_column,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another place that explains the finding, such as "first defined here"."""

    path: str
    span: Span | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replace the text of `span` (empty span: insert) by `text`."""

    path: str
    span: Span
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A correction that `validate --fix` can apply."""

    title: str
    applicability: Applicability
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding.

    Attributes:
        code: Stable code such as ``REF102``; `flagctl rule CODE` explains it.
        severity: Error, warning or info.
        message: One sentence without a final period that names the particulars.
        path: File, relative to the flag repository's root, with forward slashes.
        span: Place in the file; None when the finding is about the file as a whole.
        route: Symbolic place, stable when lines move.
        help: What to do about it, or "did you mean ...".
        related: Other places that explain the finding.
        fix: A correction, where there is one.
        key: Key of the flag, segment, experiment or layer the finding is about.
    """

    code: str
    severity: Severity
    message: str
    path: str
    span: Span | None = None
    route: Route = ()
    help: str | None = None
    related: tuple[Related, ...] = field(default=())
    fix: Fix | None = None
    key: str | None = None

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Order of findings in every output: by file, place, code."""
        line, column = (self.span.line, self.span.column) if self.span else (0, 0)
        return (self.path, line, column, self.code, self.message)

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as the JSON output has it (`schemas/diagnostics.schema.json`)."""
        result: dict[str, Any] = {
            "code": self.code,
            "severity": self.severity.value,
            "message": self.message,
            "path": self.path,
            "span": self.span.to_dict() if self.span else None,
            "route": list(self.route),
        }
        if self.help:
            result["help"] = self.help
        if self.key:
            result["key"] = self.key
        if self.related:
            result["related"] = [
                {"path": r.path, "span": r.span.to_dict() if r.span else None, "message": r.message}
                for r in self.related
            ]
        if self.fix:
            result["fix"] = {
                "title": self.fix.title,
                "applicability": self.fix.applicability.value,
                "edits": [{"path": e.path, "span": e.span.to_dict(), "text": e.text} for e in self.fix.edits],
            }
        return result


def format_route(route: Route) -> str:
    """Return a route as people read it: ``("rules", 2, "serve")`` is ``rules[2].serve``."""
    text = ""
    for step in route:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
