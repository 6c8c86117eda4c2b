"""Bundles written by hand, laid out as docs/bundle-format.md says."""

from __future__ import annotations

import json
from typing import Any

BOOLEAN = {"type": "boolean", "variants": [["on", True], ["off", False]], "off": 1}


def boolean(**parts: Any) -> dict[str, Any]:
    return {**BOOLEAN, "default": {"serve": 1}, **parts}


def when(*conditions: dict[str, Any], serve: int = 0, **parts: Any) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": "rule", "serve": serve, **parts}
    if conditions:
        rule["when"] = list(conditions)
    return rule


def asks(attribute: Any, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    condition = {"attribute": attribute, "operator": operator, **more}
    if value is not None:
        condition["value"] = value
    return condition


def bundle(
    flags: dict[str, Any],
    segments: dict[str, Any] | None = None,
    patterns: dict[str, Any] | None = None,
    experiments: dict[str, Any] | None = None,
    **header: Any,
) -> bytes:
    head = {
        "capabilities": [],
        "env": "production",
        "format": 1,
        "min_version": "0.1.0",
        "project": "acme-shop",
        **header,
    }
    text = '{"bundle":' + dumps(head) + ',"experiments":{\n' + section(experiments or {})
    text += '},"flags":{\n' + section(flags)
    text += '},"patterns":{\n' + section(patterns or {})
    text += '},"segments":{\n' + section(segments or {}) + "}}\n"
    return text.encode()


def section(entries: dict[str, Any]) -> str:
    return "".join(
        f"{dumps(key)}:{dumps(entries[key])}{',' if number < len(entries) else ''}\n"
        for number, key in enumerate(sorted(entries), start=1)
    )


def dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
