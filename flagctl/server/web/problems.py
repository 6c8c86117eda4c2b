"""Answers to requests that cannot be answered: a status and a JSON object that says why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.exceptions import HTTPException
    from starlette.requests import Request

JSON_TYPE = "application/json"


class HttpProblemError(Exception):
    """Ends a request with a status and a JSON object.

    Args:
        status: HTTP status.
        details: One sentence for whoever reads the client's log. It never repeats what the client sent.
        fields: Further members of the answer, before the sentence.
        headers: Headers of the answer.
    """

    def __init__(
        self,
        status: int,
        details: str,
        *,
        fields: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """Return the answer."""
        return json_response({**self.fields, "errorDetails": self.details}, self.status, self.headers)


def json_bytes(value: Any) -> bytes:
    """Return compact JSON in ASCII; NaN and Infinity raise ValueError."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a JSON body."""
    return Response(json_bytes(value), status, dict(headers or {}), JSON_TYPE)


async def answer_problem(_request: Request, error: Exception) -> Response:
    """Answer a `HttpProblemError`; a handler for Starlette."""
    assert isinstance(error, HttpProblemError)  # noqa: S101 - registered for this class only
    return error.response()


async def answer_http_exception(_request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses: unknown paths and methods; a handler for Starlette."""
    known = cast("HTTPException", error)
    return json_response({"errorDetails": known.detail}, known.status_code, known.headers)


async def answer_bug(_request: Request, _error: Exception) -> Response:
    """Answer what nobody expected, without a word about the inside; a handler for Starlette."""
    return json_response({"errorDetails": "internal error; the server's log has the request's id"}, 500)
