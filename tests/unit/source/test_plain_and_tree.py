"""The fast path and the careful path read the same data, and refuse the same texts."""

from __future__ import annotations

import io
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from flagctl.source import parsers
from flagctl.source.lines import LineIndex
from flagctl.source.plain import MAX_DEPTH, UNWANTED, IrregularError, load_plain
from flagctl.source.reading import read_document
from flagctl.source.tree import read_tree_of
from tests.scale import scaled
from tests.unit.source.yaml_mutations import VALID, mutate

_TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x85\u2028\u2029\ufeff\ufffe\uffff"), max_size=8
)
_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS
)
_DATA = st.dictionaries(
    _TEXTS,
    st.recursive(
        _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4), max_leaves=12
    ),
    max_size=5,
)


def fast(text):
    try:
        return load_plain(text)
    except IrregularError:
        return None


@given(_DATA)
def test_json_is_read_as_what_it_says(data):
    assert load_plain(json.dumps(data, ensure_ascii=False)) == data


@given(_DATA)
def test_what_ruamel_writes_is_read_as_what_it_wrote(data):
    writer = YAML(typ="safe", pure=True)
    writer.version = (1, 2)  # type: ignore[assignment]
    writer.width = 10_000
    buffer = io.StringIO()
    try:
        writer.dump(data, buffer)
    except Exception:  # noqa: BLE001  characters that no YAML can hold
        return
    text = buffer.getvalue().removeprefix("%YAML 1.2\n")
    tree = read_tree_of(LineIndex(text))
    if UNWANTED.search(text) or tree.problems:
        return
    assert tree.data == fast(text)


def test_both_paths_agree_on_malformed_texts():
    rng = random.Random(5)
    for _ in range(scaled(400, 10_000)):
        content = mutate(rng)
        try:
            text = content.removeprefix(b"\xef\xbb\xbf").decode()
        except UnicodeDecodeError:
            continue
        tree = read_tree_of(LineIndex(text))
        data = fast(text)
        if data is not None:
            assert not tree.problems
            assert tree.data == data
        else:
            # The only text that the fast path leaves to the careful one without need.
            assert tree.problems or "%YAML" in text


@pytest.mark.parametrize("content", VALID)
def test_both_paths_agree_on_valid_files(content):
    text = content.decode()
    assert read_tree_of(LineIndex(text)).data == load_plain(text)


def test_the_parser_in_pure_python_reads_and_refuses_what_libyaml_does(monkeypatch):
    assert parsers.HAS_LIBYAML
    rng = random.Random(6)
    same_codes = total = 0
    for _ in range(scaled(250, 8_000)):
        content = mutate(rng)
        quick = read_document("x.yaml", content)
        with monkeypatch.context() as patch:
            patch.setattr(parsers, "open_parser", parsers.PurePythonParser)
            slow = read_document("x.yaml", content)
        assert bool(slow.diagnostics) == bool(quick.diagnostics)
        if not quick.diagnostics:
            assert slow.document.data == quick.document.data
        total += 1
        same_codes += [f.code for f in slow.diagnostics] == [f.code for f in quick.diagnostics]
    assert same_codes / total > 0.98


@pytest.mark.parametrize("bracket", ["[]", "{}"])
def test_64_levels_are_read_and_65_are_not(bracket):
    def nested(levels):
        opening = bracket[0] if bracket[0] == "[" else "{a: "
        return "a: " + opening * levels + bracket[1] * levels + "\n"

    assert load_plain(nested(MAX_DEPTH - 1))
    assert fast(nested(MAX_DEPTH)) is None
    assert [p.code for p in read_tree_of(LineIndex(nested(MAX_DEPTH))).problems] == ["SYN116"]


def test_a_million_brackets_are_refused_at_once():
    assert [p.code for p in read_tree_of(LineIndex("a: " + "[" * 1_000_000)).problems] == ["SYN116"]


@pytest.mark.parametrize(
    "number", [*range(9), 11, 12, *range(14, 32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF]
)
def test_unwanted_characters_are_refused_wherever_they_stand(number):
    for text in (
        f"a: x{chr(number)}y\n",
        f'a: "x{chr(number)}y"\n',
        f"a{chr(number)}: 1\n",
        f"a: 1 # {chr(number)}\n",
        f"a: |\n  x{chr(number)}\n",
    ):
        assert fast(text) is None
        tree = read_tree_of(LineIndex(text))
        assert tree.data is None
        assert "SYN102" in {problem.code for problem in tree.problems}
        assert tree.problems[0].start == text.index(chr(number))


def test_a_version_directive_of_yaml_1_2_is_accepted():
    reading = read_document("x.yaml", b"%YAML 1.2\n---\nkind: layer\n")
    assert reading.document.data == {"kind": "layer"}
    assert not reading.diagnostics


def test_several_problems_of_one_file_are_found_in_one_pass():
    text = "a: &x 1\nb: *x\na: 2\nc: !!str 3\nd: .nan\ne: 9007199254740993\n[f]: 1\n---\ng: 1\n"
    reading = read_document("x.yaml", text.encode())
    assert [f.code for f in reading.diagnostics] == [
        "SYN111", "SYN111", "SYN110", "SYN112", "SYN114", "SYN115", "SYN120", "SYN113",
    ]  # fmt: skip
    assert reading.document.data is not None
    assert reading.document.data["a"] == 1
    duplicate = reading.diagnostics[2]
    assert (duplicate.span.line, duplicate.span.column) == (3, 1)
    assert (duplicate.related[0].span.line, duplicate.related[0].span.column) == (1, 1)
