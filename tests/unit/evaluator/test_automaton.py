from __future__ import annotations

import time

import pytest

from flagctl.evaluator.automaton import Automaton

# "ab" anywhere: 0 = start, 1 = after a, 2 = found
AB = {"accept": [2], "classes": [[0, 0], [97, 1], [98, 2], [99, 0]], "next": [[0, 1, 0], [0, 1, 2], [2, 2, 2]]}
# only "é" characters from start to end
ONLY_E = {"accept": [0], "classes": [[0, 0], [233, 1], [234, 0]], "next": [[1, 0], [1, 1]]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", False),
        ("ab", True),
        ("xaabx", True),
        ("aé b", False),
        ("éab", True),
        ("ba", False),
        ("a" * 99 + "b😀", True),
        ("\ud800ab", True),
    ],
)
def test_the_pattern_is_found_anywhere(text, found):
    assert Automaton.from_document(AB).search(text) is found


@pytest.mark.parametrize(("text", "found"), [("", True), ("é", True), ("ééé", True), ("éeé", False), ("e", False)])
def test_the_whole_text_can_decide(text, found):
    assert Automaton.from_document(ONLY_E).search(text) is found


def test_more_classes_than_fit_into_a_byte_work():
    count = 400
    classes = [[0, 0], *([0x4E00 + index, index] for index in range(1, count)), [0x4E00 + count, 0], [0x5000, 399]]
    document = {"accept": [1], "classes": classes, "next": [[0] * 399 + [1], [1] * 400]}
    automaton = Automaton.from_document(document)
    assert automaton.search("ascii \u5000")
    assert not automaton.search("ascii \u4e05")
    assert not automaton.search("ascii")


@pytest.mark.parametrize(
    "text", ["a" * 10_000, "xa" * 5_000, "é" * 10_000, "".join(map(chr, range(0x4E00, 0x4E00 + 10_000)))]
)
def test_ten_thousand_characters_take_at_most_twenty_milliseconds(text):
    automaton = Automaton.from_document(AB)
    times = []
    for _ in range(3):
        begin = time.process_time()
        automaton.search(text)
        times.append(time.process_time() - begin)
    assert min(times) < 0.020


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"accept": [], "classes": [[0, 0]], "next": []},
        {"accept": [], "classes": [], "next": [[0]]},
        {"accept": [], "classes": [[1, 0]], "next": [[0]]},
        {"accept": [], "classes": [[0, 1]], "next": [[0]]},
        {"accept": [], "classes": [[0, -1]], "next": [[0]]},
        {"accept": [], "classes": [[0, 0], [0, 0]], "next": [[0]]},
        {"accept": [], "classes": [[0, 0], [1_200_000, 0]], "next": [[0]]},
        {"accept": [], "classes": [[0, 0]], "next": [[]]},
        {"accept": [], "classes": [[0, 0]], "next": [[0, 0], [0]]},
        {"accept": [], "classes": [[0, 0]], "next": [[1]]},
        {"accept": [], "classes": [[0, 0]], "next": [[True]]},
        {"accept": [1], "classes": [[0, 0]], "next": [[0]]},
        {"accept": [-1], "classes": [[0, 0]], "next": [[0]]},
        {"accept": [[]], "classes": [[0, 0]], "next": [[0]]},
        {"accept": 0, "classes": [[0, 0]], "next": [[0]]},
        {"accept": [], "classes": [[0, 0, 0]], "next": [[0]]},
        {"accept": [], "classes": [["0", 0]], "next": [[0]]},
        {"accept": [], "classes": [[0, 0]], "next": ["x"]},
    ],
)
def test_a_malformed_automaton_is_refused(document):
    with pytest.raises(ValueError, match=r"`|object"):
        Automaton.from_document(document)
