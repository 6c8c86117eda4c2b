from __future__ import annotations

import string

import pytest
import re2

from flagctl.errors import FindingsError
from flagctl.patterns import PatternError, compile_pattern

REFUSED = [
    (r"a\b", 1, "word boundary"),
    (r"\Ba", 0, "no word boundary"),
    (r"\Aa", 0, "write ^"),
    (r"a\z", 1, "write $"),
    (r"a\Z", 1, "write $"),
    (r"\pL", 0, "Unicode classes"),
    (r"[\p{Greek}]", 1, "Unicode classes"),
    (r"\PL", 0, "Unicode classes"),
    (r"(a)\1", 3, "back-references such as \\1"),
    (r"\k<a>", 0, "back-references"),
    (r"\Qa\E", 0, "backslash before each special character"),
    (r"\C", 0, "any byte"),
    (r"\012", 0, "octal"),
    (r"é\é", 1, "leave out the backslash"),
    (r"\_", 0, "_ needs no backslash"),
    (r"\u0041", 0, r"\x{...}"),
    (r"\x4", 0, "two hexadecimal digits"),
    (r"\x{110000}", 0, "not a character"),
    (r"\x{D800}", 0, "not a character"),
    ("ab\\", 2, "escapes nothing"),
    ("a\ud800", 1, "lone surrogate"),
    ("(?P<n>a)", 0, "named groups"),
    ("(?<n>a)", 0, "named groups"),
    ("(?P=n)", 0, "back-references"),
    ("x(?=a)", 1, "lookahead"),
    ("x(?!a)", 1, "not_matches"),
    ("(?<=a)x", 0, "lookbehind"),
    ("(?<!a)x", 0, "lookbehind"),
    ("(?>a)", 0, "atomic"),
    ("(?#a)", 0, "comments"),
    ("a(?i)b", 1, "very start"),
    ("(?i:b)", 0, "the only flag is (?i)"),
    ("(?s)b", 0, "the only flag is (?i)"),
    ("(?m-i)b", 0, "the only flag is (?i)"),
    ("(?i)(?i)b", 4, "very start"),
    ("(?", 0, "write (?:...)"),
    ("(*FAIL)", 0, "verbs"),
    ("(a", 0, "never closed"),
    ("a)b", 1, "closes nothing"),
    ("*a", 0, "nothing to repeat"),
    ("a|+", 2, "nothing to repeat"),
    ("(?)", 0, "not supported"),
    ("({2})", 1, "nothing to repeat"),
    ("a**", 2, "write (?:...*)"),
    ("a*+", 2, "possessive *+"),
    ("a{2}{3}", 4, "repeats a repetition"),
    ("a+??", 3, "repeats a repetition"),
    ("a{", 1, "starts no repetition"),
    ("a{,3}", 1, "starts no repetition"),
    ("a{1001}", 1, "more than 1000 times"),
    ("a{1,1001}", 1, "more than 1000 times"),
    ("a{" + "9" * 10_000 + "}", 1, "more than 1000 times"),
    ("a{3,2}", 1, "wrong way round"),
    ("((a{100}){11})", 0, "together repeat more than 1000"),
    ("(a{100}){11,}", 0, "together repeat more than 1000"),
    ("[a", 0, "never closed"),
    ("[]", 0, "never closed"),
    ("[^]", 0, "never closed"),
    ("[z-a]", 1, "z-a runs backwards"),
    (r"[a-\d]", 3, "a range ends with a character"),
    (r"[\d-z]", 3, "ambiguous"),
    ("[a-c-e]", 4, "ambiguous"),
    ("[[:alpha:]]", 1, "POSIX"),
    ("(" * 101 + ")" * 101, 100, "nested deeper"),
]


@pytest.mark.parametrize(("pattern", "position", "message"), REFUSED, ids=[row[0][:20] for row in REFUSED])
def test_what_is_outside_the_subset_is_refused_with_the_place_and_a_way_out(pattern, position, message):
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert message in caught.value.message
    assert caught.value.position == position
    assert isinstance(caught.value, FindingsError)


ACCEPTED = [
    ("", "anything"),
    ("]", "]"),
    ("}", "}"),
    ("[]a]", "]"),
    ("[^]a]", "b"),
    ("[a-]", "-"),
    ("[-a]", "-"),
    ("[^-a]", "b"),
    ("[+--]", ","),
    ("[a[]", "["),
    ("[*?{^$|(.]", "$"),
    (r"[\]\\\-]", "\\"),
    (r"[\x41-\x{43}]", "B"),
    (r"[^\W\d]", "x"),
    (r"\a\f\n\r\t\v", "\a\f\n\r\t\v"),
    (r"\x{1F600}", "\U0001f600"),
    ("a{0}", ""),
    ("a{1000}", "a" * 1000),
    ("a*?b+?c??d{2}?e{1,}?f{1,2}?", "bddef"),
    ("(a)(?:b)", "ab"),
    ("()|(|)", ""),
    ("(?i)aB", "Ab"),
    ("(" * 100 + "a" + ")" * 100, "a"),
    ("((a{10}){10}){10}", "a" * 1000),
]


@pytest.mark.parametrize(("pattern", "text"), ACCEPTED, ids=[row[0][:20] for row in ACCEPTED])
def test_the_subset_is_read_as_re2_reads_it(pattern, text, oracle):
    assert oracle.compile(pattern).search(text)
    assert compile_pattern(pattern).search(text)


def test_every_escape_of_an_ascii_character_means_what_re2_says_or_is_refused(oracle):
    for character in string.printable:
        pattern = "^\\" + character + "$"
        try:
            automaton = compile_pattern(pattern)
        except PatternError:
            continue
        compiled = oracle.compile(pattern)
        for candidate in map(chr, range(0x180)):
            assert automaton.search(candidate) == bool(compiled.search(candidate)), (pattern, candidate)


def test_punctuation_can_always_be_escaped():
    for character in string.punctuation.replace("_", ""):
        assert compile_pattern("^\\" + character + "$").search(character)
        assert compile_pattern("^[\\" + character + "]$").search(character)


@pytest.mark.parametrize("name", list("dwsDWS"))
def test_named_classes_are_ascii(name, oracle):
    for pattern in (f"^\\{name}$", f"^[\\{name}x]$", f"^[^\\{name}]$"):
        automaton, compiled = compile_pattern(pattern), oracle.compile(pattern)
        for character in [*map(chr, range(0x300)), "\u0660", "\u2003", "\U0001f600"]:
            assert automaton.search(character) == bool(compiled.search(character)), (pattern, character)


def test_ignoring_case_stops_at_ascii_where_re2_goes_on():
    automaton = compile_pattern("^ks$", ignore_case=True)
    assert automaton.search("KS")
    assert not automaton.search("\u212as")
    assert not automaton.search("k\u017f")
    assert re2.search("(?i)^ks$", "\u212a\u017f")
    assert not compile_pattern("(?i)^é$").search("É")


def test_ignoring_case_by_argument_is_the_same_as_by_flag():
    assert compile_pattern("[^a-f]Zz", ignore_case=True) == compile_pattern("(?i)[^a-f]Zz")


def test_a_negated_class_excludes_both_cases():
    automaton = compile_pattern("(?i)^[^k]$")
    assert not automaton.search("K")
    assert not automaton.search("k")
    assert automaton.search("l")
