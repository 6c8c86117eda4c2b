"""`flagctl history`, `log` and `blame`: who changed what meaning when, from git."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flagctl.model import EnvironmentOverride, Flag
    from flagctl.review import Change
    from flagctl.source import LoadedRepository
    from flagctl.vcs import CommitInfo, GitRepository
    from flagctl.vcs.log import LoggedCommit

KINDS = ("flag", "segment", "experiment", "layer")
"""What a key may name, in the order in which it is looked for."""

_CONFIG = "flagctl.yaml"
_NO_ENVIRONMENTS = b"version: 1\nproject: unknown\nenvironments: {none: {}}\n"
_BATCH = 200
_LEAST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOptions:
    """Which part of the history.

    Attributes:
        root: The flag repository's root.
        key: Of one flag, segment, experiment or layer; None for all.
        kind: One of `KINDS`; None for all, also where several have the same key.
        environment: Only changes that hold there.
        revision: Where to start.
        limit: At most so many commits that changed a meaning.
        most_files: Commits that touch more files are named, and not compared; None compares all.
    """

    root: Path
    key: str | None = None
    kind: str | None = None
    environment: str | None = None
    revision: str = "HEAD"
    limit: int | None = None
    most_files: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEntry:
    """A commit with what it changed in meaning.

    Attributes:
        commit: The commit.
        changes: What it changed.
        files: How many files it touches, if they were too many to compare; else 0.
    """

    commit: CommitInfo
    changes: tuple[Change, ...]
    files: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as the JSON output has it."""
        return {
            "commit": self.commit.commit,
            "author": self.commit.author,
            "email": self.commit.email,
            "time_ms": self.commit.time_ms,
            "subject": self.commit.subject,
            "changes": [change.to_dict() for change in self.changes],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PastResult:
    """History, newest first; `key` is None for that of everything, `kind` for that of all kinds."""

    key: str | None
    entries: tuple[PastEntry, ...]
    kind: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-history.schema.json`)."""
        entries = [entry.to_dict() for entry in self.entries]
        return {"format_version": "1.1", "key": self.key, "kind": self.kind, "entries": entries}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlameLine:
    """Which commit set one part of a flag: a rule, or a property such as `default`."""

    part: str
    text: str
    commit: CommitInfo
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class BlameResult:
    """The parts of a flag, or what `kind` says, with the commits that set them, in the order of the file."""

    key: str
    lines: tuple[BlameLine, ...]
    kind: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-blame.schema.json`)."""
        return {
            "format_version": "1.1",
            "key": self.key,
            "kind": self.kind,
            "lines": [
                {
                    "part": line.part,
                    "text": line.text,
                    "commit": line.commit.commit,
                    "author": line.commit.author,
                    "time_ms": line.commit.time_ms,
                    "subject": line.commit.subject,
                    "change": line.change.to_dict(),
                }
                for line in self.lines
            ],
        }


Known = dict[tuple[str, str | None], tuple["Change", ...]]
"""What commits changed, by their id and the key that was asked about: it never changes."""


def kind_of(root: Path, key: str, revision: str = "HEAD") -> str | None:
    """Return what a key means where nobody said the kind: the flag if there is one, else the only other document of that key.

    None if there are several others, or none at the revision: then the history of all that ever had the key is meant.

    Raises:
        UsageError: If the folder is in no git repository or the revision does not exist.
    """
    from flagctl.source import load_tree
    from flagctl.vcs import GitRepository

    vcs = GitRepository(root)
    paths = [path for path in vcs.yaml_paths(revision) if path.rpartition("/")[2].rpartition(".")[0] == key]
    documents = load_tree({_CONFIG: _NO_ENVIRONMENTS, **vcs.read_paths(revision, paths)}).documents.values()
    kinds = {str(document.kind) for document in documents if document.key == key} & {*KINDS}
    return "flag" if "flag" in kinds else kinds.pop() if len(kinds) == 1 else None


def past(options: PastOptions, known: Known | None = None) -> PastResult:
    """Return the commits that changed a meaning, newest first.

    Merges are left out when what they brought is in the history by itself.

    Args:
        options: Which part of the history.
        known: What was compared before, and where what is compared now is added.

    Raises:
        UsageError: If the folder is in no git repository or the revision does not exist.
        NothingMatchedError: If no commit ever had a document with this key, or none of this kind.
    """
    from flagctl.vcs import GitRepository
    from flagctl.vcs.log import log

    if options.kind not in {None, *KINDS}:
        raise UsageError(f"there is no kind '{options.kind}'", hint=f"one of: {', '.join(KINDS)}")
    vcs = GitRepository(options.root)
    entries: list[PastEntry] = []
    commits = 0
    seen: Known = {} if known is None else known
    for entry in _entries(vcs, log(vcs, stem=options.key, revision=options.revision), options, seen):
        commits += 1
        if entry.changes or entry.files:
            entries.append(entry)
            if options.limit is not None and len(entries) >= options.limit:
                break
    if options.key is not None and not commits:
        raise NothingMatchedError(
            f"no commit has a file {options.key}.yaml", hint="is it committed? `flagctl list` shows the keys there are"
        )
    if options.key is not None and options.kind is not None and not entries:
        _check_kind(options, [change for (_, key), changes in seen.items() if key == options.key for change in changes])
    return PastResult(key=options.key, kind=options.kind, entries=tuple(_without_merges(entries)))


def _check_kind(options: PastOptions, changes: list[Change]) -> None:
    """Refuse a kind that no document of this key ever had; one that never changed in an environment is fine."""
    kinds = sorted({change.kind for change in changes if change.key == options.key} & {*KINDS})
    if options.kind not in kinds:
        hint = f"it was the key of another kind: {', '.join(kinds)}" if kinds else None
        raise NothingMatchedError(f"no {options.kind} ever had the key '{options.key}'", hint=hint)


def _without_merges(entries: list[PastEntry]) -> list[PastEntry]:
    """Leave out merges whose changes all appear again in an older entry."""
    result = []
    for index, entry in enumerate(entries):
        older = {(c.key, c.message) for other in entries[index + 1 :] for c in other.changes}
        is_merge = entry.commit.subject.startswith("Merge ")
        if not (is_merge and not entry.files and all((c.key, c.message) in older for c in entry.changes)):
            result.append(entry)
    return result


def _entries(
    vcs: GitRepository, commits: Iterator[LoggedCommit], options: PastOptions, known: Known
) -> Iterator[PastEntry]:
    size = _BATCH if options.limit is None else min(_BATCH, max(_LEAST, options.limit))
    batch: list[LoggedCommit] = []
    for commit in commits:
        batch.append(commit)
        if len(batch) == size:
            yield from _compare(vcs, batch, options, known)
            batch = []
    yield from _compare(vcs, batch, options, known)


def _compare(
    vcs: GitRepository, commits: list[LoggedCommit], options: PastOptions, known: Known
) -> Iterator[PastEntry]:
    large = {one.info.commit for one in commits if options.most_files and len(one.changes) > options.most_files}
    fresh = [one for one in commits if (one.info.commit, options.key) not in known and one.info.commit not in large]
    for commit, changes in _changes(vcs, fresh):
        known[commit.info.commit, options.key] = changes
    for commit in commits:
        if commit.info.commit in large:
            yield PastEntry(commit=commit.info, changes=(), files=len(commit.changes))
            continue
        found = known[commit.info.commit, options.key]
        yield PastEntry(commit=commit.info, changes=tuple(change for change in found if _concerns(change, options)))


def _changes(vcs: GitRepository, commits: list[LoggedCommit]) -> Iterator[tuple[LoggedCommit, tuple[Change, ...]]]:
    from flagctl.review import diff_repositories

    wanted: list[tuple[str, str]] = []
    for commit in commits:
        paths = [_CONFIG, *(change.path for change in commit.changes if change.path != _CONFIG)]
        for side in (commit.parent, commit.info.commit):
            wanted += [(side, path) for path in paths if side is not None]
    contents = dict(zip(wanted, vcs.read_named(wanted), strict=True))
    for commit in commits:
        touched = {_CONFIG, *(change.path for change in commit.changes)}
        before = _load(contents, commit.parent, touched, commit.info.commit)
        after = _load(contents, commit.info.commit, touched, commit.parent)
        yield commit, tuple(diff_repositories(before, after).changes)


def _load(
    contents: dict[tuple[str, str], bytes | None], side: str | None, paths: set[str], other: str | None
) -> LoadedRepository:
    from flagctl.source import load_tree

    files = {path: content for path in paths if side and (content := contents.get((side, path))) is not None}
    if _CONFIG not in files:
        # before the first commit there are no environments; with the other side's, the flags show up as added
        files[_CONFIG] = (contents.get((other, _CONFIG)) if other else None) or _NO_ENVIRONMENTS
    loaded = load_tree(files)
    if loaded.repository is None:
        return load_tree({**files, _CONFIG: _NO_ENVIRONMENTS})
    return loaded


def _concerns(change: Change, options: PastOptions) -> bool:
    if options.key is not None and (change.key != options.key or change.kind == "config"):
        return False
    if options.kind is not None and change.kind != options.kind:
        return False
    return options.environment is None or not change.environments or options.environment in change.environments


def blame(options: PastOptions) -> BlameResult:
    """Return, for each rule and property of a flag, the last commit that changed its meaning.

    Raises:
        UsageError: If the folder is in no git repository or the revision does not exist.
        NothingMatchedError: If there is no flag with this key.
    """
    result = past(options)
    lines: dict[str, BlameLine] = {}
    gone: set[str] = set()
    for entry in result.entries:
        for change in entry.changes:
            part = f"rule {change.rule}" if change.rule else change.code.removesuffix("-changed")
            if change.code in {f"{change.kind}-removed", "rule-removed"}:
                gone.add(part)
            elif part not in lines and part not in gone:
                line = BlameLine(part=part, text=change.message, commit=entry.commit, change=change)
                lines[part] = line
    if options.kind in {None, "flag"}:
        _set_by_creation(result, lines, options)
    if not lines:
        raise NothingMatchedError(f"there is no {options.kind or 'flag'} '{options.key}' at {options.revision}")
    ordered = sorted(lines.values(), key=lambda line: (line.part.startswith("rule "), line.change.after is None))
    return BlameResult(key=str(options.key), kind=options.kind, lines=tuple(ordered))


def _set_by_creation(result: PastResult, lines: dict[str, BlameLine], options: PastOptions) -> None:
    """Add the rules that are as the flag's first commit had them."""
    from flagctl.ops.closure import load_closure
    from flagctl.review import words
    from flagctl.vcs import GitRepository

    created = next((e for e in reversed(result.entries) for c in e.changes if c.code.endswith("-added")), None)
    if created is None or options.key is None:
        return
    loaded = load_closure(GitRepository(options.root), options.revision, [options.key])
    flag = loaded.repository.flags.get(options.key) if loaded.repository else None
    if flag is None:
        return
    parts: tuple[Flag | EnvironmentOverride, ...] = (flag, *flag.environments.values())
    for rule in {rule.id: rule for part in parts for rule in part.rules}.values():
        text = f"{words.conditions(rule.when)}: {words.outcome(rule)}"
        known = lines.get(f"rule {rule.id}")
        source = known.commit if known else created.commit
        change = known.change if known else created.changes[0]
        lines[f"rule {rule.id}"] = BlameLine(part=f"rule {rule.id}", text=text, commit=source, change=change)
