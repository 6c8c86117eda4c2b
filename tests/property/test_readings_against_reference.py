"""Versions, instants, addresses, units and patterns are read as the reference reads them, near-misses included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagctl.evaluator.automaton import Automaton
from flagctl.evaluator.buckets import bucket, seed, unit_of
from flagctl.evaluator.instants import instant_of, parse_instant
from flagctl.evaluator.networks import parse_address
from flagctl.evaluator.versions import parse_version
from flagctl.patterns import compile_pattern
from tests.generators import vocabulary as v
from tests.generators.contexts import ODD_VALUES, near_instant
from tests.reference import murmur, readers
from tests.reference.conditions import found
from tests.scale import scaled


def damaged(rng: Random, text: str, alphabet: str) -> str:
    """Change up to three characters."""
    for _ in range(rng.randint(0, 3)):
        at = rng.randint(0, len(text))
        text = text[:at] + rng.choice((rng.choice(alphabet), "")) + text[at + rng.randint(0, 1) :]
    return text


def test_versions_are_read_and_ordered_alike() -> None:
    rng = Random(1)
    texts = [damaged(rng, rng.choice(v.VERSIONS), "0123456789.-+vVab é") for _ in range(scaled(20_000, 1_000_000))]
    valid = []
    for text in texts:
        assert (parse_version(text) is None) == (readers.version(text) is None), text
        if parse_version(text) is not None:
            valid.append(text)
    assert len(valid) > len(texts) // 4
    for _ in range(len(valid)):
        one, two = rng.choice(valid), rng.choice(valid)
        ours, theirs = (parse_version(one), parse_version(two)), (readers.version(one), readers.version(two))
        assert (ours[0] < ours[1], ours[0] == ours[1]) == (theirs[0] < theirs[1], theirs[0] == theirs[1]), (one, two)


def test_instants_in_text_are_read_alike() -> None:
    rng = Random(2)
    valid = 0
    for _ in range(scaled(20_000, 1_000_000)):
        text = damaged(rng, rng.choice(v.INSTANTS + v.NOT_INSTANTS), "0123456789:-+.TtZz 6")
        assert parse_instant(text) == readers.rfc3339(text), text
        valid += parse_instant(text) is not None
    assert valid > 1_000


@given(st.datetimes(timezones=st.timezones() | st.just(timezone(timedelta(minutes=-1439))) | st.none()))
def test_datetimes_are_read_alike(moment: datetime) -> None:
    assert instant_of(moment) == readers.instant(moment)
    if moment.tzinfo is not None:
        text = moment.astimezone(UTC).isoformat() if 1 < moment.year < 9999 else "0"
        assert parse_instant(text) == readers.rfc3339(text)


@given(st.integers() | st.floats())
def test_numbers_of_seconds_are_read_alike(seconds: float) -> None:
    assert instant_of(seconds) == readers.instant(seconds)


def test_values_near_an_instant_are_read_alike() -> None:
    rng = Random(3)
    for _ in range(scaled(3_000, 200_000)):
        value = near_instant(rng, rng.randint(-(10**17), 10**17))
        assert instant_of(value) == readers.instant(value), value


@pytest.mark.parametrize("number", range(len(ODD_VALUES)))
def test_odd_values_are_read_alike(number: int) -> None:
    value = ODD_VALUES[number]
    assert unit_of(value) == readers.unit(value)
    assert instant_of(value) == readers.instant(value)


def test_addresses_are_read_alike() -> None:
    rng = Random(4)
    valid = 0
    for _ in range(scaled(20_000, 1_000_000)):
        text = damaged(rng, rng.choice(v.ADDRESSES + v.NOT_ADDRESSES), "0123456789abcdefABCDEFg:./% ")
        ours, theirs = parse_address(text), readers.address(text)
        assert ours == (None if theirs is None else (theirs.version, int(theirs))), text
        valid += ours is not None
    assert valid > 5_000


@given(st.ip_addresses().map(str) | st.ip_addresses(v=6).map(lambda address: address.exploded))
def test_every_form_of_an_address_is_read_alike(text: str) -> None:
    theirs = readers.address(text)
    assert theirs is not None
    assert parse_address(text) == (theirs.version, int(theirs))


@given(salt=st.text(st.characters(exclude_categories=("Cs",))), unit=st.text(st.characters(exclude_categories=("Cs",))))
def test_buckets_are_alike(salt: str, unit: str) -> None:
    assert seed(salt) == murmur.seed(salt)
    assert bucket(salt, unit) == murmur.bucket(salt, unit)


def test_patterns_of_the_vocabulary_find_what_re2_finds() -> None:
    rng = Random(5)
    alphabet = "abcxyzABCZ019_ \t\n@.-日本語é😀ſ\u212a\ud800\u0663"
    for pattern, examples in v.PATTERNS.items():
        automaton = Automaton.from_document(compile_pattern(pattern).to_document())
        for _ in range(scaled(400, 20_000)):
            text = damaged(rng, rng.choice(examples), alphabet)
            assert automaton.search(text) is found(pattern, text), (pattern, text)
