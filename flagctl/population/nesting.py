"""Contexts from values by path, and paths as headings of columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def heading(path: tuple[str, ...]) -> str:
    """Return a path as one text: its keys with dots between, or a JSON list where a key has a dot itself.

    >>> heading(("device", "os")), heading(("claims", "acme.com"))
    ('device.os', '["claims", "acme.com"]')
    """
    if any("." in key or not key for key in path) or path[0].startswith("["):
        return json.dumps(path, ensure_ascii=False)
    return ".".join(path)


def path_of(text: str) -> tuple[str, ...] | None:
    """Return the path that a heading stands for, or None if it is no path.

    >>> path_of("device.os"), path_of('["claims", "acme.com"]'), path_of("device.")
    (('device', 'os'), ('claims', 'acme.com'), None)
    """
    if not text.startswith("["):
        path = tuple(text.split("."))
        return path if all(path) else None
    try:
        keys = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(keys, list) and keys and all(isinstance(key, str) for key in keys):
        return tuple(keys)
    return None


def put(context: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a nested value of a context; None is not set."""
    if value is None:
        return
    for step in path[:-1]:
        context = context.setdefault(step, {})
    context[path[-1]] = value


def nested(flat: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Return a context from its values by path.

    >>> nested({("device", "os"): "ios", ("plan",): "pro"})
    {'device': {'os': 'ios'}, 'plan': 'pro'}
    """
    context: dict[str, Any] = {}
    for path, value in flat.items():
        put(context, path, value)
    return context
