"""The hooks under pre-commit itself, which installs them from this repository's files and the package index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Cli, git

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("flagctl", "schemas", "flags", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A git repository with the files of this one, as they are now, and its commit."""
    folder = tmp_path_factory.mktemp("published")
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".flagctl"))
        else:
            shutil.copy(source, folder / name)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--force", ".")
    git(folder, "commit", "--quiet", "-m", "All of it")
    return folder, git(folder, "rev-parse", "HEAD").strip()


class Shop:
    """A flag repository whose hooks are installed."""

    def __init__(self, folder: Path, hooks_from: Path, commit: str) -> None:
        self.folder = folder / "shop"
        self.home = folder / "hooks"
        Cli()("init", str(self.folder), "--no-input")
        hooks = [{"id": "flagctl-validate"}, {"id": "flagctl-test"}]
        config = {"repos": [{"repo": hooks_from.as_uri(), "rev": commit, "hooks": hooks}]}
        (self.folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
        git(self.folder, "init", "--quiet", "--initial-branch", "main")
        done = self.run("pre-commit", "install", "--install-hooks")
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "FLAGCTL_"))}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PRE_COMMIT_HOME": str(self.home),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{role}_{part}": "a@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")},
        }
        return subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=280, check=False
        )


@pytest.fixture(scope="module")
def shop(published: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("user"), *published)


def test_a_commit_that_breaks_flags_is_refused_and_one_that_does_not_goes_through(shop) -> None:
    git(shop.folder, "add", ".")
    done = shop.run("git", "commit", "--quiet", "-m", "First flags")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "flagctl validate" in done.stdout + done.stderr

    flag = shop.folder / "flags" / "new-checkout.yaml"
    flag.write_text(flag.read_text().replace("segment: employees", "segment: employes"))
    git(shop.folder, "add", ".")
    done = shop.run("git", "commit", "--quiet", "-m", "Break it")
    assert done.returncode == 1
    assert "REF102" in done.stdout + done.stderr
    assert len(git(shop.folder, "log", "--oneline").splitlines()) == 1


def test_an_installed_flagctl_carries_the_templates_of_workflows(shop, tmp_path) -> None:
    (command,) = shop.home.glob("repo*/py_env*/bin/flagctl")
    done = shop.run(str(command), "init", str(tmp_path / "new"), "--no-input", "--ci", "github")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "new" / ".github" / "workflows").iterdir())) == 6
