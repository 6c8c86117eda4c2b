"""Saving: a commit on a branch, never on the default branch where an environment is protected."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import ConflictError, FlagctlError, UsageError
from flagctl.ops.pull_request import Opened, PullRequest, can_open, commands_for, open_pull_request
from flagctl.review.words import instant

if TYPE_CHECKING:
    from flagctl.ops.edit_model import EditPlan, EditResult
    from flagctl.ops.repository import FlagRepository
    from flagctl.server.ui.desk import Branches, Desk
    from flagctl.server.ui.rendering import Ask

CURRENT: Final = "current"
OTHER: Final = "other"
FILES: Final = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveChoice:
    """How an edit is to be saved.

    Attributes:
        where: ``current`` branch, ``other`` branch, or ``files`` alone where there is no git.
        branch: Name, for another one.
        message: Of the commit; None is what the edit means.
        pull_request: Whether to ask others to merge it.
    """

    where: str
    branch: str | None = None
    message: str | None = None
    pull_request: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What saving did.

    Attributes:
        result: The edit's result.
        opened: The pull request, if one was wished for.
        trouble: Why there is none, if that failed; the commit is made all the same.
        branch: Where the commit is.
    """

    result: EditResult
    branch: str | None = None
    opened: Opened | None = None
    trouble: str | None = None


def choice_of(ask: Ask, branches: Branches | None) -> SaveChoice:
    """Return what the form says.

    Raises:
        ConflictError: If it names the default branch of a protected environment.
    """
    message = ask.field("message").strip() or None
    if branches is None:
        return SaveChoice(where=FILES)
    if ask.field("where") == CURRENT and not ask.query("at") and not ask.field("at"):
        if not branches.offers_current or branches.current is None:
            raise _guarded(branches.current or "HEAD")
        return SaveChoice(where=CURRENT, message=message)
    branch = ask.field("branch").strip()
    if branch == branches.current and branches.may_write(branch) and not ask.field("at"):
        return SaveChoice(where=CURRENT, message=message)
    if not branches.may_write(branch):
        raise _guarded(branch)
    wished = ask.field("pull-request") == "yes"
    return SaveChoice(where=OTHER, branch=branch, message=message, pull_request=wished)


def _guarded(branch: str) -> ConflictError:
    return ConflictError(
        f"nothing is written to {branch} from here, because an environment is protected",
        hint="name another branch, and open a pull request",
    )


def save(ask: Ask, repository: FlagRepository, plan: EditPlan, choice: SaveChoice) -> Saved:
    """Write a plan as was chosen.

    Raises:
        EditRefusedError: If the plan brings errors.
        ConflictError: If a file is not what the plan is based on any more.
        UsageError: If there is nothing to write.
    """
    if not plan.has_changes:
        raise UsageError("there is nothing to save: the text is as it was")
    desk = ask.desk
    author = ask.user.author
    if choice.where == FILES:
        return Saved(result=repository.apply(plan))
    if choice.where == CURRENT:
        result = repository.apply(plan, commit=choice.message or True, author=author)
        branches = desk.branches()
        return Saved(result=result, branch=branches.current if branches else None)
    result = repository.apply(plan, commit=choice.message or True, branch=choice.branch, author=author)
    return _with_pull_request(desk, Saved(result=result, branch=choice.branch), choice)


def _with_pull_request(desk: Desk, saved: Saved, choice: SaveChoice) -> Saved:
    if saved.result.commit is None:
        return saved
    branches = desk.branches()
    title, _, body = (choice.message or saved.result.plan.message).partition("\n")
    base = (branches.default if branches else None) or "main"
    request = PullRequest(branch=choice.branch or "", base=base, title=title, body=body.strip())
    if not choice.pull_request:
        return Saved(result=saved.result, branch=saved.branch, opened=Opened(commands=commands_for(request)))
    try:
        return Saved(result=saved.result, branch=saved.branch, opened=open_pull_request(desk.root, request))
    except FlagctlError as error:
        commands = Opened(commands=commands_for(request))
        return Saved(result=saved.result, branch=saved.branch, opened=commands, trouble=error.message)


def branch_name(stem: str, now_ms: int) -> str:
    """Return a name for a new branch that nobody is likely to have.

    >>> branch_name("Edit new checkout", 1_796_083_200_000)
    'flags/edit-new-checkout-1201-000000'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", stem.casefold()).strip("-") or "edit"
    moment = instant(now_ms)
    return f"flags/{plain[:60]}-{moment[5:7]}{moment[8:10]}-{moment[11:13]}{moment[14:16]}{moment[17:19]}"


def saving_names(ask: Ask, stem: str, at: str) -> dict[str, Any]:
    """Return what the part of a form about saving shows."""
    branches = ask.desk.branches()
    named = ask.field("branch").strip()
    fresh = branch_name(stem, ask.desk.now_ms)
    if not named and at and branches is not None and branches.may_write(at):
        named = at
    return {
        "branches": branches,
        "branch": named or fresh,
        "where": ask.field("where") or OTHER,
        "can_pull": branches is not None and can_open(ask.desk.root),
    }
