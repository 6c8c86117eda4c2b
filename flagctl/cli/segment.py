"""Big segments: `segment build`, `segment publish`, `segment status`, `segment check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments
from flagctl.cli.publish import EndpointUrl, Keys, Region, Remote, Trust
from flagctl.cli.session import Session, session_of

if TYPE_CHECKING:
    from flagctl.model import Repository
    from flagctl.ops.target import Target


SegmentKey = Annotated[str, typer.Argument(metavar="KEY", help="Of the segment.")]
Env = Annotated[
    str, typer.Option("--env", metavar="ENV", help="Name of the environment.", autocompletion=complete_environments)
]
From = Annotated[Path, typer.Option("--from", metavar="FILE", help="Units, one a line; or a file made by build.")]


def build(
    context: typer.Context,
    segment: SegmentKey,
    *,
    source: From,
    out: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the list.")],
) -> None:
    """Make the file of a segment's list."""
    from flagctl.ops.unit_lists import build_list, list_of
    from flagctl.report.unit_lists import render_list_file

    session = session_of(context)
    session.format("text", "json")
    session.emit(build_list(list_of(_repository(session), segment), source, out), render_list_file)


def publish(
    context: typer.Context,
    segment: SegmentKey,
    *,
    source: From,
    env: Env,
    stale_after: Annotated[
        str | None, typer.Option(metavar="T", help="Mark answers when the units are older, such as 36h or 2d.")
    ] = None,
    redis: Annotated[
        str | None, typer.Option(metavar="URL", help="Also fill this Redis, for applications that ask there.")
    ] = None,
    key: Keys = None,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
) -> None:
    """Make a list the current one of an environment; clients have it within a minute or so."""
    import time

    from flagctl.ops.kill_model import parse_until
    from flagctl.ops.publishing import find_signers
    from flagctl.ops.unit_lists import ListVersion, fill_redis, list_of, publish_list, read_units
    from flagctl.report.unit_lists import render_published_list

    session = session_of(context)
    session.format("text", "json")
    repository = _repository(session)
    name = list_of(repository, segment)
    target = _target(session, repository, env, (remote, endpoint_url, region, trust))
    seconds = None if stale_after is None else parse_until(stale_after, 0)
    signers = find_signers(session.root, env, key or ())
    data = read_units(name, source, time.time())
    session.emit(publish_list(target, signers, ListVersion(name, data, seconds)), render_published_list)
    if redis is not None:
        count = fill_redis(redis, (target.project, env), name, data)
        session.console.note(f"{count:,} units of {name} are in Redis")


def status(
    context: typer.Context,
    *,
    env: Env,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
) -> None:
    """Show which lists of an environment are live."""
    from flagctl.ops.unit_lists import list_states
    from flagctl.report.unit_lists import render_list_states

    session = session_of(context)
    session.format("text", "json")
    repository = _repository(session)
    target = _target(session, repository, env, (remote, endpoint_url, region, trust))
    session.emit(list_states(target, repository), render_list_states)


def check(
    context: typer.Context,
    segment: SegmentKey,
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="Such as a targeting key.")],
    *,
    env: Annotated[
        str | None,
        typer.Option("--env", metavar="ENV", help="Look at what is live there.", autocompletion=complete_environments),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Look into this file instead.")] = None,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
) -> None:
    """Say whether a unit is in a segment's list."""
    from flagctl.errors import UsageError
    from flagctl.ops.unit_lists import check_unit, list_of
    from flagctl.report.unit_lists import render_membership

    session = session_of(context)
    session.format("text", "json")
    repository = _repository(session)
    name = list_of(repository, segment)
    if (env is None) == (file is None):
        raise UsageError("give either --env or --file")
    target = None if env is None else _target(session, repository, env, (remote, endpoint_url, region, trust))
    session.emit(check_unit(name, unit, target=target, file=file), render_membership)


def _repository(session: Session) -> "Repository":
    from flagctl.ops.loading import load, readable

    return readable(load(session.root))


def _target(
    session: Session,
    repository: "Repository",
    env: str,
    place: tuple[str | None, str | None, str | None, Path | None],
) -> "Target":
    from flagctl.ops.target import TargetOverrides, open_target

    url, endpoint_url, region, trust = place
    overrides = TargetOverrides(url=url, endpoint_url=endpoint_url, region=region, trust=trust)
    return open_target(session.root, repository.config, env, overrides)
