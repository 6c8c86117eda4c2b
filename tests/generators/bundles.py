"""Compiled random repositories, and the moments and contexts to evaluate them at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from flagctl.compiler import compile_environment
from tests.generators import vocabulary as v
from tests.generators.contexts import NOT_MAPPINGS, any_mapping, constants_of, focused_context, pool_context
from tests.generators.layout import lay_out
from tests.generators.repositories import ENVIRONMENTS, random_repository

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULTS: tuple[Any, ...] = (None, True, "fallback", 7, 0.5, {"fall": "back"})


@dataclass(frozen=True)
class Case:
    """One call: what an application passes, and when."""

    context: Any
    now_ms: int
    default: Any

    @property
    def now(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.now_ms)


def random_bundle(seed: int, flags: int = 50) -> bytes:
    """Return the bundle of one environment of a random repository."""
    rng = Random(seed)
    repository = random_repository(rng, flags)
    return compile_environment(repository, rng.choice(ENVIRONMENTS)).data


def harsher(rng: Random, data: bytes) -> bytes:
    """Return a bundle with what only the linter refuses.

    Draws share salts, rules stand behind rules without conditions, units are both included and excluded.
    """
    bundle = decoded(data)
    for key, flag in bundle["flags"].items():
        for outcome in (*flag.get("rules", ()), flag.get("default", {})):
            drawn = "percentage" in outcome or "split" in outcome
            if drawn and rng.random() < 0.7:
                outcome["salt"] = rng.choice((key, "shared"))
            if drawn and rng.random() < 0.7:
                outcome.pop("unit", None)
            if "split" in outcome and rng.random() < 0.4:
                outcome.pop("when", None)
    for segment in bundle["segments"].values():
        if "include" in segment and "exclude" in segment:
            segment["exclude"] = segment["exclude"] + segment["include"][::2]
    return lay_out(bundle)


def random_instant(rng: Random) -> int:
    """Return a moment at, just before or just after one that schedules may begin or end at."""
    return v.BASE_MS + rng.randint(-100, 160) * v.HOUR_MS + rng.choice((-1, 0, 0, 1, 777, rng.randrange(v.HOUR_MS)))


def pool_cases(rng: Random, count: int) -> list[Case]:
    """Return cases for any flag; a few contexts are no mappings."""
    cases = []
    for _ in range(count):
        context = rng.choice((None, *NOT_MAPPINGS)) if rng.random() < 0.02 else any_mapping(rng, pool_context(rng))
        cases.append(Case(context, random_instant(rng), rng.choice(DEFAULTS)))
    return cases


def focused_cases(rng: Random, bundle: dict[str, Any], key: str, count: int) -> list[Case]:
    """Return cases near the edges of one flag's conditions."""
    constants = constants_of(bundle["flags"][key], bundle["segments"])
    instants = instants_of(bundle["flags"][key])
    cases = []
    for _ in range(count):
        now_ms = (
            rng.choice(instants) + rng.choice((-1, 0, 1)) if instants and rng.random() < 0.5 else random_instant(rng)
        )
        cases.append(Case(any_mapping(rng, focused_context(rng, constants)), now_ms, rng.choice(DEFAULTS)))
    return cases


def instants_of(node: Any, parent: str = "") -> list[int]:
    """Collect the moments at which a compiled flag's schedules change something."""
    if isinstance(node, dict):
        if parent == "schedule":
            return list(node.values())
        if parent == "percentage" and "steps" in node:
            return [step[0] for step in node["steps"]]
        if parent == "percentage" and "linear" in node:
            since, until = node["linear"][:2]
            return [since, until, (since + until) // 2]
        return [ms for key, value in node.items() for ms in instants_of(value, key)]
    if isinstance(node, list) and parent == "rules":
        return [ms for rule in node for ms in instants_of(rule)]
    return []


def decoded(data: bytes) -> dict[str, Any]:
    return json.loads(data)  # type: ignore[no-any-return]
