"""A flag repository on a forge, with an open pull request."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.cli.conftest import Cli, git
from tests.simulators.actions import Runner

HEAD = "feature/raise-it"


class Project:
    """A flag repository on a forge, with its workflows and an open pull request that raises a percentage.

    Attributes:
        origin: The repository on the forge.
        remote: Where flags are published.
        first: The commit of `main`.
        change: The pull request's commit.
        merge: Its test merge.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin = folder / "origin"
        self.remote = folder / "remote"
        Cli()(
            "init",
            str(self.origin),
            "--no-input",
            "--project",
            "shop",
            "--remote",
            self.remote.as_uri(),
            "--ci",
            "github",
        )
        Cli()("init", str(self.origin), "--ci", "gitlab")
        self.key = (self.origin / ".flagctl" / "keys" / "publish.key").read_text()
        git(self.origin, "init", "--quiet", "--initial-branch", "main")
        self.first = self.commit("First flags")
        git(self.origin, "switch", "--quiet", "-c", HEAD)
        self.edit("flags/new-checkout.yaml", "percentage: 25", "percentage: 40")
        self.change = self.commit("Raise it")
        git(self.origin, "switch", "--quiet", "--detach", "main")
        git(self.origin, "merge", "--quiet", "--no-ff", "-m", "Test merge", HEAD)
        self.merge = git(self.origin, "rev-parse", "HEAD").strip()
        git(self.origin, "switch", "--quiet", "main")

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.origin / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def commit(self, message: str) -> str:
        git(self.origin, "add", ".")
        git(self.origin, "commit", "--quiet", "-m", message)
        return git(self.origin, "rev-parse", "HEAD").strip()

    def runner(self, commit: str, event_name: str, event: dict[str, Any]) -> Runner:
        """Return a machine with this commit checked out; all machines of a project see the same GitHub."""
        machine = self.folder / "machine"
        checkout = machine / "checkout"
        shutil.rmtree(checkout, ignore_errors=True)
        git(self.folder, "clone", "--quiet", self.origin.as_uri(), str(checkout))
        git(checkout, "fetch", "--quiet", "origin", commit)
        git(checkout, "checkout", "--quiet", "--detach", commit)
        return Runner(machine, checkout, event_name, event)

    def pull_request(self, *, fork: bool = False) -> Runner:
        head = {
            "sha": self.change,
            "ref": HEAD,
            "repo": {"full_name": "eve/shop" if fork else "acme/shop", "fork": fork},
        }
        runner = self.runner(self.merge, "pull_request", {"pull_request": {"base": {"sha": self.first}, "head": head}})
        runner.ref, runner.protected = "refs/pull/7/merge", False
        return runner

    def push(self, commit: str, before: str) -> Runner:
        runner = self.runner(commit, "push", {"before": before, "after": commit})
        runner.secrets = {"FLAGCTL_PUBLISH_KEY": self.key}
        return runner

    def after_run(self) -> Runner:
        """Return the machine that comments once a run for the pull request is over."""
        run = {
            "id": 99,
            "event": "pull_request",
            "conclusion": "success",
            "head_sha": self.change,
            "head_branch": HEAD,
            "head_repository": {"full_name": "eve/shop", "owner": {"login": "eve"}},
        }
        runner = self.runner(self.first, "workflow_run", {"workflow_run": run})
        pull = {"number": 7, "head": {"sha": self.change, "owner": "eve", "ref": HEAD}}
        runner.change_gh(pulls=[pull], runs={"99": str(runner.artifacts)})
        return runner

    def workflow(self, name: str) -> Path:
        return self.origin / ".github" / "workflows" / name

    def live(self, environment: str = "production") -> dict[str, Any]:
        (status,) = Cli().json("status", environment, "--root", str(self.origin))["environments"]
        return dict(status)

    def publish_first(self) -> None:
        """Publish what has no predecessor, whatever the policy asks for."""
        Cli()("publish", "production", "--yes", "--root", str(self.origin), "--override", "approvals=the first one")

    def publish(self, environment: str = "production") -> None:
        Cli()("publish", environment, "--yes", "--root", str(self.origin))
