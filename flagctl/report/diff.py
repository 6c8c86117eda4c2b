"""A semantic difference as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import plain, wrap
from flagctl.review.changes import Category

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.ops.diff import DiffResult
    from flagctl.report.style import Style
    from flagctl.review.changes import Change
    from flagctl.review.impact import GroupImpact

_MARKS = {
    Category.DOCS: ("·", ("dim",)),
    Category.OWNERSHIP: ("·", ("dim",)),
    Category.STRUCTURE: ("~", ("cyan",)),
    Category.SUBJECT: ("~", ("yellow",)),
    Category.RESHUFFLE: ("!", ("magenta", "bold")),
    Category.CODE: ("✗", ("red", "bold")),
}
_NEGLIGIBLE = 5e-6
"""Half a bucket: what rounding may leave of a share."""


def render_diff(result: DiffResult, style: Style) -> str:
    """Return the difference as people read it: by document, each change with its place, then who is moved, then a count."""
    lines = [style.paint(f"{plain(result.base)} → {plain(result.head)}", "dim"), ""]
    for (kind, key), changes in _by_document(result.diff.changes).items():
        lines += _document(kind, key, changes, result.environments, style)
        if kind == "flag":
            lines += _impacts(result, key, style)
    known = {*result.diff.changed, *result.diff.added, *result.diff.removed}
    reached = {key: causes for key, causes in result.diff.reached.items() if key not in known}
    if reached:
        lines += ["", style.paint("Also reached, through what they depend on:", "bold")]
    for key, causes in reached.items():
        lines.append(wrap(f"{plain(key)}: {', '.join(map(plain, causes))}", style.width, " " * 6, "  "))
        lines += _impacts(result, key, style)
    if result.incomplete:
        lines += ["", style.paint("Left out because of errors (run: flagctl validate):", "bold", "red")]
        lines += [f"  {plain(path)}  {style.paint(plain(side), 'dim')}" for side, path in result.incomplete]
    if result.measured is not None and result.diff.changes:
        from flagctl.report.population import render_measured  # noqa: PLC0415 - most differences are not measured

        lines += render_measured(result.measured, style)
    return "\n".join([*lines, *([""] if len(lines) > 2 else []), _summary(result, style)])


def _by_document(changes: Iterable[Change]) -> dict[tuple[str, str], list[Change]]:
    grouped: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        grouped.setdefault((change.kind, change.key), []).append(change)
    return grouped


def where(environments: tuple[str, ...] | list[str], every: tuple[str, ...]) -> str:
    """Return in which environments something holds, as a suffix; empty if in all."""
    if not environments or len(environments) == len(every):
        return ""
    return f" [{', '.join(environments)}]"


def _document(kind: str, key: str, changes: list[Change], environments: tuple[str, ...], style: Style) -> list[str]:
    named = plain(key) if kind == "flag" else f"{kind} {plain(key)}"
    if len(changes) == 1 and changes[0].code.endswith(("-added", "-removed")) and changes[0].rule is None:
        change = changes[0]
        if change.code == f"{kind}-added":
            place = style.paint(str(change.after or ""), "dim")
            return [f"{style.paint('+ ' + named, 'green', 'bold')}  {plain(change.message)}  {place}"]
        if change.code == f"{kind}-removed":
            place = style.paint(str(change.before or ""), "dim")
            return [f"{style.paint('- ' + named, 'red', 'bold')}  {plain(change.message)}  {place}"]
    lines = [style.paint(f"~ {named}", "bold")]
    for change in changes:
        mark, colours = _MARKS[change.category]
        text = plain(change.message) + where(change.environments, environments)
        wrapped = wrap(text, style.width, " " * 6, " " * 4 + "  ")
        lines.append("    " + style.paint(mark, *colours) + wrapped[5:])
        places = dict.fromkeys(str(place) for place in (change.before, change.after) if place is not None)
        if places:
            lines.append("      " + style.paint(plain(" → ".join(places)), "dim"))
    return lines


def _impacts(result: DiffResult, key: str, style: Style) -> list[str]:
    merged: dict[str, list[str]] = {}
    for environment, groups in result.impacts.get(key, {}).items():
        if groups is None:
            merged.setdefault("who changes depends on the conditions: no exact share", []).append(environment)
            continue
        for group in groups:
            text = describe_group(group)
            if text:
                merged.setdefault(text, []).append(environment)
    return [
        style.paint(wrap(text + where(environments, result.environments), style.width, " " * 8, "      ⇒ "), "blue")
        for text, environments in merged.items()
    ]


def describe_group(group: GroupImpact) -> str:
    """Return which units of a group change and how, in one line; empty if none do."""
    if group.switching < _NEGLIGIBLE:
        return ""
    who = f"units of rule {', '.join(group.rules)}" if group.rules else "everybody else"
    moves = [
        f"{plain(m.before or 'caller default')} → {plain(m.after or 'caller default')} {_share(m.share)}"
        for m in sorted(group.movements, key=lambda m: -m.share)
        if m.before != m.after
    ]
    text = f"{who}: {_share(group.switching)} change ({', '.join(moves)})"
    if group.switching - group.minimum > _NEGLIGIBLE:
        return f"{text}; not monotonic: the new shares need only {_share(group.minimum)}"
    return f"{text}; monotonic"


def _share(fraction: float) -> str:
    return f"{fraction * 100:.3f}".rstrip("0").rstrip(".") + " %"


def _summary(result: DiffResult, style: Style) -> str:
    diff = result.diff
    if not diff.changes:
        return "No change of meaning."
    others = len({(c.kind, c.key) for c in diff.changes if c.kind != "flag"})
    counts = [f"{len(diff.added)} added", f"{len(diff.changed)} changed", f"{len(diff.removed)} removed"]
    text = f"Flags: {', '.join(counts)}"
    text += f"; other documents: {others}" if others else ""
    worst = diff.worst
    if worst is not None:
        text += f"; gravest: {worst.value}"
    return style.paint(text, "bold")
