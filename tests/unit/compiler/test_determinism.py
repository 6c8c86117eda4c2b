"""The same flags give the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from random import Random

from flagctl.compiler import compile_environment
from flagctl.evaluator.document import open_bundle
from tests.generators.repositories import ENVIRONMENTS, random_repository
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
    for seed in range(scaled(40, 5_000)):
        random = Random(seed)
        repository = random_repository(random, 12)
        for environment in ENVIRONMENTS:
            assert compile_environment(turned(repository, random), environment) == compile_environment(
                repository, environment
            )


def test_every_generated_repository_compiles_and_is_read_back():
    for seed in range(scaled(60, 5_000)):
        repository = random_repository(Random(seed), 20)
        for environment in ENVIRONMENTS:
            bundle = compile_environment(repository, environment)
            document = open_bundle(bundle.data)
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
