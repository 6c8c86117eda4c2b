from __future__ import annotations

import io
import json
from pathlib import Path
from random import Random

import pytest

from flagctl.compiler import compile_environment
from flagctl.evaluator.document import open_bundle
from flagctl.model import AttributeCondition
from flagctl.model.config import AttributeType
from flagctl.population.batch import BATCH_ROWS, RowBatch
from flagctl.population.constants import example_of, satisfying
from flagctl.population.engine import ColumnFlags
from flagctl.population.generate import Generator, Recipe
from flagctl.population.reading import PopulationFile
from flagctl.population.steps import version_near
from flagctl.population.writing import write_population
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree
from tests.generators.repositories import random_repository

NOW_MS = 1_797_000_000_000  # within the example's ramps
UNREACHABLE = {
    ("loyalty-points-factor", "advent"),
    ("maintenance-banner", "database-move-announced"),
    ("maintenance-banner", "database-move-running"),
    ("legacy-api-access", "shutdown"),
    ("winback-offer", "lost-companies"),
    ("sepa-instant-refunds", "from-the-opening-on"),
    ("search-suggestions", "steps"),
    ("photo-reviews", "outer-ring"),
    ("connection-pool-v2", "pool"),
}
"""Rules that wait for their time, for an experiment, or for somebody to let them go on."""


@pytest.fixture(scope="module")
def example():
    loaded = load_tree(read_tree(data_path("flags")))
    assert loaded.repository is not None
    return loaded.repository


def test_the_same_arguments_give_the_same_contexts(example) -> None:
    def made(**recipe) -> str:
        return json.dumps(list(Generator(example, Recipe(**recipe)).contexts()))

    assert made(count=300, seed=7) == made(count=300, seed=7)
    assert made(count=300, seed=7) != made(count=300, seed=8)


def test_contexts_have_the_declared_types(example) -> None:
    kinds = {
        AttributeType.NUMBER: (int, float),
        AttributeType.BOOLEAN: (bool,),
        AttributeType.LIST: (list,),
    }
    generator = Generator(example, Recipe(count=2_000))
    seen: set[tuple[str, ...]] = set()
    for batch in generator.batches():
        for context in batch:
            for path, value in context.items():
                seen.add(path)
                attribute = example.config.context.lookup(path)
                assert isinstance(value, kinds.get(generator.types[path], (str,))), path
                if attribute is not None and attribute.enum is not None:
                    assert value in attribute.enum
    assert seen == set(generator.types)
    assert {
        path for path, it in example.config.context.attributes.items() if it.type is not AttributeType.OBJECT
    } <= seen


def test_required_attributes_are_never_missing_and_others_are(example) -> None:
    contexts = [row for batch in Generator(example, Recipe(count=1_000, missing=0.3)).batches() for row in batch]
    required = {path for path, it in example.config.context.attributes.items() if it.required}
    assert all(required <= row.keys() for row in contexts)
    assert 100 < sum(("email",) not in row for row in contexts) < 500


def test_almost_every_rule_of_the_example_decides_for_somebody(example) -> None:
    contexts = list(Generator(example, Recipe(count=20_000)).contexts())
    document = open_bundle(compile_environment(example, "production").data)
    flags = ColumnFlags(document, NOW_MS)
    run = flags.on(RowBatch(contexts))
    idle = set()
    for key in document.flag_keys():
        answers = set(run.flag(key).tolist())
        deciding = {flags.outcomes(key)[number].rule for number in answers}
        idle |= {(key, rule["id"]) for rule in document.flag(key).get("rules", ()) if rule["id"] not in deciding}
    assert idle <= UNREACHABLE


def test_listed_units_occur(example) -> None:
    keys = {context.get("targeting_key") for context in Generator(example, Recipe(count=5_000)).contexts()}
    assert {"user-2041", "user-9001", "store-kiosk-01"} <= keys


def test_any_repository_has_a_population() -> None:
    for seed in range(5):
        repository = random_repository(Random(seed), 8)
        assert len(list(Generator(repository, Recipe(count=50, seed=seed)).contexts())) == 50


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_written_population_reads_back(example, form, tmp_path: Path) -> None:
    generator = Generator(example, Recipe(count=500, seed=3))
    stream = io.BytesIO()
    assert write_population(stream, form, generator.types, generator.batches()) == 500
    stream.seek(0)
    source = PopulationFile(path=None, stream=stream, form=form, schema=example.config.context)
    ((batch, _),) = source.batches()
    assert batch.size == 500 <= BATCH_ROWS
    assert [batch.context(row) for row in range(500)] == list(generator.contexts())


@pytest.mark.parametrize(
    ("operator", "value", "kind"),
    [
        ("equals", "DE", AttributeType.STRING),
        ("in", ["DE", "FR"], AttributeType.STRING),
        ("contains", "x", AttributeType.STRING),
        ("contains", "x", AttributeType.LIST),
        ("contains", 7, None),
        ("contains_any", ["a", "b"], AttributeType.LIST),
        ("contains_all", ["a", "b"], AttributeType.LIST),
        ("starts_with", "A-", AttributeType.STRING),
        ("ends_with", ["@acme.com", ".de"], AttributeType.STRING),
        ("matches", "^A-[0-9]{4}$|x+y", AttributeType.STRING),
        ("greater_than", 5, AttributeType.NUMBER),
        ("greater_or_equal", -5, AttributeType.NUMBER),
        ("less_than", 0.5, AttributeType.NUMBER),
        ("less_or_equal", 5, AttributeType.NUMBER),
        ("semver_greater_than", "1.2-rc.1", AttributeType.SEMVER),
        ("semver_greater_or_equal", "v2", AttributeType.SEMVER),
        ("semver_less_than", "0.1.0", AttributeType.SEMVER),
        ("semver_less_or_equal", "3.0.0", AttributeType.SEMVER),
        ("semver_equal", "3.0.0", AttributeType.SEMVER),
        ("before", "2026-12-01T00:00:00Z", AttributeType.DATETIME),
        ("after", 1_700_000_000, AttributeType.DATETIME),
        ("in_network", ["10.0.0.0/8", "2001:db8::/32"], AttributeType.IP),
    ],
    ids=str,
)
def test_a_value_made_for_a_condition_meets_it(operator, value, kind) -> None:
    from flagctl.compiler.compile import compile_environment as compiled
    from flagctl.evaluator import FlagSet
    from flagctl.model import Environment, Flag, FlagType, Repository, RepositoryConfig, Rule, Variant

    condition = AttributeCondition(attribute=("it",), operator=operator, value=value)
    flag = Flag(
        key="f",
        path="f.yaml",
        type=FlagType.BOOLEAN,
        variants=(Variant(name="on", value=True), Variant(name="off", value=False)),
        default="off",
        rules=(Rule(id="r", when=(condition,), serve="on"),),
    )
    config = RepositoryConfig(path="flagctl.yaml", version=1, project="p", environments={"e": Environment(name="e")})
    flags = FlagSet(open_bundle(compiled(Repository(config=config, flags={"f": flag}), "e").data))
    for seed in range(20):
        made = satisfying(condition, kind, Random(seed))
        assert flags.is_enabled("f", {"it": made}), made


def test_patterns_have_plain_examples() -> None:
    assert example_of("^A-[0-9]{4}$") == "A-0000"
    assert example_of("") == ""
    assert example_of("é+!") == "é!"
    assert example_of("(") is None


def test_there_is_nothing_below_the_lowest_version() -> None:
    assert version_near("0.0.0", Random(1), up=False) == "0.0.0"
    assert version_near("no version", Random(1), up=True) == "no version"
