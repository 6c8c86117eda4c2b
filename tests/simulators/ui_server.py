"""`flagctl ui` in a thread, on a shop's repository that has a history, a remote and keys."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from flagctl.ops.demo_files import copy_example
from flagctl.server.ui.app import make_app
from flagctl.server.ui.desk import Desk
from flagctl.server.ui.options import UiOptions
from flagctl.server.web.serving import Listen
from tests.simulators.thread_server import ThreadServer

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "start-token-of-a-test"  # noqa: S105 - of servers in tests

_BOOLEAN = "owner: team-search\ndescription: Grows.\ntype: boolean\ndefault: off\nrules:\n"
ROLLOUTS = {
    "new-recommender": (
        f"kind: flag\nkey: new-recommender\n{_BOOLEAN}"
        "  # people with new phones first\n"
        "  - id: ramp\n    serve: on\n    percentage:\n      steps:\n"
        "        - {from: 2020-12-01T09:00:00Z, percent: 5}   # a few\n"
        "        - {after: 2d, percent: 25, hold_until: approval}\n"
        "        - {after: 2d, percent: 100}\n"
    ),
    "new-ranking": (
        f"kind: flag\nkey: new-ranking\n{_BOOLEAN}"
        "  - id: engine\n    serve: on\n    strategy:\n      canary:\n        start: 2099-12-01T09:00:00Z\n"
        "        group: {when: [{segment: employees}]}\n        bake: 2d\n"
        "        steps: [10, {percent: 50, after: 1d}, 100]\n"
    ),
    "basket-engine": (
        f"kind: flag\nkey: basket-engine\n{_BOOLEAN}"
        "  - id: engine\n    serve: on\n    strategy:\n      guarded:\n        start: 2020-12-01T09:00:00Z\n"
        "        steps: [1, 10, 50, 100]\n        hold: 12h\n"
        "        guard: {metrics: [{metric: errors, margin: 10, measurement: errors}]}\n"
    ),
    "image-cluster": (
        "kind: flag\nkey: image-cluster\nowner: team-search\ndescription: Two of them.\ntype: string\n"
        "variants: {blue: b, green: g}\noff: blue\nstrategy: {blue_green: {active: blue, previous: green}}\n"
        "environments:\n  staging:\n    strategy: {blue_green: {active: green, previous: blue}}\n"
    ),
}
"""Flags that grow in every way there is, by the names of their files."""
COLOURS = """\
kind: flag
key: button-colour
owner: team-checkout
description: Which colour.
type: string
variants:
  red: "#f00"   # as it was
  blue: "#00f"
default: {rollout: {red: 50, blue: 50}}
off: red
"""
"""A flag with a split; its key is button-colour."""


def git_environment() -> dict[str, str]:
    """Return an environment in which git is nobody's in particular."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "FLAGCTL_"))}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "Tests", f"GIT_{role}_EMAIL": "tests@example.com"}
    return environment


def run(folder: Path, *words: str) -> str:
    """Run a program there; it must succeed."""
    done = subprocess.run(words, cwd=folder, env=git_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def flagctl(folder: Path, *words: str) -> str:
    """Run the command there; it must succeed."""
    environment_path = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "flagctl", *words],
        cwd=folder,
        env=git_environment() | environment_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def make_shop(folder: Path) -> Path:
    """Make the example repository in git, published to a folder, and return its root."""
    remote = folder / "remote"
    remote.mkdir(parents=True)
    copy_example(folder, remote.as_uri(), None)
    root = folder / "flags"
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write("remote/\n")
    run(folder, "git", "init", "--quiet", "--initial-branch", "main")
    keys = root / ".flagctl" / "keys"
    keys.mkdir(parents=True)
    for name in ("root", "publish", "kill"):
        flagctl(root, "keys", "generate", str(keys / f"{name}.key"))
    flagctl(
        root,
        "trust",
        "init",
        f"--root-key={keys / 'root.key'}",
        f"--publish-key={keys / 'publish.key.pub'}",
        f"--kill-key={keys / 'kill.key.pub'}",
    )
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "--quiet", "-m", "The flags of the shop")
    flagctl(root, "publish", "production", "--yes")
    file = root / "checkout" / "gift-wrapping.yaml"
    file.write_text(file.read_text().replace("default: on", "default: off", 1))
    run(folder, "git", "commit", "--quiet", "--all", "-m", "No gift wrapping for now")
    return root


def copy_shop(original: Path, folder: Path) -> Path:
    """Return the root of a copy of a shop, with a remote of its own."""
    shutil.copytree(original.parent, folder)
    config = folder / "flags" / "flagctl.yaml"
    before = (original.parent / "remote").as_uri()
    config.write_text(config.read_text().replace(before, (folder / "remote").as_uri()))
    run(folder, "git", "commit", "--quiet", "--all", "-m", "Publish to another folder")
    return folder / "flags"


class UiServer(ThreadServer):
    """The UI in a thread; `url` opens it, `entrance` with the token."""

    def __init__(self, options: UiOptions) -> None:
        self.options = options
        self.desk = Desk(options.root)
        listen = Listen(port=0, drain_seconds=0.0, grace_seconds=2)
        super().__init__(partial(make_app, self.desk, options), listen)
        self.entrance = f"{self.url}/?token={options.token}"


@contextlib.contextmanager
def showing(root: Path, **settings: Any) -> Iterator[UiServer]:
    """Show a repository on a free port until the block ends."""
    server = UiServer(UiOptions(root=root, **{"token": TOKEN, **settings}))
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Visitor:
    """Somebody with a browser, in short: keeps cookies, sends forms with their code."""

    client: httpx.Client
    csrf: str = ""

    @classmethod
    def enter(cls, server: UiServer) -> Visitor:
        client = httpx.Client(base_url=server.url, follow_redirects=True, timeout=60)
        visitor = cls(client)
        visitor.csrf = csrf_of(client.get(f"/?token={server.options.token}").text)
        return visitor

    @classmethod
    @contextlib.contextmanager
    def entering(cls, server: UiServer) -> Iterator[Visitor]:
        """Be there until the block ends."""
        visitor = cls.enter(server)
        try:
            yield visitor
        finally:
            visitor.client.close()

    def get(self, path: str, **settings: Any) -> httpx.Response:
        return self.client.get(path, **settings)

    def post(self, path: str, form: dict[str, str] | None = None, **settings: Any) -> httpx.Response:
        return self.client.post(path, data={"csrf": self.csrf, **(form or {})}, **settings)


def csrf_of(html: str) -> str:
    """Return the code of a page's forms."""
    found = re.search(r'X-CSRF-Token": "([0-9a-f]+)"', html)
    assert found is not None, html[:500]
    return found[1]
