"""Bundle bytes from a decoded bundle, for bundles that no compiler would write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

SECTIONS = ("experiments", "flags", "patterns", "segments")


def lay_out(bundle: Mapping[str, Any]) -> bytes:
    """Write one entry a line, sections and entries sorted; the entries may be any JSON at all."""
    lines = ['{"bundle":' + text(bundle["bundle"]) + ',"experiments":{\n']
    for section in SECTIONS:
        if section != "experiments":
            lines.append(f'}},"{section}":{{\n')
        entries = sorted(bundle.get(section, {}).items())
        for number, (key, entry) in enumerate(entries):
            comma = "," if number < len(entries) - 1 else ""
            lines.append(f"{text(key)}:{text(entry)}{comma}\n")
    lines.append("}}\n")
    return "".join(lines).encode("utf-8", "surrogatepass")


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def bundle_of(flags: Mapping[str, Any], **sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decoded bundle of hand-written entries, with the capabilities that they need."""
    bundle: dict[str, Any] = {"experiments": {}, "patterns": {}, "segments": {}, **sections, "flags": dict(flags)}
    bundle["bundle"] = {
        "capabilities": sorted(set(capabilities(bundle))),
        "env": "test",
        "format": 1,
        "min_version": "0.1.0",
        "project": "conformance",
    }
    return bundle


def capabilities(bundle: Mapping[str, Any]) -> Iterator[str]:
    for section in ("experiments", "patterns", "segments"):
        if bundle[section]:
            yield section
    for entry in (*bundle["flags"].values(), *bundle["segments"].values()):
        yield from _used(entry)


def _used(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _used(item)
    elif isinstance(node, dict):
        if "operator" in node and "attribute" in node:
            yield "operator:" + node["operator"].removeprefix("not_")
            return
        if "schedule" in node or isinstance(node.get("percentage"), dict):
            yield "schedules"
        if "prerequisites" in node:
            yield "prerequisites"
        for key in ("rules", "when", "all", "any", "not"):
            yield from _used(node.get(key))
