"""Apply the corrections that findings carry.

Edits that do not touch one another are applied together, then everything is validated anew, since one correction can uncover the next
finding; so on until nothing is left to correct. A correction after which a file can be read worse than before is taken
back, whatever its rule promised.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Applicability
from flagctl.lint import LintResult, lint
from flagctl.source import load_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flagctl.diagnostics import Diagnostic, Edit, Fix
    from flagctl.lint import LintOptions
    from flagctl.source import LoadedRepository, SourceDocument

MAX_ROUNDS: Final = 20
"""Most rounds of corrections; far more than any repository was seen to need."""

_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedFix:
    """One correction that was made."""

    code: str
    path: str
    title: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON output has it."""
        return {"code": self.code, "path": self.path, "title": self.title}


@dataclass(frozen=True, slots=True, kw_only=True)
class FixResult:
    """What was corrected.

    Attributes:
        files: New content of the files that changed, by path.
        applied: Corrections in the order in which they were made.
        result: Findings that are left.
    """

    files: Mapping[str, bytes]
    applied: tuple[AppliedFix, ...]
    result: LintResult

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON output has it; contents are left out."""
        return {
            "files": sorted(self.files),
            "applied": [fix.to_dict() for fix in self.applied],
            **self.result.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """The files at one moment, and what is wrong with them."""

    files: Mapping[str, bytes]
    loaded: LoadedRepository
    result: LintResult


def fix_files(
    files: Mapping[str, bytes],
    options: LintOptions,
    *,
    unsafe: bool = False,
    paths: frozenset[str] | None = None,
) -> FixResult:
    """Correct what can be corrected.

    Args:
        files: The repository's files, as `flagctl.source.read_tree` returns them.
        options: Which findings count; only those are corrected.
        unsafe: Whether to apply also corrections that are guesses, or change who gets what.
        paths: Correct only findings in these files; None for all.

    Raises:
        UsageError: If an option names no known rule.
    """
    state = _look(files, options)
    applied: list[AppliedFix] = []
    refused: set[tuple[object, ...]] = set()
    for _ in range(MAX_ROUNDS):
        wanted = [
            diagnostic
            for diagnostic in state.result.diagnostics
            if diagnostic.fix is not None
            and (paths is None or diagnostic.path in paths)
            and (unsafe or diagnostic.fix.applicability is Applicability.SAFE)
            and _identity(diagnostic) not in refused
        ]
        chosen = _compatible(state, wanted)
        if not chosen:
            break
        state, made, harmful = _apply_all(state, chosen, options)
        refused.update(_identity(diagnostic) for diagnostic in harmful)
        applied.extend(
            AppliedFix(code=one.code, path=one.path, title=one.fix.title) for one in made if one.fix is not None
        )
    changed = {path: content for path, content in state.files.items() if content != files.get(path)}
    return FixResult(files=changed, applied=tuple(applied), result=state.result)


def _look(files: Mapping[str, bytes], options: LintOptions) -> _State:
    loaded = load_tree(files)
    return _State(files=files, loaded=loaded, result=lint(loaded, options))


def _identity(diagnostic: Diagnostic) -> tuple[object, ...]:
    edits = diagnostic.fix.edits if diagnostic.fix is not None else ()
    return (diagnostic.code, diagnostic.path, diagnostic.message, tuple(edit.text for edit in edits))


def _compatible(state: _State, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return those whose edits neither overlap nor touch those of an earlier one, and whose files can be written back."""
    taken: dict[str, list[tuple[int, int]]] = {}
    result = []
    for diagnostic in diagnostics:
        edits = diagnostic.fix.edits if diagnostic.fix is not None else ()
        places = []
        for edit in edits:
            document = state.loaded.documents.get(edit.path)
            if document is None or not _is_faithful(document, state.files[edit.path]):
                break
            places.append((edit.path, _range(document, edit)))
        else:
            if edits and all(_is_free(taken.get(path, ()), span) for path, span in places):
                for path, span in places:
                    taken.setdefault(path, []).append(span)
                result.append(diagnostic)
    return result


def _is_free(taken: Iterable[tuple[int, int]], span: tuple[int, int]) -> bool:
    return all(span[1] < start or end < span[0] for start, end in taken)


def _is_faithful(document: SourceDocument, content: bytes) -> bool:
    """Return whether writing the document's text gives the file's bytes, so that nothing else can change."""
    return document.text.encode("utf-8", "surrogatepass") == content.removeprefix(_BOM)


def _range(document: SourceDocument, edit: Edit) -> tuple[int, int]:
    lines, span = document.lines, edit.span
    return lines.offset(span.line, span.column), lines.offset(span.end_line, span.end_column)


def _apply_all(
    state: _State, chosen: Sequence[Diagnostic], options: LintOptions
) -> tuple[_State, Sequence[Diagnostic], Sequence[Diagnostic]]:
    """Apply corrections together; if that does harm, halve until it is known which one does.

    Returns:
        The new state, the corrections made, and those that do harm. The others come again in the next round, since
        their places are stale once one of them is applied.
    """
    after = _look(_edited(state, [one.fix for one in chosen if one.fix is not None]), options)
    if not _is_worse(state, after, chosen):
        return after, chosen, ()
    if len(chosen) == 1:
        return state, (), chosen
    middle = len(chosen) // 2
    after, made, harmful = _apply_all(state, chosen[:middle], options)
    if made:
        return after, made, harmful
    after, made, also_harmful = _apply_all(state, chosen[middle:], options)
    return after, made, (*harmful, *also_harmful)


def _edited(state: _State, fixes: Iterable[Fix]) -> dict[str, bytes]:
    by_path: dict[str, list[tuple[int, int, str]]] = {}
    for fix in fixes:
        for edit in fix.edits:
            start, end = _range(state.loaded.documents[edit.path], edit)
            by_path.setdefault(edit.path, []).append((start, end, edit.text))
    files = dict(state.files)
    for path, edits in by_path.items():
        text = state.loaded.documents[path].text
        for start, end, replacement in sorted(edits, reverse=True):
            text = text[:start] + replacement + text[end:]
        files[path] = (_BOM if files[path].startswith(_BOM) else b"") + text.encode()
    return files


def _is_worse(before: _State, after: _State, chosen: Iterable[Diagnostic]) -> bool:
    """Return whether files can be read less well than before.

    A correction of syntax may uncover what is wrong with the shape; no other one may.
    """
    prefixes = ("SYN",) if any(one.code.startswith("SYN") for one in chosen) else ("SYN", "SCH")
    return any(count > _unread(before, prefixes)[path] for path, count in _unread(after, prefixes).items())


def _unread(state: _State, prefixes: tuple[str, ...]) -> Counter[str]:
    return Counter(one.path for one in state.loaded.diagnostics if one.code.startswith(prefixes))
