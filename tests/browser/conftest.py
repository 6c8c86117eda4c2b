"""A real Chromium on a real server."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.simulators.ui_fixtures import nobody_in_particular, server, shared_server, shop, shop_original

__all__ = ["nobody_in_particular", "server", "shared_server", "shop", "shop_original"]
ROOT = Path(__file__).resolve().parents[2]
SIZES = {"laptop": {"width": 1280, "height": 860}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="session")
def chromium():
    """Where Chromium is; without one these tests fail."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("FLAGCTL_CHROMIUM") or next((path for name in names if (path := shutil.which(name))), None)
    assert found, "there is no Chromium: apt-get install chromium, or name one in FLAGCTL_CHROMIUM"
    return found


@pytest.fixture(scope="session")
def axe():
    """The text of axe-core; `FLAGCTL_AXE` names the file, else it is where npm puts it."""
    places = [Path(os.environ["FLAGCTL_AXE"])] if os.environ.get("FLAGCTL_AXE") else []
    places += [
        ROOT / "node_modules/axe-core/axe.min.js",
        Path.home() / ".cache/flagctl-tests/node_modules/axe-core/axe.min.js",
    ]
    found = next((path for path in places if path.is_file()), None)
    assert found, "there is no axe-core: npm install axe-core, or name its axe.min.js in FLAGCTL_AXE"
    return found.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def pictures(request):
    """Where screenshots go: a folder that stays if `FLAGCTL_SCREENSHOTS` names one."""
    folder = Path(os.environ.get("FLAGCTL_SCREENSHOTS") or request.getfixturevalue("tmp_path") / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:80]
    return lambda page, what="": page.screenshot(
        path=folder / f"{name}{'-' + what if what else ''}.png", full_page=True
    )


@pytest.fixture
def open_page(browser):
    """Open the UI; whatever the console says but the expected is a failure at the end."""
    contexts, said = [], []

    def open_(server, *, size="laptop", dark=False):
        context = browser.new_context(viewport=SIZES[size], color_scheme="dark" if dark else "light")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(server.entrance)
        return page

    open_.said = said
    yield open_
    for context in contexts:
        context.close()
    assert not without_replaced(said)


def without_replaced(said):
    """Return what the console says but for requests that a newer one replaced: htmx aborts these, and tells of each twice."""
    aborted = sum("htmx:sendAbort" in text for text in said)
    rest = []
    for text in said:
        if aborted and "htmx:afterRequest" in text:
            aborted -= 1
        elif "htmx:sendAbort" not in text:
            rest.append(text)
    return rest
