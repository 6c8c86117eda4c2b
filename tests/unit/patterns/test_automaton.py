from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from flagctl.evaluator.automaton import Automaton
from flagctl.patterns import MAX_STATES, PatternError, compile_pattern

FOUR_STATES = {
    "accept": [3],
    "classes": [[0, 0], [97, 1], [98, 2], [99, 0]],
    "next": [[1, 2, 1], [1, 1, 1], [1, 2, 3], [3, 3, 3]],
}


def test_the_document_is_a_table_over_classes_of_code_points():
    assert compile_pattern("^a+b").to_document() == FOUR_STATES
    json.dumps(FOUR_STATES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a|b", "[ab]"),
        ("(?:ab){2}", "abab"),
        ("a+", "a"),
        ("a*", ""),
        ("^(?:a|ab)$", "^ab?$"),
        ("b?b?b?$", "$"),
        ("^[0-9]$", r"^\d$"),
        ("(?i)ab", "[aA][bB]"),
        ("a^b", r"[^\x00-\x{10FFFF}]"),
        ("(?:a.{0,20}){2}b", "a.{0,20}a.{0,20}b"),
        ("^^^a", "^a"),
        (".*x", "x"),
    ],
)
def test_equal_languages_give_equal_automata(one, other):
    assert compile_pattern(one) == compile_pattern(other)


def test_the_states_are_numbered_by_the_first_text_that_reaches_them():
    for pattern in ("^abc", "x(?:a|b)*y$", "[^a]b{3}", "(^a|b)+c$"):
        seen = 0
        for row in compile_pattern(pattern).next:
            for target in row:
                assert target <= seen + 1
                seen = max(seen, target)


def test_a_pattern_that_is_always_or_never_found_has_one_state():
    assert len(compile_pattern("").next) == 1
    assert compile_pattern("").accept == (0,)
    assert compile_pattern("a$b").next == ((0,),)
    assert compile_pattern("a$b").accept == ()


def test_the_end_of_the_text_is_not_before_a_final_line_feed():
    assert not compile_pattern("a$").search("a\n")
    assert not compile_pattern("^b").search("a\nb")


def test_a_pattern_of_exactly_the_limit_is_accepted_and_one_more_is_not():
    # ^.{0,n}$ needs n + 1 states and a dead one.
    assert len(compile_pattern("^(?:.{0,999}.{0,999})$").next) == MAX_STATES
    with pytest.raises(PatternError, match="more than 2,000 states"):
        compile_pattern("^(?:.{0,999}.{0,1000})$")


TOO_COMPLEX = [
    "(a|b)*a(a|b){12}$",
    "(?:a.{0,9}b.{0,9}c.{0,9}){8}",
    "(?:[a-m].{0,30}[n-z].{0,30}){10}$",
    "(?:a|ab|abc|abcd|abcde|b|bc|bcd|cd|d|e){400}$",
    "(?:" + "|".join(f"{chr(97 + i)}.{{0,5}}{chr(98 + i)}" for i in range(24)) + "){3}$",
    "|".join(chr(0x4E00 + i) + chr(0x4E00 + i * 7 % 2000) + chr(0x5000 + i) for i in range(2000)),
    "x" * 20_000,
    "(?:" + "()" * 5_000 + "){1000}",
    "^(?:[ab]*a[ab]{13}c)$",
]


@pytest.mark.parametrize("pattern", TOO_COMPLEX, ids=[pattern[:20] for pattern in TOO_COMPLEX])
def test_a_pattern_that_is_too_complex_is_refused_within_a_second(pattern):
    began = time.process_time()
    with pytest.raises(PatternError, match="too complex"):
        compile_pattern(pattern)
    assert time.process_time() - began < 1


NASTY = [
    "(a|b)*a(a|b){12}",
    "(a|b)*a(a|b){8}$",
    "((a*)*)*$",
    "(a?){1000}$",
    "(a|a)*b",
    "(x+x+)+y",
    "(.*a){20}",
    "(a|aa)+$",
    "[ab]{1,500}c",
    "(?i)^(?:[a-z0-9]+[-._]?)+@example\\.com$",
]


@pytest.mark.parametrize("pattern", NASTY)
def test_no_pattern_makes_a_long_text_slow(pattern):
    automaton = compile_pattern(pattern)
    runtime = Automaton.from_document(automaton.to_document())
    for text in ("a" * 10_000, "ab" * 5_000, "x" * 9_999 + "z", "é" * 5_000):
        assert runtime.search(text) == automaton.search(text)
        best = 1.0
        for _ in range(5):
            began = time.process_time()
            runtime.search(text)
            best = min(best, time.process_time() - began)
        assert best < 0.02


def test_a_search_takes_one_step_of_the_table_for_each_character():
    class Counted(tuple):
        __slots__ = ()
        steps = 0

        def __getitem__(self, index):
            Counted.steps += 1
            return tuple.__getitem__(self, index)

    automaton = compile_pattern("((a*)*b?)*c$")
    counted = replace(automaton, next=Counted(automaton.next))
    counted.search("ab" * 5_000)
    assert Counted.steps == 10_000


def test_compiling_is_remembered():
    assert compile_pattern("remembered") is compile_pattern("remembered")
