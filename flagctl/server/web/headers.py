"""Headers that every answer carries, and the host names a server answers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.server.web.problems import HttpProblemError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of answers that are data; pages need one of their own."""

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SecurityHeaders:
    """Adds the headers that keep a browser from making something else of an answer.

    A header that the application sets itself stays as it is.

    Args:
        app: The application.
        policy: Content-Security-Policy.
    """

    def __init__(self, app: ASGIApp, policy: str = API_POLICY) -> None:
        self._app = app
        self._headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", policy.encode("latin-1")),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cache-control", b"no-store"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.setdefault("headers", [])
                names = {name.lower() for name, _ in given}
                message["headers"] = [*given, *(item for item in self._headers if item[0] not in names)]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class HostNames:
    """Refuses requests for another host.

    A server on this machine that asks for no token would otherwise answer web pages: they can make their own name resolve
    to 127.0.0.1 (DNS rebinding), and their scripts may then read what they get.

    Args:
        app: The application.
        names: Host names without port, in lower case.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str] = LOOPBACK_NAMES) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
            if host_name(host) not in self._names:
                problem = HttpProblemError(421, "this server answers to the names of this machine only")
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to a listener on `host`."""
    from ipaddress import ip_address  # noqa: PLC0415 - once for each server

    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
