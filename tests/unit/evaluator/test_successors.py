"""Going from one snapshot to the next keeps what stays and nothing else, whoever evaluates meanwhile."""

from __future__ import annotations

import threading
import time

import flagctl
from flagctl.evaluator.document import changed_keys, open_bundle
from tests.unit.evaluator.bundles import asks, boolean, bundle, when

USER = {"targeting_key": "u"}


def test_keys_differ_where_one_side_has_no_line_or_another_one():
    shared = b'"a":{}'
    before = {"a": shared, "b": b"1", "c": b"2", "d": b"3"}
    after = {"a": shared, "b": b"1", "c": b"9", "e": b"4"}
    assert changed_keys(before, after) == {"c", "d", "e"}
    assert changed_keys(before, before) == set()
    assert changed_keys({}, after) == set(after)
    assert changed_keys(before, {}) == set(before)


def test_a_flag_that_leans_on_a_broken_one_follows_when_that_is_mended():
    flags = {
        "broken": boolean(rules=[when({"segment": "s"})]),
        "above": boolean(prerequisites=[["broken", ["on"]]], default={"serve": 0}),
    }
    old = flagctl.load(bundle(flags))
    assert old.evaluate("broken").error_code == "PARSE_ERROR"
    assert old.is_enabled("above", USER) is False
    new = old.replace(open_bundle(bundle(flags, segments={"s": {"include": ["u"]}})))
    assert new.is_enabled("broken", USER) is True
    assert new.is_enabled("above", USER) is True


def test_all_values_stand_in_the_order_of_keys_after_a_swap():
    flags = {f"flag-{number}": boolean(rules=[when(asks("x", "exists"))]) for number in range(20)}
    old = flagctl.load(bundle(flags))
    for key in reversed(old.keys()):
        old.is_enabled(key, USER)
    assert list(old.evaluate_all(USER)) == list(old.keys())
    flags["flag-07"] = boolean(default={"serve": 0})
    flags["flag-3"] = boolean(default={"serve": 0})
    new = old.replace(open_bundle(bundle(flags)))
    for _ in range(2):
        values = new.evaluate_all(USER)
        assert list(values) == sorted(flags)
        assert {key for key, value in values.items() if value} == {"flag-07", "flag-3"}


def test_flags_that_are_built_during_a_swap_are_never_taken_over_from_the_old_bundle():
    keys = [f"flag-{number}" for number in range(300)]
    versions = [
        open_bundle(bundle({key: boolean(rules=[when(asks("x", "equals", turn))]) for key in keys})) for turn in (0, 1)
    ]
    wrong = []
    for _ in range(10):
        sets = [flagctl.load(bundle({key: boolean() for key in keys})).replace(versions[0])]
        done = threading.Event()

        def read(sets=sets, done=done):
            while not done.is_set():
                for key in keys:
                    sets[0].is_enabled(key, {"x": 0})

        thread = threading.Thread(target=read)
        thread.start()
        try:
            for turn in range(1, 12):
                following = sets[0].replace(versions[turn % 2])
                wrong += [key for key in keys if following.is_enabled(key, {"x": turn % 2}) is not True]
                sets[0] = following
                time.sleep(0)
        finally:
            done.set()
            thread.join()
    assert wrong == []
