"""Commands that move rollouts: `rollout advance`, `hold`, `resume`, `abort`; and `flip` between two colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments
from flagctl.cli.edit_common import CopyDown, EditCommand, Env, Key, run
from flagctl.cli.publish import EndpointUrl, Keys, Region, Remote, Trust, Yes  # noqa: TC001 - Typer reads them from annotations
from flagctl.cli.session import session_of

if TYPE_CHECKING:
    from flagctl.ops.rollout_move import Which

COMMAND_CLASS = EditCommand

_RULE = Annotated[str | None, typer.Option("--rule", metavar="ID", help="Rule [default: the only one that grows].")]
_REASON = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; kept in the file.")]


def advance(
    context: typer.Context,
    key: Key,
    *,
    rule: _RULE = None,
    env: Env = None,
    at_once: Annotated[bool, typer.Option("--now", help="At once, also before it is due.")] = False,
    copy_down: CopyDown = False,
) -> None:
    """Let the next step begin when it is due; also starts a plan, and ends a hold."""
    from flagctl.ops.rollout_move import advance as work

    run(
        context,
        lambda draft, copy: work(draft, _which(key, rule, env, copy=copy), at_once=at_once),
        copy_down=copy_down,
    )


def hold(
    context: typer.Context,
    key: Key,
    *,
    rule: _RULE = None,
    env: Env = None,
    reason: _REASON = None,
    copy_down: CopyDown = False,
) -> None:
    """Let no further step begin until somebody resumes or advances."""
    from flagctl.ops.rollout_move import hold as work

    run(context, lambda draft, copy: work(draft, _which(key, rule, env, copy=copy), reason), copy_down=copy_down)


def resume(
    context: typer.Context, key: Key, *, rule: _RULE = None, env: Env = None, copy_down: CopyDown = False
) -> None:
    """End a hold; the plan goes on, later by as long as it was held."""
    from flagctl.ops.rollout_move import resume as work

    run(context, lambda draft, copy: work(draft, _which(key, rule, env, copy=copy)), copy_down=copy_down)


def abort(
    context: typer.Context,
    key: Key,
    *,
    rule: _RULE = None,
    env: Env = None,
    reason: _REASON = None,
    copy_down: CopyDown = False,
) -> None:
    """Serve it to nobody any more."""
    from flagctl.ops.rollout_move import abort as work

    run(context, lambda draft, copy: work(draft, _which(key, rule, env, copy=copy), reason), copy_down=copy_down)


def _which(key: str, rule: str | None, env: str | None, *, copy: bool) -> Which:
    from flagctl.ops.rollout_move import Which

    return Which(key=key, rule=rule, environment=env, copy_down=copy)


def flip(
    context: typer.Context,
    key: Key,
    *,
    env: Annotated[
        str, typer.Option("--env", metavar="NAME", help="Environment.", autocompletion=complete_environments)
    ],
    to: Annotated[str | None, typer.Option(metavar="VARIANT", help="[default: the one that was active before]")] = None,
    at_once: Annotated[bool, typer.Option("--now", help="Commit, and publish at once.")] = False,
    yes: Yes = False,
    signing_key: Keys = None,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
) -> None:
    """Make the other of two colours active in one environment; once more flips back."""
    from flagctl.cli.publish import check_ready, publish
    from flagctl.errors import FlagctlError, UsageError
    from flagctl.ops.rollout_move import flip as work
    from flagctl.ops.target import TargetOverrides

    session = session_of(context)
    given = context.meta.get("flagctl.edit", {})
    if at_once and given.get("branch"):
        raise UsageError("--now publishes what is checked out, and --branch commits elsewhere", hint="leave one out")
    if at_once and not given.get("dry_run"):
        # Before anything is written: whoever repeats the command after a refusal must not flip back by it.
        overrides = TargetOverrides(url=remote, endpoint_url=endpoint_url, region=region, trust=trust)
        check_ready(session, env, yes=yes, key=signing_key, overrides=overrides)
    if at_once:
        given["commit"] = True
    run(context, lambda draft, _: work(draft, key, env, to=to), quiet=at_once and not given.get("dry_run"))
    if not at_once or given.get("dry_run"):
        return
    try:
        publish(
            context,
            env,
            yes=True,
            key=signing_key,
            remote=remote,
            endpoint_url=endpoint_url,
            region=region,
            trust=trust,
        )
    except FlagctlError:
        session.console.warning(f"the flip is committed, but not published: flagctl publish {env} --yes")
        raise
    session.console.hint(f"to flip back: flagctl flip {key} --env {env} --now{' --yes' if yes else ''}")
