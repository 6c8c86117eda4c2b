"""Lists of big segments for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import Style, plain
from flagctl.report.table import Column, render_fields, render_table
from flagctl.report.values import count, show_size

if TYPE_CHECKING:
    from flagctl.ops.unit_list_model import ListFile, ListStates, Membership, PublishedList


def render_list_file(result: ListFile, style: Style) -> str:
    """Return what was built."""
    fields = [
        ("units", f"{result.units:,}"),
        ("file", result.file),
        ("size", show_size(result.size)),
        ("sha256", result.sha256),
        ("wrongly in it", f"1 in {1 / result.false_positives:.1g}" if result.false_positives else "nobody"),
    ]
    return f"{style.paint(plain(result.list), 'bold')} built\n{render_fields(fields, style, indent='  ')}"


def render_published_list(result: PublishedList, style: Style) -> str:
    """Return what was published."""
    done = "published" if result.action == "published" else "unchanged: these units are live already"
    fields = [
        ("environment", result.environment),
        ("number", str(result.seq)),
        ("units", f"{result.units:,}"),
        ("size", show_size(result.size)),
        ("generated", result.generated),
        ("remote", result.url),
    ]
    head = style.paint(done, "bold", "green")
    return f"{style.paint(plain(result.list), 'bold')} {head}\n{render_fields(fields, style, indent='  ')}"


def render_list_states(result: ListStates, style: Style) -> str:
    """Return a table of lists."""
    if not result.lists:
        return "no segment names a list"
    columns = [
        Column(title="LIST", paint=("bold",)),
        Column(title="STATE"),
        Column(title="UNITS"),
        Column(title="GENERATED", droppable=True),
        Column(title="SEGMENTS", flexible=True),
    ]
    rows = [
        [
            state.list,
            state.state if state.problem is None else f"{state.state}: {state.problem}",
            "-" if state.units is None else f"{state.units:,}",
            state.generated or "-",
            ", ".join(state.segments),
        ]
        for state in result.lists
    ]
    return f"{render_table(columns, rows, style)}\n\n{count(len(rows), 'list')} of {result.environment}"


def render_membership(result: Membership, style: Style) -> str:
    """Return whether a unit is a member."""
    verb = style.paint("is in", "green") if result.member else style.paint("is not in", "yellow")
    where = f"{result.list}" + ("" if result.seq is None else f", version {result.seq}")
    return f"{plain(result.unit)} {verb} {plain(where)} ({result.units:,} units, generated {result.generated})"
