"""`flagctl serve`: one environment's flags over HTTP."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from flagctl.errors import UsageError
from flagctl.server.ofrep.app import AppOptions, Parts, make_app
from flagctl.server.ofrep.board import Board
from flagctl.server.web.headers import is_loopback
from flagctl.server.web.logs import configure_logs
from flagctl.server.web.serving import Listen, address_of, bind, run_worker
from flagctl.server.web.tokens import TokenBook

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from starlette.types import ASGIApp

    from flagctl.client.sinks.protocol import Sink
    from flagctl.server.ofrep.sources import FlagSource
    from flagctl.server.web.serving import Ending

TOKENS_VARIABLE: Final = "FLAGCTL_SERVER_TOKENS"
_SHARED_FOLDER: Final = "FLAGCTL_SERVER_FOLDER"
_METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

_log = logging.getLogger("flagctl.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the flags come from.

    Attributes:
        environment: Name of the environment.
        url: Remote; None for a folder.
        root: The flag repository's root, without a remote.
        trust: Root of trust, with a remote.
        l2: Shared cache.
        cache_dir: Folder for the last known good state.
        bootstrap: Folder with a copy that was baked into an image.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.
        poll_interval: Seconds between looks at the remote.
        insecure: Go without a root of trust.
        events: Where exposures and counts of evaluations go: ``file:///folder``, ``s3://…`` or ``redis://…``.
        lists: Files with the units of lists that segments name, by the lists' names; without a remote.
    """

    environment: str
    url: str | None = None
    root: Path | None = None
    trust: Path | None = None
    l2: str | None = None
    cache_dir: Path | None = None
    bootstrap: Path | None = None
    endpoint_url: str | None = None
    region: str | None = None
    poll_interval: float = 10.0
    insecure: bool = False
    events: str | None = None
    lists: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve.

    Attributes:
        origin: Where the flags come from.
        listen: Where and how to listen.
        app: What surrounds the endpoints; rate and burst are the whole server's.
        workers: Processes.
        token_file: File with tokens.
        allow_anonymous: Whether to listen to other machines without tokens.
        log_form: ``auto``, ``json`` or ``text``.
        access_log: Whether every request gets a line in the log.
        quiet: Log trouble only.
    """

    origin: Origin
    listen: Listen = field(default_factory=Listen)
    app: AppOptions = field(default_factory=AppOptions)
    workers: int = 1
    token_file: Path | None = None
    allow_anonymous: bool = False
    log_form: str = "auto"
    access_log: bool = True
    quiet: bool = False


def serve(options: ServeOptions) -> bool:
    """Serve until a signal ends it; return whether that was SIGINT.

    Raises:
        UsageError: If an option is wrong, a file cannot be read, the address cannot be used, or tokens are missing.
        UntrustedError: If the root of trust is no intact one, or has no such environment.
        InvalidFlagsError: If the folder's flags have errors.
    """
    options = _checked(options)
    with bind(options.listen) as listening:
        _configure_logs(options)
        if options.workers == 1:
            return _serve_alone(options, listening)
        return _serve_with_workers(options, listening)


def _checked(options: ServeOptions) -> ServeOptions:
    tokens = token_book(options)
    loopback = is_loopback(options.listen.host)
    if not tokens.required and not loopback and not options.allow_anonymous:
        raise UsageError(
            f"other machines can reach {options.listen.host}, and there are no tokens",
            hint=f"--token-file FILE, or {TOKENS_VARIABLE}, or --allow-anonymous",
        )
    names_only = loopback and not tokens.required and not options.allow_anonymous
    app = replace(options.app, only_loopback_names=names_only)
    if app.rate is not None:
        # The rate is the whole server's; requests spread over its workers.
        app = replace(app, rate=app.rate / options.workers, burst=max(1.0, app.burst / options.workers))
    return replace(options, app=app)


def token_book(options: ServeOptions) -> TokenBook:
    """Return the tokens of the file and of the environment variable.

    Raises:
        UsageError: If they cannot be read.
    """
    return TokenBook(options.token_file, os.environ.get(TOKENS_VARIABLE) or None)


def open_source(origin: Origin) -> FlagSource:
    """Return the flags' source.

    Raises:
        UsageError: If an option is wrong or a file cannot be read.
        UntrustedError: If the root of trust is no intact one, or has no such environment.
        InvalidFlagsError: If the folder's flags have errors.
    """
    from flagctl.server.ofrep.sources import ClientSource, FolderSource  # noqa: PLC0415 - the author side, for folders

    if origin.url is None:
        if origin.root is None:
            raise UsageError("neither a remote nor a folder is given", hint="--remote URL, or --root DIR")
        return FolderSource(origin.root, origin.environment, lists=origin.lists)
    from flagctl.client.client import Client  # noqa: PLC0415

    if origin.trust is None and not origin.insecure:
        raise UsageError(
            "a remote needs a root of trust", hint="--trust trust.json; for a try-out on this machine: --insecure"
        )
    settings: dict[str, Any] = {
        name: value
        for name in ("trust", "l2", "cache_dir", "bootstrap", "endpoint_url", "region")
        if (value := getattr(origin, name)) is not None
    }
    if origin.events is not None:
        settings["sinks"] = [open_sink(origin.events, origin)]
    client = Client(
        origin.url,
        environment=origin.environment,
        poll_interval=origin.poll_interval,
        insecure=origin.insecure,
        **settings,
    )
    return ClientSource(client)


def open_sink(url: str, origin: Origin) -> Sink:
    """Return the sink that events of a server go to.

    Raises:
        UsageError: If nothing can be written there.
    """
    from flagctl.client import sinks  # noqa: PLC0415 - for servers that report
    from flagctl.storage.remote import RemoteOptions  # noqa: PLC0415

    scheme = url.partition(":")[0].lower()
    if scheme == "file":
        return sinks.JsonlSink(unquote(urlsplit(url).path))
    if scheme == "s3":
        options = RemoteOptions(endpoint_url=origin.endpoint_url, region=origin.region)
        return sinks.S3Sink(url, options=options)
    if scheme in {"redis", "rediss"}:
        return sinks.RedisStreamSink(url)
    raise UsageError(f"events cannot go to '{url}'", hint="file:///folder, s3://bucket/prefix or redis://host:6379/0")


def build(options: ServeOptions, source: FlagSource, ending: Ending) -> ASGIApp:
    """Return the application of one process."""
    from prometheus_client import disable_created_metrics  # noqa: PLC0415 - reads the environment when it is imported

    import flagctl  # noqa: PLC0415 - for its version
    from flagctl.server.ofrep.metrics import Metrics  # noqa: PLC0415 - as prometheus_client

    disable_created_metrics()  # type: ignore[no-untyped-call]

    folder = os.environ.get(_SHARED_FOLDER) if options.workers > 1 else None
    parts = Parts(
        source=source,
        tokens=token_book(options),
        metrics=Metrics(source.environment, flagctl.__version__),
        ending=ending,
        board=Board(Path(folder)) if folder else None,
    )
    return make_app(parts, options.app)


def _serve_alone(options: ServeOptions, listening: socket.socket) -> bool:
    source = open_source(options.origin)
    _announce(options, listening)
    return run_worker(partial(build, options, source), listening, options.listen)


def _serve_with_workers(options: ServeOptions, listening: socket.socket) -> bool:
    from flagctl.server.web.workers import Supervisor  # noqa: PLC0415 - for several processes only

    open_source(options.origin).close()  # what is wrong with the options is said here, and once
    folder = Path(tempfile.mkdtemp(prefix="flagctl-serve-"))
    try:
        os.environ[_SHARED_FOLDER] = str(folder)
        os.environ[_METRICS_FOLDER] = str(folder)
        _announce(options, listening)
        patience = options.listen.drain_seconds + options.listen.grace_seconds + 15
        supervisor = Supervisor(partial(_work, options), listening, options.workers, _forget, patience)
        return supervisor.run()
    finally:
        del os.environ[_SHARED_FOLDER], os.environ[_METRICS_FOLDER]
        shutil.rmtree(folder, ignore_errors=True)


def _work(options: ServeOptions, listening: socket.socket) -> None:
    """Be a worker."""
    _configure_logs(options)
    source = open_source(options.origin)
    run_worker(partial(build, options, source), listening, options.listen)


def _forget(pid: int) -> None:
    """Take a worker that is gone out of the metrics."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - for several processes only

    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _configure_logs(options: ServeOptions) -> None:
    level = logging.WARNING if options.quiet else logging.INFO
    configure_logs(options.log_form, access=options.access_log and not options.quiet, level=level)


def _announce(options: ServeOptions, listening: socket.socket) -> None:
    origin = options.origin
    _log.info(
        "serving %s from %s on %s",
        origin.environment,
        origin.url or origin.root,
        address_of(listening),
        extra={"fields": {"url": address_of(listening), "workers": options.workers}},
    )
