"""`flagctl init --ci`: workflows for a new repository, and for one that is there already."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import git

GITHUB = {
    f".github/workflows/{name}.yml"
    for name in ("flags", "flags-comment", "flags-policy", "flags-publish", "flags-rollouts", "flags-stale")
}


def test_a_new_repository_gets_all_workflows_if_asked(cli, tmp_path) -> None:
    folder = tmp_path / "shop"
    created = cli.json("init", str(folder), "--no-input", "--ci", "github")["created"]
    assert set(created) >= GITHUB
    cli("validate", "--root", str(folder), "--fail-on", "warning")
    lines = cli("init", str(tmp_path / "other"), "--no-input", "--ci", "github").stdout.splitlines()
    assert {line.split()[0] for line in lines if ".github/" in line} == GITHUB


def test_an_existing_repository_gets_only_the_workflows_with_its_environments(cli, example) -> None:
    data = cli.json("init", "--ci", "github")
    assert set(data["created"]) == GITHUB
    assert data["environments"] == ["development", "staging", "production"]
    assert data["project"] == "acme-shop"
    assert data["keys"] == []
    text = cli("init", "--ci", "github").stdout
    assert "acme-shop has its workflows already" in text
    assert "kept as they were" in text
    cli("validate")


@pytest.mark.parametrize("system", ["github", "gitlab"])
def test_workflows_of_a_repository_in_a_subfolder_lie_where_the_forge_looks(cli, tmp_path, monkeypatch, system) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch", "trunk")
    (tmp_path / "config").mkdir()
    folder = tmp_path / "config" / "flags"
    cli("init", str(folder), "--no-input", "--ci", system)
    monkeypatch.chdir(folder)
    if system == "github":
        workflow = yaml.safe_load((tmp_path / ".github" / "workflows" / "flags-publish.yml").read_text())
        assert workflow["env"] == {"FLAGCTL_ROOT": "config/flags"}
        assert workflow[True]["push"]["branches"] == ["trunk"]  # YAML 1.1 reads `on` as a boolean
    else:
        assert 'FLAGCTL_ROOT: "config/flags"' in (tmp_path / ".gitlab" / "flags.gitlab-ci.yml").read_text()
    assert "kept as they were: ../../.git" in cli("init", "--ci", system).stdout


def test_checks_that_nobody_asked_for_lie_where_they_are_read_too(cli, tmp_path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    text = cli("init", str(tmp_path / "config" / "flags"), "--no-input").stdout
    assert "  ../../.github/workflows/flags.yml  checks every pull request" in text
    assert not (tmp_path / "config" / "flags" / ".github").exists()
    workflows = tmp_path / ".github" / "workflows"
    assert [path.name for path in workflows.iterdir()] == ["flags.yml"]
    assert yaml.safe_load((workflows / "flags.yml").read_text())["env"] == {"FLAGCTL_ROOT": "config/flags"}


def test_gitlabs_own_file_is_kept_and_the_line_to_add_is_named(cli, example) -> None:
    Path(".gitlab-ci.yml").write_text("stages: [test]\n")
    result = cli("init", "--ci", "gitlab")
    assert Path(".gitlab-ci.yml").read_text() == "stages: [test]\n"
    assert "include: [{local: .gitlab/flags.gitlab-ci.yml}]" in result.stderr
    Path(".gitlab-ci.yml").write_text("include: [{local: .gitlab/flags.gitlab-ci.yml}]\n")
    assert "include:" not in cli("init", "--ci", "gitlab").stderr
    cli("validate")


def test_another_system_is_refused_before_anything_is_written(cli, tmp_path) -> None:
    folder = tmp_path / "new"
    assert "github, gitlab" in cli("init", str(folder), "--no-input", "--ci", "jenkins", exit_code=2).stderr
    assert not folder.exists()


def test_without_a_system_an_existing_repository_is_refused_with_the_way_to_add_workflows(cli, example) -> None:
    assert "flagctl init --ci github" in cli("init", exit_code=2).stderr
