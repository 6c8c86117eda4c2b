"""What a change is compared with in CI: the commit that the event of the pipeline names.

On GitHub a file holds the event (``GITHUB_EVENT_PATH``); on GitLab variables do. Nothing is fetched: a clone that lacks the
commit is refused with the command that completes it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.vcs import GitRepository

AUTO: Final = "auto"
_PULL_REQUESTS: Final = frozenset({"pull_request", "pull_request_target", "pull_request_review"})


def resolve_base(base: str | None, root: Path, environment: Mapping[str, str]) -> str | None:
    """Return the base that `--base` names; ``auto`` becomes the commit that the pipeline's event names.

    Args:
        base: What the option says.
        root: The flag repository's root.
        environment: Environment variables.

    Raises:
        UsageError: If the event cannot be read, or this clone lacks the commit.
    """
    if base != AUTO:
        return base
    from flagctl.vcs import GitRepository

    return auto_base(GitRepository(root), environment)


def auto_base(history: GitRepository, environment: Mapping[str, str]) -> str:
    """Return the commit that a pipeline's change is compared with.

    | event | base |
    |---|---|
    | pull request, test merge checked out | the target branch's side of that merge |
    | pull request, its own branch checked out | merge base with the target branch |
    | merge queue | the commit that the queue's entry builds on |
    | push | what the branch was before; for a new branch as without an event |
    | anything else | merge base with the default branch |

    Raises:
        UsageError: If the event cannot be read, or this clone lacks the commit.
    """
    from flagctl.ops.sides import default_base

    event = _event(environment)
    name = environment.get("GITHUB_EVENT_NAME", "")
    if name in _PULL_REQUESTS or (not name and "pull_request" in event):
        return _of_pull_request(history, event)
    if name == "merge_group" or (not name and "merge_group" in event):
        return history.merge_base(_commit(event, "merge_group", "base_sha"), "HEAD")
    if name == "push" or (not name and "before" in event):
        before = _commit(event, "before")
        return default_base(history) if set(before) == {"0"} else history.resolve(before)
    merge_request = environment.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
    if merge_request:
        return history.resolve(merge_request)
    before = environment.get("CI_COMMIT_BEFORE_SHA", "")
    if before and set(before) != {"0"}:
        return history.resolve(before)
    return default_base(history)


def _of_pull_request(history: GitRepository, event: Mapping[str, Any]) -> str:
    target = _commit(event, "pull_request", "base", "sha")
    parents = history.parents("HEAD")
    if len(parents) == 2 and parents[1] == _commit(event, "pull_request", "head", "sha"):
        # The target branch may have moved on since the event; the test merge knows how far.
        return parents[0]
    return history.merge_base(target, "HEAD")


def _event(environment: Mapping[str, str]) -> Mapping[str, Any]:
    path = environment.get("GITHUB_EVENT_PATH")
    if not path:
        return {}
    try:
        event = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"the event file {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the event file {path} is no JSON") from error
    return event if isinstance(event, dict) else {}


def _commit(event: Mapping[str, Any], *steps: str) -> str:
    found: Any = event
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    if not isinstance(found, str) or not found or not all(c in "0123456789abcdef" for c in found):
        raise UsageError(
            f"the event has no commit at '{'.'.join(steps)}'", hint="name the base instead: --base origin/main"
        )
    return found
