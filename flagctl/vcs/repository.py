"""One git repository as flagctl sees it."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flagctl.errors import FlagctlError, UsageError
from flagctl.vcs.plumbing import no_git, no_git_env, read_blobs, read_objects, run_git, run_git_code
from flagctl.vcs.troubles import damaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import git

__all__ = ["CommitInfo", "GitRepository", "no_git_env"]

_REGULAR_FILES = frozenset({"100644", "100755"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """What a commit says about itself; `time_ms` is the committer's date."""

    commit: str
    author: str
    email: str
    time_ms: int
    subject: str


class GitRepository:
    """Read access to a git repository, and commits of named files.

    Args:
        folder: Any folder inside the work tree, usually the flag repository's root. All paths that go in and out are
            relative to it, so that a flag repository in a subfolder of a larger repository needs no special care.

    Raises:
        UsageError: If `folder` is in no git work tree, or git is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        with _opened(self.folder) as repo:
            if repo.bare or repo.working_tree_dir is None:
                raise UsageError(f"{folder} is a bare git repository", hint="work in a clone with a work tree")
            self.work_tree = Path(repo.working_tree_dir).resolve()
        prefix = self.folder.relative_to(self.work_tree).as_posix()
        self.prefix = "" if prefix == "." else prefix + "/"

    def resolve(self, revision: str) -> str:
        """Return the full commit id of a branch, tag, ``HEAD~2`` or abbreviated id.

        Raises:
            UsageError: If there is no such commit; the hint says which `git fetch` helps in a shallow clone.
        """
        code, output = run_git_code(
            self.folder,
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            revision + "^{commit}",
            accept=(0, 1, 128),
        )
        if code:
            if revision == "HEAD":
                self.head()
            raise UsageError(f"there is no commit '{revision}' in this clone", hint=self._fetch_hint(revision))
        return output.decode().strip()

    def head(self) -> str | None:
        """Return the commit id of HEAD, or None before the first commit.

        Raises:
            GitError: If there is one and it can't be read.
        """
        asked = ("rev-parse", "--verify", "--quiet")
        code, output = run_git_code(self.folder, *asked, "HEAD^{commit}", accept=(0, 1, 128))
        if code:
            named, commit = run_git_code(self.folder, *asked, "HEAD", accept=(0, 1, 128))
            if named == 0:
                raise damaged(f"commit {commit.decode().strip()[:12]}, which HEAD names, is missing from this clone")
            return None
        return output.decode().strip()

    def ref(self) -> str | None:
        """Return the full name of the branch that is checked out, or None for a detached HEAD."""
        code, output = run_git_code(self.folder, "symbolic-ref", "--quiet", "HEAD", accept=(0, 1, 128))
        return None if code else output.decode().strip()

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Return whether `ancestor` is `descendant` or lies in its history.

        A commit that this clone does not have is no known ancestor: the answer is False.
        """
        code, _ = run_git_code(self.folder, "merge-base", "--is-ancestor", ancestor, descendant, accept=(0, 1, 128))
        return code == 0

    def parents(self, revision: str) -> tuple[str, ...]:
        """Return the parents of a commit that this clone has; where its history is cut off, none."""
        output = run_git(self.folder, "rev-list", "--parents", "--max-count=1", self.resolve(revision))
        return tuple(output.decode().split()[1:])

    def merge_base(self, one: str, other: str) -> str:
        """Return the best common ancestor of two revisions.

        Raises:
            UsageError: If there is none in this clone, as in CI checkouts of depth 1; the hint names the fetch.
        """
        code, output = run_git_code(self.folder, "merge-base", self.resolve(one), self.resolve(other), accept=(0, 1))
        if code:
            raise UsageError(f"'{one}' and '{other}' have no common commit in this clone", hint=self._fetch_hint(one))
        return output.decode().split()[0]

    def default_branch(self) -> str | None:
        """Return the revision name of the branch that others merge into, or None.

        The remote's HEAD if known, else ``origin/main`` or ``origin/master``, else the local ``main`` or ``master``.
        """
        code, output = run_git_code(
            self.folder, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD", accept=(0, 1, 128)
        )
        candidates = [output.decode().strip().removeprefix("refs/remotes/")] if code == 0 else []
        candidates += ["origin/main", "origin/master", "main", "master"]
        for candidate in candidates:
            found, _ = run_git_code(
                self.folder, "rev-parse", "--verify", "--quiet", candidate + "^{commit}", accept=(0, 1, 128)
            )
            if found == 0:
                return candidate
        return None

    def is_shallow(self) -> bool:
        """Return whether the clone's history is cut off."""
        return run_git(self.folder, "rev-parse", "--is-shallow-repository").strip() == b"true"

    def read_tree(self, revision: str) -> dict[str, bytes]:
        """Return the YAML files of the folder at `revision`, by path; submodules and symbolic links are left out."""
        listing = run_git(self.folder, "ls-tree", "-r", "-z", "--full-tree", self.resolve(revision), *self._within())
        return self._read(self._regular_yaml(listing, id_field=2))

    def read_index(self) -> dict[str, bytes]:
        """Return the YAML files of the folder as they are staged, by path; those in conflict are left out."""
        listing = run_git(self.work_tree, "ls-files", "--stage", "-z", *self._within())
        return self._read(self._regular_yaml(listing, id_field=1))

    def read_paths(self, revision: str, paths: Iterable[str]) -> dict[str, bytes]:
        """Return some files of the folder at `revision`, by path; those that are not there are left out."""
        named = [self.prefix + path for path in paths]
        if not named:
            return {}
        commit, found = self.resolve(revision), {}
        for start in range(0, len(named), 500):  # a command line holds so much
            chunk = named[start : start + 500]
            listing = run_git(
                self.work_tree, "--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", commit, "--", *chunk
            )
            found.update(self._regular_yaml(listing, id_field=2))
        return self._read(found)

    def read_named(self, names: Iterable[tuple[str, str]]) -> list[bytes | None]:
        """Return the content of files given as (full commit id, path in the folder); None for one that was not there."""
        return list(read_objects(self.folder, [f"{commit}:{self.prefix}{path}" for commit, path in names]))

    def yaml_paths(self, revision: str) -> tuple[str, ...]:
        """Return the paths of the folder's YAML files at a revision, without reading them."""
        listing = run_git(self.folder, "ls-tree", "-r", "-z", "--full-tree", self.resolve(revision), *self._within())
        return tuple(self._regular_yaml(listing, id_field=2))

    def changed_paths(self, base: str, head: str | None = None) -> tuple[str, ...]:
        """Return the paths of the folder that differ between two revisions, or a revision and the work tree."""
        arguments = [self.resolve(base)] + ([self.resolve(head)] if head is not None else [])
        output = run_git(self.work_tree, "diff", "--name-only", "--no-renames", "-z", *arguments, *self._within())
        names = {os.fsdecode(name) for name in output.split(b"\0") if name}
        if head is None:
            untracked = run_git(self.work_tree, "ls-files", "--others", "--exclude-standard", "-z", *self._within())
            names |= {os.fsdecode(name) for name in untracked.split(b"\0") if name}
        return tuple(sorted(name.removeprefix(self.prefix) for name in names))

    def in_order(self, revision: str, commits: Iterable[str]) -> list[str]:
        """Return those of the commits that are in the history of `revision`, newest first, children before parents."""
        wanted = set(commits)
        output = run_git(self.folder, "rev-list", "--topo-order", self.resolve(revision))
        return [commit for commit in output.decode().split() if commit in wanted]

    def tracked_yaml(self) -> tuple[str, ...]:
        """Return the paths of the folder's YAML files that are in the index."""
        output = run_git(self.work_tree, "ls-files", "-z", *self._within())
        names = (os.fsdecode(name).removeprefix(self.prefix) for name in output.split(b"\0") if name)
        return tuple(name for name in names if name.endswith((".yaml", ".yml")))

    def info(self, revision: str) -> CommitInfo:
        """Return what a commit says about itself."""
        with _opened(self.folder) as repo:
            commit = repo.commit(self.resolve(revision))
            return CommitInfo(
                commit=commit.hexsha,
                author=commit.author.name or "",
                email=commit.author.email or "",
                time_ms=commit.committed_date * 1000,
                subject=str(commit.summary),
            )

    def commit_paths(self, paths: Iterable[str], message: str) -> str:
        """Commit exactly these paths of the folder, whatever else is staged, and return the commit id.

        Raises:
            GitError: If git refuses, for instance because nothing changed or no identity is configured.
        """
        named = [self.prefix + path for path in paths]
        run_git(self.work_tree, "add", "--", *named)
        run_git(self.work_tree, "commit", "--quiet", "--only", "-m", message, "--", *named)
        head = self.head()
        if head is None:  # pragma: no cover  git has just made a commit
            raise FlagctlError("git made no commit")
        return head

    def _regular_yaml(self, listing: bytes, *, id_field: int) -> dict[str, str]:
        found = {}
        for entry in listing.split(b"\0"):
            if entry:
                meta, _, raw_path = entry.partition(b"\t")
                fields = meta.decode().split()
                path = os.fsdecode(raw_path).removeprefix(self.prefix)
                in_conflict = id_field == 1 and fields[2] != "0"
                if fields[0] in _REGULAR_FILES and path.endswith((".yaml", ".yml")) and not in_conflict:
                    found[path] = fields[id_field]
        return found

    def _read(self, objects: Mapping[str, str]) -> dict[str, bytes]:
        return dict(zip(objects, read_blobs(self.folder, list(objects.values())), strict=True))

    def _within(self) -> tuple[str, ...]:
        return ("--", self.prefix) if self.prefix else ()

    def _fetch_hint(self, revision: str) -> str:
        if self.is_shallow():
            return "this clone is shallow; run: git fetch --unshallow origin (in GitHub Actions: fetch-depth: 0)"
        if self.head() is None:
            return "nothing is committed yet; commit the flag files first"
        if revision.startswith(("HEAD", "@")):
            return "the history does not reach that far back: git log"
        branch = revision.removeprefix("origin/")
        return f"check the name, or fetch it: git fetch origin {branch}"


@contextmanager
def _opened(folder: Path) -> Iterator[git.Repo]:
    """Open GitPython's view of the repository around `folder`, and end its helper processes afterwards."""
    with _plain_environment():
        try:
            import git  # noqa: PLC0415  costs 75 ms
        except ImportError as error:
            if shutil.which("git") is None:
                raise no_git() from error
            raise UsageError("GitPython is not installed", hint='pip install "flagctl[cli]"') from error
        try:
            repo = git.Repo(folder, search_parent_directories=True)
        except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
            for place in (folder, *folder.parents):
                if (place / ".git").exists():
                    raise damaged(f"{place / '.git'} is no usable git repository") from error
            raise UsageError(
                f"{folder} is not in a git repository", hint="run `git init` there; history and review live in git"
            ) from error
        try:
            yield repo
        finally:
            repo.close()


@contextmanager
def _plain_environment() -> Iterator[None]:
    """Hide git's redirecting variables from GitPython, which reads them when a repository is opened."""
    before = dict(os.environ)
    kept = no_git_env()
    for name in before:
        if name.startswith("GIT_") and name not in kept:
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.update({name: value for name, value in before.items() if name.startswith("GIT_")})
