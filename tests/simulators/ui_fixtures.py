"""Fixtures with a shop and its web UI; the `conftest.py` of a folder that wants them imports them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.ui_server import UiServer, Visitor, copy_shop, git_environment, make_shop, showing

_OF_BROWSERS = frozenset({"FLAGCTL_CHROMIUM", "FLAGCTL_AXE", "FLAGCTL_SCREENSHOTS"})


@pytest.fixture(autouse=True)
def nobody_in_particular(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let git and flagctl know nothing of who runs the tests."""
    for name in list(os.environ):
        if name.startswith(("FLAGCTL_", "GIT_", "GH_", "GITHUB_")) and name not in _OF_BROWSERS:
            monkeypatch.delenv(name)
    for name, value in git_environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def shop_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a shop's repository that nobody changes."""
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def shop(shop_original: Path, tmp_path: Path) -> Path:
    """The root of a shop's repository of one's own."""
    return copy_shop(shop_original, tmp_path / "shop")


@pytest.fixture
def server(shop: Path) -> Iterator[UiServer]:
    """The UI of the shop of one's own."""
    with showing(shop) as server:
        yield server


@pytest.fixture(scope="session")
def shared_server(shop_original: Path) -> Iterator[UiServer]:
    """The UI of a shop that tests only look at."""
    with showing(shop_original) as server:
        yield server


@pytest.fixture
def visitor(server: UiServer) -> Iterator[Visitor]:
    """Somebody with a browser at the UI of the shop of one's own."""
    with Visitor.entering(server) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def looked_at(shared_server: UiServer) -> UiServer:
    """The UI that a module's tests only look at; a module may have another one."""
    return shared_server


@pytest.fixture
def guest(looked_at: UiServer) -> Iterator[Visitor]:
    """Somebody with a browser who only looks."""
    with Visitor.entering(looked_at) as visitor:
        yield visitor
