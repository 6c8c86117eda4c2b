"""YAML in colour, by Rich; imported only where there is a colour terminal to show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import plain

if TYPE_CHECKING:
    from flagctl.report.style import Style


def highlight_yaml(text: str, style: Style) -> str:
    """Return YAML with ANSI colours, line for line as it is; made plain, and nothing more, without colour."""
    text = plain(text)
    if not style.color or not text:
        return text
    import io  # noqa: PLC0415  only with colour, like Rich, which costs 40 ms

    from rich.console import Console  # noqa: PLC0415
    from rich.syntax import Syntax  # noqa: PLC0415

    width = max(len(line) for line in text.split("\n")) + 1
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="standard", width=width, legacy_windows=False
    )
    with console.capture() as capture:
        console.print(Syntax(text, "yaml", theme="ansi_dark", background_color="default"), soft_wrap=True)
    lines = capture.get().rstrip("\n").split("\n")
    return "\n".join(line.rstrip() for line in lines)
