"""Flags over HTTP: `serve`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments
from flagctl.cli.population import ListFiles, list_files
from flagctl.cli.publish import EndpointUrl, Region
from flagctl.cli.session import joined, session_of

if TYPE_CHECKING:
    from flagctl.server.ofrep.endpoints import ApiOptions
    from flagctl.server.serve import Origin


Env = Annotated[
    str, typer.Option("--env", "--environment", metavar="ENV", help="To serve.", autocompletion=complete_environments)
]
Remote = Annotated[
    str | None, typer.Option(metavar="URL", help="Serve what is published there. Default: the folder's flags.")
]
Trust = Annotated[Path | None, typer.Option(metavar="FILE", help="Root of trust, with --remote.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Without one; file:// and this machine only.")]
SharedCache = Annotated[str | None, typer.Option("--l2", metavar="URL", help="Shared cache, redis://….")]
CacheDir = Annotated[Path | None, typer.Option(metavar="DIR", help="For restarts without the remote.")]
Bootstrap = Annotated[Path | None, typer.Option(metavar="DIR", help="A copy baked into an image.")]
Events = Annotated[
    str | None, typer.Option(metavar="URL", help="Report exposures and counts: file:///…, s3://… or redis://….")
]
PollInterval = Annotated[float, typer.Option(metavar="S", help="Seconds between looks at the remote.")]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="To listen on.")]
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 takes a free one.")]
Workers = Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Processes.")]
TokenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Bearer tokens, one a line; or FLAGCTL_SERVER_TOKENS.")
]
AllowAnonymous = Annotated[bool, typer.Option("--allow-anonymous", help="Other machines need no token.")]
CorsOrigin = Annotated[
    list[str] | None, typer.Option(metavar="ORIGIN", help="Whose pages may ask, https://…; repeatable.")
]
PublicUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Where clients reach this server, if not where they ask.")
]
Rate = Annotated[float | None, typer.Option(metavar="N", min=0.01, help="Requests a second for each token.")]
Burst = Annotated[float | None, typer.Option(metavar="N", min=1, help="At once; default: two seconds' worth.")]
MaxRequests = Annotated[int, typer.Option(metavar="N", min=1, help="At once, for each worker.")]
MaxStreams = Annotated[int, typer.Option(metavar="N", min=0, help="Event streams, for each worker.")]
MaxBody = Annotated[int, typer.Option(metavar="BYTES", min=2, help="Of a request.")]
Drain = Annotated[float, typer.Option(metavar="S", min=0, help="From SIGTERM until nobody is let in.")]
Grace = Annotated[int, typer.Option(metavar="S", min=0, help="After that, for requests to finish.")]
LogFormat = Annotated[str, typer.Option(metavar="FORM", help="auto, json or text.")]
NoAccessLog = Annotated[bool, typer.Option("--no-access-log", help="No line for each request.")]


def serve(
    context: typer.Context,
    *,
    env: Env,
    remote: Remote = None,
    trust: Trust = None,
    insecure: Insecure = False,
    l2: SharedCache = None,
    cache_dir: CacheDir = None,
    bootstrap: Bootstrap = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    events: Events = None,
    lists: ListFiles = None,
    poll_interval: PollInterval = 10.0,
    host: Host = "127.0.0.1",
    port: Port = 8016,
    workers: Workers = 1,
    token_file: TokenFile = None,
    allow_anonymous: AllowAnonymous = False,
    cors_origin: CorsOrigin = None,
    public_url: PublicUrl = None,
    rate: Rate = None,
    burst: Burst = None,
    max_requests: MaxRequests = 256,
    max_streams: MaxStreams = 1000,
    max_body: MaxBody = 65_536,
    drain: Drain = 1.0,
    grace: Grace = 30,
    log_format: LogFormat = "auto",
    no_access_log: NoAccessLog = False,
) -> None:
    """Answer evaluations over HTTP, by OFREP.

    Any OpenFeature provider for OFREP can use it. Without --remote it serves the flag repository's folder, as it is being edited.
    """
    _check_installation(log_format)
    from flagctl.server.ofrep.app import AppOptions
    from flagctl.server.serve import Origin, ServeOptions
    from flagctl.server.serve import serve as run
    from flagctl.server.web.serving import Listen

    session = session_of(context)
    origin = Origin(
        environment=env,
        url=remote,
        root=session.root if remote is None else None,
        trust=trust,
        l2=l2,
        cache_dir=cache_dir,
        bootstrap=bootstrap,
        endpoint_url=endpoint_url,
        region=region,
        poll_interval=poll_interval,
        insecure=insecure,
        events=events,
        lists=list_files(lists),
    )
    _check_origin(origin)
    app = AppOptions(
        api=_api_options(max_body, max_streams, public_url),
        cors_origins=_cors_origins(cors_origin),
        at_once=max_requests,
        rate=rate,
        burst=burst or 2 * (rate or 0),
    )
    options = ServeOptions(
        origin=origin,
        listen=Listen(host=host, port=port, drain_seconds=drain, grace_seconds=grace),
        app=app,
        workers=workers,
        token_file=token_file,
        allow_anonymous=allow_anonymous,
        log_form=log_format,
        access_log=not no_access_log,
        quiet=session.quiet,
    )
    if run(options):
        raise KeyboardInterrupt


def _check_installation(log_format: str) -> None:
    from flagctl.errors import UsageError
    from flagctl.server import MISSING

    if MISSING:
        raise UsageError(f"serve needs {MISSING}", hint='pip install "flagctl[server]"')
    if log_format not in {"auto", "json", "text"}:
        raise UsageError(f"'{log_format}' is no form of a log", hint="there are: auto, json, text")


def _check_origin(origin: "Origin") -> None:
    """Refuse options that have no meaning without a remote."""
    from flagctl.errors import UsageError

    if origin.url is not None and origin.lists:
        raise UsageError("--list goes with a folder", hint="a remote has its own: flagctl segment publish")
    if origin.url is None:
        for name in ("trust", "l2", "cache_dir", "bootstrap", "endpoint_url", "region", "events"):
            if getattr(origin, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} goes with --remote")


def _api_options(max_body: int, max_streams: int, public_url: str | None) -> "ApiOptions":
    from flagctl.server.ofrep.endpoints import ApiOptions
    from flagctl.server.web.bodies import BodyLimits

    url = None if public_url is None else _plain_url(public_url, "--public-url")
    return ApiOptions(body=BodyLimits(size=max_body), streams=max_streams, public_url=url)


def _cors_origins(given: list[str] | None) -> tuple[str, ...]:
    return tuple(text if text == "*" else _plain_url(text, "--cors-origin") for text in joined(given))


def _plain_url(text: str, option: str) -> str:
    """Return an address of scheme, host and perhaps path, without a slash at its end."""
    from urllib.parse import urlsplit

    from flagctl.errors import UsageError

    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"'{text}' is no address for {option}", hint="https://flags.example.com")
    return text.rstrip("/")
