"""What each path does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, final

from starlette.responses import Response, StreamingResponse

from flagctl.resources import data_path
from flagctl.server.ofrep.answers import NO_VALUE, failure, read_context, status_of, success
from flagctl.server.ofrep.metrics import CONTENT_TYPE
from flagctl.server.ofrep.served import BodyCache, Served, matches
from flagctl.server.ofrep.stream import ChangeStream
from flagctl.server.web.bodies import BodyLimits, read_body
from flagctl.server.web.problems import JSON_TYPE, HttpProblemError, json_bytes, json_response

if TYPE_CHECKING:
    from starlette.requests import Request

    from flagctl.server.ofrep.board import Board
    from flagctl.server.ofrep.metrics import Metrics
    from flagctl.server.ofrep.sources import FlagSource
    from flagctl.server.web.serving import Ending
    from flagctl.server.web.tokens import TokenBook

EVENTS_PATH: Final = "/ofrep/v1/events"

_MANY_FLAGS: Final = 500
"""From so many on, all flags are evaluated on a thread, so that other requests get their turn."""

_REFRESH_SECONDS: Final = 1.0
"""Between looks at the remote that requests ask for."""

_PATIENCE_SECONDS: Final = 2.0
"""For such a look to come back."""

_log = logging.getLogger("flagctl.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """How the protocol is spoken.

    Attributes:
        body: What a request's body may be.
        cache_bytes: Answers to requests for all flags that are kept, in bytes.
        streams: Event streams at once.
        heartbeat: Seconds between comments on an event stream.
        poll_ms: Shortest interval at which providers should ask for all flags, in milliseconds.
        public_url: Where clients reach this server; None: where they sent their request.
    """

    body: BodyLimits = field(default_factory=BodyLimits)
    cache_bytes: int = 64 * 1024 * 1024
    streams: int = 1_000
    heartbeat: float = 15.0
    poll_ms: int = 1_000
    public_url: str | None = None


@final
class Api:
    """The endpoints, and what they share.

    Args:
        source: The flags.
        tokens: Tokens of callers.
        metrics: Where evaluations are counted.
        ending: Tells that the server is about to end.
        options: How the protocol is spoken.
        board: Where workers of one server tell one another about changes; None for a single one.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - put together in one place
        self,
        source: FlagSource,
        tokens: TokenBook,
        metrics: Metrics,
        ending: Ending,
        options: ApiOptions,
        board: Board | None = None,
    ) -> None:
        self._source = source
        self._tokens = tokens
        self._metrics = metrics
        self._ending = ending
        self._options = options
        self._board = board
        self._cache = BodyCache(options.cache_bytes)
        self._served: Served | None = None
        self._bulk_asked = False
        self._warming: asyncio.Task[bytes] | None = None
        self._refreshed_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None
        self.stream = ChangeStream(self._tag, limit=options.streams, heartbeat=options.heartbeat)

    def _current(self) -> Served | None:
        """Return the state that is served; made anew when the source has another one."""
        snapshot = self._source.snapshot()
        served = self._served
        if snapshot is None:
            return None
        if served is None or served.flags is not snapshot.flags or served.snapshot.lists != snapshot.lists:
            served = self._served = Served(snapshot)
            self._cache.clear()
        return served

    def _tag(self) -> str | None:
        served = self._current()
        return None if served is None else served.tag

    def changed(self) -> None:
        """Take note of other flags; on the loop's thread."""
        before = self._served
        served = self._current()
        if served is not None and (before is None or before.tag != served.tag):
            if before is not None:  # the first flags are no change
                self.stream.notify(served.snapshot.issued)
            if self._board is not None:
                self._board.write(served.tag)
            if before is None or self._bulk_asked:
                # Flags are decoded when they are first asked for; so the first to ask for all need not wait for that.
                self._warming = asyncio.create_task(asyncio.to_thread(served.bulk, {}, b"[]"))
        self.note_state()

    def note_state(self) -> None:
        """Bring the metrics up to date."""
        served = self._current()
        self._metrics.sync(
            self._source.state(),
            0 if served is None else len(served.flags.keys()),
            None if served is None else served.snapshot.seq,
        )
        self._metrics.streams(self.stream.listeners)

    async def follow_board(self, interval: float = 0.25) -> None:
        """Look at the remote when another worker has seen a change."""
        if self._board is None:
            return
        tried: str | None = None
        while True:
            await asyncio.sleep(interval)
            tag = self._board.read()
            if tag is not None and tag not in {tried, self._tag()}:
                tried = tag
                await self._refresh()

    async def _refresh(self) -> None:
        """Look at the remote, once for all who want it at the same time."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshed_at = asyncio.get_running_loop().time()
            self._refreshing = asyncio.create_task(asyncio.to_thread(self._source.refresh))
        with contextlib.suppress(TimeoutError):  # a slow remote must not hold an answer up; the look goes on
            await asyncio.wait_for(asyncio.shield(self._refreshing), _PATIENCE_SECONDS)

    async def evaluate(self, request: Request) -> Response:
        """Answer for one flag."""
        key: str = request.path_params["key"]
        data = await read_body(request, self._options.body)
        context = read_context(data, self._options.body.depth, {"key": key})
        details = self._source.evaluate(key, context, NO_VALUE)
        self._metrics.evaluation(key, details)
        status = status_of(details)
        if status == 200:
            return json_response(success(key, details))
        return json_response(failure(key, details), status, {"Retry-After": "1"} if status == 503 else None)

    async def evaluate_all(self, request: Request) -> Response:
        """Answer for all flags, or say that nothing changed."""
        data = await read_body(request, self._options.body)
        context = read_context(data, self._options.body.depth, {})
        behind = await self._catch_up(request.query_params.get("flagConfigEtag"))
        served = self._current()
        if served is None:
            raise HttpProblemError(
                503, "there are no flags yet", fields={"errorCode": "GENERAL"}, headers={"Retry-After": "1"}
            )
        self._bulk_asked = True
        streams = self._streams(request)
        etag = served.etag(context, streams)
        headers = {"ETag": etag}
        known = request.headers.get("if-none-match")
        if known is not None and not behind and matches(known, etag):
            self._metrics.bulk("not_modified")
            return Response(None, 304, headers)
        body = self._cache.get(etag)
        self._metrics.bulk("evaluated" if body is None else "cache")
        if body is None:
            if self._warming is not None and not self._warming.done():
                await asyncio.shield(self._warming)
            if len(served.flags.keys()) < _MANY_FLAGS:
                body = served.bulk(context, streams.encode("ascii"))
            else:
                body = await asyncio.to_thread(served.bulk, context, streams.encode("ascii"))
            if served is self._served:
                self._cache.put(etag, body)
        return Response(body, 200, headers, JSON_TYPE)

    async def _catch_up(self, wanted: str | None) -> bool:
        """Look at the remote if a client heard of a state, from another worker or server, that is not served here.

        Returns:
            Whether that state is still another one than what is served.
        """
        if wanted is None:
            return False
        wanted = wanted.strip('"')
        if wanted == self._tag():
            return False
        if asyncio.get_running_loop().time() - self._refreshed_at >= _REFRESH_SECONDS or self._is_refreshing():
            await self._refresh()
        return wanted != self._tag()

    def _is_refreshing(self) -> bool:
        return self._refreshing is not None and not self._refreshing.done()

    def _streams(self, request: Request) -> str:
        target = EVENTS_PATH
        token = request.scope["state"].get("token")
        if token is not None:
            target += f"?ticket={token.ticket(EVENTS_PATH)}"
        if self._options.public_url is None:
            place: dict[str, Any] = {"endpoint": {"requestUri": target}}
        else:
            place = {"url": self._options.public_url + target}
        return json_bytes([{"type": "sse", **place, "inactivityDelaySec": 120}]).decode("ascii")

    async def events(self, request: Request) -> Response:
        """Open a stream of changes."""
        if self.stream.is_full:
            status = 503 if self._ending.begun else 429
            raise HttpProblemError(status, "no further event stream can be opened", headers={"Retry-After": "5"})
        token = request.scope["state"].get("token")

        def valid() -> bool:
            return token is None or self._tokens.find_ticket(token.ticket(EVENTS_PATH), EVENTS_PATH) is not None

        last = request.headers.get("last-event-id")
        return StreamingResponse(
            self.stream.listen(last, valid),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def configuration(self, request: Request) -> Response:
        """Say what this server can do."""
        body = json_bytes(
            {
                "name": "flagctl",
                "capabilities": {
                    "cacheInvalidation": {
                        "polling": {"name": "polling", "enabled": True, "minPollingIntervalMs": self._options.poll_ms}
                    },
                    "flagEvaluation": {"supportedTypes": ["int", "float", "string", "boolean", "object"]},
                    # A flag that is forced off must be off at once.
                    "caching": {"enabled": False},
                },
            }
        )
        return _cacheable(request, body)

    async def openapi(self, request: Request) -> Response:
        """Return the description of this interface."""
        body = await asyncio.to_thread((data_path("schemas") / "ofrep.openapi.json").read_bytes)
        return _cacheable(request, body)

    async def metrics(self, _request: Request) -> Response:
        """Return the metrics."""
        self.note_state()
        body = await asyncio.to_thread(self._metrics.render)
        return Response(body, 200, media_type=CONTENT_TYPE)

    async def healthy(self, _request: Request) -> Response:
        """Say that this process answers."""
        return json_response({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Say whether this process has flags to answer with, and to those who may know, more about them."""
        state = self._source.state()
        served = self._current()
        status = "draining" if self._ending.begun else state.status
        answer: dict[str, Any] = {"status": status, "stale": state.status == "stale"}
        if not self._tokens.required or request.scope["state"].get("token") is not None:
            answer |= {
                "environment": self._source.environment,
                "project": self._source.project,
                "origin": state.origin,
                "problem": state.problem,
                "tokens_problem": self._tokens.problem,
                "seconds_since_success": state.seconds_since_success,
                "failures": state.failures,
            }
            if served is not None:
                answer |= {
                    "revision": served.flags.digest,
                    "version": served.tag,
                    "seq": served.snapshot.seq,
                    "flags": len(served.flags.keys()),
                    "killed": sorted(served.snapshot.killed),
                }
        return json_response(answer, 200 if status in {"ready", "stale"} else 503)


def _cacheable(request: Request, body: bytes) -> Response:
    import hashlib  # noqa: PLC0415 - rarely asked for

    etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match")
    if known is not None and matches(known, etag):
        return Response(None, 304, headers)
    return Response(body, 200, headers, JSON_TYPE)
