"""The author-side Python API: a flag repository on disk, read and edited."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flagctl.ops.loading import find_flag, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flagctl.diagnostics import Diagnostic
    from flagctl.model import Flag, Repository
    from flagctl.ops.edit import Draft
    from flagctl.ops.edit_model import EditPlan, EditResult
    from flagctl.ops.workspace import Workspace
    from flagctl.source import LoadedRepository
    from flagctl.source.editing import Edit


class FlagRepository:
    """A flag repository. It sees its own edits; `refresh` makes it see others'.

    >>> repository = FlagRepository("shop-flags")  # doctest: +SKIP
    >>> [flag.key for flag in repository.list_flags() if "checkout" in flag.tags]  # doctest: +SKIP
    ['new-checkout']

    Args:
        path: The folder with `flagctl.yaml`, or one below it.
        dry_run: Let every edit stop before it writes.
        clock: Seconds since the epoch.

    Raises:
        UsageError: If there is no flag repository.
        FindingsError: If `flagctl.yaml` is unusable. Other files with errors are left out; `diagnostics` has them.
    """

    def __init__(
        self,
        path: str | Path = ".",
        *,
        dry_run: bool = False,
        clock: Callable[[], float] = time.time,
        _workspace: Workspace | None = None,
    ) -> None:
        from flagctl.ops.workspace import Workspace
        from flagctl.source import find_root

        self.workspace = _workspace or Workspace(find_root(Path(path)))
        self.root = self.workspace.root
        self.dry_run = dry_run
        self._clock = clock
        readable(self.loaded)

    def __repr__(self) -> str:
        return f"FlagRepository({str(self.root)!r})"

    # --- reading ---

    @property
    def loaded(self) -> LoadedRepository:
        """Everything that was read, with the files' texts and positions."""
        return self.workspace.loaded()

    @property
    def model(self) -> Repository:
        """Everything that was read: flags, segments, experiments, layers and the configuration."""
        return readable(self.loaded)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Findings of reading the files; `flagctl validate` has more."""
        return self.loaded.diagnostics

    @property
    def project(self) -> str:
        """Name of the project."""
        return self.model.config.project

    @property
    def environments(self) -> tuple[str, ...]:
        """Names of the environments, in the order written."""
        return tuple(self.model.config.environments)

    def list_flags(self) -> list[Flag]:
        """Return the flags, sorted by key."""
        return list(self.model.flags.values())

    def get_flag(self, key: str) -> Flag:
        """Return the flag `key`.

        Raises:
            NothingMatchedError: If there is no such flag.
        """
        return find_flag(self.model, key)

    def at(self, revision: str) -> FlagRepository:
        """Return the repository as it was at a git revision: a commit, branch, tag, or ``HEAD~3``.

        Plans made from it are written with `apply(plan, branch=...)`.

        Raises:
            UsageError: If there is no such revision, or the folder is in no git repository.
            NothingMatchedError: If there was no flag repository at that revision.
        """
        from flagctl.ops.workspace import Workspace

        past = Workspace(self.root, revision=revision)
        return FlagRepository(self.root, dry_run=self.dry_run, clock=self._clock, _workspace=past)

    def refresh(self) -> bool:
        """Read again what changed on disk; return whether anything did.

        Raises:
            UsageError: If a file can't be read.
            FindingsError: If `flagctl.yaml` is unusable now.
        """
        changed = self.workspace.refresh()
        if changed:
            readable(self.loaded)
        return changed

    def text(self, path: str) -> str:
        """Return the text of a file, without a byte order mark.

        Args:
            path: Relative to the root, as in `Flag.path`.

        Raises:
            NothingMatchedError: If there is no such file.
        """
        return self.draft().text(path)

    def digest(self, path: str) -> str | None:
        """Return the SHA-256 of a file's bytes in hexadecimal; None if it is not there. What `plan_text` is based on."""
        from flagctl.ops.workspace import digest

        return digest(self.workspace.files.get(path))

    # --- editing in two steps ---

    def draft(self) -> Draft:
        """Return an empty draft: call its methods, then `draft.plan()`."""
        from flagctl.ops.edit import Draft

        return Draft(self.workspace, int(self._clock() * 1000))

    def plan_edit(self, key: str, *edits: Edit, kind: str = "flag") -> EditPlan:
        """Return what edits of one document would do; nothing is written.

        Args:
            key: Of the document.
            edits: `Set`, `Delete`, `Insert`, `Move` and `Rename` of `flagctl.source.editing`.
            kind: ``flag``, ``segment``, ``experiment`` or ``layer``.

        Raises:
            NothingMatchedError: If there is no such document.
            EditError: If an edit does not fit, or the file's layout can't be kept.
        """
        draft = self.draft()
        path = draft.find(key, kind)
        draft.edit(path, *edits)
        return draft.plan(f"Edit {kind} {key}")

    def plan_text(self, path: str, text: str | None, base_digest: str | None = None) -> EditPlan:
        """Return what another text of a file would do, be the text right or not; nothing is written.

        Args:
            path: Relative to the root; a new one makes a file.
            text: All of it; None removes the file.
            base_digest: `digest(path)` of what the text was made from; None does not compare.

        Raises:
            ConflictError: If the file is another one by now.
        """
        from flagctl.errors import ConflictError

        if base_digest is not None and base_digest != self.digest(path):
            raise ConflictError(f"{path} changed since it was read", hint="look at it again, then repeat the edit")
        draft = self.draft()
        draft.write(path, text)
        return draft.plan(f"{'Remove' if text is None else 'Edit'} {path}")

    def apply(
        self, plan: EditPlan, *, commit: bool | str = False, branch: str | None = None, author: str | None = None
    ) -> EditResult:
        """Write what a plan says: all of its files, or none.

        Args:
            plan: From `plan_edit`, `plan_text` or `draft().plan()`.
            commit: Make a commit of these files: True with the plan's own message, or a message.
            branch: Put the commit on this branch, which is not checked out and is made if need be; files stay as they are.
            author: ``Name <address>`` of the commit.

        Raises:
            EditRefusedError: If the plan would bring errors; its `diagnostics` are them.
            ConflictError: If a file is not what the plan is based on any more.
            UsageError: If a file can't be written, or there is no git for a commit.
            FlagctlError: If git refuses the commit; then the files are as before.
        """
        from flagctl.ops.edit_apply import ApplyOptions, apply_plan

        options = ApplyOptions(dry_run=self.dry_run, commit=commit, branch=branch, author=author)
        result = apply_plan(self.root, plan, options, base=self.workspace.revision)
        if result.written:
            self.workspace.refresh()
        return result

    # --- editing at once ---

    @contextmanager
    def edit(
        self, *, commit: bool | str = False, branch: str | None = None, author: str | None = None
    ) -> Iterator[Draft]:
        """Make several edits as one: they are written together when the block ends, or not at all.

        Others wait meanwhile, so that nothing can move. An exception in the block leaves everything as it was.

        Args:
            commit: As for `apply`.
            branch: As for `apply`.
            author: As for `apply`.

        Raises:
            EditRefusedError: If all edits together would bring errors.
        """
        from flagctl.ops.edit_lock import edit_lock

        with edit_lock(self.root):
            self.refresh()
            draft = self.draft()
            yield draft
            draft.result = self.apply(draft.plan(), commit=commit, branch=branch, author=author)
