"""The application: pages inside of everything that guards them."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from flagctl.errors import ConflictError, FlagctlError, NothingMatchedError, RemoteError
from flagctl.server.ui.forms import TooLongError, read_form
from flagctl.server.ui.guard import LOGIN, PAGE_POLICY, Entrance, Keys, form_code
from flagctl.server.ui.pages import ROUTES
from flagctl.server.ui.rendering import Ask, plain_page
from flagctl.server.web.headers import LOOPBACK_NAMES, HostNames, SecurityHeaders, host_name
from flagctl.server.web.limits import RequestsAtOnce
from flagctl.server.web.problems import HttpProblemError, answer_problem
from flagctl.server.web.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from flagctl.server.ui.desk import Desk
    from flagctl.server.ui.options import UiOptions, User
    from flagctl.server.ui.pages import Page
    from flagctl.server.web.serving import Ending

STATIC: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
_AT_ONCE: Final = 256


def make_app(desk: Desk, options: UiOptions, ending: Ending | None = None, keys: Keys | None = None) -> ASGIApp:
    """Return the application.

    Args:
        desk: The repository.
        options: How it runs.
        ending: Says that the server is about to end.
        keys: Makes cookies; tests give one whose cookies they know.
    """
    keys = keys or Keys(options.token)

    def refuse(request: Request, status: int, sentence: str) -> Response:
        wants_login = status == 401 and not options.behind_proxy
        names = {"sentence": sentence, "wants_login": wants_login, "status": status}
        if request.headers.get("hx-request") == "true":
            return PlainTextResponse(sentence, status)
        return plain_page("refused.html", options, status, names)

    async def login(request: Request) -> Response:
        given = (await read_form(request)).get("token", [""])[0]
        if not options.behind_proxy and keys.opens(given.strip()):
            return entrance.welcome(request, options.prefix + "/")
        return refuse(request, 401, "this token is not of this start of the program")

    routes = [
        Route("/static/{name}", _static, methods=["GET"]),
        Route("/favicon.ico", _favicon, methods=["GET"]),
        Route("/healthz", _healthy, methods=["GET"]),
        Route(LOGIN, login, methods=["POST"]),
        *(Route(page.path, _endpoint(page, desk, options), methods=[page.method]) for page in ROUTES),
    ]
    core = Starlette(
        routes=routes,
        exception_handlers={HttpProblemError: answer_problem, HTTPException: _not_found(desk, options)},
    )
    core.router.redirect_slashes = False
    entrance = Entrance(core, options, keys, refuse)
    app: ASGIApp = RequestsAtOnce(entrance, _AT_ONCE)
    names = _host_names(options)
    if names is not None:
        app = HostNames(app, names)
    app = SecurityHeaders(app, PAGE_POLICY)
    return Requests(app, closing=lambda: ending is not None and ending.begun, quiet=frozenset({"/healthz"}))


def _host_names(options: UiOptions) -> frozenset[str]:
    """Return the names that the UI answers to: other names may lead here by DNS rebinding."""
    if options.public_url is None:
        return LOOPBACK_NAMES
    return LOOPBACK_NAMES | {host_name(urlsplit(options.public_url).netloc)}


def _endpoint(page: Page, desk: Desk, options: UiOptions) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        user: User = request.scope["state"]["user"]
        ask = Ask(request=request, desk=desk, options=options, user=user, form={})
        try:
            if page.method == "POST":
                form = await read_form(request)
                if not hmac.compare_digest(form_code(form, request).encode(), user.csrf.encode()):
                    return problem(
                        ask, 403, "this form is of an earlier start of the program", "reload the page, then repeat it"
                    )
                if options.read_only and page.changes:
                    return problem(ask, 403, "this UI is read-only", None)
                ask = Ask(request=request, desk=desk, options=options, user=user, form=form)
            return await run_in_threadpool(page.show, ask)
        except FlagctlError as error:
            return problem(ask, _status_of(error), error.message, error.hint)

    return serve


def problem(ask: Ask, status: int, message: str, hint: str | None) -> Response:
    """Return an answer that says what went wrong, as a page or as a part of one."""
    template = "part_problem.html" if ask.is_fragment else "problem.html"
    # htmx shows nothing of an answer with an error's status, so parts are marked in another way
    answer = ask.page(template, 200 if ask.is_fragment else status, message=message, hint=hint, code=status)
    answer.headers["X-Flagctl-Status"] = str(status)
    return answer


def _status_of(error: FlagctlError) -> int:
    if isinstance(error, TooLongError):
        return 413
    if isinstance(error, NothingMatchedError):
        return 404
    if isinstance(error, ConflictError):
        return 409
    return 502 if isinstance(error, RemoteError) else 400


def _not_found(desk: Desk, options: UiOptions) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
        user = request.scope.get("state", {}).get("user")
        if user is None:
            return PlainTextResponse(error.detail, error.status_code)
        ask = Ask(request=request, desk=desk, options=options, user=user, form={})
        return problem(
            ask, error.status_code, "there is no such page" if error.status_code == 404 else error.detail, None
        )

    return answer


def _static(request: Request) -> Response:
    name = str(request.path_params["name"])
    known = {path.name: path for path in STATIC.iterdir() if path.suffix in _TYPES}
    if name not in known:
        return PlainTextResponse("there is no such file", 404)
    headers = {"Cache-Control": "public, max-age=3600"}
    return FileResponse(known[name], media_type=_TYPES[known[name].suffix], headers=headers)


def _favicon(_request: Request) -> Response:
    return FileResponse(STATIC / "flag.svg", media_type=_TYPES[".svg"], headers={"Cache-Control": "max-age=86400"})


def _healthy(_request: Request) -> Response:
    return PlainTextResponse("ok")
