"""Both ways of running a flag, closures for the first calls and generated code for hot flags, give the same answers."""

from __future__ import annotations

from random import Random

import flagctl
from tests.generators.bundles import pool_cases, random_bundle
from tests.generators.contexts import hostile_contexts, pool_context
from tests.property.agreement import answer_of, same
from tests.reference import Reference
from tests.scale import scaled


def test_generated_code_agrees_with_the_reference() -> None:
    for seed in range(scaled(12, 400)):
        data = random_bundle(10_000 + seed, 60)
        flags, reference = flagctl.load(data), Reference(data)
        flags.compile_all()
        for case in pool_cases(Random(seed), 25):
            for key in list(flags.keys()):
                ours = answer_of(flags.evaluate(key, case.context, "default", now=case.now_ms / 1000))
                theirs = reference.evaluate(key, case.context, "default", case.now_ms)
                assert same(ours, theirs), (seed, key, case, ours, theirs)


def test_generated_code_and_closures_agree_on_contexts_that_raise() -> None:
    for seed in range(scaled(8, 200)):
        data = random_bundle(20_000 + seed, 40)
        closures, compiled = flagctl.load(data), flagctl.load(data)
        compiled.compile_all()
        rng = Random(seed)
        for context in hostile_contexts(rng, pool_context(rng)):
            for key in list(closures.keys()):
                ours = answer_of(compiled.evaluate(key, context, "default", now=1_796_083_200))
                theirs = answer_of(closures.evaluate(key, context, "default", now=1_796_083_200))
                # Conditions may be tried in any order, so one of the two may not come to the read that raises.
                if "INVALID_CONTEXT" not in {ours.error_code, theirs.error_code}:
                    assert same(ours, theirs), (seed, key, ours, theirs)
