"""Contexts from values by path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


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
