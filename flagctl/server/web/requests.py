"""The outermost layer: every request has an id, one line in the access log and a place in the metrics.

The access log has no address of a client, no query and no body: contexts are about people. It has the path, the caller's
name, status, sizes and time.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

access_log = logging.getLogger("flagctl.access")
_log = logging.getLogger("flagctl.server")


class RequestMeter(Protocol):
    """Where finished requests are counted."""

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count one request."""


class Requests:
    """Gives each request an id, logs it, counts it, and turns what nobody caught into a 500.

    A client's own ``X-Request-Id`` is kept if it is short and plain. The id is in the answer and in
    ``scope["state"]["request_id"]``.

    Args:
        app: The application.
        meter: Where requests are counted, or None.
        closing: Returns whether the server is about to end; answers then ask the client to close the connection.
        quiet: Paths that are not logged.
    """

    def __init__(
        self,
        app: ASGIApp,
        meter: RequestMeter | None = None,
        *,
        closing: Callable[[], bool] = lambda: False,
        quiet: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._meter = meter
        self._closing = closing
        self._quiet = quiet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = sent = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode("ascii"))]
                if self._closing():
                    headers = [item for item in headers if item[0].lower() != b"connection"]
                    headers.append((b"connection", b"close"))
                message["headers"] = headers
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001 - the answer was sent by the application; this is the last door
            _log.error("request %s failed: %s", request_id, _where(error))
            status = status or 500
        finally:
            self._finish(scope, status, sent, time.perf_counter() - started)

    def _finish(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        path = scope["path"]
        if self._meter is not None:
            self._meter.request(path, status, seconds)
        if path not in self._quiet and access_log.isEnabledFor(logging.INFO):
            access_log.info("request", extra={"fields": _fields(scope, status, sent, seconds)})


def _fields(scope: Scope, status: int, sent: int, seconds: float) -> dict[str, Any]:
    state = scope["state"]
    return {
        "id": state["request_id"],
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "ms": round(seconds * 1000, 3),
        "bytes": sent,
        "caller": state.get("caller"),
    }


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            given: str = value.decode("ascii")
            return given
    return uuid4().hex


def _where(error: BaseException) -> str:
    """Return an exception's type and where it was raised. Not its message: it may repeat what a client sent."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}"
