"""A real gunicorn: its workers are forked from a process that has a client already, or make their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from flagctl.storage import RemoteOptions, open_remote
from tests.simulators.project import Project, bundle_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs fork")

ROOT = Path(__file__).parents[2]
WORKERS = 3
FOREVER = {"expires": 2**33}

APP = """
import json, os
import flagctl

client = flagctl.Client(os.environ["FLAGS_URL"], environment="production", trust=os.environ["FLAGS_TRUST"],
                        endpoint_url=os.environ.get("FLAGS_ENDPOINT"), cache_dir=os.environ["FLAGS_CACHE"], poll_interval=0.2)
made_in = os.getpid()
assert client.wait_until_ready(30)

def app(environ, start_response):
    status = client.status()
    body = json.dumps({"pid": os.getpid(), "made_in": made_in, "flags": client.evaluate_all(), "seq": status.seq,
                       "thread": client._background._thread.is_alive(), "cache_error": status.cache_error}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""


def _quiet() -> list[str]:
    """Newer ones open a socket in the home folder, unless told not to."""
    from gunicorn.config import KNOWN_SETTINGS

    return ["--no-control-socket"] if any("--no-control-socket" in (item.cli or ()) for item in KNOWN_SETTINGS) else []


class Gunicorn:
    """A running gunicorn with the app above."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        (folder / "app.py").write_text(APP)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "--workers", str(WORKERS), "--bind", f"127.0.0.1:{self.port}"]
        command += ["--chdir", str(folder), "--graceful-timeout", "5", *_quiet(), *options, "app:app"]
        with (folder / "gunicorn.log").open("wb") as log:
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore::DeprecationWarning"}
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def ask(self) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            return json.load(answer)

    def workers(self, holds, *, without: frozenset[int] = frozenset()) -> dict[int, dict]:
        """Ask until as many different workers as there are have given an answer that holds."""
        deadline = time.monotonic() + 60
        good: dict[int, dict] = {}
        last = None
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                last = self.ask()
                if holds(last) and last["pid"] not in without:
                    good[last["pid"]] = last
                if len(good) == WORKERS:
                    return good
            time.sleep(0.01)
        log = (self.folder / "gunicorn.log").read_text(errors="replace")[-3000:]
        raise AssertionError(f"only {len(good)} of {WORKERS} workers; the last answer was {last}\n{log}")

    def stop(self) -> str:
        self.process.terminate()
        try:
            assert self.process.wait(30) == 0
        finally:
            self.process.kill()
        return (self.folder / "gunicorn.log").read_text(errors="replace")


@pytest.fixture(params=["file", "s3"])
def remote(request, tmp_path, monkeypatch):
    if request.param == "file":
        monkeypatch.setenv("FLAGS_URL", f"file://{tmp_path}/remote")
        return open_remote(f"file://{tmp_path}/remote")
    bucket = request.getfixturevalue("s3_bucket")
    monkeypatch.setenv("FLAGS_URL", bucket.url)
    monkeypatch.setenv("FLAGS_ENDPOINT", bucket.endpoint_url)
    return open_remote(bucket.url, options=RemoteOptions(endpoint_url=bucket.endpoint_url))


@pytest.mark.parametrize("options", [("--preload",), (), ("--preload", "--threads", "3")], ids=" ".join)
def test_each_worker_sees_publications_and_kills_by_itself_also_after_a_reload(remote, tmp_path, monkeypatch, options):
    project = Project()
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    monkeypatch.setenv("FLAGS_TRUST", str(tmp_path / "trust.json"))
    monkeypatch.setenv("FLAGS_CACHE", str(tmp_path / "cache"))
    project.put(remote, bundle_of(a=True), **FOREVER)
    server = Gunicorn(tmp_path, *options)
    try:
        first = server.workers(lambda answer: answer["flags"] == {"a": True})
        preloaded = "--preload" in options
        assert {answer["made_in"] for answer in first.values()} == ({server.process.pid} if preloaded else set(first))
        project.put(remote, bundle_of(a=True, b=True), seq=2, **FOREVER)
        server.workers(lambda answer: answer["flags"] == {"a": True, "b": True})
        project.put_kills(remote, "a")
        server.workers(lambda answer: answer["flags"] == {"a": False, "b": True} and answer["thread"])
        server.process.send_signal(signal.SIGHUP)
        old = frozenset(first)
        reloaded = server.workers(lambda answer: answer["flags"] == {"a": False, "b": True}, without=old)
        assert old.isdisjoint(reloaded)
        project.put_kills(remote, seq=2)
        project.put(remote, bundle_of(a=True, b=False), seq=3, **FOREVER)
        last = server.workers(lambda answer: answer["flags"] == {"a": True, "b": False}, without=old)
        assert {answer["cache_error"] for answer in last.values()} == {None}
    finally:
        log = server.stop()
    assert "Traceback" not in log
