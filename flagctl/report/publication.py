"""Publications, roll-backs, logs and states of environments for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.report.style import Style, plain, wrap
from flagctl.report.table import Column, render_fields, render_table
from flagctl.report.values import show_duration, show_size

if TYPE_CHECKING:
    from flagctl.bundle.manifest import Override
    from flagctl.ops.publish_model import PublishResult
    from flagctl.ops.push import Pushed
    from flagctl.ops.rollback import LogEntry
    from flagctl.ops.status import EnvironmentStatus

_STATE_COLORS = {
    "live": "green",
    "expired": "yellow",
    "missing": "yellow",
    "untrusted": "red",
    "unreachable": "red",
}


def render_publication(result: PublishResult, style: Style) -> str:
    """Return what was done, from what to what, and how to go back."""
    done = {
        "published": "published",
        "heartbeat": "renewed",
        "rolled-back": "rolled back",
        "unchanged": "unchanged: this bundle is live already",
    }[result.action]
    head = style.paint(("would be " if result.dry_run and result.action != "unchanged" else "") + done, "bold", "green")
    fields: list[tuple[str, object]] = [
        ("bundle", _change(result.previous_bundle_sha256, result.bundle_sha256)),
        ("number", _numbers(result)),
        ("size", f"{show_size(result.size)}, stored {show_size(result.blob_size)}"),
        ("commit", result.commit[:12] + (f" ({result.ref})" if result.ref else "") if result.commit else None),
        ("expires", result.expires),
        ("remote", result.url),
        ("pushed", None if result.pushed is None else pushed_to(result.pushed)),
        *(("overridden", _override(override)) for override in result.overrides),
    ]
    return f"{style.paint(plain(result.environment), 'bold')} {head}\n{render_fields(fields, style, indent='  ')}"


def pushed_to(pushed: Pushed) -> str:
    """Return which shared cache was told, and how many listened."""
    return f"{pushed.url}, {pushed.readers} client{'' if pushed.readers == 1 else 's'} listening"


def publication_hint(result: PublishResult) -> str | None:
    """Return the command that undoes it."""
    if result.dry_run or result.action not in {"published", "rolled-back"} or result.previous_seq is None:
        return None
    return f"to go back: flagctl rollback {result.environment} --to {result.previous_seq}"


def _override(override: Override) -> str:
    return f"{override.rule}: {override.reason}" + (f" ({override.by})" if override.by else "")


def _numbers(result: PublishResult) -> str:
    if result.previous_seq is None or result.previous_seq == result.seq:
        return str(result.seq)
    return f"{result.previous_seq} → {result.seq}"


def _change(before: str | None, after: str) -> str:
    if before is None or before == after:
        return after[:16]
    return f"{before[:16]} → {after[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTable:
    """The verified log of an environment."""

    environment: str
    entries: tuple[LogEntry, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-log.schema.json`)."""
        entries = [entry.to_dict() for entry in self.entries]
        for entry in entries:
            entry.pop("format_version", None)
        return {"environment": self.environment, "entries": entries}


def render_log(table: LogTable, style: Style) -> str:
    """Return one line for each publication, newest first."""
    if not table.entries:
        return "nothing is published yet"
    columns = (
        Column(title="NUMBER", right=True, paint=("bold",)),
        Column(title="LIVE", paint=("green",)),
        Column(title="BUNDLE"),
        Column(title="SIZE", right=True, droppable=True),
        Column(title="COMMIT", droppable=True),
        Column(title="ISSUED"),
        Column(title="REF", flexible=True, droppable=True),
        *((Column(title="OVERRIDDEN", flexible=True),) if any(entry.overrides for entry in table.entries) else ()),
    )
    rows = [
        (
            entry.seq,
            "live" if entry.live else "",
            entry.bundle_sha256[:12],
            show_size(entry.size),
            (entry.commit or "-")[:12],
            entry.issued,
            entry.ref or "",
            *(("; ".join(map(_override, entry.overrides)),) if len(columns) > 7 else ()),
        )
        for entry in table.entries
    ]
    return render_table(columns, rows, style)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTable:
    """What is live in each environment."""

    environments: tuple[EnvironmentStatus, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-status.schema.json`)."""
        statuses = [status.to_dict() for status in self.environments]
        for status in statuses:
            status.pop("format_version", None)
        return {"environments": statuses}


def render_status(table: StatusTable, style: Style) -> str:
    """Return a paragraph for each environment."""
    return "\n\n".join(_status(status, style) for status in table.environments)


def _status(status: EnvironmentStatus, style: Style) -> str:
    state = style.paint(status.state, "bold", _STATE_COLORS[status.state])
    drift = {
        "in-sync": style.paint("same as the flags here", "green"),
        "differs": style.paint("differs from the flags here", "yellow"),
        None: None,
    }[status.drift]
    expires = None
    if status.expires is not None and status.expires_in_seconds is not None:
        left = show_duration(status.expires_in_seconds)
        expires = f"{status.expires} ({'in ' + left if status.expires_in_seconds > 0 else left + ' ago'})"
    bundle = None
    if status.bundle_sha256 is not None:
        bundle = status.bundle_sha256[:16]
        bundle += f", {status.flag_count} flags" if status.flag_count is not None else ""
        bundle += f", {show_size(status.size)}" if status.size is not None else ""
    fields: list[tuple[str, object]] = [
        ("bundle", bundle),
        ("number", status.seq),
        ("commit", status.commit[:12] + (f" ({status.ref})" if status.ref else "") if status.commit else None),
        ("issued", status.issued),
        ("expires", expires),
        ("forced off", ", ".join(plain(kill.flag) for kill in status.kills) or None),
        ("remote", status.url),
    ]
    lines = [
        f"{style.paint(plain(status.environment), 'bold')}  {state}" + (f", {drift}" if drift else ""),
        render_fields(fields, style, indent="  "),
    ]
    lines += [
        style.paint(wrap(f"! {plain(text)}", style.width, indent="    ", first="  "), "yellow")
        for text in (status.error, *status.warnings)
        if text
    ]
    if status.hint:
        lines.append(wrap(f"{plain(status.hint)}", style.width, indent="    ", first="    "))
    return "\n".join(lines)
