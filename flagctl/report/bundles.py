"""Bundles for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flagctl.report.style import Style, plain, wrap
from flagctl.report.table import render_fields
from flagctl.report.values import count, show_size

if TYPE_CHECKING:
    from flagctl.ops.compile import CompileResult
    from flagctl.ops.inspect import FlagEntry, InspectResult


def render_compilation(result: CompileResult, style: Style) -> str:
    """Return what was compiled."""
    bundle = result.bundle
    fields: list[tuple[str, object]] = [
        ("sha256", bundle.sha256),
        ("flags", bundle.flag_count),
        ("size", show_size(len(bundle.data))),
        ("written to", f"{result.output} ({show_size(result.written)})" if result.output else None),
    ]
    head = style.paint(f"{plain(bundle.project)}, {plain(bundle.environment)}", "bold")
    return f"{head}\n{render_fields(fields, style, indent='  ')}"


def render_inspection(result: InspectResult, style: Style) -> str:
    """Return what is in a bundle."""
    header = result.header
    packed = f", stored {show_size(result.stored)}" if result.stored != result.size else ""
    sections = ", ".join(
        f"{count(number, name.removesuffix('s'))} ({show_size(result.sizes[name])})"
        for name, number in result.counts.items()
        if number
    )
    fields = render_fields(
        [
            ("project", header.project),
            ("environment", header.env),
            ("sha256", result.sha256),
            ("format", f"{header.format}, for flagctl {header.min_version} or newer"),
            ("size", show_size(result.size) + packed),
            ("holds", sections or "nothing"),
            ("largest", ", ".join(f"{key} ({size})" for key, size in result.biggest) or None),
        ],
        style,
    )
    capabilities = wrap(", ".join(map(plain, header.capabilities)) or "none", style.width, indent="  ")
    parts = [fields, f"{style.paint('needs', 'dim')}\n{capabilities}"]
    if result.problem is not None:
        parts.append(style.paint(f"Clients refuse this bundle: {plain(result.problem)}", "bold", "red"))
    if result.flag is not None:
        parts.append(_entry(result.flag, style))
    return "\n\n".join(parts)


def _entry(flag: FlagEntry, style: Style) -> str:
    head = f"{style.paint(plain(flag.key), 'bold')}  digest {flag.digest}, {show_size(flag.size)}"
    fields = render_fields(
        [("segments", ", ".join(flag.segments) or None), ("patterns", ", ".join(flag.patterns) or None)], style
    )
    text = plain(json.dumps(flag.entry, indent=2, ensure_ascii=False))
    return "\n".join(part for part in (head, fields, text) if part)
