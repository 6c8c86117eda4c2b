"""A generated repository is valid, and reading its YAML gives the repository that was written."""

from __future__ import annotations

from random import Random

from flagctl.compiler import compile_environment
from flagctl.diagnostics import Severity
from flagctl.lint import LintOptions, lint
from flagctl.source import load_tree
from tests.generators.repositories import ENVIRONMENTS, random_repository
from tests.generators.vocabulary import BASE_MS
from tests.generators.yaml_text import repository_to_files
from tests.scale import scaled


def test_a_repository_written_as_yaml_and_read_again_compiles_to_the_same_bytes() -> None:
    for seed in range(scaled(15, 500)):
        repository = random_repository(Random(seed), 20)
        loaded = load_tree(repository_to_files(repository))
        assert loaded.diagnostics == (), seed
        findings = lint(loaded, LintOptions(now_ms=BASE_MS)).diagnostics
        assert [finding for finding in findings if finding.severity is Severity.ERROR] == [], seed
        assert loaded.repository is not None
        for environment in ENVIRONMENTS:
            read = compile_environment(loaded.repository, environment)
            assert read.data == compile_environment(repository, environment).data, (seed, environment)
