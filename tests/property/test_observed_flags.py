"""Observed flags answer as the bare ones do, every evaluation is counted once, and exposures are those of experiments."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from random import Random
from typing import Any

import pytest

from flagctl.evaluator import FlagSet
from flagctl.evaluator.buckets import unit_of
from flagctl.evaluator.closures import unit_at
from flagctl.evaluator.document import open_bundle
from flagctl.evaluator.observed import CarefulFlagSet, ObservedFlagSet
from flagctl.evaluator.tally import Tally
from tests.generators.bundles import Case, decoded, focused_cases, pool_cases, random_bundle
from tests.property.agreement import same_value
from tests.scale import scaled


class Recorder:
    """An observer that keeps everything."""

    def __init__(self, *, stale: bool = False, log_all: bool = False) -> None:
        self.owner = self
        self.stale = stale
        self.log_all = log_all
        self.tallies: dict[tuple[str, Any, Any, Any], Tally] = {}
        self.exposures: list[tuple[str, str, str]] = []
        self.logged: list[tuple[Any, Any, bool, Any]] = []

    def tally(self, key: Any, answer: Any) -> Tally:
        ages = self.stale and str(answer.reason) not in {"DISABLED", "ERROR"}
        reason = "STALE" if ages else str(answer.reason)
        made = Tally(str(key), answer.variant, reason)
        made.due = 0 if self.log_all else made.due
        return self.tallies.setdefault((str(key), answer.variant, reason, answer.experiment), made)

    def expose(self, key: str, answer: Any, tally: Tally, context: Any) -> None:  # noqa: ARG002 - an observer's
        unit = unit_of(unit_at(context, answer.unit))
        if unit is not None and unit not in tally.seen:
            tally.seen[unit] = None
            self.exposures.append((answer.experiment, answer.variant, unit))

    def log(self, key: Any, answer: Any, tally: Tally, context: Any, served: Any) -> None:  # noqa: ARG002 - likewise
        self.logged.append((key, answer.variant, served[0], served[1]))

    def counts(self) -> Counter[Any]:
        found: Counter[Any] = Counter()
        for tally in self.tallies.values():
            found[tally.flag, tally.variant, tally.reason] += tally.count
            found[tally.flag, tally.variant, "misfit"] += tally.misfits
        return +found


def calls(rng: Random, data: bytes, count: int) -> list[tuple[str, Any, Case]]:
    """Return calls of all methods, for flags and experiments of the bundle and for keys that are none."""
    content = decoded(data)
    flags, experiments = sorted(content["flags"]), sorted(content["experiments"]) or ["none"]
    found = []
    for _ in range(count):
        key = rng.choice(flags)
        case = rng.choice((*pool_cases(rng, 1), *focused_cases(rng, content, key, 2)))
        odd = rng.choice(("unknown", 7, None, [], "")) if rng.random() < 0.05 else key
        method = rng.choice(("is_enabled", "get_value", "evaluate", "get_variant", "evaluate"))
        if method == "get_variant":
            odd = rng.choice((*experiments, key)) if odd == key else odd
        found.append((method, odd, case))
    return found


def answer_to(flags: Any, method: str, key: Any, case: Case) -> Any:
    if method == "get_value":
        return flags.get_value(key, case.context, case.default)
    if method == "evaluate":
        return repr(flags.evaluate(key, case.context, case.default))
    return getattr(flags, method)(key, case.context)


def running_experiment(content: dict[str, Any], flag: str, rule: str | None) -> tuple[str, Any] | None:
    """Return key and unit path of the running experiment that a rule serves."""
    for entry in content["flags"].get(flag, {}).get("rules", ()):
        if entry["id"] == rule and entry.get("experiment", {}).get("status") == "running":
            unit = entry.get("unit", "targeting_key")
            return entry["experiment"]["key"], tuple(unit) if isinstance(unit, list) else unit
    return None


def outcome_of(bare: FlagSet, content: dict[str, Any], call: tuple[str, Any, Case]) -> tuple[Any, Any] | None:
    """Return what a call is counted as, and the exposure it is, from the answers of bare flags; None: as nothing."""
    method, key, case = call
    flag = key
    if method == "get_variant":
        if type(key) is not str or key not in content["experiments"]:
            return None
        flag = content["experiments"][key]["flag"]
    details = bare.evaluate(flag, case.context)
    counted = (str(flag), details.variant, str(details.reason) if details.error_code is None else "ERROR")
    default = False if method == "is_enabled" else case.default
    if method in {"is_enabled", "get_value"} and details.variant is not None:
        served = bare.get_value(flag, case.context, default)
        if default is not None and not same_kind(details.value, served):
            return (str(flag), details.variant, "misfit"), None
    found = running_experiment(content, flag, details.rule) if type(flag) is str else None
    if found is None or (method == "get_variant" and found[0] != key):
        return counted, None
    return counted, (found[0], details.variant, unit_of(unit_at(case.context, found[1])))


def same_kind(value: Any, served: Any) -> bool:
    """Return whether a typed call served the variant's value: as another type of number at most."""
    numbers = (int, float)
    both = type(value) in numbers and type(served) in numbers
    return (both or type(value) is type(served)) and value == served


@pytest.mark.parametrize(("kind", "stale"), [(ObservedFlagSet, False), (CarefulFlagSet, False), (CarefulFlagSet, True)])
def test_observation_changes_no_answer_and_counts_every_evaluation(kind: type[ObservedFlagSet], stale: bool) -> None:
    for seed in range(scaled(8, 200)):
        rng = Random(seed)
        data = random_bundle(seed)
        content = decoded(data)
        moment = pool_cases(rng, 1)[0].now_ms / 1000
        bare, under = (
            FlagSet(open_bundle(data), lambda at=moment: at).with_state(frozenset(), stale=stale) for _ in range(2)
        )
        recorder = Recorder(stale=stale, log_all=kind is CarefulFlagSet)
        observed = kind.of(under, recorder)
        expected: Counter[Any] = Counter()
        exposed = set()
        for call in calls(rng, data, 300):
            assert same_value(answer_to(observed, *call), answer_to(bare, *call)), (seed, call)
            outcome = outcome_of(bare, content, call)
            if outcome is not None:
                expected[outcome[0]] += 1
                exposed.add(outcome[1])
        assert recorder.counts() == expected, seed
        assert len(set(recorder.exposures)) == len(recorder.exposures)
        assert set(recorder.exposures) == exposed - {None}, seed
        assert len(recorder.logged) == (sum(expected.values()) if kind is CarefulFlagSet else 0)
        observed.evaluate_all({"targeting_key": "user-1"})
        assert recorder.counts() == expected


def test_threads_lose_no_count_under_the_global_lock() -> None:
    data = random_bundle(3)
    recorder = Recorder()
    flags = ObservedFlagSet.of(FlagSet(open_bundle(data)), recorder)
    keys = flags.keys()[:10]

    def work() -> None:
        for number in range(3_000):
            flags.is_enabled(keys[number % 10], {"targeting_key": f"user-{number % 50}"})

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    total = sum(recorder.counts().values())
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        assert total == 18_000
    else:  # without the lock some additions may be lost, never made up
        assert 9_000 <= total <= 18_000
