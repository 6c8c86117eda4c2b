"""Servers with the example flags, and with a remote."""

from __future__ import annotations

import httpx
import pytest

from flagctl.resources import data_path
from flagctl.server.serve import Origin
from tests.simulators.flag_server import serving

TOKEN = "test-token-0123456789"  # noqa: S105 - of servers in tests


@pytest.fixture(scope="session")
def example_server():
    """The example repository's production flags, for anybody on this machine."""
    with serving(Origin(environment="production", root=data_path("flags"))) as server:
        yield server


@pytest.fixture
def api(example_server):
    """A client of that server."""
    with httpx.Client(base_url=example_server.url) as client:
        yield client


@pytest.fixture(scope="session")
def token_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    path.write_text(f"# for the tests\nshop {TOKEN}\nstaging-only staging-token-0123456 staging\n")
    return path


@pytest.fixture(scope="session")
def guarded_server(token_file):
    """The same with tokens."""
    with serving(Origin(environment="production", root=data_path("flags")), token_file=token_file) as server:
        yield server


SPLIT_FLAGS = {
    "flagctl.yaml": "version: 1\nproject: acme\nenvironments: {production: {}}\n",
    "colour.yaml": (
        "kind: flag\nkey: colour\nowner: team\ntype: string\nvariants: {red: r, blue: b}\n"
        "default: {rollout: {red: 50, blue: 50}}\n"
    ),
    "layout.yaml": "kind: flag\nkey: layout\nowner: team\ntype: json\nvalue: {columns: 3}\n",
    "ratio.yaml": "kind: flag\nkey: ratio\nowner: team\ntype: number\nvalue: 0.25\n",
    "limit.yaml": "kind: flag\nkey: limit\nowner: team\ntype: number\nvalue: 100\n",
    "deferred.yaml": "kind: flag\nkey: deferred\nowner: team\ntype: string\nvalue: x\nenabled: false\n",
    "switch.yaml": "kind: flag\nkey: switch\nowner: team\ntype: boolean\ndefault: on\n",
    "names.yaml": "kind: flag\nkey: names\nowner: team\ntype: json\nvalue: [a, b]\n",
}


@pytest.fixture
def split_folder(tmp_path):
    """A small flag repository with a flag of every type."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name, text in SPLIT_FLAGS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def split_server(split_folder):
    with serving(Origin(environment="production", root=split_folder)) as server:
        yield server
