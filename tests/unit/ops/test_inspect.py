from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from jsonschema import validate

from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.errors import BundleFormatError, NothingMatchedError, UsageError
from flagctl.ops.inspect import InspectOptions, inspect_bundle, inspect_file
from flagctl.report.json_text import render_json
from flagctl.resources import data_path

AUTOMATON = {"accept": [0], "classes": [[0, 0]], "next": [[0]]}
ON_OFF = {"type": "boolean", "variants": [["on", True], ["off", False]]}


def matches(pattern: str) -> dict:
    return {"attribute": "email", "operator": "matches", "value": pattern}


CONTENTS = BundleContents(
    project="acme",
    environment="production",
    capabilities=frozenset({"segments", "patterns", "operator:matches", "experiments"}),
    flags={
        "big": ON_OFF | {"targets": [[0, ["unit-" + str(n) for n in range(50)]]]},
        "ruled": ON_OFF
        | {"rules": [{"id": "r", "when": [{"any": [{"not": {"segment": "outer"}}, matches("a")]}], "serve": 0}]},
        "small": {"type": "json", "variants": [["on", {"segment": "not-a-condition"}]]},
    },
    experiments={},
    patterns={"a": AUTOMATON, "b": AUTOMATON},
    segments={"outer": {"when": [{"segment": "inner"}]}, "inner": {"when": [matches("b")]}},
)
DATA = write_bundle(CONTENTS)


def options(**parts) -> InspectOptions:
    return InspectOptions(path=Path("b.json"), **parts)


def test_counts_and_sizes_are_of_the_entries():
    result = inspect_bundle(DATA, options(biggest=2))
    assert result.problem is None
    assert result.counts == {"flags": 3, "segments": 2, "patterns": 2, "experiments": 0}
    assert result.sizes["experiments"] == 0
    assert [key for key, _ in result.biggest] == ["big", "ruled"]
    assert result.size == result.stored == len(DATA)
    assert (result.header.project, result.header.env) == ("acme", "production")


def test_a_flag_is_shown_with_all_it_uses():
    flag = inspect_bundle(DATA, options(flag="ruled")).flag
    assert flag.entry == CONTENTS.flags["ruled"]
    assert flag.segments == ("inner", "outer")
    assert flag.patterns == ("a", "b")
    assert flag.size == len(json.dumps(flag.entry, separators=(",", ":"))) + len('"ruled":')
    assert inspect_bundle(DATA, options(flag="small")).flag.segments == ()


def test_a_compressed_file_is_opened(tmp_path):
    path = tmp_path / "b.gz"
    path.write_bytes(gzip.compress(DATA))
    result = inspect_file(InspectOptions(path=path))
    assert result.stored == path.stat().st_size
    assert result.size == len(DATA)
    assert result.path == str(path)


def test_the_json_output_holds_everything():
    document = json.loads(render_json(inspect_bundle(DATA, options(flag="big"))))
    validate(document, json.loads((data_path("schemas") / "output-inspect.schema.json").read_text()))
    assert document["header"]["capabilities"] == sorted(CONTENTS.capabilities)
    assert document["sections"]["flags"]["entries"] == 3
    assert document["flag"]["key"] == "big"
    assert inspect_bundle(DATA, options()).to_dict()["flag"] is None


def test_an_unknown_flag_is_no_success():
    with pytest.raises(NothingMatchedError) as caught:
        inspect_bundle(DATA, options(flag="rulde"))
    assert caught.value.hint == "did you mean 'ruled'?"


def test_a_damaged_entry_is_a_problem_that_is_shown():
    damaged = DATA.replace(b'"serve":0', b'"serve":7')
    assert "ruled" in inspect_bundle(damaged, options()).problem


def test_a_damaged_line_hides_only_itself():
    damaged = DATA.replace(b'"ruled":{', b'"ruled":[')
    assert "ruled" in inspect_bundle(damaged, options()).problem
    with pytest.raises(BundleFormatError, match="the entry of flag 'ruled' is damaged"):
        inspect_bundle(damaged, options(flag="ruled"))
    damaged = DATA.replace(b'"inner":{', b'"inner":[')
    assert inspect_bundle(damaged, options(flag="ruled")).flag.segments == ("inner", "outer")


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleFormatError):
        inspect_bundle(b"{}", options())
    with pytest.raises(UsageError, match="cannot be read"):
        inspect_file(InspectOptions(path=tmp_path / "missing"))
