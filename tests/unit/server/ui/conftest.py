"""A shop in a browser's place."""

from __future__ import annotations

import os

import pytest

from tests.simulators.ui_server import Visitor, copy_shop, git_environment, make_shop, showing


@pytest.fixture(autouse=True)
def _nobody_in_particular(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("FLAGCTL_", "GIT_", "GH_", "GITHUB_")):
            monkeypatch.delenv(name)
    for name, value in git_environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def shop_original(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def shop(shop_original, tmp_path):
    """The root of a shop's repository of one's own."""
    return copy_shop(shop_original, tmp_path / "shop")


@pytest.fixture
def server(shop):
    with showing(shop) as server:
        yield server


@pytest.fixture
def visitor(server):
    visitor = Visitor.enter(server)
    yield visitor
    visitor.client.close()


@pytest.fixture(scope="session")
def shared_server(shop_original):
    """The UI of a shop that tests only look at."""
    with showing(shop_original) as server:
        yield server


@pytest.fixture
def guest(shared_server):
    visitor = Visitor.enter(shared_server)
    yield visitor
    visitor.client.close()
