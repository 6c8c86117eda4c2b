"""What an edit would do, and what it did."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import Severity
from flagctl.ops.loading import InvalidFlagsError
from flagctl.ops.workspace import digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from flagctl.diagnostics import Diagnostic
    from flagctl.ops.diff import DiffResult

_BOM = b"\xef\xbb\xbf"


class EditRefusedError(InvalidFlagsError):
    """An edit that would bring new errors; nothing was written.

    Attributes:
        diagnostics: The new errors.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        errors = tuple(diagnostics)
        count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
        super().__init__(f"the edit would bring {count}, so nothing was written", errors)
        self.hint = "flagctl rule CODE explains a code"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdit:
    """One file before and after.

    Attributes:
        path: Relative to the flag repository's root.
        before: Its bytes; None for a new file.
        after: Its new bytes; None for a file that goes.
    """

    path: str
    before: bytes | None
    after: bytes | None

    @property
    def before_text(self) -> str | None:
        """Its text, without a byte order mark."""
        return text_of(self.before)

    @property
    def after_text(self) -> str | None:
        """Its new text, without a byte order mark."""
        return text_of(self.after)

    @property
    def base_digest(self) -> str | None:
        """SHA-256 of the bytes that the edit is based on; None for a new file."""
        return digest(self.before)

    @property
    def action(self) -> str:
        """``created``, ``changed`` or ``deleted``."""
        if self.before is None:
            return "created"
        return "deleted" if self.after is None else "changed"

    @property
    def patch(self) -> str:
        """The unified difference of the texts."""
        before, after = self.before_text or "", self.after_text or ""
        lines = difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            "/dev/null" if self.before is None else f"a/{self.path}",
            "/dev/null" if self.after is None else f"b/{self.path}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the edit as the JSON output has it; the contents are in the patch."""
        return {
            "path": self.path,
            "action": self.action,
            "base_sha256": self.base_digest,
            "sha256": digest(self.after),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPlan:
    """What an edit would do. Nothing has been written yet.

    Attributes:
        files: What changes; empty if the edit changes nothing.
        diagnostics: Findings of all severities in the files it changes, as they would be after it.
        errors: Errors that the edit would bring, wherever; they refuse it.
        review: What it means, and for whom; None if it could not be compared, as after an error of syntax.
        message: For the commit: what it means, in words.
        notes: What somebody should know who did not ask, such as "production has rules of its own".
        forced: Whether it is written in spite of `errors`, because somebody insisted.
    """

    files: tuple[FileEdit, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    errors: tuple[Diagnostic, ...] = ()
    review: DiffResult | None = None
    message: str = ""
    notes: tuple[str, ...] = ()
    forced: bool = False

    @property
    def patch(self) -> str:
        """The unified difference of all files."""
        return "".join(file.patch for file in self.files)

    @property
    def digest(self) -> str:
        """SHA-256 over paths and digests of the files it is based on."""
        lines = (f"{file.path}\0{file.base_digest or '-'}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.files)

    def require_valid(self) -> None:
        """Go on only if the edit brings no error.

        Raises:
            EditRefusedError: If it does.
        """
        if self.errors and not self.forced:
            raise EditRefusedError(self.errors)

    def warnings(self) -> tuple[Diagnostic, ...]:
        """Return the findings in its files that are warnings."""
        return tuple(found for found in self.diagnostics if found.severity is Severity.WARNING)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as the JSON output has it."""
        review = self.review
        return {
            "files": [file.to_dict() for file in self.files],
            "digest": self.digest,
            "patch": self.patch,
            "message": self.message,
            "notes": list(self.notes),
            "forced": self.forced,
            "diagnostics": [found.to_dict() for found in self.diagnostics],
            "errors": [found.to_dict() for found in self.errors],
            "diff": None if review is None else review.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EditResult:
    """What an edit did.

    Attributes:
        root: The flag repository's root.
        plan: What was to be done.
        written: Whether files were written, or a commit made elsewhere.
        commit: Id of the commit, if one was made.
        branch: The branch that it is on, if one was named.
    """

    root: Path
    plan: EditPlan
    written: bool
    commit: str | None = None
    branch: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-edit.schema.json`)."""
        return {
            "format_version": "1.0",
            **self.plan.to_dict(),
            "written": self.written,
            "commit": self.commit,
            "branch": self.branch,
        }


def text_of(content: bytes | None) -> str | None:
    """Return a file's text without a byte order mark; what is no UTF-8 is replaced."""
    return None if content is None else content.removeprefix(_BOM).decode("utf-8", "replace")


def bytes_of(text: str, before: bytes | None) -> bytes:
    """Return a text as bytes, with a byte order mark if there was one before."""
    bom = _BOM if before is not None and before.startswith(_BOM) else b""
    return bom + text.encode("utf-8", "surrogatepass")
