"""Text of a pattern to its syntax tree, with a helpful refusal of everything outside the subset."""

from __future__ import annotations

import re
from typing import Final

from flagctl.patterns.charset import LAST_CODE_POINT, NAMED, NOT_NEWLINE, Charset, charset, fold_ascii, negate
from flagctl.patterns.error import PatternError
from flagctl.patterns.syntax import Alternate, Begin, Chars, Concat, End, Repeat, Syntax

MAX_REPEAT: Final = 1000
"""RE2's limit for a counted repetition, and for nested ones multiplied."""
MAX_DEPTH: Final = 100
"""How deep groups may be nested."""

_COUNTED = re.compile(r"\{([0-9]+)(?:(,)([0-9]+)?)?\}")
_HEX = re.compile(r"[0-9A-Fa-f]{2}|\{([0-9A-Fa-f]{1,8})\}")
_CONTROL: Final = {"a": 0x07, "f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
_PUNCTUATION: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~ ")

_NO_ESCAPE: Final = {
    "b": r"\b (word boundary) is not supported; write the neighbours out, such as (?:^|\W)",
    "B": r"\B (no word boundary) is not supported; write the neighbours out",
    "A": r"\A is not supported; write ^ for the start of the text",
    "z": r"\z is not supported; write $ for the end of the text",
    "Z": r"\Z is not supported; write $ for the end of the text",
    "p": r"Unicode classes such as \p{L} are not supported; list the ranges, such as [a-zÀ-ÿ]",
    "P": r"Unicode classes such as \P{L} are not supported; list the ranges, such as [^a-zÀ-ÿ]",
    "Q": r"\Q...\E is not supported; put a backslash before each special character",
    "E": r"\Q...\E is not supported; put a backslash before each special character",
    "C": r"\C (any byte) is not supported; patterns match characters, so write .",
    "k": "back-references are not supported",
    "g": "back-references are not supported",
    "h": r"\h is not supported; write [ \t]",
    "R": r"\R is not supported; write (?:\r\n|\n)",
    "X": r"\X is not supported; patterns match code points",
    "u": r"\u is not supported; write \x{...} with the code point in hexadecimal",
    "U": r"\U is not supported; write \x{...} with the code point in hexadecimal",
    "N": r"\N is not supported; write . or \x{...}",
    "x": r"\x needs two hexadecimal digits, or one to eight in braces: \x41, \x{1F600}",
    "_": r"\_ is not supported; _ needs no backslash",
    "0": r"octal escapes are not supported; write \x00 with two hexadecimal digits",
}

_NO_GROUP: Final = (
    ("P<", "named groups are not supported, since nothing is captured; write (?:...)"),
    ("P=", "back-references are not supported"),
    ("P>", "recursion is not supported"),
    ("=", "lookahead (?=...) is not supported; use a second condition"),
    ("!", "lookahead (?!...) is not supported; use a second condition with not_matches"),
    ("<=", "lookbehind (?<=...) is not supported; use a second condition"),
    ("<!", "lookbehind (?<!...) is not supported; use a second condition with not_matches"),
    ("<", "named groups are not supported, since nothing is captured; write (?:...)"),
    (">", "atomic groups are not supported; write (?:...)"),
    ("#", "comments are not supported"),
    ("|", "branch reset is not supported; write (?:...)"),
)


def parse(text: str, *, ignore_case: bool = False) -> Syntax:
    """Return the syntax tree of a pattern.

    Raises:
        PatternError: If the pattern is malformed or uses what the subset leaves out.
    """
    for position, character in enumerate(text):
        if "\ud800" <= character <= "\udfff":
            raise PatternError("a lone surrogate is not a character", position)
    start = 0
    if text.startswith("(?i)"):
        ignore_case, start = True, 4
    parser = _Parser(text, start, ignore_case=ignore_case)
    syntax = parser.alternation(0)
    if parser.position < len(text):
        raise PatternError("this ) closes nothing; write \\) for the character", parser.position)
    _check_product(syntax, MAX_REPEAT)
    return syntax


class _Parser:
    """Recursive descent; `position` is the next character to read."""

    def __init__(self, text: str, position: int, *, ignore_case: bool) -> None:
        self.text = text
        self.position = position
        self.ignore_case = ignore_case

    def peek(self) -> str:
        """Return the next character, or an empty text at the end."""
        return self.text[self.position : self.position + 1]

    def alternation(self, depth: int) -> Syntax:
        """Read up to a closing parenthesis or the end."""
        items = [self.sequence(depth)]
        while self.peek() == "|":
            self.position += 1
            items.append(self.sequence(depth))
        return items[0] if len(items) == 1 else Alternate(tuple(items))

    def sequence(self, depth: int) -> Syntax:
        """Read one alternative."""
        items: list[Syntax] = []
        while (character := self.peek()) and character not in "|)":
            item = self.atom(depth)
            items.append(self.repetition(item))
        return items[0] if len(items) == 1 else Concat(tuple(items))

    def atom(self, depth: int) -> Syntax:
        """Read a character, class, group or anchor."""
        start = self.position
        character = self.text[start]
        if character == "(":
            return self.group(depth)
        if character == "[":
            return Chars(self.char_class())
        if character == "\\":
            named = self.named_class()
            return Chars(named if named is not None else self.fold(((code := self.escape()), code)))
        if character in "*+?":
            raise PatternError(f"{character} has nothing to repeat; write \\{character} for the character", start)
        if character == "{":
            raise PatternError("{ has nothing to repeat; write \\{ for the character", start)
        self.position += 1
        if character == "^":
            return Begin()
        if character == "$":
            return End()
        if character == ".":
            return Chars(NOT_NEWLINE)
        return Chars(self.fold((ord(character), ord(character))))

    def fold(self, *ranges: tuple[int, int]) -> Charset:
        """Return the set of some ranges, in both cases if that is asked for."""
        chars = charset(ranges)
        return fold_ascii(chars) if self.ignore_case else chars

    def group(self, depth: int) -> Syntax:
        """Read a group, captured or not: it is the same."""
        start = self.position
        if depth >= MAX_DEPTH:
            raise PatternError(f"groups are nested deeper than {MAX_DEPTH}", start)
        if self.text.startswith("(?:", start):
            self.position += 3
        elif self.text.startswith("(?", start):
            raise PatternError(_why_no_group(self.text[start + 2 :]), start)
        elif self.text.startswith("(*", start):
            raise PatternError("verbs such as (*FAIL) are not supported", start)
        else:
            self.position += 1
        inner = self.alternation(depth + 1)
        if self.peek() != ")":
            raise PatternError("this ( is never closed; write \\( for the character", start)
        self.position += 1
        return inner

    def repetition(self, item: Syntax) -> Syntax:
        """Read what may follow an item, and refuse a second repetition behind the first."""
        start = self.position
        repeated = self.one_repetition(item)
        if repeated is None:
            return item
        if self.peek() == "?":  # lazy: the same texts match
            self.position += 1
        following = self.peek()
        if following and following in "*+?{":
            written = self.text[start : self.position]
            if following == "+":
                raise PatternError(f"possessive {written}+ is not supported; write {written}", self.position)
            raise PatternError(
                f"{following} after {written} repeats a repetition; write (?:...{written})", self.position
            )
        return repeated

    def one_repetition(self, item: Syntax) -> Repeat | None:
        """Read ``*``, ``+``, ``?`` or a counted repetition, if there is one."""
        start = self.position
        character = self.peek()
        if character in {"*", "+", "?"}:
            self.position += 1
            return Repeat(item, int(character == "+"), 1 if character == "?" else None)
        if character != "{":
            return None
        match = _COUNTED.match(self.text, start)
        if match is None:
            raise PatternError("{ starts no repetition {m}, {m,} or {m,n}; write \\{ for the character", start)
        low_text, comma, high_text = match.groups()
        # No `int` of a text that may have thousands of digits.
        if max(len(low_text.lstrip("0")), len((high_text or "").lstrip("0"))) > 4:
            raise PatternError(f"{match[0]} repeats more than {MAX_REPEAT} times", start)
        low = int(low_text)
        high = int(high_text) if high_text else None if comma else low
        if max(low, high or 0) > MAX_REPEAT:
            raise PatternError(f"{match[0]} repeats more than {MAX_REPEAT} times", start)
        if high is not None and high < low:
            raise PatternError(f"{match[0]} has its limits the wrong way round", start)
        self.position = match.end()
        return Repeat(item, low, high)

    def named_class(self) -> Charset | None:
        r"""Read ``\d`` and its like, if that is next."""
        named = NAMED.get(self.text[self.position + 1 : self.position + 2])
        if named is not None:
            self.position += 2
        return named

    def escape(self) -> int:
        """Read a backslash and what it escapes, and return the code point."""
        start = self.position
        character = self.text[start + 1 : start + 2]
        if not character:
            raise PatternError("a backslash at the end escapes nothing; write \\\\ for the character", start)
        self.position += 2
        if character in _PUNCTUATION:
            return ord(character)
        if character in _CONTROL:
            return _CONTROL[character]
        if character == "x" and (match := _HEX.match(self.text, start + 2)):
            self.position = match.end()
            code = int(match[1] or match[0], 16)
            if code > LAST_CODE_POINT or 0xD800 <= code <= 0xDFFF:
                raise PatternError(f"\\x{match[0]} is not a character", start)
            return code
        if character in "123456789":
            raise PatternError(f"back-references such as \\{character} are not supported", start)
        raise PatternError(_NO_ESCAPE.get(character, f"\\{character} is not an escape; leave out the backslash"), start)

    def char_class(self) -> Charset:
        """Read a class in brackets."""
        start = self.position
        self.position += 1
        negated = self.peek() == "^"
        self.position += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while (character := self.peek()) != "]" or first:
            if not character:
                raise PatternError("this [ is never closed; write \\[ for the character", start)
            if self.text.startswith("[:", self.position):
                raise PatternError(
                    "POSIX classes such as [:alpha:] are not supported; write ranges such as a-z", self.position
                )
            if character == "-" and not first and self.text[self.position + 1 : self.position + 2] != "]":
                raise PatternError("this - is ambiguous; put it first or last, or write \\-", self.position)
            first = False
            ranges += self.class_member()
        self.position += 1
        chars = self.fold(*ranges)
        return negate(chars) if negated else chars

    def class_member(self) -> Charset:
        r"""Read a character, a range, or ``\d`` and its like."""
        start = self.position
        if self.peek() == "\\" and (named := self.named_class()) is not None:
            return named
        low = self.class_character()
        if self.peek() != "-" or self.text[self.position + 1 : self.position + 2] in {"]", ""}:
            return ((low, low),)
        self.position += 1
        if self.peek() == "\\" and self.text[self.position + 1 : self.position + 2] in NAMED:
            raise PatternError(
                "a range ends with a character, not with a class; put the - first or last", self.position
            )
        high = self.class_character()
        if high < low:
            raise PatternError(f"the range {self.text[start : self.position]} runs backwards", start)
        return ((low, high),)

    def class_character(self) -> int:
        """Read one character of a class, escaped or not."""
        if self.peek() == "\\":
            return self.escape()
        self.position += 1
        return ord(self.text[self.position - 1])


def _why_no_group(rest: str) -> str:
    for prefix, message in _NO_GROUP:
        if rest.startswith(prefix):
            return message
    if rest.startswith("i)"):
        return "(?i) is only supported at the very start of the pattern"
    if match := re.match(r"[A-Za-z]*(?:-[A-Za-z]+)?[:)]", rest):
        return f"(?{match[0]} is not supported; the only flag is (?i), at the very start of the pattern"
    return "this kind of group is not supported; write (?:...)"


def _check_product(syntax: Syntax, allowed: int) -> None:
    """Refuse what RE2 refuses: counted repetitions inside one another that together go beyond the limit."""
    if isinstance(syntax, Repeat):
        count = syntax.low if syntax.high is None else syntax.high
        # RE2 counts only {m,n} here; * + ? have a count of at most 1 and change nothing.
        allowed = allowed // count if count else allowed
        if not allowed:
            raise PatternError(f"nested repetitions together repeat more than {MAX_REPEAT} times")
        _check_product(syntax.item, allowed)
    elif isinstance(syntax, (Concat, Alternate)):
        for item in syntax.items:
            _check_product(item, allowed)
