"""A flag set that went through many swaps answers like one that was loaded afresh: nothing outlives its reason."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import flagctl
from flagctl.compiler import compile_environment
from flagctl.evaluator.document import open_bundle
from tests.generators.bundles import decoded, pool_cases
from tests.generators.layout import bundle_of, lay_out
from tests.generators.repositories import ENVIRONMENTS, random_repository
from tests.property.agreement import answer_of, same
from tests.reference import Reference
from tests.scale import scaled

LETTERS = "abcdefgh"
UNITS = [f"user-{number}" for number in range(6)]


def tangle(rng: Random) -> dict[str, Any]:
    """Return a bundle in which much depends on much: flags on flags before them, segments on segments before them."""
    segments: dict[str, Any] = {}
    for letter in LETTERS[:5]:
        parts = [{"segment": other} for other in segments if rng.random() < 0.4]
        segments[letter] = {"include": rng.sample(UNITS, 2), "when": [{"any": [unit_is(rng), *parts]}]}
    flags: dict[str, Any] = {}
    for letter in LETTERS:
        needed = [[other, rng.sample(["on", "off"], rng.choice((1, 1, 2)))] for other in flags if rng.random() < 0.3]
        when = [{"segment": rng.choice(list(segments))} if rng.random() < 0.6 else unit_is(rng)]
        flags[letter] = {
            "type": "boolean",
            "variants": [["on", True], ["off", False]],
            "off": 1,
            "default": {"serve": rng.randrange(2)},
            "rules": [{"id": "r", "when": when, "serve": rng.randrange(2)}],
            **({"prerequisites": needed} if needed else {}),
        }
    return bundle_of(flags, segments=segments)


def unit_is(rng: Random) -> dict[str, Any]:
    return {"attribute": "targeting_key", "operator": "in", "value": sorted(rng.sample(UNITS, 2))}


def edited(rng: Random, bundle: dict[str, Any]) -> dict[str, Any]:
    """Change one entry, as a publication usually does."""
    bundle = deepcopy(bundle)
    if rng.random() < 0.5:
        segment = bundle["segments"][rng.choice(list(bundle["segments"]))]
        segment["include"] = rng.sample(UNITS, 2)
    else:
        flag = bundle["flags"][rng.choice(list(bundle["flags"]))]
        flag["default"]["serve"] ^= 1
    return bundle


def test_a_change_reaches_everything_that_depends_on_it() -> None:
    for seed in range(scaled(30, 1_000)):
        rng = Random(seed)
        bundle = tangle(rng)
        killed: frozenset[str] = frozenset()
        flags = flagctl.load(lay_out(bundle))
        for step in range(12):
            draw = rng.random()
            if draw < 0.4:
                bundle = edited(rng, bundle)
                flags = flags.replace(open_bundle(lay_out(bundle)))
            elif draw < 0.8:
                killed ^= {rng.choice(LETTERS)}
                flags = flags.with_state(killed, stale=False)
            elif draw < 0.9:
                flags.compile_all()
            reference = Reference(bundle, killed)
            for key in rng.sample(LETTERS, 6):  # some stay unbuilt
                for unit in UNITS:
                    ours = answer_of(flags.evaluate(key, {"targeting_key": unit}))
                    theirs = reference.evaluate(key, {"targeting_key": unit}, None, 0)
                    assert same(ours, theirs), (seed, step, key, unit, ours, theirs)


def test_swaps_between_environments_that_share_many_lines() -> None:
    for seed in range(scaled(4, 100)):
        rng = Random(seed)
        repository = random_repository(rng, 30)
        bundles = [compile_environment(repository, environment).data for environment in ENVIRONMENTS]
        flags = flagctl.load(bundles[0])
        cases = pool_cases(rng, 8)
        for _ in range(6):
            data = rng.choice(bundles)
            killed, stale = frozenset(rng.sample(list(repository.flags), 3)), rng.random() < 0.3
            flags = flags.replace(open_bundle(data)).with_state(killed, stale)
            if rng.random() < 0.3:
                flags.compile_all()
            reference = Reference(decoded(data), killed, stale)
            for key in repository.flags:
                for case in cases:
                    ours = answer_of(flags.evaluate(key, case.context, case.default, now=case.now))
                    theirs = reference.evaluate(key, case.context, case.default, case.now_ms)
                    assert same(ours, theirs), (seed, key, ours, theirs)
