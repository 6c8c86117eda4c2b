"""The shop's flags: one client for each process, one context for each request."""

import atexit
from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

import flagctl


@cache
def client() -> flagctl.Client:
    """Return the client of this process, made when it is first asked for: not by `manage.py migrate`."""
    client = flagctl.Client(settings.FLAGS_URL, environment=settings.FLAGS_ENVIRONMENT, trust=settings.FLAGS_TRUST)
    atexit.register(client.close)
    client.wait_until_ready(timeout=5)
    return client


class RequestFlags:
    """The flags for whom a request is from; the context is put together once, and only if somebody asks."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._context: dict[str, Any] | None = None

    @property
    def context(self) -> dict[str, Any]:
        if self._context is None:
            self._context = {
                "targeting_key": self._request.COOKIES.get("customer"),
                "country": self._request.headers.get("X-Country", "DE"),
                "platform": "web",
            }
        return self._context

    def is_enabled(self, key: str) -> bool:
        return client().is_enabled(key, self.context)

    def get_value(self, key: str, default: Any) -> Any:
        return client().get_value(key, self.context, default)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give every request its `flags`."""

    def respond(request: HttpRequest) -> HttpResponse:
        request.flags = RequestFlags(request)  # type: ignore[attr-defined]
        return get_response(request)

    return respond
