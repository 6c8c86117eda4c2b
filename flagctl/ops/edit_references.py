"""Who needs a document: other documents, tests, and code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import FindingsError
from flagctl.lint.words import first_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flagctl.diagnostics import Route
    from flagctl.ops.edit_draft import BaseDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One place that needs a document.

    Attributes:
        kind: ``flag``, ``segment``, ``experiment``, ``test`` or ``code``.
        key: Of the document that needs it; the path for tests and code.
        path: The file: relative to the flag repository's root, for code to the git repository's.
        line: From 1.
    """

    kind: str
    key: str
    path: str
    line: int

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}"
        return where if self.kind in {"test", "code"} else f"{self.kind} {self.key} ({where})"

    def to_dict(self) -> dict[str, Any]:
        """Return the reference as the JSON output has it."""
        return {"kind": self.kind, "key": self.key, "path": self.path, "line": self.line}


class NeededError(FindingsError):
    """A document that can't be deleted, because others need it.

    Attributes:
        references: Who.
    """

    def __init__(self, kind: str, key: str, references: Sequence[Reference]) -> None:
        shown = first_of(map(str, references))
        advice = "remove these first"
        if any(reference.kind == "test" for reference in references):
            advice += "; --with-tests takes test files along that are about nothing else"
        super().__init__(f"the {kind} {key} is still needed by {shown}", hint=f"{advice}; --force deletes anyway")
        self.references = tuple(references)


def find_references(draft: BaseDraft, kind: str, key: str) -> tuple[Reference, ...]:
    """Return the documents and tests that name a document."""
    word = key.encode()
    found: list[Reference] = []
    for path in draft.paths():
        if word not in (draft.content(path) or b"") or path == "flagctl.yaml":
            continue
        data = _data(draft, path)
        if data.get("kind") == kind and data.get("key") == key:
            continue
        for route in _routes(data, kind, key):
            found.append(_reference(draft, path, data, route))
            break
    return tuple(found)


def is_only_about(draft: BaseDraft, path: str, key: str) -> bool:
    """Return whether a test file has cases of one flag only."""
    data = _data(draft, path)
    general = data.get("flag")
    cases = data.get("cases")
    named = (
        {case.get("flag", general) for case in cases if isinstance(case, dict)} if isinstance(cases, list) else set()
    )
    return named <= {key} and general in {key, None}


def find_in_code(draft: BaseDraft, key: str) -> tuple[Reference, ...]:
    """Return the places in tracked files of the git repository, but for the flag files and comments, that name a key."""
    from flagctl.errors import FlagctlError
    from flagctl.ops.code import read_code
    from flagctl.references import ReferenceKind

    try:
        code = read_code(draft.workspace.root, draft.workspace.loaded(), keys=(key,), thorough=False)
    except FlagctlError:  # without git there is nothing to look through
        return ()
    return tuple(
        Reference(kind="code", key=one.path, path=one.path, line=one.line)
        for one in code.references
        if one.kind is not ReferenceKind.COMMENT
    )


def _data(draft: BaseDraft, path: str) -> dict[str, Any]:
    from flagctl.source.editing import EditError

    try:
        return draft.data(path)
    except EditError:
        return {}


def _routes(value: Any, kind: str, key: str, route: Route = ()) -> Iterator[Route]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == kind and item == key:
                yield (*route, name)
            elif name not in {"value", "variants", "value_schema"} or isinstance(item, list):
                yield from _routes(item, kind, key, (*route, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _routes(item, kind, key, (*route, index))


def _reference(draft: BaseDraft, path: str, data: dict[str, Any], route: Route) -> Reference:
    from flagctl.source import SourceDocument

    span = SourceDocument(path, draft.text(path)).span(route, "key")
    kind = str(data.get("kind"))
    return Reference(
        kind=kind, key=path if kind == "test" else str(data.get("key")), path=path, line=span.line if span else 1
    )
