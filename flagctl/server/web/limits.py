"""How much a server takes on: requests at once, and a rate for each caller. What is above gets 429 and when to come back."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, final

from flagctl.server.web.access import ANONYMOUS
from flagctl.server.web.problems import HttpProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

_MOST_CALLERS: Final = 10_000


@final
class RateLimiter:
    """A token bucket for each caller.

    Args:
        rate: Requests a second.
        burst: Requests at once after a pause.
        monotonic: Seconds that never jump.
    """

    def __init__(self, rate: float, burst: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(1.0, burst)
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """Count a request; return 0 if it is within the rate, else the seconds until one would be."""
        now = self._monotonic()
        level, at = self._buckets.pop(caller, (self._burst, now))
        level = min(self._burst, level + (now - at) * self._rate)
        wait = 0.0 if level >= 1.0 else (1.0 - level) / self._rate
        self._buckets[caller] = (level - 1.0 if wait == 0.0 else level, now)
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)  # whoever was not heard of for longest starts anew
        return wait


class RateLimit:
    """Holds each caller to a rate. Goes inside of `Access`, which says who calls; without tokens, addresses count.

    Args:
        app: The application.
        limiter: The buckets, or None for no limit.
        exempt: Paths that are not counted.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter | None, exempt: Collection[str] = ()) -> None:
        self._app = app
        self._limiter = limiter
        self._exempt = frozenset(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._limiter is not None and scope["type"] == "http" and scope["path"] not in self._exempt:
            caller = scope["state"]["caller"]
            if caller == ANONYMOUS:
                client = scope.get("client")
                caller = f"@{client[0]}" if client else ANONYMOUS
            wait = self._limiter.take(caller)
            if wait > 0.0:
                problem = HttpProblemError(
                    429, "too many requests for this token", headers={"Retry-After": str(max(1, math.ceil(wait)))}
                )
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)


class RequestsAtOnce:
    """Bounds the requests that are being answered at the same time.

    Args:
        app: The application.
        limit: How many.
        exempt: Paths that are not counted: health checks must get through, and streams have a limit of their own.
    """

    def __init__(self, app: ASGIApp, limit: int, exempt: Collection[str] = ()) -> None:
        self._app = app
        self._limit = limit
        self._exempt = frozenset(exempt)
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        if self._running >= self._limit:
            problem = HttpProblemError(
                429, "the server is answering as many requests as it may", headers={"Retry-After": "1"}
            )
            await problem.response()(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1
