"""The `flagctl` command; without the author's extra it says what to install."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        import typer  # noqa: F401, PLC0415  the first thing that only the extra brings
    except ImportError:
        sys.stderr.write('flagctl: the command line is not installed. Run: pip install "flagctl[cli]"\n')
        sys.exit(2)
    from flagctl.cli import run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
