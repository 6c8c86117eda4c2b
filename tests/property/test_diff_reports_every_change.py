"""The law of the review: no answer changes that the difference does not announce."""

from __future__ import annotations

import json
from random import Random

from flagctl.compiler import compile_environment
from flagctl.evaluator import FlagSet, load
from flagctl.model import Repository
from flagctl.review import RepositoryDiff, diff_repositories
from flagctl.source import load_tree
from tests.generators.bundles import decoded, focused_cases, pool_cases
from tests.generators.mutations import mutated
from tests.generators.repositories import random_repository
from tests.generators.yaml_text import repository_to_files
from tests.scale import scaled


def announced(diff: RepositoryDiff, environment: str) -> set[str]:
    keys = {
        change.key
        for change in diff.changes
        if change.kind == "flag" and change.category.changes_answers and environment in change.environments
    }
    return keys | set(diff.reached) | set(diff.added) | set(diff.removed)


def answer(flags: FlagSet, key: str, case: object) -> object:
    details = flags.evaluate(key, case.context, case.default, now=case.now)  # type: ignore[attr-defined]
    return repr((details.value, details.variant, details.reason, details.error_code, details.rule))


def compare(seed: int) -> tuple[int, int]:
    rng = Random(seed)
    before = random_repository(rng, 25)
    after = mutated(rng, before, rng.randint(0, 4))
    sides = [load_tree(repository_to_files(side)) for side in (before, after)]
    models: list[Repository] = []
    for side in sides:
        assert side.repository is not None
        models.append(side.repository)
    diff = diff_repositories(sides[0], sides[1])
    differing = quiet = 0
    for environment in models[0].config.environments:
        expected = announced(diff, environment)
        bundles = [compile_environment(model, environment).data for model in models]
        old, new = (load(data) for data in bundles)
        contents = [decoded(data) for data in bundles]
        for key in models[0].flags:
            cases = pool_cases(rng, 6)
            for content in contents:
                cases += focused_cases(rng, content, key, 8)
            changed = [case for case in cases if answer(old, key, case) != answer(new, key, case)]
            if changed:
                differing += 1
                told = json.dumps(diff.to_dict(), indent=1)
                assert key in expected, f"seed {seed}: {key} changed in {environment} unannounced: {told}"
            elif key not in expected:
                quiet += 1
    return differing, quiet


def test_every_answer_that_changes_is_announced() -> None:
    totals = [compare(seed) for seed in range(scaled(40, 1500))]
    # neither side of the law is empty
    assert sum(differing for differing, _ in totals) > 20
    assert sum(quiet for _, quiet in totals) > 200
