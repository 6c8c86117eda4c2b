"""Lists outside of the bundle, and flags whose breaker has tripped: the reference interpreter's answers."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import flagctl
from flagctl.evaluator.document import check_structure, open_bundle
from flagctl.evaluator.lists import HashList, write_list
from flagctl.evaluator.trace import ExplainOptions, explain
from tests.generators.bundles import decoded, focused_cases, pool_cases, random_bundle
from tests.generators.layout import lay_out
from tests.property.agreement import answer_of, same
from tests.reference import Reference
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reader:
    """Knows lists by their files."""

    def __init__(self, lists: Mapping[str, frozenset[str]]) -> None:
        self._lists = {name: HashList(write_list(name, units, 0), name) for name, units in lists.items()}

    def contains(self, name: str, unit: str) -> bool | None:
        """Return whether a list contains a unit."""
        return unit in self._lists[name] if name in self._lists else None


def with_lists(rng: Random, bundle: dict[str, Any]) -> dict[str, frozenset[str]]:
    """Move units that segments include into lists; return those that are at hand."""
    lists = {}
    for key, segment in bundle["segments"].items():
        units = segment.get("include", [])
        if not units or rng.random() < 0.3:
            continue
        moved = frozenset(rng.sample(units, rng.randint(1, len(units))))
        segment["list"] = f"list-{key}"
        left = [unit for unit in units if unit not in moved or rng.random() < 0.2]
        segment.pop("include")
        if left:
            segment["include"] = left
        if rng.random() < 0.8:
            lists[f"list-{key}"] = moved
    return lists


def test_lists_and_tripped_flags_answer_as_the_reference_says() -> None:
    seen: Counter[str] = Counter()
    for seed in range(scaled(24, 400)):
        rng = Random(seed)
        bundle = decoded(random_bundle(seed, 25))
        full = {key: list(segment.get("include", [])) for key, segment in bundle["segments"].items()}
        lists = with_lists(rng, bundle)
        data = lay_out(bundle)
        check_structure(open_bundle(data))
        keys = list(bundle["flags"])
        killed, tripped = frozenset(rng.sample(keys, 2)), frozenset(rng.sample(keys, 4))
        reader = Reader(lists)
        flags = flagctl.load(data)
        flags.use_lists(reader)
        flags = flags.with_tripped(tripped).with_state(killed, stale=False)
        if seed % 2:
            flags.compile_all()
        reference = Reference(bundle, killed, tripped=tripped, lists=lists)
        hints = {**bundle, "segments": {k: {**s, "include": full[k]} for k, s in bundle["segments"].items() if full[k]}}
        hints["segments"] = {**bundle["segments"], **hints["segments"]}
        for key in keys:
            for case in pool_cases(rng, 4) + focused_cases(rng, hints, key, 12):
                ours = flags.evaluate(key, case.context, case.default, now=case.now)
                theirs = reference.evaluate(key, case.context, case.default, case.now_ms)
                assert same(answer_of(ours), theirs), (seed, key, case, ours, theirs)
                seen[ours.rule or ""] += 1
                if not tripped:
                    continue
                options = ExplainOptions(default=case.default, killed=killed, lists=reader)
                trace = explain(flags.document, key, case.context, case.now_ms, options).details
                plain = reference_without_tripped(bundle, killed, lists).evaluate(
                    key, case.context, case.default, case.now_ms
                )
                assert same(answer_of(trace), plain), (seed, key, case, trace, plain)
    assert seen["breaker"] > 100


def reference_without_tripped(
    bundle: dict[str, Any], killed: frozenset[str], lists: Mapping[str, frozenset[str]]
) -> Reference:
    """Return what a trace is held to: it knows no breaker."""
    return Reference(bundle, killed, lists=lists)
