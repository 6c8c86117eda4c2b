"""Calls of the git command, with an environment that a surrounding hook can't bend."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from flagctl.errors import UsageError
from flagctl.vcs.troubles import could_not_look, damaged, trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Inside a hook git exports GIT_DIR, GIT_INDEX_FILE and others; they would redirect every call to the repository that is being
# committed to. What concerns the person or the transport stays.
_KEPT = frozenset(
    {
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_ASKPASS",
        "GIT_EXEC_PATH",
        "GIT_SSL_CAINFO",
        "GIT_SSL_NO_VERIFY",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CEILING_DIRECTORIES",
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_AUTHOR_DATE",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
        "GIT_COMMITTER_DATE",
    }
)


_FATAL = 128
"""The exit code of a git that gives up."""


def no_git_env() -> dict[str, str]:
    """Return this process's environment without the variables by which git redirects itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    environment["GIT_TERMINAL_PROMPT"] = "0"
    environment["LC_ALL"] = "C.UTF-8"
    return environment


def no_git() -> UsageError:
    """Return the error where there is no git to run."""
    return UsageError("git is not installed or not on PATH", hint="install git; flag history lives there")


def run_git(folder: Path, *arguments: str, data: bytes | None = None, accept: Iterable[int] = (0,)) -> bytes:
    """Run git in `folder` and return its standard output.

    Args:
        folder: Where to run.
        arguments: Of the git command.
        data: Standard input.
        accept: Exit codes that are answers.

    Raises:
        UsageError: If git is not installed.
        GitError: If git fails; the message carries git's own first line.
    """
    return run_git_code(folder, *arguments, data=data, accept=accept)[1]


def run_git_code(
    folder: Path, *arguments: str, data: bytes | None = None, accept: Iterable[int] = (0,)
) -> tuple[int, bytes]:
    """Like :func:`run_git`, and return the exit code too."""
    try:
        result = subprocess.run(  # noqa: S603  a list of arguments, no shell
            ["git", *arguments],  # noqa: S607  the user's git, found as the user's shell finds it
            cwd=folder,
            input=data,
            capture_output=True,
            env=no_git_env(),
            check=False,
        )
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise UsageError(f"the folder {folder} does not exist") from error
        raise no_git() from error
    if result.returncode not in tuple(accept) or result.returncode == _FATAL:
        said = result.stderr.decode("utf-8", "replace")
        # With this code git says that there is no such thing as well as that it can't look; only the former is an answer.
        if result.returncode not in tuple(accept) or could_not_look(said):
            command = next((word for word in arguments if not word.startswith("-")), arguments[0])
            raise trouble(command, result.returncode, said)
    return result.returncode, result.stdout


def read_objects(folder: Path, names: list[str]) -> Iterator[bytes | None]:
    """Yield the content of each named object, in order, through one `git cat-file --batch`; None for one that is missing.

    Args:
        folder: Where to run.
        names: Object ids, or ``<commit>:<path>``; without line feeds.
    """
    if not names:
        return
    output = run_git(
        folder, "cat-file", "--batch", "--buffer", data="\n".join(names).encode("utf-8", "surrogateescape") + b"\n"
    )
    view, position = memoryview(output), 0
    for _ in names:
        end = output.index(b"\n", position)
        header = output[position:end].rsplit(b" ", 2)
        if header[-1] == b"missing":
            position = end + 1
            yield None
            continue
        size = int(header[-1])
        yield bytes(view[end + 1 : end + 1 + size])
        position = end + 1 + size + 1


def read_blobs(folder: Path, object_ids: list[str]) -> Iterator[bytes]:
    """Yield the content of each blob, in order.

    Raises:
        GitError: If one is missing, as in a partial clone without its remote.
    """
    for object_id, content in zip(object_ids, read_objects(folder, object_ids), strict=True):
        if content is None:
            raise damaged(f"git object {object_id} is missing from this clone, or damaged")
        yield content
