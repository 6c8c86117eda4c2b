"""The vectors hold for the evaluator, for the trace and for the reference interpreter."""

from __future__ import annotations

import itertools
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

import flagctl
from flagctl.evaluator.automaton import Automaton
from flagctl.evaluator.buckets import bucket, unit_of
from flagctl.evaluator.document import check_structure, open_bundle
from flagctl.evaluator.instants import instant_of
from flagctl.evaluator.lists import HashList, unit_hash, write_list
from flagctl.evaluator.trace import ExplainOptions, explain, share_at
from flagctl.evaluator.versions import parse_version
from tests.conformance.generate import condition_bundle
from tests.generators.bundles import Case
from tests.generators.layout import bundle_of, lay_out
from tests.property.agreement import answer_of, same
from tests.reference import Answer, Reference, readers
from tests.reference import interpreter as reference_interpreter
from tests.reference.conditions import found
from tests.reference.murmur import bucket as reference_bucket

FOLDER = Path(__file__).parent
EVALUATIONS = sorted(path.name for path in FOLDER.glob("evaluation-*.json"))


def vectors(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def test_the_files_are_small_enough_to_be_copied() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.json")) < 1_000_000
    assert len(EVALUATIONS) == 3


def test_every_file_is_described() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in FOLDER.glob("*.json"):
        assert f"`{path.name}`" in text or path.name in EVALUATIONS


@pytest.mark.parametrize("name", EVALUATIONS)
def test_evaluations(name: str) -> None:
    document = vectors(name)
    data = "".join(f"{line}\n" for line in document["lines"]).encode()
    killed, stale = frozenset(document["killed"]), document["stale"]
    opened = open_bundle(data)
    check_structure(opened)
    flags, reference = flagctl.load(data).with_state(killed, stale), Reference(data, killed, stale)
    for vector in document["cases"]:
        key, context, default = vector["flag"], vector["context"], vector["default"]
        now_ms = vector["now_ms"]
        expected = Answer(**vector["expect"])
        ours = answer_of(flags.evaluate(key, context, default, now=Case(context, now_ms, default).now))
        assert same(ours, expected), (vector, ours)
        assert same(reference.evaluate(key, context, default, now_ms), expected), vector
        options = ExplainOptions(default=default, killed=killed, stale=stale)
        assert same(answer_of(explain(opened, key, context, now_ms, options).details), expected), vector


def test_evaluations_have_every_reason_and_error() -> None:
    cases = [case["expect"] for name in EVALUATIONS for case in vectors(name)["cases"]]
    reasons = {"STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "STALE", "ERROR"}
    assert {case["reason"] for case in cases} == reasons
    errors = {"FLAG_NOT_FOUND", "INVALID_CONTEXT", "TARGETING_KEY_MISSING"}
    assert {case["error_code"] for case in cases} == {None, *errors}


def test_operators_hold_for_the_values_listed_and_their_twins_for_the_others() -> None:
    document = vectors("operators.json")
    conditions = [vector["condition"] for vector in document["conditions"]]
    twins = [{**condition, "operator": f"not_{condition['operator']}"} for condition in conditions]
    for negated, tried in ((False, conditions), (True, twins)):
        data = condition_bundle(tried)
        check_structure(open_bundle(data))
        flags, reference = flagctl.load(data), Reference(data)
        for number, vector in enumerate(document["conditions"]):
            key = f"c{number}"
            for position, value in enumerate(document["values"]):
                expected = (position in vector["holds_for"]) is not negated
                assert flags.is_enabled(key, {"x": value}) is expected, (tried[number], value)
                assert reference.is_enabled(key, {"x": value}, 0) is expected, (tried[number], value)
                assert explain(flags.document, key, {"x": value}, 0).details.value is expected, (tried[number], value)
            missing = (0 in vector["holds_for"]) is not negated
            assert flags.is_enabled(key, {}) is reference.is_enabled(key, {}, 0) is missing, tried[number]


def test_units() -> None:
    document = vectors("units.json")
    salt = document["salt"]
    for vector in document["units"]:
        unit = vector["unit"]
        assert unit_of(vector["value"]) == readers.unit(vector["value"]) == unit, vector
        if unit is not None:
            assert bucket(salt, unit) == reference_bucket(salt, unit) == vector["bucket"], vector


def test_lists() -> None:
    document = vectors("lists.json")
    for vector in document["hashes"]:
        assert f"{unit_hash(vector['list'], vector['unit']):016x}" == vector["hash"], vector
    data = b64decode(document["file"])
    found = HashList(data, document["list"])
    assert all(unit in found for unit in document["members"])
    assert not any(unit in found for unit in document["others"])
    assert write_list(document["list"], document["members"], found.generated_ms) == data


def test_buckets() -> None:
    for vector in vectors("buckets.json")["vectors"]:
        assert reference_bucket(vector["salt"], vector["unit"]) == vector["bucket"]


def test_instants() -> None:
    for vector in vectors("instants.json")["instants"]:
        assert instant_of(vector["value"]) == readers.instant(vector["value"]) == vector["microseconds"], vector


@pytest.mark.parametrize("parse", [parse_version, readers.version])
def test_versions(parse) -> None:
    document = vectors("versions.json")
    groups = [[parse(text) for text in group] for group in document["ascending"]]
    for group in groups:
        assert None not in group
        assert all(key == group[0] for key in group)
    firsts = [group[0] for group in groups]
    assert all(low < high for low, high in itertools.pairwise(firsts))
    assert [text for text in document["not_versions"] if parse(text) is not None] == []


def test_networks() -> None:
    networks = vectors("networks.json")["networks"]
    conditions = [{"attribute": "x", "operator": "in_network", "value": [vector["network"]]} for vector in networks]
    data = condition_bundle(conditions)
    flags, reference = flagctl.load(data), Reference(data)
    for number, vector in enumerate(networks):
        for text in (*vector["inside"], *vector["outside"]):
            expected = text in vector["inside"]
            assert flags.is_enabled(f"c{number}", {"x": text}) is expected, (vector["network"], text)
            assert reference.is_enabled(f"c{number}", {"x": text}, 0) is expected, (vector["network"], text)


def test_patterns() -> None:
    document = vectors("patterns.json")["patterns"]
    automata = {vector["pattern"]: vector["automaton"] for vector in document}
    conditions = [{"attribute": "x", "operator": "matches", "value": vector["pattern"]} for vector in document]
    data = condition_bundle(conditions, automata)
    check_structure(open_bundle(data))
    flags = flagctl.load(data)
    for number, vector in enumerate(document):
        automaton = Automaton.from_document(vector["automaton"])
        for text in (*vector["matches"], *vector["does_not_match"]):
            expected = text in vector["matches"]
            assert automaton.search(text) is found(vector["pattern"], text) is expected, (vector["pattern"], text)
            assert flags.is_enabled(f"c{number}", {"x": text}) is expected, (vector["pattern"], text)


def test_percentages() -> None:
    document = vectors("percentages.json")["percentages"]
    unit = next(f"u{n}" for n in range(10_000_000) if bucket("p", f"u{n}") == 33_332)
    flags = flagctl.load(
        lay_out(
            bundle_of(
                {
                    f"p{number}": {
                        "type": "boolean",
                        "variants": [["on", True], ["off", False]],
                        "default": {"serve": 1},
                        "rules": [{"id": "r", "serve": 0, "percentage": vector["percentage"], "salt": "p"}],
                    }
                    for number, vector in enumerate(document)
                }
            )
        )
    )
    for number, vector in enumerate(document):
        for now_ms, share in vector["at"]:
            assert share_at(vector["percentage"], now_ms) == share, (vector, now_ms)
            assert reference_interpreter.share_at(vector["percentage"], now_ms) == share, (vector, now_ms)
            details = flags.evaluate(f"p{number}", {"targeting_key": unit}, now=Case(None, now_ms, None).now)
            assert details.value is (share > 33_332), (vector, now_ms)
