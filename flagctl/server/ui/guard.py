"""Who may ask: whoever has the start token, or comes through the proxy.

The token stands in the first address only; a cookie takes its place, which scripts can't read and which browsers send along only
from our own pages. Sessions are not stored: a cookie is a random number with a code that only this process can make. Every change
also needs a form's own code (CSRF), and a request that a browser says comes from another page is refused at once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from flagctl.server.ui.options import UiOptions, User

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing but our own files, and nothing inside the pages themselves."""

PUBLIC: Final = ("/static/", "/healthz", "/favicon.ico")
LOGIN: Final = "/login"
_SAFE: Final = frozenset({"GET", "HEAD"})


class Keys:
    """Makes and checks cookies and form codes.

    Args:
        token: The start token.
        secret: What only this process knows.
    """

    def __init__(self, token: str, secret: bytes | None = None) -> None:
        self._token = token.encode()
        self._secret = secret or secrets.token_bytes(32)

    def opens(self, given: str) -> bool:
        """Return whether a start token is the right one."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def new_session(self) -> str:
        """Return the value of a cookie."""
        nonce = secrets.token_urlsafe(18)
        return f"{nonce}.{self._code('session', nonce)}"

    def knows(self, cookie: str) -> bool:
        """Return whether a cookie is one of ours."""
        nonce, _, code = cookie.partition(".")
        return hmac.compare_digest(code.encode("utf-8", "replace"), self._code("session", nonce).encode())

    def csrf(self, session: str) -> str:
        """Return the code that forms of a session carry."""
        return self._code("csrf", session)

    def _code(self, purpose: str, text: str) -> str:
        message = f"{purpose}:{text}".encode("utf-8", "replace")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


class Entrance:
    """Lets users pass, notes them as ``scope["state"]["user"]``, and turns everybody else away.

    Args:
        app: The application.
        options: Who may ask.
        keys: Checks cookies.
        refuse: Makes an answer of a status and a sentence.
    """

    def __init__(
        self, app: ASGIApp, options: UiOptions, keys: Keys, refuse: Callable[[Request, int, str], Response]
    ) -> None:
        self._app = app
        self._options = options
        self._keys = keys
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        prefix = self._options.prefix
        scope["root_path"] = prefix
        if prefix and (scope["path"] == prefix or scope["path"].startswith(prefix + "/")):
            path = scope["path"]
        else:  # the proxy took it off
            path = prefix + scope["path"]
        scope["path"] = path
        inner = path[len(prefix) :] or "/"
        request = Request(scope, receive)
        answer = None if inner.startswith(PUBLIC) else self._turn_away(request, inner)
        await (answer or self._app)(scope, receive, send)

    def _turn_away(self, request: Request, path: str) -> Response | None:
        if request.method not in _SAFE and not self._is_from_here(request):
            return self._refuse(request, 403, "this request comes from another page")
        if self._options.behind_proxy:
            return self._from_proxy(request)
        state = request.scope.setdefault("state", {})
        given = parse_qs(request.url.query).get("token", ())
        if given and request.method == "GET":
            if not self._keys.opens(given[0]):
                return self._refuse(request, 401, "this token is not of this start of the program")
            return self.welcome(request, self._without_token(request))
        cookie = request.cookies.get(cookie_name(request), "")
        if cookie and self._keys.knows(cookie):
            state["user"] = User(csrf=self._keys.csrf(cookie))
            state["caller"] = "start-token"
            return None
        if path == LOGIN:
            return None
        return self._refuse(request, 401, "open the address that the program printed, or paste its token")

    def _from_proxy(self, request: Request) -> Response | None:
        options = self._options
        if request.client is None or request.client.host not in options.trusted_proxies:
            return self._refuse(request, 403, "requests come through the proxy only")
        name = request.headers.get(options.user_header or "", "").strip()
        if not name:
            return self._refuse(request, 401, "the proxy did not say who asks")
        email = request.headers.get(options.email_header, "").strip() if options.email_header else ""
        state = request.scope.setdefault("state", {})
        state["user"] = User(name=name, email=email or None, csrf=self._keys.csrf(f"user:{name}"))
        state["caller"] = name
        return None

    def welcome(self, request: Request, to: str) -> Response:
        """Return the answer that sets the cookie."""
        answer = RedirectResponse(to, 303)
        answer.set_cookie(
            cookie_name(request),
            self._keys.new_session(),
            path=self._options.prefix or "/",
            httponly=True,
            samesite="strict",
            secure=self._options.is_https,
        )
        return answer

    @staticmethod
    def _without_token(request: Request) -> str:
        rest = parse_qs(request.url.query)
        rest.pop("token", None)
        query = urlencode(rest, doseq=True)
        # A path that begins with two slashes would be another host's.
        path: str = "/" + request.scope["path"].lstrip("/\\")
        return path + (f"?{query}" if query else "")

    def _is_from_here(self, request: Request) -> bool:
        """Return whether a change is asked for by a page of ours, or by no page at all."""
        site = request.headers.get("sec-fetch-site")
        if site is not None and site not in {"same-origin", "none"}:
            return False
        origin = request.headers.get("origin")
        if origin is None:
            return True
        allowed = {f"http://{request.headers.get('host', '')}"}
        if self._options.public_url:
            parts = urlsplit(self._options.public_url)
            allowed.add(f"{parts.scheme}://{parts.netloc}")
        return origin in allowed


def cookie_name(request: Request) -> str:
    """Return the cookie's name: cookies of one host are shared by all its ports, so the port is part of it."""
    return f"flagctl-ui-{(request.scope.get('server') or ('', 0))[1]}"


def form_code(form: Mapping[str, list[str]], request: Request) -> str:
    """Return the code that a change brought along, in its form or as a header."""
    return request.headers.get("x-csrf-token") or next(iter(form.get("csrf", ())), "")
