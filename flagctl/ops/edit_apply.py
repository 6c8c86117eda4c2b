"""Write a plan: all files or none, only if nothing moved since it was made, and with a commit if one is wished for."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flagctl.errors import ConflictError, UsageError
from flagctl.lint.words import first_of
from flagctl.ops.edit_lock import edit_lock
from flagctl.ops.edit_model import EditResult
from flagctl.ops.workspace import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.ops.edit_model import EditPlan, FileEdit

_AUTHOR: Final = re.compile(r"[^<>\n]+ <[^<>\n]*>\Z")
MAX_PATH: Final = 4096
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How to write a plan.

    Attributes:
        dry_run: Write nothing.
        commit: Make a commit: True with the plan's message, or a message of one's own.
        branch: Commit on this branch, which nobody has checked out and which is made if need be; files on disk stay.
        author: ``Name <address>`` of the commit; None is whoever runs git.
    """

    dry_run: bool = False
    commit: bool | str = False
    branch: str | None = None
    author: str | None = None


def apply_plan(root: Path, plan: EditPlan, options: ApplyOptions, *, base: str | None = None) -> EditResult:
    """Write what a plan says.

    Args:
        root: The flag repository's root.
        plan: What to do.
        options: How.
        base: The git revision that the plan was made from; None if from files on disk.

    Raises:
        EditRefusedError: If the plan brings new errors.
        ConflictError: If a file is not what the plan is based on any more.
        UsageError: If a file can't be written, or a commit is wanted where there is no git.
        FlagctlError: If git refuses the commit; then the files are as before, too.
    """
    plan.require_valid()
    if options.author is not None and not _AUTHOR.match(options.author):
        raise UsageError(f"'{options.author}' is no author", hint='write "Name <address>"')
    if base is not None and options.branch is None and not options.dry_run:
        raise UsageError("this plan is based on a git revision, not on the files on disk", hint="name a branch")
    if options.dry_run or not plan.has_changes:
        return EditResult(root=root, plan=plan, written=False)
    message = options.commit if isinstance(options.commit, str) else plan.message
    with edit_lock(root):
        if options.branch is not None:
            commit = _commit_elsewhere(root, plan, options, message, base)
            return EditResult(root=root, plan=plan, written=True, commit=commit, branch=options.branch)
        require_unmoved(root, plan.files)
        made = None
        note = _already_changed(root, plan) if options.commit else None
        with _Writing(root, plan.files):
            if options.commit:
                made = _commit(root, plan, message, options.author)
    if options.commit and made is None:
        note = "the files are as in the last commit again, so there was nothing to commit"
    if note is not None:
        plan = replace(plan, notes=(*plan.notes, note))
    return EditResult(root=root, plan=plan, written=True, commit=made)


def write_files(root: Path, files: Sequence[FileEdit]) -> None:
    """Put all files in place or none, if they are still as they were read.

    Raises:
        ConflictError: If one is not.
        UsageError: If one can't be written.
    """
    with edit_lock(root):
        require_unmoved(root, files)
        with _Writing(root, files):
            pass


def require_unmoved(root: Path, files: Sequence[FileEdit]) -> None:
    """Go on only if the files on disk are those that a plan is based on.

    Raises:
        ConflictError: If one is not.
    """
    for file in files:
        place = _place(root, file.path)
        try:
            present = place.read_bytes() if place.exists() else None
        except OSError as error:
            raise UsageError(f"{place} cannot be read: {error.strerror or error}") from error
        if digest(present) != file.base_digest:
            raise _moved(file.path, present)


def _moved(path: str, present: bytes | None) -> ConflictError:
    what = "is gone" if present is None else "changed"
    return ConflictError(f"{path} {what} since it was read", hint="look at it again, then repeat the edit")


def _place(root: Path, path: str) -> Path:
    """Return where a file of the repository lies; a path from outside must not lead out of it."""
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or any(part in {"", ".", ".."} for part in parts) or len(path) > MAX_PATH:
        raise UsageError(f"'{path}' is no path inside of the flag repository")
    if any(part.startswith(".") for part in parts) or not path.endswith((".yaml", ".yml")):
        raise UsageError(f"'{path}' is no flag file", hint="flag files end in .yaml, and begin with no dot")
    place = root / path
    # an existing link is followed and stays one, wherever it leads: its author wanted it there
    return place.resolve() if place.is_symlink() else place


@dataclass(slots=True)
class _Writing:
    """Puts files in place one after the other; when anything fails inside of it, all are as they were."""

    root: Path
    files: Sequence[FileEdit]
    _done: list[FileEdit] = field(default_factory=list)
    _folders: list[Path] = field(default_factory=list)

    def __enter__(self) -> None:
        prepared: list[tuple[FileEdit, Path | None]] = []
        try:
            for file in self.files:
                prepared.append((file, self._prepare(file.path, file.after)))  # noqa: PERF401  what is made must be known
            for file, temporary in prepared:
                self._put(file, temporary)
                self._done.append(file)
        except BaseException as error:
            for _, temporary in prepared:
                if temporary is not None:
                    temporary.unlink(missing_ok=True)
            self._undo()
            if isinstance(error, OSError):
                raise UsageError(
                    f"{error.filename or self.root} cannot be written: {error.strerror or error}"
                ) from error
            raise

    def __exit__(self, kind: object, *_details: object) -> None:
        if kind is not None:
            self._undo()

    def _prepare(self, path: str, content: bytes | None) -> Path | None:
        if content is None:
            return None
        place = _place(self.root, path)
        missing = [folder for folder in place.parents if not folder.exists()]
        place.parent.mkdir(parents=True, exist_ok=True)
        self._folders += missing
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary = Path(name)
        temporary.chmod(place.stat().st_mode & 0o7777 if place.exists() else 0o666 & ~_umask())
        return temporary

    def _put(self, file: FileEdit, temporary: Path | None) -> None:
        place = _place(self.root, file.path)
        if temporary is None:
            place.unlink()
        else:
            temporary.replace(place)

    def _undo(self) -> None:
        for file in reversed(self._done):
            with contextlib.suppress(OSError):
                if file.before is None:
                    _place(self.root, file.path).unlink(missing_ok=True)
                else:
                    self._put(file, self._prepare(file.path, file.before))
        for folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        self._done = []


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def _already_changed(root: Path, plan: EditPlan) -> str | None:
    """Say which files have changes besides the edit's, which a commit of whole files takes along."""
    from flagctl.vcs import GitRepository
    from flagctl.vcs.commits import uncommitted

    dirty = sorted(uncommitted(GitRepository(root), [file.path for file in plan.files if file.before is not None]))
    if not dirty:
        return None
    return f"the commit takes along what was changed before and not committed in {first_of(dirty, _SHOWN)}"


def _commit(root: Path, plan: EditPlan, message: str, author: str | None) -> str | None:
    """Commit the plan's files; None if they are as in the last commit again."""
    from flagctl.vcs import GitRepository
    from flagctl.vcs.commits import CommitText, commit_files, uncommitted

    repository, paths = GitRepository(root), [file.path for file in plan.files]
    if not uncommitted(repository, paths):
        return None
    return commit_files(repository, paths, CommitText(message, author))


def _commit_elsewhere(root: Path, plan: EditPlan, options: ApplyOptions, message: str, base: str | None) -> str:
    from flagctl.vcs import GitRepository
    from flagctl.vcs.commits import CommitText, branch_tip, commit_on_branch

    repository = GitRepository(root)
    branch = options.branch or ""
    parent = branch_tip(repository, branch) or repository.resolve(base or "HEAD")
    present = repository.read_paths(parent, [file.path for file in plan.files])
    for file in plan.files:
        _place(root, file.path)
        if digest(present.get(file.path)) != file.base_digest:
            error = _moved(file.path, present.get(file.path))
            where = f"on branch {branch}" if branch_tip(repository, branch) else "in the last commit"
            raise ConflictError(f"{file.path} is another one {where} than the edit is based on", hint=error.hint)
    contents = {file.path: file.after for file in plan.files}
    return commit_on_branch(repository, branch, parent, contents, CommitText(message, options.author))
