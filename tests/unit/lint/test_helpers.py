"""What several rules rest on."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from flagctl.lint.compare import same_value
from flagctl.lint.draws import covers, overlap, remaining
from flagctl.lint.graph import find_cycles
from flagctl.lint.values import schema_problems, value_problems
from flagctl.lint.words import advice, attribute_name, listed, percent, quoted, shown
from tests.scale import scaled


def is_acyclic(edges):
    waiting = {name: set(targets) & set(edges) for name, targets in edges.items()}
    while ready := [name for name, targets in waiting.items() if not targets]:
        for name in ready:
            del waiting[name]
        for targets in waiting.values():
            targets.difference_update(ready)
    return not waiting


def test_cycles_are_real_distinct_and_found_whenever_there_are_any():
    rng = random.Random(1)
    for _ in range(scaled(500, 20_000)):
        names = [f"n{i}" for i in range(rng.randint(1, 9))]
        edges = {name: rng.sample(names, rng.randint(0, min(3, len(names)))) for name in names}
        cycles = find_cycles(edges)
        assert bool(cycles) is not is_acyclic(edges)
        assert len({frozenset(cycle) for cycle in cycles}) <= len(cycles) == len(set(cycles))
        for cycle in cycles:
            assert cycle[0] == min(cycle)
            assert len(set(cycle)) == len(cycle)
            for name, following in pairwise((*cycle, cycle[0])):
                assert following in edges[name]


def test_a_chain_longer_than_the_stack_is_walked():
    edges = {str(i): [str(i + 1)] for i in range(50_000)}
    assert find_cycles(edges) == []
    assert len(find_cycles({**edges, "50000": ["0"]})[0]) == 50_001


def test_remaining_buckets_are_those_outside_the_union():
    rng = random.Random(2)
    for _ in range(scaled(200, 5_000)):
        ranges = [tuple(sorted(rng.sample(range(0, 100_001, 10_000), 2))) for _ in range(rng.randint(0, 4))]
        taken = {b for start, end in ranges for b in range(start, end, 10_000)}
        left = remaining(ranges)
        assert {b for start, end in left for b in range(start, end, 10_000)} == set(range(0, 100_000, 10_000)) - taken
        wanted = ((20_000, 50_000),)
        free = {20_000, 30_000, 40_000} - taken
        assert covers(ranges, wanted) is (not free)
        assert overlap(wanted, left) == 10_000 * len(free)


def test_values_are_the_same_only_if_every_operator_thinks_so():
    assert same_value(1, 1.0)
    assert same_value([1, {"a": True}], [1.0, {"a": True}])
    assert not same_value(True, 1)
    assert not same_value({"a": 1}, {"a": True})
    assert not same_value("1", 1)
    assert not same_value([1], [1, 2])


@pytest.mark.parametrize(
    ("thousandths", "text"), [(0, "0 %"), (100_000, "100 %"), (33_333, "33.333 %"), (12_500, "12.5 %"), (5, "0.005 %")]
)
def test_shares_read_as_people_write_them(thousandths, text):
    assert percent(thousandths) == text


def test_words():
    assert listed([]) == ""
    assert quoted(["a", "b"], at_most=1) == "'a' and 1 more"
    assert shown("x" * 100).endswith("…")
    assert attribute_name(("a.b", "c")) == "[a.b, c]"
    assert advice("x", [], kind="flags") is None


def test_schemas_that_refer_to_themselves_end():
    for schema in ({"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, {"properties": {"a": {"$ref": "#"}}}):
        assert schema_problems(schema) == []
        value_problems(schema, {"a": {"a": {}}})


def test_nothing_is_fetched_for_a_schema():
    schema = {"$ref": "http://127.0.0.1:9/schema.json"}
    assert "another document" in schema_problems(schema)[0].message
    assert value_problems(schema, 1) == []
    relative = {"$id": "http://127.0.0.1:9/a", "properties": {"x": {"$ref": "#/nowhere"}}}
    assert schema_problems(relative)
