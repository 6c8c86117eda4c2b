# ruff: noqa: INP001  a script, not a package
"""Record the picture of the README from a real run of `flagctl demo`.

Usage: python docs/tools/record_demo.py [OUTPUT.svg]

Runs the demo in a temporary folder, takes a few of its chapters as they are, and lets rich draw them. The folder's name is the
only thing that is changed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

CHAPTERS = ("An application", "A change", "A mistake", "The kill switch")
COLUMNS = 92
SHOWN_FOLDER = "/tmp/flagctl-demo"  # noqa: S108  a name to show, not one to write to


def record(folder: Path) -> str:
    """Run the demo and return what it wrote, with colours."""
    environment = {**os.environ, "FLAGCTL_COLOR": "always", "FLAGCTL_COLUMNS": str(COLUMNS)}
    command = [sys.executable, "-m", "flagctl", "demo", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)  # noqa: S603  our own command
    return done.stdout.decode("utf-8").replace(str(folder.resolve()), SHOWN_FOLDER)


def pick(output: str) -> str:
    """Return the chapters that fit into a picture, and the end."""
    parts = re.split(r"\n(?=\x1b\[1;36m\d+\. |\x1b\[1;32mDone in)", output)
    chosen = [part for part in parts if any(f". {title}\x1b" in part[:60] for title in CHAPTERS)]
    end = parts[-1].partition("\n\n")[0]
    return "\n".join([*(part.rstrip() + "\n" for part in chosen), end])


def draw(text: str, path: Path) -> None:
    """Write the picture."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w", encoding="utf-8"), force_terminal=True)  # noqa: SIM115, PTH123
    console.print(Text.from_ansi("$ flagctl demo\n…\n\n" + text), soft_wrap=False)
    console.file.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = console.export_svg(title="flagctl demo", unique_id="flagctl-demo")
    # A picture of ours loads nothing from elsewhere: the reader's own monospaced font will do.
    picture = re.sub(r"\s*@font-face \{[^}]*\}", "", picture).replace("Fira Code", "ui-monospace, Menlo, Consolas")
    # Some viewers drop leading spaces otherwise.
    picture = picture.replace("<svg ", '<svg xml:space="preserve" ', 1)
    path.write_text(re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE), encoding="utf-8")


def main() -> None:
    """Record and write."""
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "images" / "demo.svg"
    with tempfile.TemporaryDirectory() as folder:
        draw(pick(record(Path(folder) / "demo")), output)


if __name__ == "__main__":
    main()
