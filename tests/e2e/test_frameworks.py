"""The example applications of the documentation: their own tests, and each under a real server."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from flagctl.compiler import compile_environment
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree
from flagctl.storage import open_remote
from tests.simulators.project import Project, eventually

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
FRAMEWORKS = ("django", "fastapi", "flask")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_tests_of_the_example_pass(framework):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "flagctl.testing.plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=EXAMPLES / framework, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^7 passed", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_page_shows_the_files_as_they_are(framework):
    page = (ROOT / "docs" / f"{framework}.md").read_text("utf-8")
    shown = re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert {name for name, _ in shown} >= {f"examples/{framework}/{each}" for each in ("test_shop.py", "pytest.ini")}
    for name, body in shown:
        assert body == (ROOT / "docs" / name).read_text("utf-8"), name


@pytest.fixture
def published(tmp_path):
    """Publishes the example flags, changed as told, to a folder; and the settings of an application that reads it."""
    project = Project(name="acme-shop")
    remote = open_remote(f"file://{tmp_path}/remote")
    (tmp_path / "trust.json").write_bytes(project.trust_data)

    def publish(seq, old=b"", new=b""):
        files = read_tree(data_path("flags"))
        path = "platform/recommendations.yaml"
        assert old in files[path]
        repository = load_tree({**files, path: files[path].replace(old, new)}).repository
        assert repository is not None
        project.put(remote, compile_environment(repository, "production").data, seq=seq)

    publish(1)
    settings = {
        "FLAGS_URL": f"file://{tmp_path}/remote",
        "FLAGS_ENVIRONMENT": "production",
        "FLAGS_TRUST": str(tmp_path / "trust.json"),
        "PYTHONPATH": str(ROOT),
    }
    return publish, settings


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return ""


SERVERS = {
    "django": ["gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:{port}", "shop.wsgi"],
    "fastapi": ["uvicorn", "--factory", "--port", "{port}", "shop:create_app"],
    "flask": ["gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:{port}", "shop:create_app()"],
}


@contextmanager
def served(framework, settings, log):
    port = free_port()
    name, *arguments = [part.format(port=port) for part in SERVERS[framework]]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", name, *arguments],
            cwd=EXAMPLES / framework,
            env={**os.environ, **settings},
            stdout=output,
            stderr=output,
        )
        try:
            yield port
        finally:
            server.terminate()
            server.wait(20)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_example_runs_under_a_real_server_and_follows_changes(framework, published, tmp_path):
    publish, settings = published
    log = tmp_path / "server.log"
    with served(framework, settings, log) as port:
        assert eventually(lambda: "ready" in get(port, "/readyz"), seconds=90), log.read_text()
        first = json.loads(get(port, "/readyz"))["bundle"]
        assert "socks" in get(port, "/basket")
        publish(2, b"default: on", b"default: off")
        # Every worker has a client of its own, so ask until nobody answers as before.
        assert eventually(lambda: all("socks" not in get(port, "/basket") for _ in range(8)), seconds=90), (
            log.read_text()
        )
        # Eight answers may all have come from one of them; the other one is asked now, and may be behind by a look.
        assert eventually(lambda: json.loads(get(port, "/readyz"))["bundle"] != first, seconds=90), log.read_text()
    assert "Traceback" not in log.read_text()
