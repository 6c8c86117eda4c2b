"""Percentages, rollouts and slots begin and end exactly between two neighbouring hashes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import flagctl
from tests.generators.layout import bundle_of, lay_out
from tests.reference import Reference
from tests.reference.murmur import first_hash, unit_of_hash

ON_OFF = [["on", True], ["off", False]]


def cuts(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, 99_999), min_size=count, max_size=count, unique=True).map(sorted)


def flag(**parts: Any) -> dict[str, Any]:
    return {"type": "boolean", "variants": ON_OFF, "default": {"serve": 1}, "off": 1, **parts}


def edge_units(salt: str, edge: int) -> tuple[str, str]:
    """Return the last unit below a bucket and the first in it: their hashes differ by one."""
    below, above = unit_of_hash(salt, first_hash(edge) - 1), unit_of_hash(salt, first_hash(edge))
    assert (flagctl.bucket(salt, below), flagctl.bucket(salt, above)) == (edge - 1, edge)
    return below, above


def variant(data: bytes, key: str, unit: str) -> str | None:
    """Return what all evaluators serve a unit: closures, generated code and the reference."""
    context = {"targeting_key": unit}
    flags = flagctl.load(data)
    served = flags.evaluate(key, context).variant
    flags.compile_all()
    assert served == flags.evaluate(key, context).variant
    assert served == Reference(data).evaluate(key, context, None, 0).variant
    return served


@given(share=st.integers(1, 99_999))
def test_a_percentage_ends_between_two_neighbouring_hashes(share: int) -> None:
    shapes = {"fixed": share, "steps": {"steps": [[-1, share]]}, "linear": {"linear": [-2, -1, 0, share]}}
    rules = {name: [{"id": "r", "serve": 0, "percentage": shape, "salt": "edge"}] for name, shape in shapes.items()}
    data = lay_out(bundle_of({name: flag(rules=rule) for name, rule in rules.items()}))
    below, above = edge_units("edge", share)
    for name in shapes:
        assert variant(data, name, below) == "on"
        assert variant(data, name, above) == "off"


@given(edges=cuts(3))
def test_a_rollout_changes_between_two_neighbouring_hashes(edges: list[int]) -> None:
    split = [[end, index] for index, end in enumerate([*edges, 100_000])]
    names = ["a", "b", "c", "d"]
    variants = [[name, name] for name in names]
    data = lay_out(bundle_of({"f": {"type": "string", "variants": variants, "default": {"split": split}}}))
    for number, edge in enumerate(edges):
        below, above = edge_units("f", edge)
        assert (variant(data, "f", below), variant(data, "f", above)) == (names[number], names[number + 1])
    assert variant(data, "f", unit_of_hash("f", 0)) == "a"
    assert variant(data, "f", unit_of_hash("f", 2**32 - 1)) == "d"


@given(edges=cuts(4))
def test_slots_begin_and_end_between_two_neighbouring_hashes(edges: list[int]) -> None:
    slots = [edges[:2], edges[2:]]
    running = {"key": "e", "status": "running", "salt": "page/allocation", "slots": slots}
    rule = {"id": "r", "experiment": running, "split": [[100_000, 0]], "salt": "e"}
    data = lay_out(bundle_of({"f": flag(rules=[rule])}, experiments={"e": {"flag": "f"}}))
    for edge, begins in zip(edges, (True, False, True, False), strict=True):
        below, above = edge_units("page/allocation", edge)
        assert (variant(data, "f", below) == "on") is not begins
        assert (variant(data, "f", above) == "on") is begins
