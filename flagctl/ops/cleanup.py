"""`flagctl cleanup`: a flag leaves, from Python code and from the flag repository, and one of its answers stays."""

from __future__ import annotations

import difflib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.errors import ConflictError, UsageError
from flagctl.ops.code import read_code
from flagctl.ops.loading import find_flag, load, readable

if TYPE_CHECKING:
    from flagctl.model import Flag, Repository
    from flagctl.ops.code import Code
    from flagctl.ops.edit import Draft
    from flagctl.ops.edit_model import EditPlan
    from flagctl.references.cleanup.project import ByHand, CleanedProject

_SOFT = frozenset({"comment", "config"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupOptions:
    """Which flag, and what stays.

    Attributes:
        root: The flag repository's root.
        key: The flag.
        now_ms: Instant for rules about time, milliseconds since the epoch.
        keep: The variant that stays; None is the one that everybody gets everywhere already.
        code: Folders in git repositories; empty for the one that the flags are in.
        keep_file: Change code only.
        write: Write it.
        commit: Commit it: True with a message that says what it is, or a message.
    """

    root: Path
    key: str
    now_ms: int
    keep: str | None = None
    code: tuple[Path, ...] = ()
    keep_file: bool = False
    write: bool = False
    commit: bool | str = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeEdit:
    """One file of code before and after; `path` is from the git repository's root."""

    path: str
    place: Path
    before: str
    after: str

    @property
    def patch(self) -> str:
        """The unified difference."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"a/{self.path}",
            f"b/{self.path}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupResult:
    """What goes and what is left.

    Attributes:
        key: The flag.
        variant: The variant that stays.
        value: Its value.
        files: Code that changes.
        by_hand: Places that need a person before the flag can go.
        mentions: Comments and documents that still name the flag.
        notes: What a person may want to look at.
        flags: What happens in the flag repository; None while something is to be done by hand, or if it is to stay.
        written: Whether it was written.
        commits: Ids of the commits.
    """

    key: str
    variant: str
    value: Any
    files: tuple[CodeEdit, ...]
    by_hand: tuple[ByHand, ...]
    mentions: tuple[ByHand, ...]
    notes: tuple[ByHand, ...]
    flags: EditPlan | None
    written: bool = False
    commits: tuple[str, ...] = ()

    @property
    def patch(self) -> str:
        """The unified difference of all files."""
        return "".join(one.patch for one in self.files) + (self.flags.patch if self.flags else "")

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-cleanup.schema.json`)."""

        def places(found: tuple[ByHand, ...]) -> list[dict[str, Any]]:
            return [{"path": one.path, "line": one.line, "reason": one.reason} for one in found]

        return {
            "key": self.key,
            "keep": {"variant": self.variant, "value": self.value},
            "files": [{"path": one.path, "patch": one.patch} for one in self.files],
            "by_hand": places(self.by_hand),
            "mentions": places(self.mentions),
            "notes": places(self.notes),
            "flag_files": [file.to_dict() for file in self.flags.files] if self.flags else [],
            "patch": self.patch,
            "written": self.written,
            "commits": list(self.commits),
        }


def cleanup(options: CleanupOptions) -> CleanupResult:
    """Take a flag out.

    Raises:
        NothingMatchedError: If there is no such flag.
        UsageError: If it is not clear what stays, libcst is missing, or code is in no git repository.
        NeededError: If other flags, segments, experiments or mixed test files need the flag.
        ConflictError: If a file changed meanwhile.
    """
    from flagctl.ops.edit_lock import edit_lock

    with edit_lock(options.root):
        result, code = _plan(options)
        if not options.write or not (result.files or result.flags):
            return result
        return _write(options, result, code)


def _plan(options: CleanupOptions) -> tuple[CleanupResult, Code]:
    from flagctl.ops.edit import Draft
    from flagctl.ops.edit_references import NeededError, find_references, is_only_about
    from flagctl.ops.workspace import Workspace

    loaded = load(options.root)
    repository = readable(loaded)
    flag = find_flag(repository, options.key)
    variant = _kept(repository, flag, options.keep, options.now_ms)
    value = next(one.value for one in flag.variants if one.name == variant)
    draft = Draft(Workspace(options.root), options.now_ms)
    needed = find_references(draft, "flag", options.key)
    others = [one for one in needed if one.kind != "test"]
    if others and not options.keep_file:
        error = NeededError("flag", options.key, others)
        error.hint = "take the flag out of these first, or use --keep-file to change code only"
        raise error
    code = read_code(options.root, loaded, keys=(options.key,), code=options.code)
    cleaned = _clean(code, options.key, variant, value)
    files = tuple(
        CodeEdit(path=path, place=code.places[path], before=code.python[path].decode("utf-8"), after=text)
        for path, text in sorted(cleaned.texts.items())
    )
    by_hand, mentions = _left(code, cleaned, options.key)
    plan = None
    if not by_hand and not options.keep_file:
        for one in needed:
            if one.kind == "test" and not is_only_about(draft, one.path, options.key):
                _drop_cases(draft, one.path, options.key)
        draft.delete(options.key, with_tests=True, in_code=False)
        plan = draft.plan()
    return (
        CleanupResult(
            key=options.key,
            variant=variant,
            value=value,
            files=files,
            by_hand=by_hand,
            mentions=mentions,
            notes=tuple(cleaned.notes),
            flags=plan,
        ),
        code,
    )


def _drop_cases(draft: Draft, path: str, key: str) -> None:
    """Take a flag's cases out of a test file that is about others, too."""
    from flagctl.source.editing import Delete

    data = draft.data(path)
    cases = data.get("cases") or []
    gone = [index for index, case in enumerate(cases) if case.get("flag", data.get("flag")) == key]
    edits = [Delete(("cases", index)) for index in reversed(gone)]
    draft.edit(path, *edits, *([Delete(("flag",))] if data.get("flag") == key else []))


def _clean(code: Code, key: str, variant: str, value: Any) -> CleanedProject:
    try:
        from flagctl.references.cleanup.marks import Kept
        from flagctl.references.cleanup.project import CleanedProject, clean_project
    except ImportError as error:
        raise UsageError("libcst is not installed", hint='pip install "flagctl[cli]"') from error

    if code.project is None:
        return CleanedProject()
    paths = {one.path for one in code.references if one.path in code.project.modules}
    paths |= {path for path in code.project.modules if code.project.names_in_overrides(path, key)}
    return clean_project(code.project, code.python, paths, Kept(key=key, variant=variant, value=value))


def _left(code: Code, cleaned: CleanedProject, key: str) -> tuple[tuple[ByHand, ...], tuple[ByHand, ...]]:
    """Return what is left to do by hand, and mentions that do no harm."""
    from flagctl.references.cleanup.project import GENERATED, ByHand
    from flagctl.references.scan import Scanner

    by_hand = {(one.path, one.line): one for one in cleaned.by_hand}
    mentions = []
    scanner = Scanner([key])
    for one in code.references:
        if (one.path, one.line) in by_hand or code.python.get(one.path, b"").startswith(GENERATED):
            continue
        after = cleaned.texts.get(one.path)
        if after is not None and (not scanner.hits(after.encode()) or one.text.rstrip("…") not in after):
            continue
        if one.path in code.python and after is None and one.kind.value == "evaluation" and one.key != key:
            continue
        words = {"config": "a file of settings or documentation", "other": "a string that nothing is known about"}
        place = ByHand(path=one.path, line=one.line, reason=words.get(one.kind.value, f"{one.kind.value}: {one.text}"))
        if one.kind.value in _SOFT:
            mentions.append(place)
        else:
            by_hand[one.path, one.line] = place
    return tuple(by_hand[place] for place in sorted(by_hand)), tuple(mentions)


def _kept(repository: Repository, flag: Flag, keep: str | None, now_ms: int) -> str:
    names = [one.name for one in flag.variants]
    if keep is not None:
        by_value = {str(one.value).lower(): one.name for one in flag.variants}
        chosen = keep if keep in names else by_value.get(keep.lower())
        if chosen is None:
            raise UsageError(f"{flag.key} has no variant '{keep}'", hint=f"there are: {', '.join(names)}")
        if flag.is_value_flag and len({repr(_value(flag, env)) for env in repository.config.environments}) > 1:
            raise UsageError(f"{flag.key} has another value in each environment", hint="code can't keep all of them")
        return chosen
    from flagctl.ops.one_answer import one_answer

    answers = {env: one_answer(flag, env, now_ms) for env in repository.config.environments}
    distinct = set(answers.values())
    only = distinct.pop() if len(distinct) == 1 else None
    if only is None or only not in names:
        told = ", ".join(f"{env} {answer or 'several'}" for env, answer in answers.items())
        raise UsageError(
            f"{flag.key} does not serve one variant everywhere: {told}", hint="say what stays: --keep VARIANT"
        )
    return only


def _value(flag: Flag, environment: str) -> Any:
    return next((one.value for one in flag.in_environment(environment).variants), None)


def _write(options: CleanupOptions, result: CleanupResult, code: Code) -> CleanupResult:
    from dataclasses import replace

    from flagctl.ops.edit_apply import require_unmoved, write_files

    for one in result.files:
        if one.place.read_bytes() != code.python[one.path]:
            raise ConflictError(f"{one.path} changed since it was read", hint="repeat the clean-up")
    if result.flags is not None:
        result.flags.require_valid()
        require_unmoved(options.root, result.flags.files)
    done: list[CodeEdit] = []
    try:
        for one in result.files:
            _put(one.place, one.after)
            done.append(one)
        if result.flags is not None:
            write_files(options.root, result.flags.files)
        commits = _commit(options, result) if options.commit else ()
    except BaseException:
        for one in done:
            _put(one.place, one.before)
        raise
    return replace(result, written=True, commits=commits)


def _put(place: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
        temporary.chmod(place.stat().st_mode & 0o7777)
        temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _commit(options: CleanupOptions, result: CleanupResult) -> tuple[str, ...]:
    from flagctl.vcs import GitRepository
    from flagctl.vcs.files import commit_places

    message = options.commit if isinstance(options.commit, str) else f"Remove flag {result.key}, keep {result.variant}"
    places = [one.place for one in result.files]
    if result.flags is not None:
        places += [options.root.resolve() / file.path for file in result.flags.files]
    commits = []
    for folder in dict.fromkeys((*options.code, options.root)):
        repository = GitRepository(folder)
        mine = [place for place in places if place.is_relative_to(repository.work_tree)]
        places = [place for place in places if place not in mine]
        if mine:
            commits.append(commit_places(repository, mine, message))
    return tuple(commits)
