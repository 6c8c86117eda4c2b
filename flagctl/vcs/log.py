"""Commits that touched flag files, newest first, with what they replaced."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flagctl.vcs.plumbing import run_git
from flagctl.vcs.repository import CommitInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flagctl.vcs.repository import GitRepository

_ABSENT = "0" * 40
_FIELDS = "%x02%H%x00%P%x00%an%x00%ae%x00%ct%x00%s%x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One file's change in a commit; `before` and `after` are blob ids, None for a file that is not there."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCommit:
    """A commit and the flag files it changed against its first parent."""

    info: CommitInfo
    parent: str | None
    changes: tuple[FileChange, ...]


def log(
    repository: GitRepository,
    *,
    stem: str | None = None,
    revision: str = "HEAD",
    limit: int | None = None,
    whole_branches: bool = False,
) -> Iterator[LoggedCommit]:
    """Yield the commits that changed YAML files of the folder, newest first.

    Merges count with their difference to the first parent, so that a merged branch shows up once more with what it brought; a
    merge that brought nothing new is left out.

    Args:
        repository: The repository; paths are relative to its folder.
        stem: Only files called ``<stem>.yaml``, in whichever folder: a file that moved keeps its history.
        revision: Where to start.
        limit: At most so many commits.
        whole_branches: Never a commit before one that builds on it, whatever their clocks said; without a stem only.

    Raises:
        UsageError: If the revision does not exist.
    """
    if stem is None:
        order = ["--topo-order"] if whole_branches else []
        yield from _run(repository, revision, _anywhere(repository, None), limit, order)
        return
    # Matching a name in every folder of every commit is slow, one path is quick. So the path of today comes first, and what lies
    # before the commit that made it (a move, an earlier life elsewhere) is looked for by name.
    paths = [p for p in repository.yaml_paths(revision) if p.rpartition("/")[2].rpartition(".")[0] == stem]
    recent = (
        list(_run(repository, revision, [f":(top,literal){repository.prefix}{p}" for p in paths], limit))
        if paths
        else []
    )
    if not recent:
        yield from _run(repository, revision, _anywhere(repository, stem), limit)
        return
    yield from recent[:-1]
    left = None if limit is None else limit - len(recent) + 1
    yield from _run(repository, recent[-1].info.commit, _anywhere(repository, stem), left)


def _anywhere(repository: GitRepository, stem: str | None) -> list[str]:
    pattern = "*" if stem is None else _escaped(stem)
    return [f":(top,glob){_escaped(repository.prefix)}**/{pattern}.{ending}" for ending in ("yaml", "yml")]


def _run(
    repository: GitRepository, revision: str, pathspecs: list[str], limit: int | None, order: Sequence[str] = ()
) -> Iterator[LoggedCommit]:
    arguments = [
        "log",
        "--raw",
        "-z",
        "--no-abbrev",
        "--no-renames",
        "--diff-merges=first-parent",
        f"--format={_FIELDS}",
        *order,
    ]
    if limit is not None:
        arguments.append(f"--max-count={limit}")
    output = run_git(repository.work_tree, *arguments, repository.resolve(revision), "--", *pathspecs)
    for record in output.split(b"\x02")[1:]:
        yield _parse(record, repository.prefix)


def _escaped(text: str) -> str:
    return "".join("\\" + character if character in "*?[]\\" else character for character in text)


def _parse(record: bytes, prefix: str) -> LoggedCommit:
    fields = record.split(b"\0")
    commit, parents, author, email, seconds, subject = (field.decode("utf-8", "replace") for field in fields[:6])
    raw = [field.lstrip(b"\n") for field in fields[6:]]
    changes = []
    index = 0
    while index + 1 < len(raw):
        if not raw[index].startswith(b":"):
            index += 1
            continue
        _, _, before, after, _ = raw[index].decode().split()
        path = os.fsdecode(raw[index + 1]).removeprefix(prefix)
        changes.append(
            FileChange(
                path=path,
                before=None if before == _ABSENT else before,
                after=None if after == _ABSENT else after,
            )
        )
        index += 2
    return LoggedCommit(
        info=CommitInfo(commit=commit, author=author, email=email, time_ms=int(seconds) * 1000, subject=subject),
        parent=parents.split()[0] if parents else None,
        changes=tuple(changes),
    )
