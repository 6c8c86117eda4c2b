"""From new texts to a plan: checked with all rules, compared by meaning, with a message for the commit."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Severity
from flagctl.ops.edit_message import commit_message
from flagctl.ops.edit_model import EditPlan, FileEdit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.diagnostics import Diagnostic
    from flagctl.ops.diff import DiffResult
    from flagctl.ops.workspace import Workspace
    from flagctl.source import LoadedRepository

_UNREADABLE: Final = ("SYN", "SCH")


def make_plan(
    workspace: Workspace,
    contents: Mapping[str, bytes | None],
    now_ms: int,
    *,
    title: str = "",
    notes: Iterable[str] = (),
) -> EditPlan:
    """Return what writing new contents would do.

    Args:
        workspace: The files as they are.
        contents: New bytes by path; None removes a file. What is as before is left out.
        now_ms: Instant for rules about time and for ramps.
        title: What the edit is, for a commit that changes no meaning.
        notes: For the plan.
    """
    from flagctl.ops.edit_scope import Scope

    before = workspace.files
    files = tuple(
        FileEdit(path=path, before=before.get(path), after=content)
        for path, content in sorted(contents.items())
        if before.get(path) != content
    )
    if not files:
        return EditPlan(files=(), message=title, notes=tuple(notes))
    after = with_edits(before, files)
    only = Scope(before, after, [file.path for file in files]).paths()
    old = workspace.load(before, before if only is None else only)
    new = workspace.load(after, after if only is None else only)
    changed = frozenset(file.path for file in files)
    found, errors = _findings(old, new, changed, now_ms)
    review = _review(workspace, old, new, changed, now_ms)
    return EditPlan(
        files=files,
        diagnostics=found,
        errors=errors,
        review=review,
        message=commit_message(review, title),
        notes=tuple(notes),
    )


def with_edits(before: Mapping[str, bytes], files: Iterable[FileEdit]) -> dict[str, bytes]:
    """Return all files as they are after edits."""
    after = dict(before)
    for file in files:
        if file.after is None:
            after.pop(file.path, None)
        else:
            after[file.path] = file.after
    return after


def _findings(
    old: LoadedRepository, new: LoadedRepository, changed: frozenset[str], now_ms: int
) -> tuple[tuple[Diagnostic, ...], tuple[Diagnostic, ...]]:
    """Return the findings in changed files after the edit, and the errors, in any file, that were not there before.

    Both sides are parts of the repository, so that a reference may lead out of them; what was unknown before for that reason
    is unknown after, and no new error.
    """
    from flagctl.lint import LintOptions, lint

    options = LintOptions(now_ms=now_ms)
    known = Counter(map(_identity, lint(old, options).diagnostics))
    found = lint(new, options).diagnostics
    errors = []
    for one in found:
        if known[_identity(one)]:
            known[_identity(one)] -= 1
        elif one.severity is Severity.ERROR:
            errors.append(one)
    return tuple(one for one in found if one.path in changed), tuple(errors)


def _identity(found: Diagnostic) -> tuple[Any, ...]:
    """What makes two findings the same, though lines moved."""
    return (found.code, found.severity, found.path, found.key, found.message)


def _review(
    workspace: Workspace, old: LoadedRepository, new: LoadedRepository, changed: frozenset[str], now_ms: int
) -> DiffResult | None:
    from flagctl.ops.diff import DiffOptions, diff_loaded
    from flagctl.ops.sides import Side

    if old.repository is None or new.repository is None:
        return None
    if any(found.path in changed and found.code.startswith(_UNREADABLE) for found in new.diagnostics):
        return None
    sides = (Side(label="before", commit=None, loaded=old), Side(label="after", commit=None, loaded=new))
    result = diff_loaded(*sides, DiffOptions(root=workspace.root, now_ms=now_ms))
    return replace(result, incomplete=tuple(part for part in result.incomplete if part[1] in changed))
