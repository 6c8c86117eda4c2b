"""Evaluation contexts and instants as people type them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_EXAMPLE = """--context '{"targeting_key": "user-1"}', --context @user.json, or - for stdin"""


def parse_context(text: str | None, read_stdin: Callable[[], str]) -> dict[str, Any]:
    """Return the evaluation context that `text` stands for: JSON, ``@file`` with JSON, or ``-``.

    Raises:
        UsageError: If the file cannot be read or it is not a JSON object.
    """
    if text is None:
        return {}
    source = text
    if text == "-":
        source = read_stdin()
    elif text.startswith("@"):
        path = Path(text[1:])
        try:
            source = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"the context file {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"the context file {path} is not UTF-8") from error
    try:
        context = json.loads(source)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(f"the context is not JSON{where}", hint=f"write it as {_EXAMPLE}") from error
    if not isinstance(context, dict):
        raise UsageError("the context is JSON, but not an object", hint=f"write it as {_EXAMPLE}")
    return context


def parse_instant_option(text: str | None, now_ms: int) -> int:
    """Return the instant that `--at` names, in milliseconds since the epoch; `now_ms` if it is absent.

    Raises:
        UsageError: If it is not RFC 3339 with a time zone.
    """
    from flagctl.evaluator.instants import parse_instant

    if text is None or text == "now":
        return now_ms
    instant = parse_instant(text)
    if instant is None:
        raise UsageError(f"'{text}' is not an instant", hint="write it with a time zone, as 2026-12-01T09:00:00Z")
    return instant // 1000


def parse_default(text: str | None) -> Any:
    """Return the caller's default that an option names: JSON, or the text itself if it is none."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
