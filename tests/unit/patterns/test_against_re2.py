"""Random patterns and texts: the automaton answers as google-re2 does, here and in the runtime's walker.

Under `ignore_case` the alphabet is ASCII, because RE2 folds all of Unicode there and the subset only ASCII.
"""

from __future__ import annotations

from random import Random

import re2

from flagctl.evaluator.automaton import Automaton
from flagctl.patterns import PatternError, compile_pattern
from tests.scale import scaled

LETTERS = ["a", "b", "c", "\n", "é", "\U0001f600", "-", "\uffff"]
ATOMS = ["a", "b", "c", "é", "\U0001f600", ".", "^", "$", r"\d", r"\W", r"\s", r"\n", r"\-", "[ab]", "[^a]", r"[^\n]"]
ATOMS += [
    r"[a-cé]",
    "[]a]",
    r"[\s-]",
    r"[^\Wa]",
    r"\x61",
    "",
    r"[^\x00-\x{10FFFF}]",
    "(^a|b)",
    "($|a)",
    "(?:)",
    "a$",
    "^b",
]
REPEATS = ["*", "+", "?", "*?", "+?", "??", "{0}", "{2}", "{0,2}", "{1,3}", "{2,}", "{0,}", "{1}?", "{3,5}"]


def make_pattern(random: Random, depth: int = 3) -> str:
    kind = random.random()
    if depth == 0 or kind < 0.3:
        return random.choice(ATOMS)
    if kind < 0.55:
        return "".join(make_pattern(random, depth - 1) for _ in range(random.randint(1, 4)))
    if kind < 0.75:
        inner = "|".join(make_pattern(random, depth - 1) for _ in range(random.randint(1, 3)))
        return f"{random.choice(['(', '(?:'])}{inner})"
    return f"(?:{make_pattern(random, depth - 1)}){random.choice(REPEATS)}"


def make_text(random: Random, letters: list[str]) -> str:
    return "".join(random.choices(letters, k=random.choice([0, 1, 1, 2, 2, 3, 4, 6, 9, 14])))


def assert_same(oracle, random: Random, pattern: str, letters: list[str], count: int, *, ignore_case: bool = False):
    try:
        automaton = compile_pattern.__wrapped__(pattern, ignore_case=ignore_case)
    except PatternError as error:
        return error
    compiled = oracle.compile("(?i)" + pattern if ignore_case else pattern)
    runtime = Automaton.from_document(automaton.to_document())
    for text in ["", *(make_text(random, letters) for _ in range(count))]:
        expected = bool(compiled.search(text))
        assert automaton.search(text) == runtime.search(text) == expected, (pattern, text, ignore_case)
    return None


def test_random_patterns_find_what_re2_finds(oracle):
    random = Random(2)
    refused = 0
    total = scaled(6_000, 300_000)
    for _ in range(total):
        refused += assert_same(oracle, random, make_pattern(random), LETTERS, 12) is not None
    assert refused < total / 100


def test_random_ascii_patterns_find_what_re2_finds_when_case_is_ignored(oracle):
    random = Random(3)
    letters = list("abAB-1_ \nkKsS")
    atoms = ["a", "B", "k", "S", "[a-k]", "[^B]", "[K-S]", r"\w", r"[^\w-]", r"\x4b", ".", "^", "$", "-"]
    for _ in range(scaled(2_000, 100_000)):
        pattern = "".join(random.choice(atoms) + random.choice(["", "", *REPEATS]) for _ in range(random.randint(1, 4)))
        error = assert_same(oracle, random, pattern, letters, 12, ignore_case=True)
        assert error is None, (pattern, error)


def test_random_text_is_refused_or_means_what_re2_says(oracle):
    random = Random(4)
    soup = "aab-^$.|()[]{}*+?\\,0123:iPdwsx\n=<!é"
    accepted = 0
    for _ in range(scaled(30_000, 2_000_000)):
        pattern = "".join(random.choices(soup, k=random.randint(1, 9)))
        accepted += assert_same(oracle, random, pattern, ["a", "b", "-", "0", "\n", "{", "]", "é"], 6) is None
    assert accepted > 1_000


def test_what_the_subset_accepts_re2_accepts(oracle):
    random = Random(5)
    for _ in range(scaled(3_000, 100_000)):
        pattern = "[" + "".join(random.choices("ab-^]\\[dwsz.", k=random.randint(1, 6))) + "]"
        try:
            compile_pattern(pattern)
        except PatternError:
            continue
        try:
            oracle.compile(pattern)
        except re2.error as error:
            raise AssertionError(pattern) from error


def test_the_automaton_is_minimal():
    random = Random(6)
    for _ in range(scaled(500, 20_000)):
        automaton = compile_pattern(make_pattern(random))
        blocks = [int(state in automaton.accept) for state in range(len(automaton.next))]
        while True:
            signatures: dict[tuple[int, ...], int] = {}
            finer = []
            for state, row in enumerate(automaton.next):
                signature = (blocks[state], *(blocks[target] for target in row))
                finer.append(signatures.setdefault(signature, len(signatures)))
            if len(set(finer)) == len(set(blocks)):
                break
            blocks = finer
        assert len(set(blocks)) == len(automaton.next)


def test_texts_of_lone_surrogates_are_walked_like_any_other():
    assert compile_pattern("^[^a]$").search("\ud800")
    assert not compile_pattern("^[a-z]$").search("\udfff")
