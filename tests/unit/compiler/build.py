"""Small repositories for the compiler's tests."""

from __future__ import annotations

import json
from typing import Any

from flagctl.compiler import compile_environment
from flagctl.evaluator.document import check_structure, open_bundle
from flagctl.model import (
    AttributeCondition,
    Environment,
    Experiment,
    ExperimentStatus,
    Flag,
    FlagType,
    Layer,
    Repository,
    RepositoryConfig,
    Rollout,
    RolloutArm,
    Rule,
    Segment,
    Variant,
)

ON_OFF = (Variant(name="on", value=True), Variant(name="off", value=False))


def flag(key: str = "new-checkout", **parts: Any) -> Flag:
    parts = {"type": FlagType.BOOLEAN, "variants": ON_OFF, "default": "off", "path": f"flags/{key}.yaml"} | parts
    return Flag(key=key, **parts)


def strings(key: str = "ranking", **parts: Any) -> Flag:
    variants = tuple(Variant(name=name, value=f"value of {name}") for name in "abc")
    return flag(key, **({"type": FlagType.STRING, "variants": variants, "default": "a"} | parts))


def when(
    operator: str, value: Any = None, *, attribute: str = "country", ignore_case: bool = False
) -> AttributeCondition:
    given = {} if value is None else {"value": value}
    return AttributeCondition(
        attribute=(attribute,), operator=operator, ignore_case=ignore_case, route=("when", 0), **given
    )


def rule(**parts: Any) -> Rule:
    return Rule(**({"id": "first", "route": ("rules", 0)} | parts))


def weights(**shares: int) -> Rollout:
    return Rollout(
        arms=tuple(RolloutArm(variant=name, weight=share) for name, share in shares.items()), route=("rollout",)
    )


def pinned(**ranges: tuple[tuple[int, int], ...]) -> Rollout:
    return Rollout(arms=tuple(RolloutArm(variant=name, ranges=arm) for name, arm in ranges.items()), route=("rollout",))


def experiment(key: str = "ranking-test", **parts: Any) -> Experiment:
    parts = {
        "path": f"experiments/{key}.yaml",
        "flag": "ranking",
        "status": ExperimentStatus.RUNNING,
        "variants": weights(a=50_000, b=50_000),
    } | parts
    return Experiment(key=key, **parts)


def segment(key: str = "beta", **parts: Any) -> Segment:
    return Segment(key=key, path=f"segments/{key}.yaml", **parts)


def repository(*documents: Flag | Segment | Experiment | Layer) -> Repository:
    config = RepositoryConfig(
        path="flagctl.yaml",
        version=1,
        project="acme",
        environments={name: Environment(name=name) for name in ("staging", "production")},
    )
    by_kind: dict[type, dict[str, Any]] = {Flag: {}, Segment: {}, Experiment: {}, Layer: {}}
    for document in documents:
        by_kind[type(document)][document.key] = document
    return Repository(
        config=config,
        flags=by_kind[Flag],
        segments=by_kind[Segment],
        experiments=by_kind[Experiment],
        layers=by_kind[Layer],
    )


def compiled(*documents: Flag | Segment | Experiment | Layer, environment: str = "production") -> dict[str, Any]:
    """Return a bundle, decoded, that a client would accept."""
    data = compile_environment(repository(*documents), environment).data
    check_structure(open_bundle(data))
    return json.loads(data)


def entry(*documents: Flag | Segment | Experiment | Layer, environment: str = "production") -> dict[str, Any]:
    """Return the entry of the first document, a flag."""
    return compiled(*documents, environment=environment)["flags"][documents[0].key]


def outcome(*documents: Flag | Segment | Experiment | Layer) -> dict[str, Any]:
    """Return the first rule of the first document, a flag, without its id."""
    first = entry(*documents)["rules"][0]
    return {key: value for key, value in first.items() if key != "id"}


def condition(written: Any, *documents: Segment) -> dict[str, Any]:
    """Return a condition as the bundle has it."""
    return entry(flag(rules=(rule(when=(written,), serve="on"),)), *documents)["rules"][0]["when"][0]
