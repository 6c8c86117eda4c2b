"""The kill switch: `kill`, `unkill`, `kills`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments, complete_flags
from flagctl.cli.publish import DryRun, EndpointUrl, Region, Remote, SharedCache, Trust
from flagctl.cli.session import Session, session_of

if TYPE_CHECKING:
    from flagctl.ops.kill_change import KillChange
    from flagctl.ops.kill_model import KillResult
    from flagctl.ops.target import Target, TargetOverrides


Key = Annotated[str, typer.Argument(metavar="KEY", help="Of the flag.", autocompletion=complete_flags)]
Env = Annotated[
    str, typer.Option("--env", metavar="ENV", help="Name of the environment.", autocompletion=complete_environments)
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="SPEC", help="Key file, env:NAME or awskms:ID; default: FLAGCTL_KILL_KEY or .flagctl/keys."
    ),
]
Recover = Annotated[bool, typer.Option("--recover", help="Begin a new list if the current one is lost.")]


def kill(
    context: typer.Context,
    flag: Key,
    *,
    env: Env,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for everybody who wonders; one line.")],
    until: Annotated[
        str | None, typer.Option(metavar="T", help="When to look at it again: 90m, 4h, 2d, or an instant. A reminder.")
    ] = None,
    actor: Annotated[str | None, typer.Option(metavar="NAME", help="Who; default: GITHUB_ACTOR or your login.")] = None,
    any_flag: Annotated[bool, typer.Option("--any-flag", help="Even if the live bundle has no such flag.")] = False,
    no_git: Annotated[bool, typer.Option("--no-git", help="Prepare no change in git.")] = False,
    dry_run: DryRun = False,
    recover: Recover = False,
    key: Keys = None,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
    l2: SharedCache = None,
) -> None:
    """Force a flag off at every client, now.

    It serves its `off` variant to everybody until `flagctl unkill`.

    Works without git and without a checkout: give --remote and --trust. In a checkout it also prepares the change that makes it
    permanent, on a branch of its own.
    """
    import time

    from flagctl.ops.kill import KillRequest
    from flagctl.ops.kill import kill as run
    from flagctl.ops.kill_model import KillOptions, parse_until
    from flagctl.ops.publishing import find_actor, find_kill_signers

    session = session_of(context)
    session.format("text", "json")
    target = _target(session, env, _overrides(remote, endpoint_url, region, trust, l2))
    signers = find_kill_signers(_root(session), env, key or ())
    request = KillRequest(flag, reason, find_actor(actor), parse_until(until, time.time()) if until else None)
    options = KillOptions(dry_run=dry_run, recover=recover, any_flag=any_flag)
    result = run(target, signers, request, options)
    change = None if no_git or dry_run else _change(session, result)
    _show(session, result, change)
    if change is not None and change.branch is not None:
        session.console.hint(f"make it permanent: git push -u origin {change.branch}, and open a pull request")
    elif not dry_run:
        session.console.hint(f"to lift it: flagctl unkill {flag} --env {env}")


def unkill(
    context: typer.Context,
    flag: Key,
    *,
    env: Env,
    dry_run: DryRun = False,
    recover: Recover = False,
    key: Keys = None,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
    l2: SharedCache = None,
) -> None:
    """Lift a kill: the flag answers as it is published."""
    from flagctl.ops.kill import unkill as run
    from flagctl.ops.kill_model import KillOptions
    from flagctl.ops.publishing import find_kill_signers

    session = session_of(context)
    session.format("text", "json")
    target = _target(session, env, _overrides(remote, endpoint_url, region, trust, l2))
    signers = find_kill_signers(_root(session), env, key or ())
    _show(session, run(target, signers, flag, KillOptions(dry_run=dry_run, recover=recover)))


def kills(
    context: typer.Context,
    *,
    env: Annotated[
        str | None,
        typer.Option(
            "--env", metavar="ENV", help="One environment; default: all.", autocompletion=complete_environments
        ),
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Sign the same list again, after a rotation of keys.")] = False,
    dry_run: DryRun = False,
    recover: Recover = False,
    key: Keys = None,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
    l2: SharedCache = None,
) -> None:
    """Show what is forced off."""
    from flagctl.errors import UsageError
    from flagctl.ops.kill import list_kills, renew_kills
    from flagctl.ops.kill_model import KillOptions
    from flagctl.ops.publishing import find_kill_signers
    from flagctl.report.kills import render_kills

    session = session_of(context)
    session.format("text", "json")
    overrides = _overrides(remote, endpoint_url, region, trust, l2)
    if env is None:
        if renew or (remote is not None and trust is not None):
            raise UsageError("which environment?", hint="add --env ENV")
        _show_all(session, overrides)
        return
    target = _target(session, env, overrides)
    if renew:
        signers = find_kill_signers(_root(session), env, key or ())
        _show(session, renew_kills(target, signers, KillOptions(dry_run=dry_run, recover=recover)))
        return
    listing = list_kills(target)
    session.emit(listing, render_kills)
    for warning in listing.warnings:
        session.console.warning(warning)


def _show_all(session: Session, overrides: "TargetOverrides") -> None:
    from flagctl.ops.kill import list_kills
    from flagctl.ops.kill_model import AllKills
    from flagctl.ops.loading import load, readable
    from flagctl.report.kills import render_all_kills

    names = readable(load(session.root)).config.environments
    listings = tuple(list_kills(_target(session, name, overrides)) for name in names)
    session.emit(AllKills(environments=listings), render_all_kills)
    for listing in listings:
        for warning in listing.warnings:
            session.console.warning(f"{listing.environment}: {warning}")


def _overrides(
    remote: str | None, endpoint_url: str | None, region: str | None, trust: Path | None, l2: str | None
) -> "TargetOverrides":
    from flagctl.ops.target import TargetOverrides

    return TargetOverrides(url=remote, endpoint_url=endpoint_url, region=region, trust=trust, l2=l2)


def _root(session: Session) -> Path | None:
    """Return the flag repository's root, None outside of one."""
    from flagctl.errors import UsageError

    try:
        return session.root
    except UsageError:
        if session.root_option is not None:
            raise
        return None


def _target(session: Session, env: str, overrides: "TargetOverrides") -> "Target":
    """Return the target; location and root of trust together need no flag repository."""
    from flagctl.errors import UsageError
    from flagctl.ops.loading import load, readable
    from flagctl.ops.target import open_plain_target, open_target

    if overrides.url is not None and overrides.trust is not None:
        return open_plain_target(overrides.url, overrides.trust, env, overrides)
    if _root(session) is None:
        raise UsageError(
            "this is no flag repository, so nothing says where the environment is published",
            hint="give --remote URL and --trust FILE, or --root DIR",
        )
    return open_target(session.root, readable(load(session.root)).config, env, overrides)


def _change(session: Session, result: "KillResult") -> "KillChange | None":
    """Prepare the change in git; the kill is done, so trouble here is a warning."""
    from flagctl.errors import FlagctlError
    from flagctl.ops.kill_change import propose_kill

    root = _root(session)
    if root is None or result.action != "killed" or result.flag is None:
        return None
    reason = next((entry.reason for entry in result.kills if entry.flag == result.flag), "")
    try:
        return propose_kill(root, result.flag, result.environment, reason)
    except FlagctlError as error:
        session.console.warning(f"no change in git was prepared: {error.message}")
        return None


def _show(session: Session, result: "KillResult", change: "KillChange | None" = None) -> None:
    from flagctl.report.kills import KillReport, render_kill

    session.emit(KillReport(result=result, change=change), render_kill)
    for warning in result.warnings:
        session.console.warning(warning)
