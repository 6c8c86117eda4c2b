"""The example repository in `flags/`: it is valid, it shows every feature, and it answers what its tests say."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flagctl.compiler import compile_environment
from flagctl.evaluator import load
from flagctl.evaluator.instants import parse_instant
from flagctl.evaluator.operators import OPERATORS, positive
from flagctl.evaluator.trace import ExplainOptions, explain
from flagctl.lint import LintOptions, lint
from flagctl.model import (
    AllOf,
    AnyOf,
    AttributeCondition,
    ExperimentStatus,
    FixedPercentage,
    FlagType,
    LinearPercentage,
    Not,
    Rollout,
    SegmentCondition,
    SteppedPercentage,
    walk_conditions,
)
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.evaluator import FlagSet
    from flagctl.model import Condition, Flag, Repository, Rule
    from flagctl.source import LoadedRepository

NOW = "2026-11-23T12:00:00Z"
ENVIRONMENTS = ("development", "staging", "production")


def seconds(text: str) -> float:
    micros = parse_instant(text)
    assert micros is not None, text
    return micros / 1_000_000


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return read_tree(data_path("flags"))


@pytest.fixture(scope="module")
def loaded(files: dict[str, bytes]) -> LoadedRepository:
    return load_tree(files)


@pytest.fixture(scope="module")
def repository(loaded: LoadedRepository) -> Repository:
    assert loaded.repository is not None
    return loaded.repository


@pytest.fixture(scope="module")
def flag_sets(repository: Repository) -> dict[str, FlagSet]:
    return {name: load(compile_environment(repository, name).data) for name in ENVIRONMENTS}


def all_rules(flag: Flag) -> list[Rule]:
    return [*flag.rules, *(rule for override in flag.environments.values() for rule in override.rules)]


def all_conditions(repository: Repository) -> list[Condition]:
    roots = [rule.when for flag in repository.flags.values() for rule in all_rules(flag)]
    roots += [segment.when or () for segment in repository.segments.values()]
    return [condition for root in roots for condition in walk_conditions(root)]


def all_rollouts(flag: Flag) -> list[Rollout]:
    found = [rule.rollout for rule in all_rules(flag) if rule.rollout is not None]
    return found + ([flag.default] if isinstance(flag.default, Rollout) else [])


def test_the_example_has_no_findings_at_all(loaded: LoadedRepository) -> None:
    result = lint(loaded, LintOptions(now_ms=int(seconds(NOW) * 1000)))
    assert [(d.code, d.path, d.span, d.message) for d in result.diagnostics] == []


def test_it_is_as_large_as_a_mid_size_shop_needs(repository: Repository) -> None:
    assert 25 <= len(repository.flags) <= 40
    folders = {Path(flag.path).parent.as_posix() for flag in repository.flags.values()}
    assert len(folders) >= 6
    assert tuple(repository.config.environments) == ENVIRONMENTS
    assert repository.config.environments["production"].protected


def test_every_document_is_described_and_owned(repository: Repository) -> None:
    groups = (repository.flags, repository.segments, repository.experiments, repository.layers)
    for document in itertools.chain.from_iterable(group.values() for group in groups):
        assert document.name, document.key
        assert document.owner, document.key
        assert document.description or getattr(document, "hypothesis", None), document.key
        assert document.owner.startswith("team-"), document.key


def test_modelines_name_the_schema_of_the_document(files: dict[str, bytes]) -> None:
    root = data_path("flags")
    schemas = data_path("schemas")
    for path, data in files.items():
        text = data.decode()
        modeline = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
        assert modeline, path
        kind = re.search(r"^kind: (\w+)$", text, re.MULTILINE)
        schema = (root / path).parent.joinpath(modeline[1]).resolve()
        assert schema == (schemas / f"{kind[1] if kind else 'config'}.schema.json").resolve(), path
        assert schema.is_file(), path


def test_no_temporary_flag_expires_soon(repository: Repository) -> None:
    dates = [f.lifecycle.expires for f in repository.flags.values() if f.lifecycle and f.lifecycle.expires]
    assert len(dates) >= 10
    assert min(dates) >= "2027-06-01"


def test_every_operator_is_used_and_so_are_many_twins(repository: Repository) -> None:
    names = {c.operator for c in all_conditions(repository) if isinstance(c, AttributeCondition)}
    assert {positive(name)[0] for name in names} == set(OPERATORS)
    assert len({name for name in names if positive(name)[1]}) >= 9


def test_every_attribute_type_is_declared(repository: Repository) -> None:
    attributes = repository.config.context.attributes.values()
    types = {attribute.type.value for attribute in attributes}
    assert types == {"string", "number", "boolean", "semver", "datetime", "ip", "list", "object"}
    assert any(attribute.pii for attribute in attributes)
    assert any(attribute.required for attribute in attributes)
    assert any(attribute.enum for attribute in attributes)
    assert not repository.config.context.additional


def depth(repository: Repository, key: str) -> int:
    return max((1 + depth(repository, p.flag) for p in repository.flags[key].prerequisites), default=0)


def segment_uses_segment(repository: Repository) -> bool:
    return any(
        isinstance(condition, SegmentCondition)
        for segment in repository.segments.values()
        for condition in walk_conditions(segment.when or ())
    )


def nested(repository: Repository) -> bool:
    return any(
        isinstance(condition, Not) and isinstance(condition.condition, (AnyOf, AllOf))
        for condition in all_conditions(repository)
    )


def features(repository: Repository) -> Iterator[tuple[str, bool]]:
    flags = repository.flags.values()
    rules = [rule for flag in flags for rule in all_rules(flag)]
    rollouts = [rollout for flag in flags for rollout in all_rollouts(flag)]
    conditions = all_conditions(repository)
    overridden = set().union(*(o.given for f in flags for o in f.environments.values()))
    experiments = repository.experiments.values()
    layers = Counter(e.layer for e in experiments if e.layer and e.status is ExperimentStatus.RUNNING)
    yield "flags of every type", {flag.type for flag in flags} == set(FlagType)
    yield (
        "a flag with one value of each type but boolean",
        {f.type for f in flags if f.is_value_flag}
        >= {
            FlagType.NUMBER,
            FlagType.JSON,
        },
    )
    yield "a schema for JSON values", any(f.type is FlagType.JSON and f.value_schema for f in flags)
    yield "implied variants", any(f.type is FlagType.BOOLEAN and f.off == "off" for f in flags)
    yield "targets", any(f.targets for f in flags)
    yield "prerequisites three deep", max(depth(repository, key) for key in repository.flags) >= 3
    yield "inline values", any(rule.serve is rule.rollout is rule.experiment is None for rule in rules)
    yield (
        "a fixed percentage with decimals",
        any(isinstance(r.percentage, FixedPercentage) and r.percentage.thousandths % 1000 for r in rules),
    )
    yield "steps", any(isinstance(r.percentage, SteppedPercentage) for r in rules)
    yield "a linear ramp", any(isinstance(r.percentage, LinearPercentage) for r in rules)
    yield "a schedule of a rule", any(r.schedule for r in rules)
    yield "a schedule of a flag", any(f.schedule for f in flags)
    yield "priorities before and after", {r.priority > 0 for r in rules if r.priority} == {True, False}
    yield "a rollout of four", any(len(r.arms) >= 4 for r in rollouts)
    yield "a rollout of three", any(len(r.arms) == 3 for r in rollouts)
    yield "pinned buckets", any(r.is_pinned for r in rollouts)
    yield "a rollout as default", any(isinstance(f.default, Rollout) for f in flags)
    yield "a salt of a rule", any(r.salt for r in rules)
    yield "a salt of a default", any(r.salt for r in rollouts)
    yield "buckets by account, for a flag", any(f.bucket_by == ("account_id",) for f in flags)
    yield "buckets by account, for a rule", any(r.bucket_by == ("account_id",) for r in rules)
    yield "buckets by a nested attribute", any(f.bucket_by == ("session", "id") for f in flags)
    yield "nested any, all and not", {AnyOf, AllOf, Not} <= {type(c) for c in conditions} and nested(repository)
    yield "case ignored", any(isinstance(c, AttributeCondition) and c.ignore_case for c in conditions)
    yield (
        "a dotted path",
        any(isinstance(c, AttributeCondition) and c.attribute == ("device", "os") for c in conditions),
    )
    yield (
        "a literal path",
        any(isinstance(c, AttributeCondition) and any("." in step for step in c.attribute) for c in conditions),
    )
    yield "segments in segments", segment_uses_segment(repository)
    yield "included and excluded units", any(s.include and s.exclude for s in repository.segments.values())
    yield "a segment that is only a list", any(s.when is None for s in repository.segments.values())
    yield (
        "overrides of everything that an environment may override",
        overridden >= {"enabled", "off", "default", "value", "rules", "targets", "prerequisites", "schedule"},
    )
    yield "two running experiments in a layer", max(layers.values(), default=0) >= 2
    yield "a draft", any(e.status is ExperimentStatus.DRAFT for e in experiments)
    yield (
        "a completed experiment with a winner",
        any(e.status is ExperimentStatus.COMPLETED and e.winner for e in experiments),
    )
    yield (
        "an experiment without a layer",
        any(e.status is ExperimentStatus.RUNNING and e.layer is None and e.traffic for e in experiments),
    )
    yield (
        "every experiment is served by a rule",
        {e.key for e in experiments} == {r.experiment for r in rules if r.experiment},
    )


def test_every_feature_has_an_example(repository: Repository) -> None:
    assert [name for name, present in features(repository) if not present] == []


def test_a_suppression_with_a_reason_is_shown(files: dict[str, bytes]) -> None:
    reasons = re.findall(r"# flagctl: ignore\[[A-Z]{3}\d{3}\] (.+)", b"".join(files.values()).decode())
    assert reasons
    assert all(len(reason) > 20 for reason in reasons)


def test_compiling_twice_gives_the_same_bytes(repository: Repository, files: dict[str, bytes]) -> None:
    other = load_tree(dict(reversed(files.items()))).repository
    assert other is not None
    for environment in ENVIRONMENTS:
        assert compile_environment(repository, environment).data == compile_environment(other, environment).data


def test_no_environment_carries_another_ones_flags(repository: Repository) -> None:
    production = compile_environment(repository, "production").data
    assert b"from-the-opening-on" in production
    assert b"test-interface" not in production


def expand(suite: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any], dict[str, Any]]]:
    """Yield ``(name, flag, environment, context, case)`` for every evaluation that a test file asks for."""
    for case in suite["cases"]:
        where = {**suite, **case} if "environment" in case or "environments" in case else suite
        if "environment" in case:
            where.pop("environments", None)
        elif "environments" in case:
            where.pop("environment", None)
        environments = [where["environment"]] if "environment" in where else where.get("environments", ENVIRONMENTS)
        matrix = case.get("matrix", {})
        combinations = [dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values())]
        base = {**suite.get("context", {}), **case.get("context", {})}
        for environment, own, combination in itertools.product(environments, case.get("contexts", [{}]), combinations):
            flag = case.get("flag", suite.get("flag"))
            yield case["name"], flag, environment, {**base, **own, **combination}, case


def test_every_case_of_the_test_files_holds(loaded: LoadedRepository, flag_sets: dict[str, FlagSet]) -> None:
    wrong: list[Any] = []
    evaluations, cases, suites = 0, set(), 0
    for path, document in loaded.documents.items():
        if document.kind != "test":
            continue
        suites += 1
        for name, flag, environment, context, case in expand(document.data):
            at = case.get("at", document.data.get("at", NOW))
            details = flag_sets[environment].evaluate(flag, context, case.get("default"), now=seconds(at))
            evaluations += 1
            cases.add((path, name))
            actual = {part: getattr(details, part) for part in case["expect"]}
            if actual != case["expect"]:
                wrong.append((path, name, environment, context, actual, case["expect"]))
    assert wrong == []
    assert suites >= 15
    assert len(cases) >= 200
    assert evaluations >= 400


def test_explanations_give_the_same_answers(loaded: LoadedRepository, flag_sets: dict[str, FlagSet]) -> None:
    for document in loaded.documents.values():
        if document.kind != "test":
            continue
        for name, flag, environment, context, case in expand(document.data):
            now = seconds(case.get("at", document.data.get("at", NOW)))
            flags = flag_sets[environment]
            details = flags.evaluate(flag, context, case.get("default"), now=now)
            options = ExplainOptions(default=case.get("default"))
            trace = explain(flags.document, flag, context, int(now * 1000), options)
            assert trace.details == details, (document.path, name)


@pytest.mark.parametrize(
    ("flag", "context", "shares"),
    [
        ("search-ranking", {"country": "DE"}, {"classic": 0.5, "hybrid": 0.3, "neural": 0.2}),
        ("homepage-banner", {"platform": "web"}, {"carousel": 0.67, "video": 0.165, "story": 0.165}),
        ("payments-v2", {}, {"on": 0.8, "off": 0.2}),
        ("visual-search", {}, {"off": 1.0}),
    ],
)
def test_many_users_get_the_shares_that_are_written(
    flag: str, context: dict[str, Any], shares: dict[str, float], flag_sets: dict[str, FlagSet]
) -> None:
    flags = flag_sets["production"]
    count = 20_000
    got = Counter(
        flags.evaluate(flag, {"targeting_key": f"customer-{n}", "session": {"id": f"visit-{n}"}, **context}).variant
        for n in range(count)
    )
    assert set(got) == set(shares)
    for variant, share in shares.items():
        assert got[variant] / count == pytest.approx(share, abs=0.012)


def test_nobody_is_in_two_experiments_of_a_layer(flag_sets: dict[str, FlagSet]) -> None:
    flags = flag_sets["production"]
    heroes, popups = set(), set()
    for n in range(5_000):
        user = {"targeting_key": f"customer-{n}", "platform": "web", "language": "de"}
        if flags.get_variant("homepage-hero", user):
            heroes.add(n)
        if flags.get_variant("newsletter-timing", user):
            popups.add(n)
    assert len(heroes) == pytest.approx(2_500, abs=150)
    assert len(popups) == pytest.approx(1_000, abs=120)
    assert not heroes & popups


def test_the_tests_reach_every_flag(loaded: LoadedRepository, repository: Repository) -> None:
    tested = {
        flag
        for document in loaded.documents.values()
        if document.kind == "test"
        for _, flag, *_ in expand(document.data)
    }
    assert tested == set(repository.flags)
