"""`flagctl fmt`: flag files in the canonical layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.ops.edit_model import FileEdit, bytes_of

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FmtOptions:
    """What to format.

    Attributes:
        root: The flag repository's root.
        paths: Only these files, folders or globs; empty is all.
        stdin: ``(path, content)`` of a file that takes the place of all others; nothing is written.
        write: Whether to write files.
    """

    root: Path
    paths: tuple[str, ...] = ()
    stdin: tuple[str, bytes] | None = None
    write: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FmtResult:
    """What became of the files.

    Attributes:
        changed: Files that were not in the canonical layout, as they were and as they are in it.
        skipped: Files that could not be laid out anew, and why.
        total: Number of files that were looked at.
        written: Whether files were written.
        stdin: The new content of what came from the standard input.
    """

    changed: tuple[FileEdit, ...]
    skipped: tuple[tuple[str, str], ...]
    total: int
    written: bool
    stdin: bytes | None = None

    @property
    def patch(self) -> str:
        """The unified difference of all files."""
        return "".join(file.patch for file in self.changed)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-fmt.schema.json`)."""
        return {
            "format_version": "1.0",
            "changed": [file.path for file in self.changed],
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "total": self.total,
            "written": self.written,
            "patch": self.patch,
        }


def fmt(options: FmtOptions) -> FmtResult:
    """Lay flag files out anew. A file that can't be read is left alone and named in the result.

    Raises:
        NothingMatchedError: If a path matches no file of the repository, or there are none.
        ConflictError: If a file changes meanwhile.
        UsageError: If a file can't be written.
    """
    from flagctl.errors import NothingMatchedError
    from flagctl.garbage import without_garbage_collection
    from flagctl.ops.validate import select_paths
    from flagctl.source import read_tree

    if options.stdin is not None:
        files = dict([options.stdin])
        paths = frozenset(files)
    else:
        files = read_tree(options.root)
        paths = select_paths(files, options.paths, options.root)
    if not paths:
        raise NothingMatchedError(f"{options.root} has no flag files")
    changed: list[FileEdit] = []
    skipped: list[tuple[str, str]] = []
    with without_garbage_collection():
        for path in sorted(paths):
            after = _formatted(path, files[path], skipped)
            if after != files[path]:
                changed.append(FileEdit(path=path, before=files[path], after=after))
    written = bool(changed) and options.write and options.stdin is None
    if written:
        _write(options.root, changed)
    return FmtResult(
        changed=tuple(changed),
        skipped=tuple(skipped),
        total=len(paths),
        written=written,
        stdin=None if options.stdin is None else changed[0].after if changed else options.stdin[1],
    )


def _formatted(path: str, content: bytes, skipped: list[tuple[str, str]]) -> bytes:
    from flagctl.source.editing import EditError
    from flagctl.source.editing.format import format_text

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        skipped.append((path, "it is not UTF-8"))
        return content
    try:
        return bytes_of(format_text(text), content)
    except EditError as error:
        skipped.append((path, error.message))
        return content


def _write(root: Path, files: list[FileEdit]) -> None:
    from flagctl.ops.edit_apply import write_files

    write_files(root, files)
