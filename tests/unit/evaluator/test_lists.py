"""Files of hashed units, and segments that ask them."""

from __future__ import annotations

import mmap
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.errors import BundleFormatError
from flagctl.evaluator import load
from flagctl.evaluator.document import check_structure, open_bundle
from flagctl.evaluator.lists import HASH_SIZE, HEADER_SIZE, MAX_UNITS, HashList, ListFormatError, unit_hash, write_list

if TYPE_CHECKING:
    from pathlib import Path


def bundle(**segment: Any) -> bytes:
    """Return a bundle with a flag for a segment."""
    flag = {
        "type": "boolean",
        "variants": [["on", True], ["off", False]],
        "default": {"serve": 1},
        "rules": [{"id": "r", "when": [{"segment": "vip"}], "serve": 0}],
    }
    contents = BundleContents(
        project="acme",
        environment="test",
        capabilities=frozenset({"lists", "segments"}),
        flags={"f": flag},
        segments={"vip": segment},
    )
    return write_bundle(contents)


class Reader:
    """Knows one list."""

    def __init__(self, *units: str) -> None:
        self.units = units
        self.asked: list[tuple[str, str]] = []

    def contains(self, name: str, unit: str) -> bool | None:
        """Return whether the list contains a unit."""
        self.asked.append((name, unit))
        return unit in self.units


@given(st.sets(st.text(st.characters(exclude_categories=["Cs"])), max_size=50), st.text(max_size=5))
def test_a_list_contains_its_units_and_no_others(units: set[str], other: str) -> None:
    found = HashList(write_list("vip", [*units, *units], 7), "vip")
    assert (found.count, found.generated_ms) == (len(units), 7)
    assert all(unit in found for unit in units)
    assert (other in found) is (other in units)
    assert "\ud800" not in found
    assert 5 not in found


@given(st.sets(st.integers(0, 2**64 - 1), max_size=60), st.integers(0, 2**64 - 1))
def test_hashes_are_found_wherever_they_lie(hashes: set[int], other: int) -> None:
    body = b"".join(value.to_bytes(HASH_SIZE, "little") for value in sorted(hashes))
    head = write_list("vip", [], 0)[:32]
    data = head[:8] + len(hashes).to_bytes(8, "little") + head[16:] + sha256(body).digest() + body
    found = HashList(data, "vip")
    for value in {*hashes, other, 0, 2**64 - 1}:
        assert found.has_hash(value) is (value in hashes)


def test_a_list_can_be_mapped_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "vip"
    path.write_bytes(write_list("vip", (f"user-{number}" for number in range(5000)), 0))
    with path.open("rb") as file:
        found = HashList(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), "vip")
    assert all(f"user-{number}" in found for number in range(5000))
    assert not any(f"other-{number}" in found for number in range(5000))


def test_the_hash_of_a_unit_depends_on_the_list() -> None:
    assert unit_hash("vip", "user-1") == int.from_bytes(sha256(b"vip\0user-1").digest()[:8], "big")
    assert unit_hash("vip", "user-1") != unit_hash("beta", "user-1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[:0], "no list"),
        (lambda d: b"X" + d[1:], "no list"),
        (lambda d: d[:-1], "another size"),
        (lambda d: d + b"\0" * 8, "another size"),
        (lambda d: d[:24] + b"\0" * 8 + d[32:], "not the list"),
        (lambda d: d[:-1] + bytes([d[-1] ^ 1]), "digest"),
        (lambda d: d[: HEADER_SIZE - 32] + sha256(d[72:80] + d[64:72]).digest() + d[72:80] + d[64:72], "ascend"),
    ],
)
def test_files_that_are_no_list_are_refused(change: Any, message: str) -> None:
    with pytest.raises(ListFormatError, match=message):
        HashList(change(write_list("vip", ["a", "b"], 0)), "vip")


def test_a_list_of_more_units_than_there_may_be_is_refused(tmp_path: Path) -> None:
    file, count = tmp_path / "long", MAX_UNITS + 1
    head = bytearray(write_list("vip", [], 0))
    head[8:16] = count.to_bytes(8, "little")
    with file.open("wb+") as stream:
        stream.write(head)
        stream.truncate(HEADER_SIZE + HASH_SIZE * count)  # holes: nothing is written
        with mmap.mmap(stream.fileno(), 0) as data, pytest.raises(ListFormatError, match="should hold"):
            HashList(data, "vip", check=False)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_exclude_wins_then_include_and_the_list_then_conditions(is_compiled: bool) -> None:
    when = [{"attribute": "plan", "operator": "equals", "value": "pro"}]
    flags = load(bundle(include=["inside"], exclude=["banned"], list="vip-list", when=when))
    reader = Reader("listed", "banned", "7")
    flags.use_lists(reader)
    if is_compiled:
        flags.compile_all()

    def is_in(unit: Any, **more: Any) -> bool:
        return flags.is_enabled("f", {"targeting_key": unit, **more})

    assert [is_in(unit) for unit in ("inside", "listed", "banned", "other", 7, None, "")] == [
        *(True, True, False, False, True, False, False)
    ]
    assert is_in("other", plan="pro")
    assert not is_in("banned", plan="pro")
    assert ("vip-list", "inside") not in reader.asked


def test_without_a_reader_a_list_has_no_units_and_a_later_one_counts_at_once() -> None:
    flags = load(bundle(list="vip-list"))
    flags.compile_all()
    assert not flags.is_enabled("f", {"targeting_key": "u"})
    later = flags.replace(open_bundle(bundle(list="vip-list", include=["x"]))).with_state(frozenset(), stale=True)
    later.use_lists(Reader("u"))
    assert flags.is_enabled("f", {"targeting_key": "u"})
    assert later.is_enabled("f", {"targeting_key": "u"})
    flags.use_lists(None)
    assert not later.is_enabled("f", {"targeting_key": "u"})


@pytest.mark.parametrize("name", ["", "UPPER", 5, None, ["vip"], "a b", "a\n"])
def test_a_list_without_a_proper_name_is_refused(name: Any) -> None:
    with pytest.raises(BundleFormatError, match="list"):
        check_structure(open_bundle(bundle(list=name)))
