"""A server whose flags rest on lists of big segments."""

from __future__ import annotations

import httpx
import pytest

from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.evaluator.lists import write_list
from flagctl.ops.target import Target
from flagctl.ops.unit_lists import ListVersion, publish_list
from flagctl.server.serve import Origin
from flagctl.storage import open_remote
from tests.simulators.flag_server import serving
from tests.simulators.project import Project, eventually

BULK = "/ofrep/v1/evaluate/flags"
USER = {"context": {"targetingKey": "user-1"}}
FLAG = {
    "type": "boolean",
    "variants": [["on", True], ["off", False]],
    "off": 1,
    "default": {"serve": 1},
    "rules": [{"id": "r", "when": [{"segment": "vip"}], "serve": 0}],
}
FOLDER = {
    "flagctl.yaml": "version: 1\nproject: acme\nenvironments: {production: {}}\n",
    "banner.yaml": (
        "kind: flag\nkey: banner\nowner: team\ntype: boolean\nrules: [{id: vips, when: [{segment: vip}], serve: on}]\n"
        "default: off\n"
    ),
    "vip.yaml": "kind: segment\nkey: vip\nowner: team\nmembers: {list: vip-list}\n",
}


@pytest.fixture
def project():
    return Project()


@pytest.fixture
def target(tmp_path, project):
    remote = open_remote(f"file://{tmp_path}/remote")
    contents = BundleContents(
        project="acme",
        environment="production",
        capabilities=frozenset({"lists", "segments"}),
        flags={"flag": FLAG},
        segments={"vip": {"list": "vip-list"}},
    )
    project.put(remote, write_bundle(contents), expires=2**33)
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    return Target(remote=remote, environment="production", trust=project.trust)


@pytest.fixture
def server(tmp_path, target):
    origin = Origin(environment="production", url=f"file://{tmp_path}/remote", trust=tmp_path / "trust.json")
    with serving(origin) as server, httpx.Client(base_url=server.url) as api:
        assert eventually(lambda: api.get("/readyz").status_code == 200)
        server.api = api
        yield server


def publish(target, project, *units):
    publish_list(target, project.publishers, ListVersion("vip-list", write_list("vip-list", units, 0)))


def test_answers_rest_on_the_published_list_and_say_what_it_is_worth(server, target, project):
    body = server.api.post(f"{BULK}/flag", json=USER).json()
    assert (body["value"], body["metadata"]["big_segments"]) == (False, "vip=unavailable")
    publish(target, project, "user-1")
    server.source.refresh()
    body = server.api.post(f"{BULK}/flag", json=USER).json()
    assert (body["value"], body["metadata"]["big_segments"]) == (True, "vip=healthy")
    assert server.api.post(f"{BULK}/flag", json={"context": {"targetingKey": "other"}}).json()["value"] is False
    for nobody in ({}, {"context": {}}, {"context": {"targetingKey": None}}, {"context": {"plan": "pro"}}):
        assert server.api.post(f"{BULK}/flag", json=nobody).json()["value"] is False


def test_another_list_is_another_answer_for_those_who_ask_for_all_flags(server, target, project):
    told = []
    server.source.start(lambda: told.append(True))
    first = server.api.post(BULK, json=USER)
    assert first.json()["flags"][0]["value"] is False
    known = {"If-None-Match": first.headers["ETag"]}
    assert server.api.post(BULK, json=USER, headers=known).status_code == 304
    publish(target, project, "user-1")
    server.source.refresh()
    assert told
    second = server.api.post(BULK, json=USER, headers=known)
    assert second.status_code == 200
    assert second.json()["flags"][0]["value"] is True
    assert second.json()["metadata"]["version"] != first.json()["metadata"]["version"]
    told.clear()
    server.source.refresh()
    assert not told
    assert server.api.post(BULK, json=USER, headers={"If-None-Match": second.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("given", [True, False])
def test_a_folder_is_served_with_the_lists_that_are_at_hand(tmp_path, caplog, given):
    for name, text in FOLDER.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "ids.txt").write_text("user-1\n")
    lists = {"vip-list": tmp_path / "ids.txt"} if given else {}
    with serving(Origin(environment="production", root=tmp_path, lists=lists)) as server:
        assert httpx.post(f"{server.url}{BULK}/banner", json=USER).json()["value"] is given
        banner = tmp_path / "banner.yaml"
        banner.write_text(banner.read_text() + "description: The same lists hold for edited flags.\n")
        server.source.refresh()
        assert httpx.post(f"{server.url}{BULK}/banner", json=USER).json()["value"] is given
    assert ("--list vip-list=FILE" in caplog.text) is not given
