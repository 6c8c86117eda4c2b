"""The commands on the page about serving flags do what the page says they do."""

from __future__ import annotations

import re
import shlex
import subprocess

import httpx
import pytest

from flagctl.resources import data_path
from flagctl.server.serve import Origin
from tests.e2e.test_docs_examples import ROOT, blocks
from tests.simulators.flag_server import serving

PAGE = "docs/ofrep.md"
CONSOLE = [block for block in blocks("console") if block.page == PAGE]


@pytest.fixture(scope="module")
def server():
    with serving(Origin(environment="production", root=data_path("flags"))) as server:
        yield server


def as_pattern(text: str) -> str:
    """A pattern for output in which … stands for anything."""
    return ".*".join(re.escape(part) for part in text.strip().split("…"))


@pytest.mark.parametrize("block", CONSOLE, ids=str)
def test_commands_print_what_the_page_shows(block, server):
    tag = httpx.post(server.url + "/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": "user-1"}}).headers[
        "etag"
    ]
    steps = re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]
    assert steps
    for step in steps:
        command, _, output = step.partition("\n")
        words = shlex.split(command.replace('"$ETAG"', tag))
        words = [word.replace("http://localhost:8016", server.url) for word in words]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode in {0, 28}, done.stderr  # 28: it stopped listening to a stream
        shown = done.stdout.replace("\r\n", "\n").strip()
        assert re.fullmatch(as_pattern(output), shown, re.DOTALL), f"{command}\n{shown}"


def test_there_are_commands_to_try():
    assert sum(block.body.count("$ curl") for block in CONSOLE) >= 9


def test_the_page_names_every_metric_route_and_option(server):
    text = (ROOT / PAGE).read_text("utf-8")
    found = httpx.get(server.url + "/metrics").text
    names = set(re.findall(r"^# TYPE (flagctl_\w+)", found, re.MULTILINE))
    assert names >= {"flagctl_ready", "flagctl_http_requests_total"}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
    for path in httpx.get(server.url + "/openapi.json").json()["paths"]:
        assert path.replace("{key}", "") in text


def test_the_table_of_limits_has_the_defaults():
    from typer.main import get_command

    from flagctl.cli.app import app

    options = {
        option: parameter for parameter in get_command(app).commands["serve"].params for option in parameter.opts
    }
    text = (ROOT / PAGE).read_text("utf-8")
    for name, shown, default in (
        ("--max-body", "64 KiB", 65_536),
        ("--max-requests", "256", 256),
        ("--max-streams", "1000", 1000),
    ):
        assert options[name].default == default
        assert f"| `{name}` | {shown} |" in text
