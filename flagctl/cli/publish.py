"""Commands that decide what is live: `publish`, `rollback`, `status`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments
from flagctl.cli.population import Form, ListFiles, population_options, with_lists
from flagctl.cli.progress import Progress
from flagctl.cli.session import Session, now_ms, session_of

if TYPE_CHECKING:
    from flagctl.bundle.manifest import Manifest, Override
    from flagctl.model import Environment, Repository
    from flagctl.ops.measure import PopulationOptions
    from flagctl.ops.plan import SavedPlan
    from flagctl.ops.policy import PolicyGuard, PolicyOptions, PolicyRefusedError
    from flagctl.ops.publish_model import PublishOptions, PublishResult
    from flagctl.ops.publishing import Origin
    from flagctl.ops.target import TargetOverrides
    from flagctl.source import LoadedRepository


Env = Annotated[
    str, typer.Argument(metavar="ENV", help="Name of the environment.", autocompletion=complete_environments)
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="SPEC", help="Key file, env:NAME or awskms:ID; default: FLAGCTL_PUBLISH_KEY or .flagctl/keys."
    ),
]
Remote = Annotated[str | None, typer.Option(metavar="URL", help="Instead of the one in flagctl.yaml.")]
EndpointUrl = Annotated[str | None, typer.Option(metavar="URL", help="Address of an S3-compatible store.")]
Region = Annotated[str | None, typer.Option(metavar="NAME", help="Region of the bucket.")]
Trust = Annotated[Path | None, typer.Option(metavar="FILE", help="Root of trust, instead of the one in flagctl.yaml.")]
SharedCache = Annotated[
    str | None,
    typer.Option("--l2", metavar="URL", help="Shared cache to tell, redis://…; instead of l2 in flagctl.yaml."),
]
Actor = Annotated[
    str | None,
    typer.Option(metavar="WHO", help="Login or e-mail of who does this.", envvar=["FLAGCTL_ACTOR", "GITHUB_ACTOR"]),
]
Population = Annotated[
    str | None,
    typer.Option("--population", metavar="FILE", help="For the policy: measure on contexts what cannot be computed."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, write nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Go on without asking; protected environments need it.")]


def publish(
    context: typer.Context,
    env: Env,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Publish exactly what `flagctl plan --out FILE` showed.")
    ] = None,
    heartbeat: Annotated[bool, typer.Option("--heartbeat", help="Renew the expiry, keep the bundle.")] = False,
    recover: Annotated[bool, typer.Option("--recover", help="Replace a manifest that cannot be verified.")] = False,
    allow_rollback: Annotated[
        bool, typer.Option("--rollback", help="Even if this commit does not build on the published one.")
    ] = False,
    revision: Annotated[str | None, typer.Option(metavar="REV", help="Publish this git revision's flags.")] = None,
    approvals: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE", help="Who agreed: a file of reviews, or `trailers`; repeatable."),
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option(metavar="RULE=REASON", help="Set a rule of the policy aside; repeatable.")
    ] = None,
    actor: Actor = None,
    population: Population = None,
    form: Form = None,
    lists: ListFiles = None,
    allow_dirty: Annotated[bool, typer.Option("--allow-dirty", help="With uncommitted changes, too.")] = False,
    lifetime: Annotated[int, typer.Option("--lifetime", metavar="DAYS", min=1, help="Until it expires.")] = 30,
    key: Keys = None,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
    l2: SharedCache = None,
) -> None:
    """Make the flags of an environment live.

    Checks, compiles, signs, writes, and reads back.

    Clients take them over within seconds. Refuses if what is published was not seen by this commit.
    """
    from flagctl.ops.policy import PolicyOptions
    from flagctl.ops.publish_model import PublishOptions
    from flagctl.ops.publishing import Origin, check_may_publish, find_origin
    from flagctl.ops.target import TargetOverrides

    session = session_of(context)
    session.format("text", "json")
    loaded, repository = _repository(session, revision, env)
    origin = Origin() if heartbeat else find_origin(session.root, revision)
    environment = repository.config.environments[env]
    confirmed = yes or dry_run or heartbeat or plan is not None or _confirmed(session, environment)
    check_may_publish(environment, origin, confirmed=confirmed, allow_dirty=allow_dirty or dry_run)
    _warn_about(session, origin)
    overrides = TargetOverrides(url=remote, endpoint_url=endpoint_url, region=region, trust=trust, l2=l2)
    options = PublishOptions(
        commit=origin.commit,
        ref=origin.ref,
        history=origin.history,
        allow_rollback=allow_rollback,
        recover=recover,
        dry_run=dry_run,
        lifetime_days=lifetime,
    )
    place = _Place(env=env, overrides=overrides, keys=tuple(key or ()))
    if heartbeat:
        _renew(session, repository, place, options)
        return
    with Progress(session) as progress:
        policy = PolicyOptions(
            root=session.root,
            now_ms=now_ms(),
            approvals=tuple(approvals or ()),
            overrides=tuple(override or ()),
            actor=actor,
            population=_measured_on(population, form, lists, progress),
        )
        _publish(session, loaded, place, _Guards(plan=plan, policy=policy, origin=origin, options=options))


def rollback(
    context: typer.Context,
    env: Env,
    *,
    to: Annotated[
        int | None, typer.Option("--to", metavar="NUMBER", help="Of a publication; default: the last other one.")
    ] = None,
    list_log: Annotated[bool, typer.Option("--list", help="Show what was published, and do nothing.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    key: Keys = None,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
    l2: SharedCache = None,
) -> None:
    """Go back to a bundle that was published before."""
    from flagctl.ops.publish_model import PublishOptions
    from flagctl.ops.publishing import Origin, check_may_publish, find_signers
    from flagctl.ops.rollback import history
    from flagctl.ops.rollback import rollback as run
    from flagctl.ops.target import TargetOverrides, open_target
    from flagctl.report.publication import LogTable, render_log

    session = session_of(context)
    session.format("text", "json")
    _, repository = _repository(session, None, env)
    overrides = TargetOverrides(url=remote, endpoint_url=endpoint_url, region=region, trust=trust, l2=l2)
    if list_log:
        target = open_target(session.root, repository.config, env, overrides)
        session.emit(LogTable(environment=env, entries=history(target)), render_log)
        return
    environment = repository.config.environments[env]
    confirmed = yes or dry_run or _confirmed(session, environment)
    check_may_publish(environment, Origin(), confirmed=confirmed, allow_dirty=True, command="rollback")
    signers = find_signers(session.root, env, key or ())
    target = open_target(session.root, repository.config, env, overrides)
    _show(session, run(target, signers, to_seq=to, options=PublishOptions(dry_run=dry_run)))


def status(
    context: typer.Context,
    env: Annotated[
        str | None,
        typer.Argument(metavar="[ENV]", help="Default: all environments.", autocompletion=complete_environments),
    ] = None,
    *,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
) -> None:
    """Show what is live where, and whether it is what is here."""
    from flagctl.ops.loading import check_environment, load, readable
    from flagctl.ops.status import status as run
    from flagctl.ops.target import TargetOverrides, open_target
    from flagctl.report.publication import StatusTable, render_status

    session = session_of(context)
    session.format("text", "json")
    loaded = load(session.root)
    repository = readable(loaded)
    names = list(repository.config.environments) if env is None else [check_environment(repository, env)]
    overrides = TargetOverrides(url=remote, endpoint_url=endpoint_url, region=region, trust=trust)
    results = []
    for name in names:
        if env is None and remote is None and repository.config.environments[name].remote is None:
            session.console.note(f"{name}: no remote is configured")
            continue
        target = open_target(session.root, repository.config, name, overrides)
        results.append(run(target, local_sha256=_local_sha256(loaded, name)))
    session.emit(StatusTable(environments=tuple(results)), render_status)
    worst = max((result.exit_code for result in results), default=0)
    if worst:
        raise typer.Exit(worst)


def check_ready(session: Session, env: str, *, yes: bool, key: list[str] | None, overrides: "TargetOverrides") -> None:
    """Go on only if nothing on this side stands in the way of publishing what is committed.

    Raises:
        FlagctlError: As `publish` does: the environment is protected, a key, the remote or the root of trust is missing.
    """
    from flagctl.ops.publishing import check_may_publish, find_origin, find_signers
    from flagctl.ops.target import open_target

    _, repository = _repository(session, None, env)
    environment = repository.config.environments[env]
    confirmed = yes or _confirmed(session, environment)
    check_may_publish(environment, find_origin(session.root), confirmed=confirmed, allow_dirty=False)
    find_signers(session.root, env, key or ())
    open_target(session.root, repository.config, env, overrides)


def _repository(session: Session, revision: str | None, env: str) -> "tuple[LoadedRepository, Repository]":
    """Return the flags to publish; a mistyped environment is reported before anything else."""
    from flagctl.ops.loading import check_environment, load, readable

    loaded = load(session.root, revision=revision)
    repository = readable(loaded)
    check_environment(repository, env)
    return loaded, repository


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where to publish, and with which keys."""

    env: str
    overrides: "TargetOverrides"
    keys: tuple[str, ...]


def _renew(session: Session, repository: "Repository", place: _Place, options: "PublishOptions") -> None:
    from flagctl.ops.publish import heartbeat
    from flagctl.ops.publishing import find_signers
    from flagctl.ops.target import open_target

    signers = find_signers(session.root, place.env, place.keys)
    target = open_target(session.root, repository.config, place.env, place.overrides)
    _show(session, heartbeat(target, signers, options))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guards:
    """What a publication is held to."""

    plan: Path | None
    policy: "PolicyOptions"
    origin: "Origin"
    options: "PublishOptions"


def _publish(session: Session, loaded: "LoadedRepository", place: _Place, guards: _Guards) -> None:
    """Compile and publish."""
    from flagctl.compiler import compile_environment
    from flagctl.ops.loading import checked
    from flagctl.ops.policy import PolicyGuard, PolicyRefusedError, Publication
    from flagctl.ops.publish import publish as run
    from flagctl.ops.publishing import find_signers
    from flagctl.ops.target import open_target

    saved = _read_plan(guards.plan, place.env)
    repository = checked(loaded, now_ms())
    compiled = compile_environment(repository, place.env)
    session.console.detail(f"compiled {compiled.flag_count} flags, {len(compiled.data)} bytes, {compiled.sha256}")
    signers = find_signers(session.root, place.env, place.keys)
    target = open_target(session.root, repository.config, place.env, place.overrides)
    publication = Publication(
        target=target, loaded=loaded, bundle=compiled.data, sha256=compiled.sha256, origin=guards.origin
    )
    guard = PolicyGuard(publication, guards.policy)
    options = _held_to(saved, guard, place.env, compiled.sha256, guards.options)
    try:
        _show(session, run(target, compiled.data, signers, options))
    except PolicyRefusedError as error:
        _show_refusals(session, error)
        raise
    if guard.result is not None:
        for rule in guard.result.unused:
            session.console.warning(f"the override of {rule} was not needed, and is not recorded")


def _measured_on(
    file: str | None, form: str | None, lists: list[str] | None, progress: Progress
) -> "PopulationOptions | None":
    """Return the population that the policy measures on; it is read once for each round of the publication."""
    from flagctl.errors import UsageError

    if file == "-":
        raise UsageError("publishing may have to read the population twice, and stdin can be read once")
    if file is None and form is not None:
        raise UsageError("which population?", hint="--population-format goes with --population FILE")
    if file is None and lists:
        raise UsageError("which population?", hint="--list goes with --population FILE")
    return None if file is None else with_lists(population_options(file, form, None, progress), lists)


def _read_plan(path: Path | None, env: str) -> "SavedPlan | None":
    """Read a saved plan; one for another environment is reported before anything else."""
    from flagctl.ops.plan import check_environment_of, read_plan

    if path is None:
        return None
    saved = read_plan(path)
    check_environment_of(saved, env)
    return saved


def _held_to(
    saved: "SavedPlan | None", guard: "PolicyGuard", env: str, sha256: str, options: "PublishOptions"
) -> "PublishOptions":
    """Return options that refuse whatever a saved plan does not say, and what the policy does not allow.

    Both are asked in every round of the publication, about what is live in that round.
    """
    from dataclasses import replace

    from flagctl.ops.plan import base_of, check_plan

    def check(live: "Manifest | None") -> "tuple[Override, ...]":
        if saved is not None:
            check_plan(saved, env, sha256, base_of(live) if live is not None else None)
        return guard(live)

    return replace(options, check_live=check)


def _show_refusals(session: Session, error: "PolicyRefusedError") -> None:
    """Show everything that the policy said, where there is more than the one refusal that the error names."""
    from flagctl.report.policy import render_policy

    if session.format("text", "json") == "text":
        session.console.note(render_policy(error.result, session.console.error_style))


def _confirmed(session: Session, environment: "Environment") -> bool:
    """Ask a person to type a protected environment's name; without a person the answer is no."""
    if not environment.protected or not session.console.interactive:
        return False
    return session.console.ask(f"'{environment.name}' is protected. Type its name to go on", "no") == environment.name


def _warn_about(session: Session, origin: "Origin") -> None:
    if origin.uncommitted:
        count = len(origin.uncommitted)
        files = "1 file that is" if count == 1 else f"{count} files that are"
        session.console.warning(f"publishing {files} not committed; git has no record of what this is")


def _show(session: Session, result: "PublishResult") -> None:
    from flagctl.report.publication import publication_hint, render_publication

    session.emit(result, render_publication)
    for warning in result.warnings:
        session.console.warning(warning)
    hint = publication_hint(result)
    if hint and session.format("text", "json") == "text":
        session.console.hint(hint)


def _local_sha256(loaded: "LoadedRepository", env: str) -> str | None:
    """Return the digest of what the flag files compile to; None if they cannot be compiled."""
    from flagctl.compiler import compile_environment
    from flagctl.errors import FindingsError
    from flagctl.ops.loading import readable

    try:
        return compile_environment(readable(loaded), env).sha256
    except FindingsError:
        return None
