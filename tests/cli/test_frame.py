"""What all commands have in common: options, streams, colours, exit codes, the error door."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flagctl.cli.console import wants_color
from flagctl.cli.exit_codes import ExitCode

ROOT = Path(__file__).resolve().parents[2]


def test_help_lists_every_command_in_sections(cli) -> None:
    text = cli("--help").stdout
    assert text.index("Start:") < text.index("Write flags:") < text.index("Publish:") < text.index("Help:")
    for command in ("demo", "init", "validate", "test", "eval", "list", "show", "graph", "publish", "status", "doctor"):
        assert re.search(rf"^  {command} ", text, re.MULTILINE), command


def test_every_command_explains_itself(cli) -> None:
    names = re.findall(r"^  ([a-z-]+)  +[A-Z]", cli("--help").stdout.split("Options:")[0], re.MULTILINE)
    assert len(names) >= 20
    for name in names:
        text = cli(name, "--help").stdout
        assert "Usage: flagctl" in text
        assert "Global options:" in text


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("publish staging --lifetime x", "invalid value for '--lifetime': 'x' is not a whole number"),
        ("rollback staging --to 1.5", "invalid value for '--to': '1.5' is not a whole number"),
        ("test --threshold much", "invalid value for '--threshold': 'much' is not a number"),
    ],
)
def test_a_value_of_the_wrong_type_is_told_in_plain_words(cli, words: str, wanted: str) -> None:
    assert cli(*words.split(), exit_code=2).stderr.splitlines()[0] == f"error: {wanted}"


@pytest.mark.parametrize("columns", [50, 160])
def test_no_width_cuts_what_a_command_does(columns: int) -> None:
    for group in ((), ("trust",)):
        command = [sys.executable, "-m", "flagctl", *group, "--help"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": str(columns)}
        )
        lines = done.stdout.split("Options:")[0].splitlines()[1:]
        assert not [line for line in lines if line.endswith("...") or len(line) > columns]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", ["schema flag", "exit-codes", "rule --all"])
def test_output_that_finds_no_room_is_an_error_and_no_bug(words: str) -> None:
    command = f"{sys.executable} -m flagctl {words} > /dev/full"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_trouble(closed: str) -> None:
    command = f"{sys.executable} -m flagctl exit-codes {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("INTERRUPTED" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))


def test_the_version_is_an_option_and_a_command(cli) -> None:
    import flagctl

    assert cli("--version").stdout == f"flagctl {flagctl.__version__}\n"
    assert cli("version").stdout.startswith(f"flagctl {flagctl.__version__} (Python ")


def test_no_command_is_a_usage_error_that_shows_the_help(cli) -> None:
    result = cli(exit_code=2)
    assert "Usage: flagctl" in result.stderr
    assert not result.stdout


@pytest.mark.parametrize("words", [("--output-format", "json", "version"), ("version", "--output-format", "json")])
def test_global_options_work_before_and_after_the_command(cli, words) -> None:
    assert json.loads(cli(*words).stdout)["format_version"] == "1.0"


def test_the_root_may_be_named_before_and_after_the_command(cli, repo, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "3 flags" in cli("--root", str(repo), "list").stdout
    assert "3 flags" in cli("list", "--root", str(repo)).stdout
    monkeypatch.setenv("FLAGCTL_ROOT", str(repo))
    assert "3 flags" in cli("list").stdout


def test_the_last_of_two_global_options_wins(cli) -> None:
    assert cli("--output-format", "json", "version", "--output-format", "text").stdout.startswith("flagctl ")


def test_a_root_without_flags_names_the_command_that_makes_one(cli, tmp_path) -> None:
    result = cli("list", "--root", str(tmp_path), exit_code=2)
    assert "there is no flagctl.yaml" in result.stderr
    assert "flagctl init" in result.stderr
    assert "does not exist" in cli("list", "--root", str(tmp_path / "no"), exit_code=2).stderr


def test_outside_of_a_repository_the_hint_says_what_to_do(cli, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "flagctl init" in cli("validate", exit_code=2).stderr


def test_a_mistyped_command_or_option_gets_a_suggestion(cli) -> None:
    assert "hint: did you mean 'validate'" in cli("valdate", exit_code=2).stderr
    assert "did you mean '--coverage'?" in cli("test", "--coverag", exit_code=2).stderr
    assert "invalid value for '--output-format'" in cli("version", "--output-format", "xml", exit_code=2).stderr
    assert "usage: flagctl eval" in cli("eval", exit_code=2).stderr


def test_a_format_that_a_command_lacks_is_refused_but_as_a_wish_ignored(cli, repo, monkeypatch) -> None:
    assert "it knows: auto, text, json" in cli("list", "--output-format", "github", exit_code=2).stderr
    monkeypatch.setenv("FLAGCTL_OUTPUT_FORMAT", "github")
    assert "3 flags" in cli("list").stdout


def test_in_github_actions_findings_are_annotations(cli, repo, monkeypatch) -> None:
    (repo / "flags" / "api-rate-limit.yaml").write_text("kind: flag\nkey: api-rate-limit\ntype: nmber\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKFLOW", "flags")
    assert cli("validate", exit_code=1).stdout.startswith("::error file=flags/api-rate-limit.yaml,")


class _Stream:
    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("choice", "environment", "terminal", "expected"),
    [
        (None, {}, True, True),
        (None, {}, False, False),
        (None, {"TERM": "dumb"}, True, False),
        (None, {"NO_COLOR": "1"}, True, False),
        (None, {"NO_COLOR": ""}, True, True),
        (None, {"FORCE_COLOR": "1"}, False, True),
        (None, {"FORCE_COLOR": "0"}, False, False),
        (None, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        (None, {"FLAGCTL_COLOR": "always", "NO_COLOR": "1"}, False, True),
        (None, {"FLAGCTL_COLOR": "never", "FORCE_COLOR": "1"}, True, False),
        ("never", {"FLAGCTL_COLOR": "always"}, True, False),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, False, True),
        ("auto", {"FLAGCTL_COLOR": "always"}, False, False),
    ],
)
def test_color_is_decided_by_option_then_variables_then_stream(choice, environment, terminal, expected) -> None:
    assert wants_color(choice, environment, _Stream(terminal=terminal)) is expected


def test_color_always_colours_a_pipe_and_quiet_says_less(cli, repo) -> None:
    assert "\x1b[" in cli("list", "--color", "always").stdout
    assert "\x1b[" not in cli("list").stdout
    assert "ok:" in cli("validate").stderr
    assert not cli("validate", "-q").stderr


def test_the_exit_codes_are_those_of_the_documentation(cli) -> None:
    codes = {entry["code"]: entry["name"] for entry in cli.json("exit-codes")["exit_codes"]}
    assert codes == {int(code): code.name for code in ExitCode}
    assert set(codes) == {0, 1, 2, 3, 4, 5, 6, 10, 70, 130}


def test_the_documentation_lists_exactly_these_codes() -> None:
    section = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8").partition("## Exit codes")[2]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)} == set(map(int, ExitCode))


def test_errors_of_the_library_have_the_exit_codes_of_the_table() -> None:
    from flagctl import errors

    expected = {
        errors.UsageError: ExitCode.USAGE,
        errors.NothingMatchedError: ExitCode.NO_INPUT,
        errors.FindingsError: ExitCode.FINDINGS,
        errors.RemoteError: ExitCode.REMOTE,
        errors.UntrustedError: ExitCode.UNTRUSTED,
        errors.ConflictError: ExitCode.CONFLICT,
    }
    for error, code in expected.items():
        assert error.exit_code == code


def test_a_bug_leaves_a_report_without_secrets(cli, repo, monkeypatch, tmp_path) -> None:
    import flagctl.ops.listing

    def broken(*_: object) -> None:
        raise RuntimeError("token hunter2-hunter2 at https://ada:pa55word@example.com/x for ada@acme.com")

    monkeypatch.setattr(flagctl.ops.listing, "list_flags", broken)
    monkeypatch.setenv("DEPLOY_TOKEN", "hunter2-hunter2")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    result = cli("list", exit_code=70)
    assert "this is a bug in flagctl: RuntimeError" in result.stderr
    assert not result.stdout
    [report] = (tmp_path / "state" / "flagctl").iterdir()
    text = report.read_text()
    assert "test_frame.py" in text
    assert "hunter2" not in text
    assert "pa55word" not in text
    if os.name == "posix":
        assert report.stat().st_mode & 0o077 == 0


def test_a_report_hides_the_context_that_was_typed() -> None:
    from flagctl.cli.bug_report import redact, redact_arguments

    words = ["eval", "a", "--context", '{"email": "ada@acme.com"}', "--context={}", "--env", "x"]
    assert redact_arguments(words) == [*["eval", "a", "--context", "[redacted]", "--context=[redacted]", "--env", "x"]]
    begin, end = "-----BEGIN PRIVATE " + "KEY-----", "-----END PRIVATE KEY-----"
    assert redact(f"a {begin}\nMC4CAQ\n{end} b AKIAABCDEFGHIJKLMNOP", {}) == "a [redacted] b [redacted]"


def test_debug_shows_the_traceback_of_an_expected_error_too(cli, repo) -> None:
    result = cli("show", "no-such-flag", "--debug", exit_code=3)
    assert "Traceback" in result.stderr
    assert "error: there is no flag 'no-such-flag'" in result.stderr


def test_a_file_that_cannot_be_read_is_an_error_and_not_a_bug(cli, repo) -> None:
    result = cli("inspect", "missing.json", exit_code=2)
    assert "missing.json" in result.stderr
    assert "bug" not in result.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "flagctl", "exit-codes"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    os.close(theirs)
    assert done.returncode == 141  # as shells show it for a program that was ended by SIGPIPE
    assert not done.stderr


def test_control_c_ends_with_130_and_no_traceback(tmp_path) -> None:
    code = (
        # a process started in the background may have inherited that Ctrl-C is ignored
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import flagctl.ops.listing as listing, time, sys\n"
        # many short waits: a signal that arrives just before a wait begins would be looked at when it ends
        "def wait(*_):\n    print('waiting', flush=True)\n    for _ in range(300): time.sleep(0.1)\n"
        "listing.list_flags = wait\n"
        f"sys.argv = ['flagctl', 'list', '--root', {str(ROOT / 'flags')!r}]\n"
        "from flagctl.__main__ import main\nmain()"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "waiting\n"
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=30)
    assert running.returncode == 130
    assert stderr.strip() == "interrupted"


def test_text_that_the_terminal_cannot_show_is_escaped_instead_of_failing(process, repo) -> None:
    done = process("show", "new-checkout", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}, cwd=repo)
    assert done.returncode == 0
    assert "\\u2192" in done.stdout


def test_help_starts_in_a_tenth_of_a_second_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['flagctl', '--help']\n"
        "from flagctl.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    # What measures the tests would be measured, too.
    unwatched = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    best, loaded = float("inf"), ""
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=unwatched)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        loaded = done.stderr
    for name in ("yaml", "boto3", "git", "rich", "jsonschema", "jsonschema_rs", "ruamel", "mmh3", "cryptography"):
        assert f"'{name}'" not in loaded, name
    assert best < 0.15


def test_completion_offers_commands_flags_and_environments(process, repo) -> None:
    def offered(line: str) -> list[str]:
        words = {"_FLAGCTL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        return process(env=words, cwd=repo).stdout.split()

    assert "validate" in offered("flagctl va")
    assert offered("flagctl show ap") == ["api-rate-limit"]
    assert offered("flagctl publish ") == ["development", "staging", "production"]
    assert "TGT101" in offered("flagctl rule TGT10")
    assert "flag" in offered("flagctl schema f")


def test_completion_scripts_exist_for_the_usual_shells(cli) -> None:
    for shell in ("bash", "zsh", "fish", "powershell"):
        assert "_FLAGCTL_COMPLETE" in cli("completion", shell).stdout
    assert "there is for: bash" in cli("completion", "tcsh", exit_code=2).stderr


def test_the_command_without_the_authors_extra_says_what_to_install() -> None:
    code = (
        "import sys, importlib.abc\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'typer':\n            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from flagctl.__main__ import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'pip install "flagctl[cli]"' in done.stderr


def test_the_clock_of_a_session_is_the_wall_clock() -> None:
    from flagctl.cli.session import now_ms

    assert abs(now_ms() - time.time() * 1000) < 1000


def test_the_help_lists_each_command_with_the_first_words_of_its_own_help() -> None:
    from typer.main import get_command

    from flagctl.cli.app import app
    from flagctl.cli.lazy import LazyCommand

    def walk(command):
        for each in getattr(command, "commands", {}).values():
            yield each
            yield from walk(each)

    commands = [each for each in walk(get_command(app)) if not hasattr(each, "commands")]
    assert len(commands) > 60
    assert all(isinstance(command, LazyCommand) for command in commands)
    for command in commands:
        assert " ".join(command.real.help.split("\n\n")[0].split()) == command.help, command.name
