"""Keys and roots of trust for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.report.style import Style, plain
from flagctl.report.table import Column, render_fields, render_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.ops.keys import KeyResult
    from flagctl.ops.trust import RoleResult, TrustResult
    from flagctl.ops.trust_next import DraftResult


def render_key(key: KeyResult, style: Style) -> str:
    """Return a key's id and files."""
    return render_fields(
        [
            ("key", key.keyid),
            ("scheme", key.scheme),
            ("private", key.private_path),
            ("public", key.public_path),
        ],
        style,
    )


def render_key_in_full(key: KeyResult, style: Style) -> str:
    """Return a key's id, files and public half."""
    return f"{render_key(key, style)}\n{plain(key.public_key.strip())}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTable:
    """Keys of a folder."""

    keys: tuple[KeyResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-keys.schema.json`)."""
        keys = [key.to_dict() for key in self.keys]
        for key in keys:
            key.pop("format_version", None)
        return {"keys": keys}


def render_keys(table: KeyTable, style: Style) -> str:
    """Return one line for each key."""
    columns = (
        Column(title="KEY", paint=("bold",)),
        Column(title="SCHEME", droppable=True),
        Column(title="PRIVATE"),
        Column(title="FILE", flexible=True),
    )
    rows = [
        (key.keyid[:16], key.scheme, "yes" if key.private_path else "no", key.private_path or key.public_path or "")
        for key in table.keys
    ]
    return render_table(columns, rows, style)


def render_trust(result: TrustResult, style: Style) -> str:
    """Return what a root of trust says."""
    expired = style.paint("  expired", "bold", "yellow") if result.expired else ""
    fields = render_fields(
        [
            ("file", result.path),
            ("project", result.project),
            ("version", f"{result.version} (epoch {result.epoch})"),
            ("expires", result.expires),
            ("pushed to", result.pushed_to),
        ],
        style,
    )
    return f"{fields}{expired}\n\n{_roles(result.roles, style)}"


def render_draft(result: DraftResult, style: Style) -> str:
    """Return what the next root of trust changes, and whose signatures it lacks."""
    state = (
        style.paint("complete", "bold", "green") if result.complete else style.paint("not complete", "bold", "yellow")
    )
    fields = render_fields(
        [
            ("file", result.path),
            ("project", result.project),
            ("version", f"{result.version} (epoch {result.epoch})"),
            ("expires", result.expires),
        ],
        style,
    )
    lines = [f"next root of trust: {state}", fields, "", _roles(result.roles, style), ""]
    lines += [f"  {plain(change)}" for change in result.changes]
    for needed in result.needed:
        lines.append(
            f"signed by {len(needed.signed)} of the {needed.threshold} root keys of the {needed.of} version needed"
        )
        lines += [f"  {keyid[:16]}  {'signed' if keyid in needed.signed else '-'}" for keyid in needed.keyids]
    return "\n".join(lines)


def _roles(roles: Sequence[RoleResult], style: Style) -> str:
    columns = (
        Column(title="ROLE", paint=("bold",)),
        Column(title="ENVIRONMENT"),
        Column(title="NEEDS", right=True),
        Column(title="KEYS", flexible=True),
    )
    rows = [
        (
            role.role,
            role.environment or "-",
            f"{role.threshold} of {len(role.keyids)}",
            ", ".join(keyid[:16] for keyid in role.keyids),
        )
        for role in roles
    ]
    return render_table(columns, rows, style)
