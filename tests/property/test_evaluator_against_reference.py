"""The evaluator and the reference interpreter give the same answers.

2 000 generated flags, each with 200 contexts, moments and defaults: three quarters of these are shared by the flags of
one bundle, the others are near the edges of the flag's own conditions.
"""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flagctl
from flagctl.compiler import compile_environment
from flagctl.evaluator.document import open_bundle
from flagctl.evaluator.trace import ExplainOptions, explain
from tests.generators.bundles import (
    Case,
    decoded,
    focused_cases,
    harsher,
    pool_cases,
    random_bundle,
)
from tests.generators.contexts import Uncomparable, hostile_contexts, pool_context
from tests.generators.repositories import ENVIRONMENTS
from tests.generators.strategies import contexts, instants, repositories
from tests.property.agreement import answer_of, same, same_value, shown
from tests.reference import Reference
from tests.scale import scaled

FLAGS_IN_A_BUNDLE = 50
SHARED, FOCUSED = 150, 50
BATCHES = scaled(8, 40)
BUNDLES_IN_A_BATCH = scaled(5, 25)


def states(rng: Random, keys: list[str]) -> tuple[frozenset[str], bool]:
    """Return a kill list and staleness: none and fresh for half of the bundles."""
    if rng.random() < 0.5:
        return frozenset(), False
    return frozenset(rng.sample(keys, len(keys) // 10)), rng.random() < 0.5


def explained(seed: int, key: str, case: Case, ours: Any, theirs: Any) -> str:
    return (
        f"bundle {seed}, flag {key}: evaluator {ours}, reference {theirs}, at {case.now_ms} for {shown(case.context)}"
    )


@pytest.mark.parametrize("batch", range(BATCHES))
def test_evaluator_and_reference_agree(batch: int) -> None:
    reasons: Counter[str] = Counter()
    for number in range(BUNDLES_IN_A_BATCH):
        seed = 1_000 * batch + number
        rng = Random(seed)
        data = random_bundle(seed, FLAGS_IN_A_BUNDLE)
        if number % 4 > 1:
            data = harsher(rng, data)
        bundle = decoded(data)
        killed, stale = states(rng, list(bundle["flags"]))
        flags = flagctl.load(data).with_state(killed, stale)
        if number % 2:
            flags.compile_all()  # the others begin as closures, and are compiled as time allows
        reference = Reference(bundle, killed, stale)
        shared = pool_cases(rng, SHARED)
        for key in bundle["flags"]:
            for case in shared + focused_cases(rng, bundle, key, FOCUSED):
                ours = answer_of(flags.evaluate(key, case.context, case.default, now=case.now))
                theirs = reference.evaluate(key, case.context, case.default, case.now_ms)
                assert same(ours, theirs), explained(seed, key, case, ours, theirs)
                reasons[ours.reason] += 1
    # Answers that never vary would agree, too.
    assert min(reasons[r] for r in ("STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "ERROR")) > 200, (
        reasons
    )


@given(repository=repositories(), context=contexts(), now_ms=instants(), environment=st.sampled_from(ENVIRONMENTS))
def test_evaluator_and_reference_agree_on_small_cases_that_shrink(repository, context, now_ms, environment) -> None:
    data = compile_environment(repository, environment).data
    flags, reference = flagctl.load(data), Reference(data)
    case = Case(context, now_ms, None)
    for key in flags.keys():  # noqa: SIM118 - a method of ours, not a dict's
        ours = answer_of(flags.evaluate(key, context, now=case.now))
        theirs = reference.evaluate(key, context, None, now_ms)
        assert same(ours, theirs), explained(0, key, case, ours, theirs)


def test_a_trace_ends_with_the_evaluators_answer() -> None:
    for seed in range(scaled(16, 400)):
        rng = Random(seed)
        data = random_bundle(seed, 25)
        bundle = decoded(data)
        killed, stale = states(rng, list(bundle["flags"]))
        flags = flagctl.load(data).with_state(killed, stale)
        shared = pool_cases(rng, 8)
        for key in (*bundle["flags"], "no-such-flag"):
            focused = focused_cases(rng, bundle, key, 12) if key in bundle["flags"] else []
            for case in shared + focused:
                options = ExplainOptions(default=case.default, killed=killed, stale=stale)
                details = explain(flags.document, key, case.context, case.now_ms, options).details
                ours = flags.evaluate(key, case.context, case.default, now=case.now)
                assert same(answer_of(details), answer_of(ours)), explained(seed, key, case, details, ours)
                assert details.metadata == ours.metadata


def test_a_trace_of_a_context_that_raises_is_an_answer_and_plain_json() -> None:
    for seed in range(scaled(4, 100)):
        document = open_bundle(random_bundle(seed, 20))
        rng = Random(seed)
        for context in hostile_contexts(rng, pool_context(rng)):
            for key in document.flag_keys():
                trace = explain(document, key, context, 1_796_083_200_000)
                json.dumps(trace.to_dict(), allow_nan=False)


def test_typed_calls_agree() -> None:
    defaults = (None, True, False, "text", 7, 0.5, {}, [], {"a": 1})
    for seed in range(scaled(6, 100)):
        data = random_bundle(seed, 25)
        bundle = decoded(data)
        rng = Random(seed)
        for case in pool_cases(rng, 10):
            flags = flagctl.FlagSet(flagctl.load(data).document, clock=lambda case=case: case.now_ms / 1000)
            reference = Reference(bundle)
            for key in bundle["flags"]:
                enabled = flags.is_enabled(key, case.context)
                assert enabled is reference.is_enabled(key, case.context, case.now_ms), (seed, key, case)
                for default in defaults:
                    ours = flags.get_value(key, case.context, default)
                    theirs = reference.get_value(key, case.context, default, case.now_ms)
                    assert same_value(ours, theirs), (seed, key, case, default, ours, theirs)


def test_all_flags_at_once_are_each_flag_alone() -> None:
    for seed in range(scaled(10, 200)):
        data = random_bundle(seed, 25)
        rng = Random(seed)
        for case in pool_cases(rng, 10):
            flags = flagctl.FlagSet(flagctl.load(data).document, clock=lambda case=case: case.now_ms / 1000)
            every = flags.evaluate_all(case.context)
            assert set(every) == set(flags.keys())
            for key, value in every.items():
                assert same_value(value, flags.evaluate(key, case.context).value), (seed, key, case)


def test_variants_of_experiments_agree() -> None:
    answered = 0
    for seed in range(scaled(10, 200)):
        data = random_bundle(seed, 50)
        bundle = decoded(data)
        reference = Reference(bundle)
        rng = Random(seed)
        for case in pool_cases(rng, 20):
            flags = flagctl.FlagSet(flagctl.load(data).document, clock=lambda case=case: case.now_ms / 1000)
            for key in (*bundle["experiments"], "no-such-experiment"):
                ours = flags.get_variant(key, case.context)
                theirs = reference.get_variant(key, case.context, case.now_ms)
                assert (ours is None) == (theirs is None), (seed, key, case, ours, theirs)
                if ours is not None and theirs is not None:
                    assert (ours.name, ours.value) == theirs
                    answered += 1
    assert answered > 50


@pytest.mark.parametrize("key", [None, 1, True, b"flag", [], {}, (), object(), "", "flag", Uncomparable("flag")])
def test_a_key_that_is_no_flag_is_answered_with_the_default(key: Any) -> None:
    flags = flagctl.load(random_bundle(1, 5))
    details = flags.evaluate(key, {}, "default")
    assert (details.value, details.reason, details.error_code) == ("default", "ERROR", "FLAG_NOT_FOUND")
    assert flags.get_value(key, {}, 5) == 5
    assert flags.is_enabled(key, {}) is False
    assert flags.get_variant(key, {}) is None


def test_contexts_that_raise_are_answered() -> None:
    for seed in range(scaled(8, 200)):
        data = random_bundle(seed, 30)
        bundle = decoded(data)
        flags, reference = flagctl.load(data), Reference(bundle)
        rng = Random(seed)
        for context in hostile_contexts(rng, pool_context(rng)):
            for key in bundle["flags"]:
                ours = answer_of(flags.evaluate(key, context, "default", now=1_796_083_200))
                theirs = reference.evaluate(key, context, "default", 1_796_083_200_000)
                # Conditions may be tried in any order, so one of the two may not come to the read that raises.
                if "INVALID_CONTEXT" not in (ours.error_code, theirs.error_code):
                    assert same(ours, theirs), (seed, key, ours, theirs)
            flags.evaluate_all(context)
            for key in bundle["experiments"]:
                flags.get_variant(key, context)
