from __future__ import annotations

from random import Random

import pytest

from flagctl.evaluator import codegen, load
from tests.generators.bundles import decoded, focused_cases, pool_cases, random_bundle
from tests.scale import scaled


def test_code_of_its_own_and_shared_code_answer_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(scaled(6, 100)):
        data = random_bundle(seed)
        sets = []
        for most in (0, 10**9):
            monkeypatch.setattr(codegen, "MOST_OWN_CODE", most)
            flags = load(data)
            flags.compile_all()
            sets.append(flags)
        rng, content = Random(seed), decoded(data)
        for key in sets[0].document.flag_keys():
            for case in pool_cases(rng, 10) + focused_cases(rng, content, key, 20):
                answers = [repr(flags.evaluate(key, case.context, case.default, case.now)) for flags in sets]
                assert answers[0] == answers[1], (seed, key)
