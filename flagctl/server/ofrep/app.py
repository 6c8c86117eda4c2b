"""The application: endpoints inside of everything that guards them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from flagctl.server.ofrep.endpoints import EVENTS_PATH, Api, ApiOptions
from flagctl.server.web.access import Access
from flagctl.server.web.headers import HostNames, SecurityHeaders
from flagctl.server.web.limits import RateLimit, RateLimiter, RequestsAtOnce
from flagctl.server.web.problems import HttpProblemError, answer_bug, answer_http_exception, answer_problem
from flagctl.server.web.requests import Requests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from flagctl.server.ofrep.board import Board
    from flagctl.server.ofrep.metrics import Metrics
    from flagctl.server.ofrep.sources import FlagSource
    from flagctl.server.web.serving import Ending
    from flagctl.server.web.tokens import TokenBook

PUBLIC: Final = ("/healthz", "/readyz", "/openapi.json")
"""Paths that need no token."""

_CORS_HEADERS: Final = (
    "Authorization",
    "Content-Type",
    "If-None-Match",
    "Last-Event-ID",
    "X-API-Key",
    "X-Request-Id",
    "traceparent",
    "tracestate",
)


class _Anything(Convertor[str]):
    """The rest of a path, whatever it is: slashes and line ends make unknown flags, not unknown paths."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        """Return it as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return it as it is."""
        return value


register_url_convertor("anything", _Anything())


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions:
    """What surrounds the endpoints.

    Attributes:
        api: How the protocol is spoken.
        cors_origins: Origins whose pages may ask; ``*`` for all.
        at_once: Requests that are answered at the same time.
        rate: Requests a second for each token in this process; None for no limit.
        burst: Requests at once after a pause.
        only_loopback_names: Whether requests for other host names than this machine's are refused.
    """

    api: ApiOptions = field(default_factory=ApiOptions)
    cors_origins: tuple[str, ...] = ()
    at_once: int = 256
    rate: float | None = None
    burst: float = 1.0
    only_loopback_names: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an application is put together from; see `Api`."""

    source: FlagSource
    tokens: TokenBook
    metrics: Metrics
    ending: Ending
    board: Board | None = None


def make_app(parts: Parts, options: AppOptions) -> ASGIApp:
    """Return the application. It closes the source when it ends."""
    api = Api(parts.source, parts.tokens, parts.metrics, parts.ending, options.api, parts.board)
    core = Starlette(
        routes=[
            Route("/ofrep/v1/evaluate/flags", api.evaluate_all, methods=["POST"]),
            Route("/ofrep/v1/evaluate/flags/{key:anything}", api.evaluate, methods=["POST"]),
            Route("/ofrep/v1/configuration", api.configuration, methods=["GET"]),
            Route(EVENTS_PATH, api.events, methods=["GET"]),
            Route("/metrics", api.metrics, methods=["GET"]),
            Route("/healthz", api.healthy, methods=["GET"]),
            Route("/readyz", api.ready, methods=["GET"]),
            Route("/openapi.json", api.openapi, methods=["GET"]),
        ],
        exception_handlers={
            HttpProblemError: answer_problem,
            HTTPException: answer_http_exception,
            Exception: answer_bug,
        },
        lifespan=lambda _: _lifespan(api, parts),
    )
    core.router.redirect_slashes = False
    return _surround(core, parts, options)


def _surround(core: ASGIApp, parts: Parts, options: AppOptions) -> ASGIApp:
    """Put the layers around the endpoints, from the inside out."""
    limiter = None if options.rate is None else RateLimiter(options.rate, options.burst)
    app: ASGIApp = RequestsAtOnce(core, options.at_once, exempt=(*PUBLIC, EVENTS_PATH))
    app = RateLimit(app, limiter, exempt=PUBLIC)
    app = Access(app, parts.tokens, environment=parts.source.environment, public=PUBLIC, ticketed=(EVENTS_PATH,))
    if options.only_loopback_names:
        app = HostNames(app)
    if options.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=options.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=_CORS_HEADERS,
            expose_headers=("ETag", "Retry-After", "X-Request-Id"),
            max_age=3600,
        )
    app = SecurityHeaders(app)
    return Requests(
        app,
        parts.metrics,
        closing=lambda: parts.ending.begun,
        quiet=frozenset({"/healthz", "/readyz", "/metrics"}),
    )


@contextlib.asynccontextmanager
async def _lifespan(api: Api, parts: Parts) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()

    def on_change() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(api.changed)

    async def end_streams() -> None:
        await parts.ending.event.wait()
        api.stream.end()

    async def tick() -> None:
        while True:
            api.note_state()
            await asyncio.sleep(1.0)

    parts.source.start(on_change)
    api.changed()
    tasks = [asyncio.create_task(work) for work in (end_streams(), tick(), api.follow_board())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(parts.source.close)
