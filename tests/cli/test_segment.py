"""`segment build`, `segment publish`, `segment status`, `segment check`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.cli.test_publish import client

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def obeys(name: str, data: object) -> None:
    schema = json.loads((SCHEMAS / f"output-segment-{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(data, schema, jsonschema.Draft7Validator)


@pytest.fixture
def listed(repo) -> Path:
    (repo / "segments" / "vip.yaml").write_text("kind: segment\nkey: vip\nowner: web\nmembers: {list: vip-customers}\n")
    (repo / "flags" / "banner.yaml").write_text(
        "kind: flag\nkey: banner\nowner: web\ntype: boolean\ndefault: off\n"
        "rules: [{id: vip, when: [{segment: vip}], serve: on}]\n"
    )
    (repo / "ids.txt").write_text("user-1\r\n\nuser-2\nüser\nuser-1\n", encoding="utf-8")
    return repo


def test_members_reach_an_application(cli, listed) -> None:
    assert "3" in cli("segment", "build", "vip", "--from", "ids.txt", "-o", "vip.list").stdout
    assert "missing" in cli("segment", "status", "--env", "development").stdout
    assert "published" in cli("segment", "publish", "vip", "--from", "vip.list", "--env", "development").stdout
    assert "unchanged" in cli("segment", "publish", "vip", "--from", "vip.list", "--env", "development").stdout
    assert "live" in cli("segment", "status", "--env", "development").stdout
    assert "user-2 is in vip-customers" in cli("segment", "check", "vip", "user-2", "--env", "development").stdout
    assert "other is not in" in cli("segment", "check", "vip", "other", "--file", "ids.txt").stdout
    cli("publish", "development")
    with client(listed) as app:
        app._lists.look()
        assert app.is_enabled("banner", {"targeting_key": "üser"})
        assert not app.is_enabled("banner", {"targeting_key": "other"})


def test_outputs_obey_their_schemas(cli, listed) -> None:
    obeys("status", cli.json("segment", "status", "--env", "development"))
    obeys("build", cli.json("segment", "build", "vip", "--from", "ids.txt", "-o", "vip.list"))
    publish = ("segment", "publish", "vip", "--from", "ids.txt", "--env", "development", "--stale-after", "36h")
    data = cli.json(*publish)
    assert (data["seq"], data["units"], data["stale_after"]) == (1, 3, 129_600)
    obeys("publish", data)
    obeys("status", cli.json("segment", "status", "--env", "development"))
    obeys("check", cli.json("segment", "check", "vip", "user-1", "--env", "development"))


def test_what_cannot_be_done_is_said(cli, listed) -> None:
    assert "names no list" in cli("segment", "build", "employees", "--from", "ids.txt", "-o", "x", exit_code=2).stderr
    assert "no segment" in cli("segment", "build", "nope", "--from", "ids.txt", "-o", "x", exit_code=3).stderr
    assert "cannot be read" in cli("segment", "build", "vip", "--from", "nope", "-o", "x", exit_code=2).stderr
    assert "either --env or --file" in cli("segment", "check", "vip", "u", exit_code=2).stderr
    assert "never published" in cli("segment", "check", "vip", "u", "--env", "staging", exit_code=3).stderr
    (listed / "bad.txt").write_bytes(b"\xff\n")
    assert "UTF-8" in cli("segment", "build", "vip", "--from", "bad.txt", "-o", "x", exit_code=2).stderr
    cli("segment", "build", "vip", "--from", "ids.txt", "-o", "vip.list")
    data = (listed / "vip.list").read_bytes()
    (listed / "vip.list").write_bytes(data[:-1] + b"x")
    assert "is no list" in cli("segment", "check", "vip", "u", "--file", "vip.list", exit_code=2).stderr


def test_an_explanation_says_that_a_list_is_not_at_hand(cli, listed) -> None:
    words = ("eval", "banner", "--env", "development", "--context", '{"targeting_key": "user-1"}', "--explain")
    assert "its list is not at hand" in cli(*words).stdout


def test_what_a_list_means_for_a_population_is_measured_or_refused(cli, listed) -> None:
    (listed / "people.jsonl").write_text('{"targeting_key": "user-1"}\n{"targeting_key": "other"}\n')
    words = ("simulate", "banner", "--env", "development", "--population", "people.jsonl")
    assert "depends on the list 'vip-customers'" in cli(*words, exit_code=2).stderr
    data = cli.json(*words, "--list", "vip-customers=ids.txt")
    assert {variant["variant"]: variant["count"] for variant in data["flags"][0]["variants"]} == {"on": 1, "off": 1}
    assert "NAME=FILE" in cli(*words, "--list", "vip-customers", exit_code=2).stderr
