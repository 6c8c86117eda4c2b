"""Reading JSON from strangers: bounded in size, time and nesting, and strict about what JSON is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.requests import ClientDisconnect

from flagctl.server.web.problems import JSON_TYPE, HttpProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_CLOSE = {"Connection": "close"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """What a request's body may be.

    Attributes:
        size: Bytes.
        seconds: From the end of the headers to the end of the body.
        depth: Objects and arrays inside one another.
    """

    size: int = 65_536
    seconds: float = 10.0
    depth: int = 32


class NotJsonError(ValueError):
    """A body that is no JSON, or more deeply nested than allowed."""


async def read_body(request: Request, limits: BodyLimits) -> bytes:
    """Return a request's body.

    Raises:
        HttpProblemError: 415 if it is not declared as JSON, 413 if it is too long, 408 if it takes too long.
    """
    _check_type(request.headers)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limits.size:
        _too_long(limits)
    try:
        async with asyncio.timeout(limits.seconds):
            chunks: list[bytes] = []
            length = 0
            async for chunk in request.stream():
                length += len(chunk)
                if length > limits.size:
                    _too_long(limits)
                chunks.append(chunk)
    except TimeoutError:
        raise HttpProblemError(408, f"the body took longer than {limits.seconds:g} s", headers=_CLOSE) from None
    except ClientDisconnect:
        raise HttpProblemError(400, "the connection ended before the body did", headers=_CLOSE) from None
    return b"".join(chunks)


def parse_json(data: bytes, depth: int) -> Any:
    """Parse JSON in UTF-8, nested at most `depth` deep.

    Raises:
        NotJsonError: If it is something else. The message says what and where, and repeats nothing of it.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJsonError(f"the body is not UTF-8 (byte {error.start})") from None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise NotJsonError(f"the body is not JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise NotJsonError(f"the body is nested more than {depth} deep") from None
    except ValueError:
        raise NotJsonError("the body has a number that JSON does not know or nobody can use") from None
    if _deeper_than(value, depth):
        raise NotJsonError(f"the body is nested more than {depth} deep")
    return value


def _check_type(headers: Mapping[str, str]) -> None:
    declared = headers.get("content-type", "")
    kind, _, parameters = declared.partition(";")
    kind = kind.strip().lower()
    # Nothing but JSON, so that a page of a foreign origin cannot send a request without asking first (CORS).
    if kind != JSON_TYPE and not (kind.startswith("application/") and kind.endswith("+json")):
        raise HttpProblemError(415, f"send the body as {JSON_TYPE}")
    charset = parameters.partition("charset=")[2].strip(' "').lower()
    if charset not in {"", "utf-8", "utf8"}:
        raise HttpProblemError(415, "send the body in UTF-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpProblemError(415, "send the body without compression")


def _too_long(limits: BodyLimits) -> NoReturn:
    raise HttpProblemError(413, f"the body is longer than {limits.size} bytes", headers=_CLOSE)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [
            item
            for parent in level
            if isinstance(parent, (dict, list))
            for item in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return any(isinstance(item, (dict, list)) for item in level) or bool(level)
