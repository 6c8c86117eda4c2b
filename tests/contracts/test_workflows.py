"""Workflows, actions and templates: pinned, safe from injection, valid shell, and their commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flagctl.ops.init import InitOptions, init
from flagctl.ops.init_ci import SYSTEMS, ci_files, template
from tests.contracts.test_architecture import ROOT

TOOLS = Path(sys.executable).parent
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


class _Loader(yaml.SafeLoader):
    """Knows GitLab's tag for references."""


_Loader.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new repository with the workflows of every system."""
    folder = tmp_path_factory.mktemp("shop")
    for number, system in enumerate(SYSTEMS):
        init(InitOptions(directory=folder, now_ms=1_800_000_000_000, project="shop" if not number else None, ci=system))
    return folder


def files_of(written: Path) -> list[Path]:
    return [*ACTIONS, *WORKFLOWS, *(written / name for system in SYSTEMS for name in ci_files(system))]


def load(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506  a SafeLoader


def scripts(document: Any) -> Iterator[str]:
    """Yield every piece of shell in a workflow, an action or a GitLab pipeline."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "run":
                yield value
            elif key in {"script", "before_script"}:
                yield "\n".join(line for line in value if isinstance(line, str))
            else:
                yield from scripts(value)
    elif isinstance(document, list):
        for item in document:
            yield from scripts(item)


def test_every_file_is_yaml_and_nothing_is_left_to_fill_in(written) -> None:
    for path in files_of(written):
        assert load(path), path
        assert "«" not in path.read_text(encoding="utf-8"), path


def test_third_party_actions_are_pinned_to_a_commit_with_its_version_beside_it(written) -> None:
    known: dict[str, str] = {}
    for path in files_of(written):
        for name, pin in re.findall(r"uses: (\S+?)@(.+)", path.read_text(encoding="utf-8")):
            if "OWNER" in name:
                continue
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), f"{path}: {name}"
            assert known.setdefault(name, pin) == pin, f"{path}: two pins of {name}"
    assert len(known) >= 4


def test_no_expression_stands_in_a_script(written) -> None:
    for path in files_of(written):
        for script in scripts(load(path)):
            assert "${{" not in script, path


def test_zizmor_finds_nothing(written) -> None:
    command = [str(TOOLS / "zizmor"), "--offline", "--no-progress", str(ROOT / ".github"), str(written / ".github")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_scripts_are_valid_shell(written) -> None:
    found = 0
    for path in files_of(written):
        for script in scripts(load(path)):
            found += 1
            done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{path}: {done.stderr}"
    assert found > 20


def test_shellcheck_finds_nothing(written) -> None:
    together = {script for path in files_of(written) for script in scripts(load(path))}
    command = [str(TOOLS / "shellcheck"), "--shell=bash", "--severity=info", "-"]
    for script in sorted(together):
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{script}\n{done.stdout}"


def commands(script: str) -> Iterator[list[str]]:
    """Yield the words of every call of flagctl in a script, with variables as they stand there."""
    for line in script.replace("\\\n", " ").splitlines():
        match = re.search(r"(?:^|[\s(])flagctl (?!\|)(.*)", line.partition(" #")[0])
        if match and "pip install" not in line:
            words = shlex.split(re.split(r" [|>]|\)| \|\|", match[1])[0])
            yield [word for word in words if not re.fullmatch(r"\$\{\w+\[@\]\}", word)]


def test_commands_in_scripts_are_commands_of_flagctl(written) -> None:
    from typer.main import get_command

    from flagctl.cli.app import app

    root: Any = get_command(app)
    names = set()
    for path in files_of(written):
        for script in scripts(load(path)):
            for name, *words in commands(script):
                command = root.commands[name]
                if hasattr(command, "commands"):
                    command = command.commands[words.pop(0)]
                command.make_context(name, words, resilient_parsing=False, obj=None)
                names.add(name)
    assert names >= {"validate", "test", "diff", "policy", "plan", "publish", "version"}


def test_options_collected_in_variables_are_options_of_flagctl(written) -> None:
    from typer.main import get_command

    from flagctl.cli.app import app

    root: Any = get_command(app)
    commands = [inner for one in root.commands.values() for inner in (one, *getattr(one, "commands", {}).values())]
    known = {name for command in commands for option in command.params for name in option.opts}
    for path in files_of(written):
        for script in scripts(load(path)):
            for words in re.findall(r"^\s*\w+\+?=\((--[^)]*)\)", script, re.MULTILINE):
                for word in shlex.split(words):
                    assert not word.startswith("--") or word in known, f"{path}: {word}"


def named_scripts(path: Path) -> dict[str, str]:
    """Return the scripts of named steps."""
    document = load(path)
    jobs = document.get("jobs", {"action": document.get("runs", {})})
    return {
        f"{job}/{step['name']}": step["run"]
        for job, about in jobs.items()
        for step in about.get("steps", ())
        if "run" in step and "name" in step
    }


def test_templates_actions_and_the_reusable_workflow_run_the_same_scripts(written) -> None:
    ours = ROOT / ".github"
    comment = named_scripts(ours / "actions" / "comment" / "action.yml")["action/Comment"]
    publish = named_scripts(ours / "actions" / "publish" / "action.yml")["action/Publish"]
    theirs = written / ".github" / "workflows"
    reusable = named_scripts(ours / "workflows" / "flags.yml")
    assert named_scripts(theirs / "flags-comment.yml")["comment/Comment"] == comment
    assert named_scripts(theirs / "flags-publish.yml")["publish/Publish"] == publish == reusable["publish/Publish"]
    assert named_scripts(theirs / "flags-policy.yml")["policy/Policy"] == reusable["policy/Policy"]
    assert named_scripts(theirs / "flags.yml")["plan/Plan"] == reusable["plan/Plan"]
    assert named_scripts(theirs / "flags-publish.yml")["plan/Plan"] == reusable["plan-publication/Plan"]


def test_publication_is_held_to_an_environment_one_at_a_time(written) -> None:
    for path in (ROOT / ".github" / "workflows" / "flags.yml", written / ".github" / "workflows" / "flags-publish.yml"):
        job = load(path)["jobs"]["publish"]
        assert job["environment"] == "${{ matrix.environment }}"
        assert job["concurrency"] == {"group": "flags-publish-${{ matrix.environment }}", "cancel-in-progress": False}
        assert job["permissions"] == {"contents": "read", "id-token": "write", "pull-requests": "read"}
        assert load(path)["permissions"] == {"contents": "read"}


def test_no_event_of_a_pull_request_skips_the_checks(written) -> None:
    """A job that is skipped counts as passed: a later event for the same commit would wipe out a failure."""
    for path in (ROOT / ".github" / "workflows" / "flags.yml", written / ".github" / "workflows" / "flags.yml"):
        assert "if" not in load(path)["jobs"]["check"]


def test_what_runs_for_forks_has_no_secrets_and_what_comments_checks_nothing_out(written) -> None:
    checks = (written / ".github" / "workflows" / "flags.yml").read_text(encoding="utf-8")
    assert "secrets." not in checks
    assert "pull_request_target" not in checks
    comment = load(written / ".github" / "workflows" / "flags-comment.yml")
    assert comment["permissions"] == {}
    assert all("uses" not in step for step in comment["jobs"]["comment"]["steps"])


def test_templates_are_part_of_the_package() -> None:
    for system in SYSTEMS:
        for name in ci_files(system).values():
            assert template(name)


def test_the_manifest_of_hooks_is_valid_and_its_commands_exist() -> None:
    manifest = ROOT / ".pre-commit-hooks.yaml"
    command = [str(TOOLS / "pre-commit"), "validate-manifest", str(manifest)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    hooks = load(manifest)
    assert [hook["entry"] for hook in hooks] == ["flagctl validate", "flagctl test", "flagctl fmt"]
    assert all(hook["pass_filenames"] is False for hook in hooks[:2]), "rules cross files"
