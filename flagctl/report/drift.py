"""Drift as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import plain, wrap

if TYPE_CHECKING:
    from flagctl.ops.drift import DriftResult
    from flagctl.report.style import Style

_LOG = {
    "same": "the log ends with this manifest",
    "missing-copy": "the log has no copy of it yet; the next publication writes it",
    "older-than-log": "the log has a newer one: somebody put an old manifest back",
    "another-of-this-number": "the log has another manifest of this number: two were signed",
    "manifest-gone": "the log has manifests, and the current one is gone",
    "empty": "the log is empty",
}
_SOURCE = {"same": "its commit compiles to this bundle", "differs": "", "unknown": "not compared: "}


def render_drift(result: DriftResult, style: Style) -> str:
    """Return what is live, how it relates to its commit and to the log, and what differs."""
    title = style.paint(plain(result.environment), "bold") + f" at {plain(result.url)}"
    commit = f", commit {result.base.commit[:12]}" if result.base and result.base.commit else ""
    live = "nothing" if result.base is None else f"number {result.base.seq}{commit}"
    lines = [title, _line("live", live, style)]
    source = _SOURCE[result.source] + (result.source_detail or "")
    lines.append(_line("commit", source, style, "red" if result.source == "differs" else None))
    log = _LOG[result.log] + (f" (number {result.log_seq})" if result.log == "older-than-log" else "")
    bad = result.log in {"older-than-log", "another-of-this-number", "manifest-gone"}
    lines.append(_line("log", log, style, "red" if bad else None))
    if result.diff is not None:
        lines += ["", "Live, and not in the commit:"]
        lines += [wrap(f"{plain(c.key)}: {plain(c.message)}", style.width, " " * 6, "  ") for c in result.diff.changes]
        if not result.diff.changes:
            lines.append("  no answer differs (metadata, or another version of flagctl)")
    verdict = style.paint("Drift.", "bold", "red") if result.has_drift else style.paint("No drift.", "bold", "green")
    return "\n".join([*lines, "", verdict])


def _line(name: str, text: str, style: Style, colour: str | None = None) -> str:
    body = wrap(plain(text), style.width, " " * 10, " " * 10)[10:]
    return f"  {style.paint(name.ljust(8), 'dim')}{style.paint(body, colour) if colour else body}"
