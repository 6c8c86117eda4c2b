"""Pull requests for branches that an edit made: with `gh` where it is installed, else with a token, else in words.

A program that is started gets its arguments as a list, and whatever a person wrote goes in through one that can't be taken for an
option.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from flagctl.errors import RemoteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PATIENCE: Final = 60
_ADDRESS: Final = re.compile(
    r"(?:https?://(?:[^@/]*@)?|ssh://git@|git@)(?P<host>[^:/]+)(?::[0-9]+)?[:/](?P<name>[^/]+/[^/]+?)(?:\.git)?/?\Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """What others are asked to merge.

    Attributes:
        branch: With the commits.
        base: To merge into.
        title: One line.
        body: Markdown.
    """

    branch: str
    base: str
    title: str
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What became of it.

    Attributes:
        url: Address of the pull request; None if nobody could open one.
        commands: What to type instead.
    """

    url: str | None = None
    commands: tuple[str, ...] = ()


def can_open(root: Path, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a pull request can be opened from here: a remote, and `gh` or a token."""
    return _way(root, environ) is not None


def commands_for(request: PullRequest) -> tuple[str, ...]:
    """Return what a person types to open it."""
    branch, title = shlex.quote(request.branch), shlex.quote(request.title)
    base = shlex.quote(request.base)
    return (
        f"git push --set-upstream origin {branch}",
        f"gh pr create --head {branch} --base {base} --title {title}",
    )


def open_pull_request(root: Path, request: PullRequest, environ: Mapping[str, str] = os.environ) -> Opened:
    """Push a branch and open a pull request, or say how.

    Raises:
        FlagctlError: If the push is refused.
        RemoteError: If the forge refuses, or cannot be reached.
    """
    from flagctl.vcs import GitRepository
    from flagctl.vcs.remotes import push_branch

    way = _way(root, environ)
    if way is None:
        return Opened(commands=commands_for(request))
    push_branch(GitRepository(root), request.branch)
    return Opened(url=_with_gh(root, request, way[1]) if way[0] == "gh" else _with_token(request, way[1], environ))


def _way(root: Path, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return ``gh`` and where it is, or ``token`` and the repository's name on the forge."""
    from flagctl.vcs import GitRepository
    from flagctl.vcs.remotes import remote_url

    try:
        url = remote_url(GitRepository(root))
    except UsageError:
        return None
    if url is None:
        return None
    gh = shutil.which("gh", path=environ.get("PATH"))
    if gh is not None:
        return "gh", gh
    found = _ADDRESS.match(url)
    if found is None or not _token(environ):
        return None
    api = environ.get("GITHUB_API_URL")
    return ("token", found["name"]) if found["host"] == "github.com" or api else None


def _with_gh(root: Path, request: PullRequest, gh: str) -> str:
    words = [f"--head={request.branch}", f"--base={request.base}", f"--title={request.title}", f"--body={request.body}"]
    try:
        done = subprocess.run(  # noqa: S603 - a list of words, no shell
            [gh, "pr", "create", *words], cwd=root, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RemoteError(f"gh did not open the pull request: {error}", hint=commands_for(request)[1]) from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it failed"])[0]
        raise RemoteError(f"gh did not open the pull request: {said}", hint=commands_for(request)[1])
    return done.stdout.strip().rpartition("\n")[2]


def _with_token(request: PullRequest, name: str, environ: Mapping[str, str]) -> str:
    api = environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    body = {"title": request.title, "head": request.branch, "base": request.base, "body": request.body}
    headers = {"Authorization": f"Bearer {_token(environ)}", "Accept": "application/vnd.github+json"}
    call = Request(f"{api}/repos/{name}/pulls", json.dumps(body).encode(), headers, method="POST")  # noqa: S310
    try:
        with urlopen(call, timeout=_PATIENCE) as answer:  # noqa: S310 - the forge's address, from the environment
            data: dict[str, Any] = json.loads(answer.read(1_000_000))
    except HTTPError as error:
        error.close()
        raise RemoteError(f"the forge did not open the pull request: {error.code} {error.reason}") from error
    except (URLError, OSError, ValueError) as error:
        raise RemoteError(f"the forge did not open the pull request: {error}") from error
    return str(data.get("html_url", ""))


def _token(environ: Mapping[str, str]) -> str:
    return environ.get("GH_TOKEN") or environ.get("GITHUB_TOKEN") or ""
