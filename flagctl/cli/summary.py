"""Reports as Markdown besides the command's own output: for the page that GitHub shows for each step."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

OutSummary = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Also append the report as markdown, for $GITHUB_STEP_SUMMARY."),
]
MaxChars = Annotated[
    int,
    typer.Option(metavar="N", min=1000, help="Longest markdown, in bytes; the default fits into a comment."),
]


def append_summary(path: Path | None, render: "Callable[[int], str]") -> None:
    """Append a report to a file, cut so that the file stays below what GitHub accepts.

    Args:
        path: The file, which need not exist; None does nothing.
        render: Given the largest number of bytes, returns Markdown.
    """
    from flagctl.report.markdown import SUMMARY_LIMIT

    if path is None:
        return
    used = path.stat().st_size if path.exists() else 0
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(render(max(SUMMARY_LIMIT - used - 4, 0)) + "\n\n")
