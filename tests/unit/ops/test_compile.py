from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest
from jsonschema import validate

from flagctl.errors import FindingsError, UsageError
from flagctl.ops.compile import CompileOptions, compile_bundle, write_file
from flagctl.report.json_text import render_json
from flagctl.resources import data_path

NOW_MS = 1_790_000_000_000


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    copy = tmp_path_factory.mktemp("repository") / "flags"
    shutil.copytree(data_path("flags"), copy)
    return copy


def options(root: Path, **parts) -> CompileOptions:
    return CompileOptions(**({"root": root, "environment": "production", "now_ms": NOW_MS} | parts))


def test_the_example_repository_compiles_for_each_of_its_environments(root):
    digests = {
        compile_bundle(options(root, environment=environment)).bundle.sha256
        for environment in ("development", "staging", "production")
    }
    assert len(digests) == 3


def test_the_bytes_go_into_a_file_plain_or_compressed(root, tmp_path):
    plain = compile_bundle(options(root, output=tmp_path / "b.json"))
    packed = compile_bundle(options(root, output=tmp_path / "b.json.gz"))
    assert (tmp_path / "b.json").read_bytes() == plain.bundle.data
    assert gzip.decompress((tmp_path / "b.json.gz").read_bytes()) == plain.bundle.data
    assert plain.written == len(plain.bundle.data) > packed.written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.json", "b.json.gz"]
    assert packed.to_dict()["output"] == str(tmp_path / "b.json.gz")


def test_without_a_file_the_bytes_are_the_result(root):
    result = compile_bundle(options(root))
    document = json.loads(render_json(result))
    validate(document, json.loads((data_path("schemas") / "output-compile.schema.json").read_text()))
    assert document["output"] is None
    assert document["size"] == document["written"] == len(result.bundle.data)
    assert document["sha256"] == result.bundle.sha256


def test_the_bundle_does_not_depend_on_the_time(root):
    later = compile_bundle(options(root, now_ms=NOW_MS + 1_000_000_000))
    assert later.bundle == compile_bundle(options(root)).bundle


def test_an_error_in_a_flag_stops_the_compilation_and_leaves_the_file_alone(root, tmp_path):
    broken = tmp_path / "flags"
    shutil.copytree(root, broken)
    (broken / "bad.yaml").write_text("kind: flag\nkey: bad\ntype: boolean\ndefault: maybe\n")
    output = tmp_path / "b.json"
    output.write_text("old")
    with pytest.raises(FindingsError):
        compile_bundle(options(broken, output=output))
    assert output.read_text() == "old"


def test_a_mistyped_environment_is_named(root):
    with pytest.raises(UsageError) as caught:
        compile_bundle(options(root, environment="prod"))
    assert "prod" in caught.value.message
    assert "production" in caught.value.hint


def test_a_file_is_put_in_place_as_a_whole(tmp_path):
    path = tmp_path / "out"
    write_file(path, b"one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    mask = os.umask(0o022)
    try:
        write_file(path, b"three")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_place_that_cannot_be_written_is_the_caller_s_mistake(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        write_file(tmp_path / "missing" / "out", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_file(tmp_path / "folder", b"")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
