from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from flagctl.evaluator.buckets import NO_HASH, unit_hash
from flagctl.population.hashing import LONGEST, Units
from tests.generators.strategies import units as any_unit
from tests.reference.murmur import murmur3_x86_32

SEEDS = st.integers(0, 2**32 - 1)


@given(st.lists(st.none() | any_unit()), SEEDS)
def test_every_hash_is_the_evaluators(units, seed) -> None:
    expected = [NO_HASH if unit is None else unit_hash(unit, seed) for unit in units]
    assert Units(units).hashes(seed).tolist() == expected


def test_units_of_every_length_are_hashed_alike() -> None:
    rng = Random(1)
    units = ["".join(rng.choices("abcXYZ019-_@.", k=length)) for length in range(1, 2 * LONGEST) for _ in range(3)]
    units += ["é" * 20, "\x00", "a\x00\x00", "ß" * LONGEST, "日本"]
    rng.shuffle(units)
    for seed in (0, 1, 2**32 - 1, 123_456_789):
        hashes = Units(units).hashes(seed).tolist()
        assert hashes == [murmur3_x86_32(unit.encode(), seed) for unit in units]


def test_no_units_have_no_hashes() -> None:
    assert Units([]).hashes(7).tolist() == []
    assert Units([None, None]).hashes(7).tolist() == [NO_HASH, NO_HASH]
