from __future__ import annotations

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from flagctl.errors import RemoteError
from flagctl.ops.pull_request import PullRequest, can_open, commands_for, open_pull_request
from tests.simulators.ui_server import ROOT, Visitor, git_environment, run, showing
from tests.unit.server.ui.editing import sheet

GH = """#!/bin/sh
[ "$1 $2" = "pr create" ] || exit 2
case "$*" in *--title=broken*) echo "pull request create failed" >&2; exit 1;; esac
printf '%s\\n' "$@" > "$GH_SAID"
echo "https://forge.example/acme/flags/pull/7"
"""


@pytest.fixture
def origin(shop, tmp_path):
    """A bare repository that the shop pushes to."""
    bare = tmp_path / "origin.git"
    run(shop, "git", "init", "--quiet", "--bare", str(bare))
    run(shop, "git", "remote", "add", "origin", str(bare))
    return bare


@pytest.fixture
def gh(tmp_path, monkeypatch):
    """A forge's command that notes what it was told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GH_SAID", str(tmp_path / "said"))
    return tmp_path / "said"


def test_saving_pushes_the_branch_and_opens_a_pull_request(shop, origin, gh):
    with showing(shop) as server:
        visitor = Visitor.enter(server)
        assert "open a pull request" in visitor.get("/edit?path=checkout/gift-wrapping.yaml").text
        form = sheet(visitor)
        form |= {"text": form["text"].replace("default: off", "default: on", 1), "pull-request": "yes"}
        page = visitor.post("/edit/save", form).text
        visitor.client.close()
    assert 'href="https://forge.example/acme/flags/pull/7"' in page
    assert run(origin, "git", "branch", "--list").strip() == "flags/test"
    said = gh.read_text().splitlines()
    assert "--head=flags/test" in said
    assert "--base=main" in said
    assert any(word.startswith("--title=") and "gift-wrapping" in word for word in said)


def test_a_pull_request_that_fails_leaves_the_commit_and_says_what_to_type(shop, origin, gh):
    with showing(shop) as server:
        visitor = Visitor.enter(server)
        form = sheet(visitor)
        form |= {"text": form["text"] + "# x\n", "pull-request": "yes", "message": "broken"}
        page = visitor.post("/edit/save", form).text
        visitor.client.close()
    assert "No pull request was opened" in page
    assert "git push --set-upstream origin flags/test" in page
    assert run(shop, "git", "log", "-1", "--format=%s", "flags/test").strip() == "broken"


def test_without_a_remote_nothing_is_offered(shop, gh):
    assert not can_open(shop)
    assert open_pull_request(shop, PullRequest(branch="b", base="main", title="t")).url is None


def test_words_of_people_are_quoted_in_what_to_type():
    said = commands_for(PullRequest(branch="b; rm -rf x", base="main", title="it's $(here)"))
    assert said[0] == "git push --set-upstream origin 'b; rm -rf x'"
    assert "'it'\"'\"'s $(here)'" in said[1]


class Forge(http.server.BaseHTTPRequestHandler):
    """Takes pull requests."""

    taken: list[tuple[str, dict, str]] = []  # noqa: RUF012 - of one test

    def do_POST(self):
        data = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.taken.append((self.path, data, self.headers["authorization"]))
        status = 422 if data["title"] == "twice" else 201
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"html_url": "https://forge.example/acme/flags/pull/8"}')

    def log_message(self, *_words):
        """Say nothing."""


def test_a_token_opens_a_pull_request_where_there_is_no_gh():
    from flagctl.ops.pull_request import _with_token

    forge = http.server.HTTPServer(("127.0.0.1", 0), Forge)
    threading.Thread(target=forge.serve_forever, daemon=True).start()
    environ = {"GH_TOKEN": "secret", "GITHUB_API_URL": f"http://127.0.0.1:{forge.server_address[1]}"}
    try:
        url = _with_token(PullRequest(branch="b", base="main", title="t", body="x"), "acme/flags", environ)
        assert url == "https://forge.example/acme/flags/pull/8"
        path, data, authorization = Forge.taken[-1]
        assert path == "/repos/acme/flags/pulls"
        assert data == {"title": "t", "head": "b", "base": "main", "body": "x"}
        assert authorization == "Bearer secret"
        with pytest.raises(RemoteError, match="422"):
            _with_token(PullRequest(branch="b", base="main", title="twice"), "acme/flags", environ)
    finally:
        forge.shutdown()
        forge.server_close()


@pytest.mark.parametrize(
    ("url", "token", "can"),
    [
        ("https://github.com/acme/flags.git", "t", True),
        ("git@github.com:acme/flags.git", "t", True),
        ("ssh://git@github.com/acme/flags", "t", True),
        ("https://github.com/acme/flags.git", "", False),
        ("https://elsewhere.example/acme/flags.git", "t", False),
        ("/srv/flags.git", "t", False),
    ],
)
def test_a_token_is_for_its_forge_only(shop, tmp_path, url, token, can):
    run(shop, "git", "remote", "add", "origin", url)
    assert can_open(shop, {"PATH": str(tmp_path), "GITHUB_TOKEN": token}) is can


def test_the_command_prints_its_address_serves_and_ends_with_an_interrupt(shop):
    process = subprocess.Popen(
        [sys.executable, "-m", "flagctl", "ui", "--port", "0", "--no-open"],
        cwd=shop,
        env=git_environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}", address), process.stderr.read()
        import httpx

        with httpx.Client(follow_redirects=True, timeout=30) as client:
            assert "gift-wrapping" in client.get(address).text
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "token" not in out + err
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize(
    "words",
    [("--host", "0.0.0.0"), ("--user-header", "X-User"), ("--log-format", "loud"), ("--trusted-proxy", "127.0.0.1")],  # noqa: S104
)
def test_options_that_do_not_go_together_are_told(shop, words):
    done = subprocess.run(
        [sys.executable, "-m", "flagctl", "ui", "--no-open", "--port", "0", *words],
        cwd=shop,
        env=git_environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "error" in done.stderr
