"""All flags at once, of bundles so large that their functions are laid side by side."""

import pytest

from flagctl.evaluator import load
from flagctl.evaluator.everything import MANY
from flagctl.ops.bench_flags import FULL_CONTEXT, SPARSE_CONTEXT, large_bundle


@pytest.fixture(scope="module")
def bundle():
    return large_bundle(MANY + 200, seed=3)


@pytest.mark.parametrize("context", [FULL_CONTEXT, SPARSE_CONTEXT, {}], ids=["full", "sparse", "empty"])
def test_many_flags_at_once_answer_as_each_by_itself(bundle, context):
    flags, alone = load(bundle), load(bundle)
    expected = {key: alone.evaluate(key, context, None).value for key in list(alone.keys())}
    first = flags.evaluate_all(context)
    for _ in range(3):
        assert flags.evaluate_all(context) == first == expected
    assert list(first) == list(flags.keys())


def test_many_flags_at_once_answer_the_same_while_single_ones_are_compiled(bundle):
    flags = load(bundle)
    before = [flags.evaluate_all(context) for context in (FULL_CONTEXT, SPARSE_CONTEXT)]
    for key in flags.keys()[:50]:
        for _ in range(200):
            flags.get_value(key, FULL_CONTEXT, None)
    flags.evaluate_all({})
    flags.compile_all()
    assert [flags.evaluate_all(context) for context in (FULL_CONTEXT, SPARSE_CONTEXT)] == before


def test_many_flags_at_once_are_others_after_a_kill_and_as_before_without_it(bundle):
    flags = load(bundle)
    before = flags.evaluate_all(FULL_CONTEXT)
    on = [key for key, value in before.items() if value is True]
    killed = flags.with_state(frozenset(on), stale=False)
    after = killed.evaluate_all(FULL_CONTEXT)
    assert any(after[key] is False for key in on)
    assert {key: value for key, value in after.items() if key not in on} == {
        key: value for key, value in before.items() if key not in on
    }
    assert killed.with_state(frozenset(), stale=False).evaluate_all(FULL_CONTEXT) == before


def test_what_a_call_for_all_hands_out_is_the_callers_own(bundle):
    flags = load(bundle)
    first = flags.evaluate_all(FULL_CONTEXT)
    nested = [key for key, value in first.items() if isinstance(value, (dict, list))]
    first.clear()
    again = flags.evaluate_all(FULL_CONTEXT)
    for key in nested:
        again[key].clear()
    assert nested
    assert all(flags.evaluate_all(FULL_CONTEXT)[key] for key in nested)
