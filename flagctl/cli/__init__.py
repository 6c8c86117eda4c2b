"""The `flagctl` command.

One file per command group; each registers its commands in `register(app)` and imports what it needs inside them, so that
`flagctl --help` starts in a few hundredths of a second. Results go to stdout, everything else to stderr; every failure
leaves through `flagctl.cli.error_door`.
"""

from __future__ import annotations


def run() -> None:
    """Run the command line with `sys.argv` and exit with its code."""
    from flagctl.cli.app import app

    app()
