"""The author-side Python API: a flag repository on disk, read and edited."""

from __future__ import annotations

import functools
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from flagctl.ops.edit import Draft
from flagctl.ops.loading import find_flag, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flagctl.diagnostics import Diagnostic
    from flagctl.model import Flag, Repository
    from flagctl.ops.edit_model import EditPlan, EditResult
    from flagctl.ops.workspace import Workspace
    from flagctl.source import LoadedRepository
    from flagctl.source.editing import Edit

P = ParamSpec("P")


def _verb(method: Callable[Concatenate[Draft, P], object]) -> Callable[Concatenate[FlagRepository, P], EditResult]:
    """Return an edit of a draft as a method that plans and writes it at once."""

    @functools.wraps(method)
    def call(self: FlagRepository, /, *args: P.args, **kwargs: P.kwargs) -> EditResult:
        with self.edit() as draft:
            method(draft, *args, **kwargs)
        return self.last_result(draft)

    return call


class FlagRepository:
    """A flag repository. It sees its own edits; `refresh` makes it see others'.

    >>> repository = FlagRepository("shop-flags")  # doctest: +SKIP
    >>> [flag.key for flag in repository.list_flags() if "checkout" in flag.tags]  # doctest: +SKIP
    ['new-checkout']

    Args:
        path: The folder with `flagctl.yaml`, or one below it.
        dry_run: Let every edit stop before it writes.
        commit: Let every edit at once make a commit of its own.
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
        commit: bool = False,
        clock: Callable[[], float] = time.time,
        _workspace: Workspace | None = None,
    ) -> None:
        from flagctl.ops.workspace import Workspace
        from flagctl.source import find_root

        self.workspace = _workspace or Workspace(find_root(Path(path)))
        self.root = self.workspace.root
        self.dry_run = dry_run
        self.commit = commit
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
        return FlagRepository(self.root, dry_run=self.dry_run, commit=self.commit, clock=self._clock, _workspace=past)

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
        self, *, commit: bool | str | None = None, branch: str | None = None, author: str | None = None
    ) -> Iterator[Draft]:
        """Make several edits as one: they are written together when the block ends, or not at all.

        Others wait meanwhile, so that nothing can move. An exception in the block leaves everything as it was.

        Args:
            commit: As for `apply`; None is what the repository was made with.
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
            wished = self.commit if commit is None else commit
            draft.result = self.apply(draft.plan(), commit=wished, branch=branch, author=author)

    @staticmethod
    def last_result(draft: Draft) -> EditResult:
        """Return what writing a draft did.

        Raises:
            UsageError: If it was not written yet.
        """
        from flagctl.errors import UsageError

        if draft.result is None:
            raise UsageError("this draft has not been written yet")
        return draft.result

    def create_flag(self, flag: Mapping[str, Any] | Flag, *, folder: str | None = None) -> EditResult:
        """Make a flag.

        Args:
            flag: As its file has it (``{"key": ..., "type": ..., "default": ...}``), or a flag of a repository.
            folder: Where its file goes, relative to the root; None is where most files of its owner are.

        Raises:
            UsageError: If the key is taken.
            EditRefusedError: If it is no valid flag.
        """
        data = self._data_of(flag)
        with self.edit() as draft:
            draft.create_document({**data, "kind": "flag"}, folder=folder)
        return self.last_result(draft)

    def update_flag(self, key: str, **changes: Any) -> EditResult:
        """Set keys of a flag's file: ``update_flag("dark-mode", owner="team-web", default="on")``; None removes a key.

        Raises:
            NothingMatchedError: If there is no such flag.
            EditRefusedError: If it would no longer be valid.
        """
        with self.edit() as draft:
            for name, value in changes.items():
                draft.set_about(key, name, value)
        return self.last_result(draft)

    def delete_flag(self, key: str, *, with_tests: bool = False, force: bool = False) -> EditResult:
        """Delete a flag that nobody needs any more.

        Raises:
            NeededError: If other documents, tests or code need it.
        """
        with self.edit() as draft:
            draft.delete(key, with_tests=with_tests, force=force)
        return self.last_result(draft)

    def promote(self, keys: Sequence[str], source: str, target: str, *, with_needed: bool = False) -> EditResult:
        """Let flags do in the environment `target` what they do in `source`.

        Args:
            keys: Of the flags.
            source: The environment to copy from.
            target: The environment to copy to.
            with_needed: Promote the flags, too, that these need.

        Raises:
            NothingMatchedError: If there is no such flag.
        """
        from flagctl.ops.promote import promote

        with self.edit() as draft:
            promote(draft, keys, source, target, with_needed=with_needed)
        return self.last_result(draft)

    def _data_of(self, flag: Mapping[str, Any] | Flag) -> dict[str, Any]:
        from flagctl.errors import UsageError
        from flagctl.model import Flag

        if not isinstance(flag, Flag):
            return dict(flag)
        document = self.loaded.documents.get(flag.path)
        if document is None or document.data is None:
            raise UsageError(f"{flag.key} is no flag of this repository", hint="give its data as a mapping")
        return dict(document.data)

    # Every other edit that has a name; `flagctl.ops.edit.Draft` documents them.
    create = _verb(Draft.create)
    create_document = _verb(Draft.create_document)
    delete = _verb(Draft.delete)
    archive = _verb(Draft.archive)
    rename_owner = _verb(Draft.rename_owner)
    set_enabled = _verb(Draft.set_enabled)
    set_default = _verb(Draft.set_default)
    set_off = _verb(Draft.set_off)
    set_value = _verb(Draft.set_value)
    set_schedule = _verb(Draft.set_schedule)
    set_about = _verb(Draft.set_about)
    set_expiry = _verb(Draft.set_expiry)
    inherit = _verb(Draft.inherit)
    add_tags = _verb(Draft.add_tags)
    remove_tags = _verb(Draft.remove_tags)
    set_variant = _verb(Draft.set_variant)
    add_variant = _verb(Draft.add_variant)
    rename_variant = _verb(Draft.rename_variant)
    remove_variant = _verb(Draft.remove_variant)
    add_targets = _verb(Draft.add_targets)
    remove_targets = _verb(Draft.remove_targets)
    add_prerequisite = _verb(Draft.add_prerequisite)
    remove_prerequisite = _verb(Draft.remove_prerequisite)
    add_rule = _verb(Draft.add_rule)
    remove_rule = _verb(Draft.remove_rule)
    move_rule = _verb(Draft.move_rule)
    set_percentage = _verb(Draft.set_percentage)
    set_rollout = _verb(Draft.set_rollout)
    set_in_rule = _verb(Draft.set_in_rule)
    set_path = _verb(Draft.set_path)
    unset_path = _verb(Draft.unset_path)
    add_members = _verb(Draft.add_members)
    remove_members = _verb(Draft.remove_members)
