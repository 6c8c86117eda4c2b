"""What is live where: reading it, and changing it by publishing, going back, and forcing flags off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flagctl.compiler import compile_environment
from flagctl.errors import ConflictError, FlagctlError, UsageError
from flagctl.ops.kill import KillRequest, kill, unkill
from flagctl.ops.kill_change import propose_kill
from flagctl.ops.kill_model import KillOptions, parse_until
from flagctl.ops.loading import check_environment, checked
from flagctl.ops.plan import Base, PlanResult, Proposal, SavedPlan, base_of, check_plan, plan
from flagctl.ops.policy import PolicyGuard, PolicyOptions, Publication
from flagctl.ops.publish import publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.publishing import (
    Origin,
    check_may_publish,
    find_actor,
    find_kill_signers,
    find_origin,
    find_signers,
)
from flagctl.ops.rollback import rollback
from flagctl.ops.target import open_target

if TYPE_CHECKING:
    from flagctl.bundle.manifest import Manifest, Override
    from flagctl.ops.kill_change import KillChange
    from flagctl.ops.kill_model import KillResult
    from flagctl.ops.publish_model import PublishResult
    from flagctl.ops.target import Target
    from flagctl.server.ui.rendering import Ask
    from flagctl.source import LoadedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What publishing would change, and from which commit.

    Attributes:
        result: The plan.
        origin: The commit; none outside of git.
        uncommitted: Files that are not part of it, because they are not committed.
    """

    result: PlanResult
    origin: Origin
    uncommitted: tuple[str, ...]


def target_of(ask: Ask, environment: str) -> Target:
    """Return where an environment is published.

    Raises:
        UsageError: If there is no such environment, or nothing says where.
        UntrustedError: If the root of trust is no intact one.
    """
    model = ask.desk.model()
    check_environment(model, environment)
    return open_target(ask.desk.root, model.config, environment)


def plan_for(ask: Ask, environment: str) -> Planned:
    """Compare what is live with what is committed; outside of git, with the files.

    Raises:
        FlagctlError: As `flagctl.ops.plan.plan`.
    """
    origin, loaded = _proposed(ask)
    memory = ask.desk.memory
    repository = memory.checked(loaded, ask.desk.now_ms)
    bundle = memory.compiled(loaded, repository, environment)
    target = open_target(ask.desk.root, repository.config, environment)
    proposal = Proposal(loaded=loaded, bundle=bundle, commit=origin.commit)
    result = plan(target, proposal, ask.desk.now_ms, origin=origin, accepted=memory.accepted)
    return Planned(result=result, origin=origin, uncommitted=find_origin(ask.desk.root).uncommitted)


def publish_planned(ask: Ask, environment: str) -> PublishResult:
    """Publish exactly what the page with the plan showed.

    Raises:
        ConflictError: If it is not that any more, the policy refuses, or it is not confirmed.
    """
    origin, loaded = _proposed(ask)
    repository = checked(loaded, ask.desk.now_ms)
    check_environment(repository, environment)
    _confirm(ask, environment)
    check_may_publish(repository.config.environments[environment], origin, confirmed=True, allow_dirty=False)
    bundle = compile_environment(repository, environment)
    saved = _saved_plan(ask, repository.config.project, environment)
    signers = find_signers(ask.desk.root, environment, ())
    target = open_target(ask.desk.root, repository.config, environment)
    publication = Publication(target=target, loaded=loaded, bundle=bundle.data, sha256=bundle.sha256, origin=origin)
    actor = ask.user.email or ask.user.name
    guard = PolicyGuard(publication, PolicyOptions(root=ask.desk.root, now_ms=ask.desk.now_ms, actor=actor))

    def check(live: Manifest | None) -> tuple[Override, ...]:
        check_plan(saved, environment, bundle.sha256, None if live is None else base_of(live))
        return guard(live)

    options = PublishOptions(commit=origin.commit, ref=origin.ref, history=origin.history, check_live=check)
    return publish(target, bundle.data, signers, options)


def roll_back(ask: Ask, environment: str) -> PublishResult:
    """Make an earlier bundle current again.

    Raises:
        FlagctlError: As `flagctl.ops.rollback.rollback`.
    """
    number = ask.field("seq")
    if not number.isdecimal() or len(number) > 15:
        raise UsageError("which publication?", hint="choose one of the list")
    _confirm(ask, environment)
    target = target_of(ask, environment)
    signers = find_signers(ask.desk.root, environment, ())
    return rollback(target, signers, to_seq=int(number))


def force_off(ask: Ask, environment: str) -> tuple[KillResult, KillChange | None]:
    """Force a flag off, and prepare the change in git that makes it last.

    Raises:
        FlagctlError: As `flagctl.ops.kill.kill`.
    """
    flag, reason = ask.field("flag").strip(), " ".join(ask.field("reason").split())
    _confirm(ask, flag)
    if not reason:
        raise UsageError("say why, for everybody who wonders")
    until = ask.field("until").strip()
    target = target_of(ask, environment)
    signers = find_kill_signers(ask.desk.root, environment, ())
    request = KillRequest(flag, reason, _actor(ask), parse_until(until, ask.desk.clock()) if until else None)
    result = kill(target, signers, request, KillOptions())
    try:
        change = propose_kill(ask.desk.root, flag, environment, reason)
    except FlagctlError:  # the kill is done; git may be absent, or the flag not on the default branch
        change = None
    return result, change


def lift(ask: Ask, environment: str) -> KillResult:
    """Let a flag answer again as it is published.

    Raises:
        FlagctlError: As `flagctl.ops.kill.unkill`.
    """
    flag = ask.field("flag").strip()
    _confirm(ask, flag)
    target = target_of(ask, environment)
    return unkill(target, find_kill_signers(ask.desk.root, environment, ()), flag, KillOptions())


def _actor(ask: Ask) -> str:
    return ask.user.email or ask.user.name or find_actor(None)


def _confirm(ask: Ask, word: str) -> None:
    if not word or ask.field("confirm").strip() != word:
        raise ConflictError("this was not confirmed", hint=f"type {word} into the field beside the button")


def _proposed(ask: Ask) -> tuple[Origin, LoadedRepository]:
    """Return what is committed, or outside of git what lies there."""
    if ask.desk.git() is None:
        return Origin(), ask.desk.loaded()
    origin = find_origin(ask.desk.root, "HEAD")
    return origin, ask.desk.loaded("HEAD")


def _saved_plan(ask: Ask, project: str, environment: str) -> SavedPlan:
    """Return the plan that the page showed, as its form brings it back."""
    base = None
    if ask.field("base-bundle"):
        numbers = ask.field("base-epoch"), ask.field("base-seq")
        if not all(number.isdecimal() and len(number) < 16 for number in numbers):
            raise UsageError("the form can't be read")
        base = Base(
            epoch=int(numbers[0]),
            seq=int(numbers[1]),
            bundle_sha256=ask.field("base-bundle"),
            commit=ask.field("base-commit") or None,
        )
    return SavedPlan(
        project=project,
        environment=environment,
        base=base,
        bundle_sha256=ask.field("bundle"),
        commit=ask.field("commit") or None,
    )
