"""The same flags give the same bytes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from random import Random

import yaml

from flagctl.compiler import compile_environment
from flagctl.evaluator.document import check_structure, open_bundle
from flagctl.source import load_tree
from tests.generators.repositories import ENVIRONMENTS, random_repository
from tests.generators.yaml_text import repository_to_files
from tests.scale import scaled


def shuffled(mapping, random: Random):
    items = list(mapping.items())
    random.shuffle(items)
    return dict(items)


def turned(repository, random: Random):
    """Return the same repository with every mapping in another order."""
    flags = {
        key: replace(flag, environments=shuffled(flag.environments, random))
        for key, flag in shuffled(repository.flags, random).items()
    }
    return replace(
        repository,
        flags=flags,
        segments=shuffled(repository.segments, random),
        experiments=shuffled(repository.experiments, random),
        layers=shuffled(repository.layers, random),
    )


def test_the_order_of_documents_and_keys_does_not_matter():
    for seed in range(scaled(40, 2_000)):
        random = Random(seed)
        repository = random_repository(random, 12)
        for environment in ENVIRONMENTS:
            assert compile_environment(turned(repository, random), environment) == compile_environment(
                repository, environment
            )


def test_every_generated_repository_compiles_and_is_read_back():
    for seed in range(scaled(60, 2_000)):
        repository = random_repository(Random(seed), 20)
        for environment in ENVIRONMENTS:
            bundle = compile_environment(repository, environment)
            document = open_bundle(bundle.data)
            check_structure(document)
            assert list(document.flag_keys()) == sorted(repository.flags)
            for key in repository.flags:
                assert document.flag(key)["type"] == repository.flags[key].type.value


def test_another_process_with_another_hash_seed_gives_the_same_bytes():
    program = (
        "from random import Random\n"
        "from flagctl.compiler import compile_environment\n"
        "from tests.generators.repositories import random_repository\n"
        "print(compile_environment(random_repository(Random(5), 30), 'production').sha256)"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert answers == {compile_environment(random_repository(Random(5), 30), "production").sha256 + "\n"}


ORDERED = {"variants", "rollout", "targets", "default"}
"""Mappings whose order says something."""


class QuotingDumper(yaml.SafeDumper):
    """Quotes all text, because PyYAML's idea of what needs quotes is YAML 1.1's."""


QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def reformatted(data: dict, random: Random) -> bytes:
    """Return a YAML document of the same meaning: as JSON or in block style, with keys in another order and comments."""

    def turn(value):
        if isinstance(value, dict):
            return {key: item if key in ORDERED else turn(item) for key, item in shuffled(value, random).items()}
        return [turn(item) for item in value] if isinstance(value, list) else value

    data = turn(data)
    if random.random() < 0.5:
        # With ASCII escapes where JSON's are YAML's: not for pairs of surrogates.
        text = json.dumps(data, indent=random.choice([None, 1, 7]))
        return (
            b"# as JSON\n"
            + re.sub(r"(?:\\u[89a-f][0-9a-f]{3})+", lambda match: json.loads(f'"{match[0]}"'), text).encode()
        )
    width = random.choice([20, 200])
    text = yaml.dump(data, Dumper=QuotingDumper, sort_keys=False, width=width, allow_unicode=True)
    return b"---\n" + text.encode() + b"# the end\n"


def test_the_formatting_of_the_files_does_not_matter():
    for seed in range(scaled(25, 600)):
        random = Random(seed)
        repository = random_repository(random, 8)
        loaded = load_tree(repository_to_files(repository))
        assert loaded.diagnostics == ()
        rewritten = {path: reformatted(document.data, random) for path, document in loaded.documents.items()}
        again = load_tree(shuffled(rewritten, random))
        assert again.diagnostics == ()
        for environment in ENVIRONMENTS:
            expected = compile_environment(repository, environment)
            assert compile_environment(loaded.repository, environment) == expected
            assert compile_environment(again.repository, environment) == expected
