from __future__ import annotations

import gzip
import hashlib
import json

import pytest

import flagctl
from flagctl.errors import BundleFormatError
from flagctl.evaluator.document import check_structure, open_bundle
from tests.unit.evaluator.bundles import asks, boolean, bundle, when

PLAIN = bundle({"a": boolean(), "b": boolean(rules=[when(asks("x", "exists"))])}, experiments={"e": {"flag": "a"}})


def test_a_bundle_is_opened_plain_or_compressed():
    for data in (PLAIN, gzip.compress(PLAIN)):
        document = open_bundle(data)
        assert document.flag_keys() == ("a", "b")
        assert document.sha256 == hashlib.sha256(PLAIN).hexdigest()
        assert document.header.project == "acme-shop"
        assert document.experiment("e") == {"flag": "a"}
        assert document.flag("b") == json.loads(PLAIN)["flags"]["b"]


def test_a_flags_digest_is_that_of_its_line_without_comma():
    document = open_bundle(PLAIN)
    line = PLAIN.split(b"\n")[3].removesuffix(b",")
    assert document.flag_line("a") == line
    assert document.digest("a") == hashlib.sha256(line).hexdigest()[:16]


def test_a_bundle_of_a_newer_format_names_the_version_that_is_needed():
    with pytest.raises(
        BundleFormatError, match=rf"format 2.*needs flagctl 3\.1\.0.*this is {flagctl.__version__}"
    ) as caught:
        open_bundle(bundle({}, format=2, min_version="3.1.0"))
    assert caught.value.reason == "newer-bundle"


def test_a_bundle_with_an_unknown_capability_names_it_and_the_version():
    with pytest.raises(BundleFormatError, match=r"operator:sounds_like.*needs flagctl 3\.1\.0"):
        open_bundle(bundle({}, capabilities=["operator:sounds_like", "segments"], min_version="3.1.0"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\n" * 10,
        PLAIN[:-1],
        PLAIN[:-4],
        PLAIN[40:],
        PLAIN.replace(b'},"patterns":{', b'},"pattern":{'),
        PLAIN.replace(b'"a":', b'"c":', 1).replace(b"\n", b"\n", 1),
        PLAIN.replace(b'\n"b":', b'\n"a":'),
        PLAIN.replace(b'\n"b":', b'\n"B":'),
        PLAIN.replace(b'"format":1', b'"format":true'),
        PLAIN.replace(b'"format":1', b'"format":0'),
        PLAIN.replace(b'"env":"production"', b'"env":5'),
        PLAIN.replace(b'"capabilities":[]', b'"capabilities":[[]]'),
        PLAIN.replace(b'{"bundle":{', b'{"bundle":[{'),
        gzip.compress(PLAIN)[:-3],
        gzip.compress(PLAIN) + b"x",
        gzip.compress(PLAIN)[:20] + b"garbage" * 10,
        b"\x1f\x8b",
    ],
    ids=range(19),
)
def test_bytes_that_are_no_bundle_are_refused(data):
    with pytest.raises(BundleFormatError):
        open_bundle(data)


def test_a_compressed_bundle_may_not_expand_without_bound(monkeypatch):
    monkeypatch.setattr("flagctl.evaluator.document.MAX_SIZE", 1_000)
    with pytest.raises(BundleFormatError, match="expands to more"):
        open_bundle(gzip.compress(b"x" * 100_000))


def refused(flags, **parts):
    document = open_bundle(bundle(flags, **parts))
    with pytest.raises(BundleFormatError) as caught:
        check_structure(document)
    return str(caught.value)


def test_the_structural_check_accepts_a_well_formed_bundle():
    check_structure(open_bundle(PLAIN))


def test_cycles_are_refused_with_the_way_round_them():
    flags = {
        "a": boolean(prerequisites=[["b", ["on"]]]),
        "b": boolean(prerequisites=[["c", ["on"]]]),
        "c": boolean(prerequisites=[["a", ["on"]]]),
    }
    assert "a -> b -> c -> a" in refused(flags)
    segments = {"s": {"when": [{"segment": "t"}]}, "t": {"when": [{"not": {"segment": "s"}}]}}
    assert "s -> t -> s" in refused({}, segments=segments)


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        (boolean(prerequisites=[["z", ["on"]]]), "'z'"),
        (boolean(rules=[when({"segment": "z"})]), "'z'"),
        (boolean(rules=[when(asks("x", "matches", "z"))]), "'z'"),
        (boolean(rules=[{"id": "r", "experiment": {"key": "z", "status": "draft"}}]), "'z'"),
    ],
)
def test_references_to_what_is_not_there_are_refused(flag, named):
    assert named in refused({"a": flag})


def test_an_experiment_belongs_to_the_flag_that_serves_it():
    rule = {"id": "r", "experiment": {"key": "e", "status": "draft"}}
    assert "'e'" in refused({"a": boolean(rules=[rule]), "b": boolean()}, experiments={"e": {"flag": "b"}})


@pytest.mark.parametrize(
    "change",
    [
        {"type": "switch"},
        {"type": []},
        {"variants": []},
        {"variants": [["on", True], ["on", False]]},
        {"variants": [["on", 1]]},
        {"default": {"serve": 2}},
        {"default": {"serve": True}},
        {"default": {"serve": 0, "percentage": 5}},
        {"default": {"split": [[50_000, 0], [99_999, 1]]}},
        {"default": {"split": [[50_000, 0], [50_000, 1], [100_000, 0]]}},
        {"off": -1},
        {"enabled": "no"},
        {"schedule": {}},
        {"schedule": {"from": 1.5}},
        {"targets": [[0, [""]]]},
        {"targets": [[0, ["u"]], [1, ["u"]]]},
        {"unit": []},
        {"rules": [{"id": "r"}]},
        {"rules": [when(), when()]},
        {"rules": [when(asks("x", "resembles", "y"))]},
        {"rules": [when(asks("x", "equals", []))]},
        {"rules": [when(asks("x", "equals"))]},
        {"rules": [when(asks("x", "greater_than", True))]},
        {"rules": [when(asks("x", "matches", "p", ignore_case=True))]},
        {"rules": [when(asks("x", "in_network", ["10.0.0.1/8"]))]},
        {"rules": [when(asks("x", "semver_equal", "one"))]},
        {"rules": [when(asks("x", "before", "2026-01-01T00:00:00Z"))]},
        {"rules": [when({"any": []})]},
        {"rules": [when({"any": [{"segment": "s"}], "all": []})]},
        {"rules": [when(percentage=100_001)]},
        {"rules": [when(percentage={"steps": [[5, 0], [5, 0]]})]},
        {"rules": [when(percentage={"linear": [5, 5, 0, 0]})]},
        {"rules": [when(salt="x")]},
        {"owner": None},
        {"tags": "x"},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_flag_of_another_shape_is_refused_whole_or_answers_parse_error_alone(change):
    data = bundle({"a": {**boolean(), **change}, "b": boolean()}, segments={"s": {"include": ["u"]}})
    with pytest.raises(BundleFormatError, match="'a'"):
        check_structure(open_bundle(data))
    flags = flagctl.load(data)
    assert flags.evaluate("a", {}, "mine").value == "mine"
    assert flags.evaluate("a", {}, "mine").error_code == "PARSE_ERROR"
    assert flags.evaluate("b", {}).variant == "off"


@pytest.mark.parametrize(
    "line",
    [
        b'"a":{"type":"boolean"',
        b'"a":{"type":NaN}',
        b'"a":[]',
        b'"a":{},"c":{}',
        b'"a":' + b"[" * 5_000,
        b'"a":\xff{}',
        b'"a":{"type":"number","variants":[["x",1e999]],"default":{"serve":0}}',
        b'"a":{"type":"number","variants":[["x",' + b"1" * 5_000 + b']],"default":{"serve":0}}',
    ],
    ids=range(8),
)
def test_a_line_that_is_no_entry_is_refused_whole_or_answers_parse_error_alone(line):
    lines = bundle({"a": boolean(), "b": boolean()}).split(b"\n")
    lines[2] = line + b","
    data = b"\n".join(lines)
    with pytest.raises(BundleFormatError):
        check_structure(open_bundle(data))
    flags = flagctl.load(data)
    assert flags.evaluate("a").error_code == "PARSE_ERROR"
    assert flags.evaluate("b").error_code is None


def test_commas_where_a_line_should_have_none_are_refused():
    lines = bundle({"a": boolean(), "b": boolean()}).split(b"\n")
    for number, change in ((2, lines[2][:-1]), (3, lines[3] + b",")):
        changed = [*lines[:number], change, *lines[number + 1 :]]
        with pytest.raises(BundleFormatError, match="comma"):
            check_structure(open_bundle(b"\n".join(changed)))


def test_an_entry_with_a_key_twice_is_refused():
    data = bundle({"a": boolean()}).replace(b'"off":1', b'"off":0,"off":1')
    with pytest.raises(BundleFormatError, match="twice"):
        check_structure(open_bundle(data))


def test_flags_that_need_one_another_in_a_circle_cannot_be_used_whichever_is_asked_first():
    flags = {
        "a": boolean(prerequisites=[["b", ["on"]]]),
        "b": boolean(prerequisites=[["a", ["on"]]]),
        "c": boolean(prerequisites=[["b", ["on"]]]),
        "d": boolean(prerequisites=[["z", ["on"]]]),
    }
    for order in ("abcd", "cbad", "dcab"):
        loaded = flagctl.load(bundle(flags))
        answers = {key: loaded.evaluate(key, {}) for key in order}
        assert [answers[key].error_code for key in "abd"] == ["PARSE_ERROR"] * 3
        assert (answers["c"].reason, answers["c"].rule) == ("DISABLED", "prerequisite:b")


def test_a_file_is_loaded_by_its_path(tmp_path):
    path = tmp_path / "bundle.json"
    path.write_bytes(PLAIN)
    assert flagctl.load(path).digest == flagctl.load(str(path)).digest == flagctl.load(PLAIN).digest
