"""The generator of large repositories for benchmarks makes valid ones, the same from the same seed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from flagctl.compiler import compile_environment
from flagctl.source import load_tree, read_tree

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "generate.py"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("benchmark_generate", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def encoded(files: dict[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in files.items()}


def test_a_generated_repository_loads_and_compiles_without_a_finding(generator):
    loaded = load_tree(encoded(generator.generate(generator.Options(flags=500))))
    assert loaded.diagnostics == ()
    assert len(loaded.repository.flags) == 500
    assert loaded.repository.experiments
    for environment in loaded.repository.config.environments:
        assert compile_environment(loaded.repository, environment).flag_count == 500


def test_no_rule_finds_an_error_in_a_generated_repository(generator):
    from flagctl.diagnostics import Severity
    from flagctl.lint import LintOptions, lint

    loaded = load_tree(encoded(generator.generate(generator.Options(flags=500))))
    result = lint(loaded, LintOptions(now_ms=1_795_000_000_000))
    assert [finding for finding in result.diagnostics if finding.severity is Severity.ERROR] == []


def test_the_same_seed_gives_the_same_files(generator):
    options = generator.Options(flags=60, seed=7)
    assert generator.generate(options) == generator.generate(options)
    assert generator.generate(options) != generator.generate(generator.Options(flags=60, seed=8))


def test_edits_keep_the_repository_valid(generator):
    files = generator.generate(generator.Options(flags=100))
    random = Random(1)
    before = dict(files)
    for _ in range(30):
        files |= generator.edit(files, random)
    assert sum(files[path] != before[path] for path in files) > 20
    assert load_tree(encoded(files)).diagnostics == ()


def test_the_script_writes_a_git_history(tmp_path):
    root = tmp_path / "flags"
    command = [sys.executable, SCRIPT, root, "--flags", "30", "--commits", "3"]
    assert "files" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    log = subprocess.run(["git", "-C", root, "log", "--oneline"], check=True, capture_output=True, text=True).stdout
    assert len(log.splitlines()) == 4
    assert len(load_tree(read_tree(root)).repository.flags) == 30
    refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "not empty" in refused.stderr
    assert refused.returncode == 1
