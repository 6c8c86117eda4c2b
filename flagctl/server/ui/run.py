"""`flagctl ui`: opens the repository in a browser."""

from __future__ import annotations

import contextlib
import logging
import threading
import webbrowser
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from flagctl.errors import UsageError
from flagctl.server.ui.app import make_app
from flagctl.server.ui.desk import Desk
from flagctl.server.web.headers import is_loopback
from flagctl.server.web.logs import configure_logs
from flagctl.server.web.serving import Listen, address_of, bind, run_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.server.ui.options import UiOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How the UI is started.

    Attributes:
        ui: What it shows, and to whom.
        listen: Where it listens.
        open_browser: Whether a browser is started.
        log_form: ``auto``, ``json`` or ``text``.
        access_log: Whether every request gets a line.
    """

    ui: UiOptions
    listen: Listen = field(default_factory=lambda: Listen(port=8017, drain_seconds=0.0, grace_seconds=5))
    open_browser: bool = False
    log_form: str = "auto"
    access_log: bool = False


def run_ui(options: RunOptions, announce: Callable[[str], None]) -> bool:
    """Serve until a signal ends it; return whether that was SIGINT.

    Args:
        options: How.
        announce: Told the address to open.

    Raises:
        UsageError: If an option is wrong, or the address cannot be used.
        FindingsError: If `flagctl.yaml` is unusable.
    """
    check_options(options)
    configure_logs(options.log_form, access=options.access_log, level=logging.WARNING)
    if options.access_log:
        logging.getLogger("flagctl.access").setLevel(logging.INFO)
    desk = Desk(options.ui.root)
    with bind(options.listen) as listening:
        address = start_address(options.ui, address_of(listening))
        # Whoever opens the address at once waits for the server instead of being refused.
        listening.listen()
        announce(address)
        if options.open_browser:
            timer = threading.Timer(0.3, lambda: _open(address))
            timer.daemon = True
            timer.start()
        return run_worker(partial(make_app, desk, options.ui), listening, options.listen)


def check_options(options: RunOptions) -> None:
    """Refuse what would let strangers in, or could not work.

    Raises:
        UsageError: If other machines could reach it without a proxy that says who asks, the proxy's part is half said, or the
            population is no file.
    """
    ui = options.ui
    if ui.behind_proxy and not ui.trusted_proxies:
        raise UsageError("--user-header needs the proxy's address", hint="--trusted-proxy 127.0.0.1")
    if ui.population is not None and not ui.population.is_file():
        raise UsageError(f"there is no file {ui.population}", hint="--population names contexts, such as people.jsonl")
    if ui.trusted_proxies and not ui.behind_proxy:
        raise UsageError("--trusted-proxy goes with --user-header")
    if not is_loopback(options.listen.host) and not ui.behind_proxy:
        raise UsageError(
            f"other machines can reach {options.listen.host}: the UI is for this machine, or behind a proxy",
            hint="--user-header X-Forwarded-User --trusted-proxy ADDRESS",
        )


def start_address(options: UiOptions, listening: str) -> str:
    """Return the address that opens the UI."""
    base = options.public_url or (listening + options.prefix)
    return base.rstrip("/") + ("/" if options.behind_proxy else f"/?token={options.token}")


def _open(address: str) -> None:
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(address)
