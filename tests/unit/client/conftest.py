"""A project, a remote in a folder, and clients of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flagctl.client.client import Client
from flagctl.storage import open_remote
from tests.simulators.project import Clock, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flagctl.storage.remote import Remote


@pytest.fixture(scope="module")
def project() -> Project:
    return Project()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/remote"


@pytest.fixture
def remote(url: str) -> Remote:
    return open_remote(url)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(clock: Clock) -> dict[str, Any]:
    """How `make` makes clients if a test does not say otherwise: they look at the remote at once, then only when told to."""
    return {"poll_interval": 3600.0, "clock": clock, "monotonic": clock.monotonic, "uniform": lambda: 1.0}


@pytest.fixture
def make(url: str, project: Project, settings: dict[str, Any]) -> Iterator[Callable[..., Client]]:
    """Makes clients, which are closed at the end."""
    clients: list[Client] = []

    def make(**changes: Any) -> Client:
        chosen = {"environment": "production", "trust": project.trust_data, **settings, **changes}
        clients.append(Client(chosen.pop("url", url), **chosen))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
