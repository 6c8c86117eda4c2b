"""`init` and `demo`: the first minutes with flagctl."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import yaml


def test_everything_works_in_a_new_repository(cli, repo) -> None:
    cli("validate", "--fail-on", "warning", "--pedantic")
    cli("test")
    cli("publish", "development")
    cli("doctor")


def test_a_new_repository_has_editor_settings_that_lead_to_the_schemas(repo) -> None:
    for path in [*repo.glob("flags/*.yaml"), *repo.glob("segments/*.yaml"), repo / "flagctl.yaml"]:
        modeline = path.read_text().splitlines()[0]
        target = modeline.partition("$schema=")[2]
        assert (path.parent / target).resolve().is_file(), modeline
    settings = json.loads((repo / ".vscode" / "settings.json").read_text())
    for name in settings["yaml.schemas"]:
        assert (repo / name).is_file()


def test_the_workflow_is_valid_pinned_and_runs_in_the_merge_queue(repo) -> None:
    workflow = yaml.safe_load((repo / ".github" / "workflows" / "flags.yml").read_text())
    triggers = workflow[True]  # YAML 1.1 reads `on` as a boolean
    assert {"pull_request", "merge_group", "push"} <= set(triggers)
    assert workflow["permissions"] == {"contents": "read"}
    steps = workflow["jobs"]["check"]["steps"]
    for step in steps:
        if "uses" in step:
            assert len(step["uses"].split("@")[1]) == 40
    commands = [step["run"] for step in steps if "run" in step]
    assert {"validate", "test", "diff"} <= {
        command.split()[1] for command in commands if command.startswith("flagctl ")
    }
    assert all("${{" not in command for command in commands)


def test_private_keys_stay_out_of_git_and_are_for_one_person(in_git) -> None:
    from tests.cli.conftest import git

    keys = sorted((in_git / ".flagctl" / "keys").glob("*.key"))
    assert [key.name for key in keys] == ["kill.key", "publish.key", "root.key"]
    assert not any(".key" in name for name in git(in_git, "ls-files").splitlines())
    if os.name == "posix":
        assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys)


def test_init_keeps_what_is_there(cli, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".gitignore").write_text("node_modules/")
    Path("docker-compose.yaml").write_text("services: {}\n")
    Path("flags").mkdir()
    Path("flags/api-rate-limit.yaml").write_text("mine\n")
    result = cli("init", "--no-input", "--project", "mine")
    assert "kept as they were: flags/api-rate-limit.yaml, .gitignore" in result.stdout
    assert "docker-compose.yaml" in result.stderr
    assert Path("flags/api-rate-limit.yaml").read_text() == "mine\n"
    assert Path(".gitignore").read_text().splitlines()[0] == "node_modules/"
    assert ".flagctl/" in Path(".gitignore").read_text().splitlines()
    assert "a flag repository already" in cli("init", "--no-input", exit_code=2).stderr


def test_init_takes_the_folders_name_and_refuses_a_bad_one(cli, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.json("init", "My Shop!", "--no-input")["project"] == "my-shop"
    assert "cannot be the name" in cli("init", "x", "--project", "Ünï", "--no-input", exit_code=2).stderr
    assert "has no scheme" in cli("init", "y", "--remote", "bucket", "--no-input", exit_code=2).stderr
    assert not Path("y").exists()


def test_init_asks_only_a_person_at_a_terminal(terminal, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown, code = terminal(80, "init", "asked", typed="web-shop\n\n")
    assert code == 0
    assert "Name of the project? [asked]" in shown
    assert "project: web-shop" in Path("asked/flagctl.yaml").read_text()
    shown, code = terminal(80, "init", "quiet", "--no-input")
    assert code == 0
    assert "?" not in shown.split("next:")[0]


def test_a_protected_environment_asks_a_person_for_its_name(terminal, repo) -> None:
    shown, code = terminal(80, "publish", "production", typed="production\n")
    assert code == 0, shown
    assert "Type its name to go on" in shown
    edited = repo / "flags" / "api-rate-limit.yaml"
    edited.write_text(edited.read_text().replace("value: 100", "value: 200"))
    assert terminal(80, "publish", "production", typed="yes\n")[1] == 6


def _processes_in(folder: Path) -> list[str]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in process.cwd() or any(str(folder) in word for word in process.cmdline()):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_the_folder_to_publish_to_is_written_without_detours(cli, tmp_path, monkeypatch) -> None:
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    remote = cli.json("init", "../shop", "--no-input")["remote"]
    assert remote == (tmp_path.resolve() / "shop" / ".flagctl" / "remote").as_uri()
    assert remote in (tmp_path / "shop" / "flagctl.yaml").read_text()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo, run once."""
    import subprocess
    import sys

    root = Path(__file__).resolve().parents[2]
    folder = tmp_path_factory.mktemp("demo") / "here"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FLAGCTL_", "GIT"))}
    done = subprocess.run(
        [sys.executable, "-m", "flagctl", "demo", str(folder)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**environment, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert not done.stderr
    return folder, done.stdout


def test_the_demo_shows_the_whole_life_of_a_flag(demo) -> None:
    _, text = demo
    parts = [
        "git init",
        "flagctl validate",
        "flagctl test",
        "--explain",
        "keys generate",
        "trust init",
        "flagctl compile",
    ]
    parts += ["publish production", "python app.py", "free-shipping-threshold=49", "- value: 49", "flagctl diff"]
    parts += ["free-shipping-threshold=29", "did you mean 'country'?", "(exit code 1)", "--impact", "enabled: false"]
    parts += ["new-checkout-flow=False (DISABLED)", "rollback production", "new-checkout-flow=True", "Done in"]
    position = 0
    for part in parts:
        assert part in text[position:], part
        position = text.index(part, position)
    assert "What to try next" in text


def test_the_demo_leaves_a_repository_to_play_with_and_no_process(cli, demo, monkeypatch) -> None:
    folder, _ = demo
    assert not _processes_in(folder)
    monkeypatch.chdir(folder / "shop")
    assert "40 flags" in cli("list").stdout
    assert "number   4" in cli("status", "production").stdout


def test_the_demo_refuses_a_folder_that_is_not_empty(cli, tmp_path) -> None:
    (tmp_path / "file").touch()
    assert "is not empty" in cli("demo", str(tmp_path), exit_code=2).stderr
    assert "goes with --s3" in cli("demo", "--endpoint-url", "http://x", exit_code=2).stderr
    assert "not a bucket" in cli("demo", "--s3", "http://x", exit_code=2).stderr


def test_the_demo_runs_against_a_real_s3_server(cli, tmp_path, s3_bucket) -> None:
    from tests.cli.test_json_outputs import check

    words = ["demo", str(tmp_path / "s3"), "--s3", s3_bucket.url, "--endpoint-url", s3_bucket.endpoint_url]
    data = cli.json(*words)
    check("output-demo.schema.json", data)
    assert data["remote"].startswith(s3_bucket.url + "/demo-")
    assert not _processes_in(tmp_path / "s3")


def test_the_demo_says_when_the_store_cannot_be_reached(cli, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    words = ("--s3", "s3://flags/x", "--endpoint-url", "http://127.0.0.1:1")
    error = cli("demo", str(tmp_path / "s3"), *words, exit_code=4).stderr
    assert "the demo stops: `flagctl publish production --yes` exited with 4" in error
    assert "is http://127.0.0.1:1 the right endpoint_url?" in error


def test_an_application_of_the_demo_ends_with_whoever_started_it(tmp_path) -> None:
    from flagctl.errors import FlagctlError
    from flagctl.ops.demo_processes import Processes

    processes = Processes(tmp_path, color=False)
    (tmp_path / "app.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    with processes.start(["python", "app.py"]) as app:
        assert app.wait_for(1, lambda line: line == "ready") == ["ready"]
        assert _processes_in(tmp_path)
        with pytest.raises(FlagctlError, match="did not see the change"):
            app.wait_for(1, lambda line: line == "never", timeout=0.05)
    assert not _processes_in(tmp_path)
    (tmp_path / "app.py").write_text("print('no')\n")
    with processes.start(["python", "app.py"]) as app, pytest.raises(FlagctlError, match="the application ended: no"):
        app.wait_for(1, lambda line: line == "ready")


def test_a_step_of_the_demo_that_fails_stops_it(tmp_path, monkeypatch) -> None:
    from flagctl.errors import FlagctlError
    from flagctl.ops import demo
    from flagctl.ops.demo_processes import Processes, Ran

    monkeypatch.setattr(Processes, "run", lambda *_: Ran(3, "no such thing", 0.1))
    with pytest.raises(FlagctlError, match=r"`git init .*` exited with 3: no such thing"):
        list(demo.run_demo(demo.DemoOptions(directory=tmp_path / "demo")))
