"""Run the command as people and programs do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

ROOT = Path(__file__).resolve().parents[2]


class Cli:
    """Runs `flagctl` in this process."""

    def __init__(self) -> None:
        self.runner = CliRunner()

    def __call__(self, *words: str, exit_code: int | None = 0, **settings: Any) -> Result:
        from flagctl.cli.app import app

        result = self.runner.invoke(app, list(words), **settings)
        if exit_code is not None:
            assert result.exit_code == exit_code, f"{words}: {result.exit_code}\n{result.stdout}\n{result.stderr}"
        return result

    def json(self, *words: str, exit_code: int = 0) -> Any:
        return json.loads(self(*words, "--output-format", "json", exit_code=exit_code).stdout)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("FLAGCTL_", "GITHUB_", "GIT_")) or name in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}:
            monkeypatch.delenv(name)


@pytest.fixture
def cli() -> Cli:
    return Cli()


@pytest.fixture(scope="session")
def _fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "shop"
    Cli()("init", str(folder), "--no-input", "--project", "shop")
    return folder


@pytest.fixture
def repo(_fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new flag repository, which is also the working folder."""
    folder = tmp_path / "shop"
    shutil.copytree(_fresh, folder)
    config = folder / "flagctl.yaml"
    config.write_text(config.read_text().replace(_fresh.as_uri(), folder.as_uri()))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example repository, which is also the working folder."""
    folder = tmp_path / "example"
    shutil.copytree(ROOT / "flags", folder, ignore=shutil.ignore_patterns(".*", "trust.json"))
    monkeypatch.chdir(folder)
    return folder


def git(folder: Path, *words: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "tests", f"GIT_{role}_EMAIL": "tests@example.com"}
    done = subprocess.run(["git", *words], cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def in_git(repo: Path) -> Path:
    """The new flag repository, committed."""
    git(repo, "init", "--quiet", "--initial-branch", "main")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "First flags")
    return repo


@pytest.fixture
def commit() -> Any:
    def run(folder: Path, message: str = "A change") -> str:
        git(folder, "commit", "--quiet", "-am", message)
        return git(folder, "rev-parse", "HEAD").strip()

    return run


@pytest.fixture
def process() -> Any:
    """Run `flagctl` as a process of its own."""

    def run(*words: str, env: dict[str, str] | None = None, **settings: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flagctl", *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            **settings,
        )

    return run


@pytest.fixture
def terminal() -> Any:
    """Run `flagctl` in a terminal of so many columns, and return what it shows and the exit code."""

    def run(columns: int, *words: str, typed: str = "", env: dict[str, str] | None = None) -> tuple[str, int]:
        import pty
        import termios
        from fcntl import ioctl
        from struct import pack

        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, pack("HHHH", 40, columns, 0, 0))
        running = subprocess.Popen(
            [sys.executable, "-m", "flagctl", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **(env or {})},
        )
        os.close(theirs)
        if typed:
            os.write(ours, typed.encode())
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
        os.close(ours)
        return shown.decode().replace("\r\n", "\n"), running.wait(timeout=60)

    return run
