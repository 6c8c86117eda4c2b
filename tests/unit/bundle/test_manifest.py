from __future__ import annotations

import hashlib
import json

import pytest

from flagctl.bundle.canonical import canonical_json
from flagctl.bundle.manifest import (
    FEWEST_DELTAS,
    LEAN_MANIFEST,
    MAX_MANIFEST,
    Delta,
    KillFloor,
    Override,
    delta_of,
    parse_manifest,
    without_old_deltas,
    write_manifest,
)
from flagctl.errors import UntrustedError
from tests.simulators.project import Project, bundle_of


@pytest.fixture(scope="module")
def manifest():
    return Project().manifest(bundle_of(a=True))


def document_of(manifest) -> dict:
    return json.loads(write_manifest(manifest))


def refusal(document) -> UntrustedError:
    with pytest.raises(UntrustedError) as caught:
        parse_manifest(document if isinstance(document, bytes) else json.dumps(document).encode())
    return caught.value


def test_a_manifest_survives_writing_and_reading(manifest):
    full = manifest._replace(
        previous="b" * 64,
        deltas=tuple(Delta(f"{number:012x}", "c" * 22, 500) for number in range(8)),
        kill_floor=KillFloor(7, "d" * 64),
        nonce="0123456789abcdef",
    )
    payload = write_manifest(full)
    assert parse_manifest(payload)._replace(digest="") == full
    assert len(payload) <= MAX_MANIFEST
    assert payload == canonical_json(json.loads(payload))


def test_the_largest_values_of_all_fields_fit_into_a_manifest(manifest):
    largest = manifest._replace(
        project="p" * 255,
        environment="e" * 63,
        epoch=2**53 - 1,
        seq=2**53 - 1,
        previous="b" * 64,
        commit="c" * 64,
        ref="ü" * 200,
        bundle=manifest.bundle._replace(size=2**28, blob_size=2**26),
        deltas=tuple(Delta(f"{number:012x}", "c" * 22, 1_000_000) for number in range(8)),
        kill_floor=KillFloor(2**53 - 1, "d" * 64),
        nonce="0123456789abcdef",
    )
    assert parse_manifest(write_manifest(largest)).project == "p" * 255


STRANGE_DELTAS = [
    1,
    None,
    "",
    "aaaaaaaaaaaa:bbbbbbbbbbbbbbbbbbbbbb:0",
    "aaaaaaaaaaaa:bbbbbbbbbbbbbbbbbbbbbb:99999999",
    "aaaaaaaaaaa/:bbbbbbbbbbbbbbbbbbbbbb:1",
    {"from": "a" * 64, "sha256": "b" * 64, "size": 1},
]


def test_a_delta_in_a_form_for_other_readers_is_no_delta_for_this_one(manifest):
    good = "aaaaaaaaaaaa:bbbbbbbbbbbbbbbbbbbbbb:1"
    for strange in STRANGE_DELTAS:
        document = document_of(manifest) | {"deltas": [strange, good]}
        assert parse_manifest(canonical_json(document)).deltas == (Delta("a" * 12, "b" * 22, 1),)


def test_a_manifest_makes_room_for_its_newest_deltas_only(manifest):
    blobs = [bytes([number]) * 300 for number in range(8)]
    deltas = tuple(delta_of(hashlib.sha256(blob).hexdigest(), blob) for blob in blobs)
    small = without_old_deltas(manifest._replace(commit=None, ref=None, deltas=deltas))
    assert small.deltas == deltas
    pinned = manifest._replace(kill_floor=KillFloor(7, "d" * 64), previous="b" * 64, deltas=deltas)
    fewer = without_old_deltas(pinned)
    assert 2 < len(fewer.deltas) < 8
    assert fewer.deltas == deltas[: len(fewer.deltas)]
    assert len(write_manifest(fewer)) <= LEAN_MANIFEST
    overrides = tuple(Override("approvals", "x" * 200, "ada") for _ in range(8))
    assert without_old_deltas(pinned._replace(overrides=overrides)).deltas == deltas[:FEWEST_DELTAS]


def test_a_manifest_outside_git_has_neither_commit_nor_ref(manifest):
    bare = manifest._replace(commit=None, ref=None)
    assert parse_manifest(write_manifest(bare))._replace(digest="") == bare


def test_a_manifest_that_would_be_too_large_is_not_written(manifest):
    with pytest.raises(ValueError, match="larger"):
        write_manifest(manifest._replace(features=tuple(f"feature-{number}" for number in range(500))))


def test_a_manifest_that_is_too_large_is_not_read(manifest):
    assert refusal(write_manifest(manifest) + b" " * MAX_MANIFEST).reason == "malformed-manifest"


def test_members_that_this_version_does_not_know_are_ignored(manifest):
    document = document_of(manifest) | {"colour": "green"}
    assert parse_manifest(canonical_json(document)).seq == 1


WRONG = [
    ("project", None),
    ("project", ""),
    ("project", "Acme"),
    ("project", "../acme"),
    ("project", "a" * 256),
    ("env", 1),
    ("env", "prod/uction"),
    ("epoch", 0),
    ("epoch", True),
    ("epoch", 1.0),
    ("epoch", "1"),
    ("seq", 0),
    ("seq", -1),
    ("seq", 2**53),
    ("seq", None),
    ("previous", "abc"),
    ("previous", "A" * 64),
    ("previous", 0),
    ("issued", "2026-12-21"),
    ("issued", "2026-12-21T09:00:00+00:00"),
    ("issued", "2026-13-21T09:00:00Z"),
    ("issued", "٢٠٢٦-12-21T09:00:00Z"),
    ("issued", 1_800_000_000),
    ("issued", "1960-01-01T00:00:00Z"),
    ("expires", None),
    ("expires", "2000-01-01T00:00:00Z"),
    ("trust", 0),
    ("git", None),
    ("git", []),
    ("git", {"commit": "main", "ref": None}),
    ("git", {"commit": None, "ref": "a\nb"}),
    ("git", {"commit": None, "ref": "x" * 201}),
    ("bundle", None),
    ("bundle", {}),
    ("deltas", {}),
    ("deltas", "x"),
    ("deltas", ["aaaaaaaaaaaa:bbbbbbbbbbbbbbbbbbbbbb:1"] * 9),
    ("kill_floor", []),
    ("kill_floor", {"seq": 1}),
    ("kill_floor", {"seq": 1, "sha256": "x"}),
    ("nonce", "XYZ"),
    ("requires", None),
    ("requires", {"features": [], "min_version": "1"}),
    ("requires", {"features": ["a", "a"], "min_version": "1.0.0"}),
    ("requires", {"features": [1], "min_version": "1.0.0"}),
    ("requires", {"features": "x", "min_version": "1.0.0"}),
    ("v", "1"),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{name}-{index}" for index, (name, _) in enumerate(WRONG)])
def test_every_field_has_a_type_and_a_bound(manifest, name, value):
    assert refusal(document_of(manifest) | {name: value}).reason == "malformed-manifest"


@pytest.mark.parametrize("part", ["sha256", "size", "blob_sha256", "blob_size", "enc"])
@pytest.mark.parametrize("value", [None, 0, -1, 2**40, "", "x", [], 1.5, True])
def test_every_field_of_the_bundle_has_a_type_and_a_bound(manifest, part, value):
    document = document_of(manifest)
    document["bundle"] = document["bundle"] | {part: value}
    if part == "enc" and value == "x":
        assert parse_manifest(canonical_json(document)).bundle.enc == "x"  # refused when the bundle is unpacked
        return
    assert refusal(document).reason == "malformed-manifest"


def test_another_type_of_document_is_refused(manifest):
    assert refusal(document_of(manifest) | {"type": "flagctl.kill"}).reason == "wrong-type"


def test_a_newer_format_names_the_version_that_is_needed(manifest):
    document = document_of(manifest) | {"v": 2, "requires": {"features": [], "min_version": "3.4.0"}}
    error = refusal(document)
    assert error.reason == "unsupported-version"
    assert "flagctl 3.4.0 or newer is needed" in error.message


def test_an_unknown_required_feature_names_the_version_that_is_needed(manifest):
    error = refusal(write_manifest(manifest._replace(features=("kill-list",), min_version="0.2.0")))
    assert error.reason == "requires-newer"
    assert "kill-list" in error.message
    assert "flagctl 0.2.0 or newer is needed" in error.message
    assert "0.2.0" in (error.hint or "")


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"\xff", b'{"type":1,"type":2}', b"{" * 4000, b'{"seq":' + b"9" * 4000]
)
def test_a_payload_that_is_no_json_object_is_malformed(payload):
    assert refusal(payload).reason == "malformed-manifest"
