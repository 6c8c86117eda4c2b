"""Who may ask: bearer tokens on everything but what is public."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from flagctl.server.web.problems import HttpProblemError

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

    from flagctl.server.web.tokens import Token, TokenBook

ANONYMOUS: Final = "anonymous"


class Access:
    """Lets requests with a valid token pass, and notes its name as ``scope["state"]["caller"]``.

    A token comes as ``Authorization: Bearer …`` or ``X-API-Key: …``, never in an address. Where a browser can set no header
    (event streams), a ticket made of the token stands in the address instead.

    Args:
        app: The application.
        tokens: The tokens; without any every request passes.
        environment: Environment that a token must be for.
        public: Paths that need none.
        ticketed: Paths where ``?ticket=`` will do; the path is the ticket's purpose.
    """

    def __init__(
        self,
        app: ASGIApp,
        tokens: TokenBook,
        *,
        environment: str,
        public: Collection[str] = (),
        ticketed: Collection[str] = (),
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._environment = environment
        self._public = frozenset(public)
        self._ticketed = frozenset(ticketed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["caller"] = ANONYMOUS
        state["token"] = None
        if self._tokens.required:
            token = self._token(scope)
            if token is not None:
                state["caller"] = token.name
                state["token"] = token
            if scope["path"] not in self._public:
                problem = self._problem(token)
                if problem is not None:
                    await problem.response()(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _token(self, scope: Scope) -> Token | None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        scheme, _, credentials = headers.get(b"authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._tokens.find(credentials.strip())
        if b"x-api-key" in headers:
            return self._tokens.find(headers[b"x-api-key"].strip())
        if scope["path"] in self._ticketed:
            given = parse_qs(scope["query_string"].decode("latin-1")).get("ticket", ())
            return self._tokens.find_ticket(given[0], scope["path"]) if given else None
        return None

    def _problem(self, token: Token | None) -> HttpProblemError | None:
        if token is None:
            return HttpProblemError(
                401, "a valid token is needed", headers={"WWW-Authenticate": 'Bearer realm="flagctl"'}
            )
        if token.environments is not None and self._environment not in token.environments:
            return HttpProblemError(403, "this token is not for this environment")
        return None
