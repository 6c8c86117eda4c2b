"""Flags to measure with: the named cases of `flagctl bench`, and large bundles of a realistic mix."""

from __future__ import annotations

import random
from typing import Any, Final

from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.evaluator.document import CAPABILITIES

FULL_CONTEXT: Final[dict[str, Any]] = {
    "targeting_key": "user-12345",
    "country": "DE",
    "plan": "free",
    "email": "ann@example.com",
    "seats": 5,
    "beta": False,
    "app_version": "2.3.1",
    "groups": ["staff"],
}
"""A context with everything the cases look at, and in which no targeting rule of theirs matches."""

SPARSE_CONTEXT: Final[dict[str, Any]] = {"targeting_key": "user-12345"}
"""A context that holds only the unit."""

_COUNTRIES: Final = ("DE", "FR", "US", "JP", "IT", "ES", "PL", "NL", "SE", "BR")
_PLANS: Final = ("free", "pro", "enterprise")


def case_flags() -> dict[str, Any]:
    """Return the flags of the cases by key."""
    boolean = {"type": "boolean", "variants": [["on", True], ["off", False]], "off": 1, "owner": "team-bench"}
    rules = [
        {"id": f"rule-{number}", "serve": 0, "when": conditions}
        for number, conditions in enumerate(
            (
                [_test("country", "equals", "US"), _test("plan", "equals", "pro")],
                [_test("seats", "greater_or_equal", 500), _test("country", "in", ["FR", "IT", "ES"])],
                [_test("email", "ends_with", ["@acme.com"]), _test("beta", "equals", True)],
                [_test("plan", "in", ["pro", "enterprise"]), _test("country", "not_equals", "JP")],
                [_test("beta", "equals", True), _test("plan", "equals", "free")],
            )
        )
    ]
    experiment: dict[str, Any] = {
        "id": "test",
        "experiment": {
            "key": "bench-test",
            "status": "running",
            "salt": "bench-test/allocation",
            "slots": [[0, 100_000]],
        },
        "salt": "bench-test",
        "split": [[33_333, 0], [66_666, 1], [100_000, 2]],
    }
    # The context's unit is taken in by both; the second needs a draw of its own for that.
    part = {**experiment, "experiment": {**experiment["experiment"], "key": "bench-part", "slots": [[0, 90_000]]}}
    us = {"id": "us", "serve": 1, "when": [_test("country", "equals", "US")]}
    three_arms = {
        "type": "string",
        "variants": [["a", "one"], ["b", "two"], ["c", "three"]],
        "default": {"serve": 0},
        "owner": "team-bench",
    }
    return {
        "static": {**boolean, "default": {"serve": 0}},
        "five-rules": {**boolean, "default": {"serve": 1}, "rules": rules},
        "rollout": {**boolean, "default": {"split": [[50_000, 0], [100_000, 1]]}},
        "experiment": {**three_arms, "rules": [us, experiment]},
        "experiment-part": {**three_arms, "rules": [us, part]},
    }


def case_bundle() -> bytes:
    """Return a bundle of the cases."""
    return _bundle(case_flags(), {}, {"bench-test": {"flag": "experiment"}, "bench-part": {"flag": "experiment-part"}})


def large_bundle(count: int, seed: int) -> bytes:
    """Return a bundle of `count` flags: two fifths without rules, the others with one to five, a tenth JSON."""
    rng = random.Random(seed)  # noqa: S311 - flags to measure with
    segments = {
        f"segment-{number}": {"include": [f"user-{rng.randrange(10**6)}"], "when": [_condition(rng)]}
        for number in range(50)
    }
    return _bundle({f"flag-{number:05d}": _flag(rng) for number in range(count)}, segments, {})


def _bundle(flags: dict[str, Any], segments: dict[str, Any], experiments: dict[str, Any]) -> bytes:
    return write_bundle(
        BundleContents(
            project="bench",
            environment="production",
            capabilities=CAPABILITIES,
            flags=flags,
            segments=segments,
            experiments=experiments,
        )
    )


def _test(attribute: str, operator: str, value: Any) -> dict[str, Any]:
    return {"attribute": attribute, "operator": operator, "value": value}


def _flag(rng: random.Random) -> dict[str, Any]:
    flag: dict[str, Any] = {
        "owner": f"team-{rng.randrange(40)}",
        "tags": rng.sample(["release", "ops", "test", "web"], 2),
    }
    kind = rng.choices(("boolean", "string", "number", "json"), (60, 20, 10, 10))[0]
    flag["type"] = kind
    match kind:
        case "boolean":
            flag["variants"] = [["on", True], ["off", False]]
            flag["off"] = 1
        case "string":
            flag["variants"] = [["control", "v1"], ["treatment", f"v{rng.randrange(2, 99)}"]]
        case "number":
            flag["variants"] = [["low", rng.randrange(100)], ["high", rng.randrange(100, 10_000)]]
        case _:
            flag["variants"] = [
                ["small", {"limit": 1, "hosts": ["a"]}],
                ["large", {"limit": rng.randrange(99), "hosts": ["b", "c"]}],
            ]
    flag["default"] = (
        {"serve": 1} if rng.random() < 0.85 else {"split": [[rng.randrange(1, 100) * 1_000, 0], [100_000, 1]]}
    )
    if rng.random() < 0.6:
        count = rng.choices((1, 2, 3, 4, 5), (45, 25, 15, 10, 5))[0]
        flag["rules"] = [_rule(rng, number) for number in range(count)]
    return flag


def _rule(rng: random.Random, number: int) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": f"rule-{number}", "serve": 0}
    rule["when"] = [_condition(rng) for _ in range(rng.choice((1, 1, 2)))]
    if rng.random() < 0.25:
        rule["percentage"] = rng.randrange(1, 100) * 1_000
    return rule


def _condition(rng: random.Random) -> dict[str, Any]:
    match rng.randrange(8):
        case 0 | 1:
            return _test("country", rng.choice(("in", "not_in")), sorted(rng.sample(_COUNTRIES, rng.randrange(2, 5))))
        case 2 | 3:
            return _test("plan", "equals", rng.choice(_PLANS))
        case 4:
            return _test("email", "ends_with", [rng.choice(("@acme.com", "@example.com"))])
        case 5:
            return _test("seats", "greater_or_equal", rng.randrange(1_000))
        case 6:
            return _test("app_version", "semver_greater_or_equal", f"{rng.randrange(5)}.{rng.randrange(10)}.0")
        case _:
            return {"segment": f"segment-{rng.randrange(50)}"} if rng.random() < 0.5 else _test("beta", "equals", True)
