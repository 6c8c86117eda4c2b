r"""Patterns of the operator `matches`: one subset of RE2's syntax, turned into a minimal automaton.

The runtime has no regex engine: it walks the automaton, one table step per character, and answers whether the pattern
is found anywhere. What is accepted here means the same to RE2, with one exception (`ignore_case` below):

- literal characters; ``\.`` and the like for ASCII punctuation; ``\a \f \n \r \t \v``; ``\x41``, ``\x{1F600}``
- ``.`` for any character but a line feed; classes ``[a-z0-9_]`` and ``[^...]``; ASCII ``\d \w \s \D \W \S``, also
  inside a class
- groups ``(?:...)``; ``(...)`` is the same, since nothing is captured; alternation ``|``
- ``* + ?`` and ``{m} {m,} {m,n}`` up to 1000, nested ones up to 1000 together; a lazy ``?`` behind one has no effect on
  a yes/no answer
- ``^`` and ``$`` for the start and the end of the text, wherever they stand
- ``(?i)`` at the very start: ASCII letters match in both cases. RE2 also folds beyond ASCII (``k`` and the Kelvin sign).

A ``{`` that starts no repetition, and a ``-`` between two members of a class, are refused rather than guessed.

>>> automaton = compile_pattern(r"^v\d+$")
>>> automaton.search("v12"), automaton.search("v12b")
(True, False)
"""

from __future__ import annotations

from functools import lru_cache

from flagctl.patterns.automaton import MAX_STATES, PatternAutomaton, build_automaton
from flagctl.patterns.error import PatternError
from flagctl.patterns.parser import parse

__all__ = ["MAX_STATES", "PatternAutomaton", "PatternError", "compile_pattern"]


@lru_cache(maxsize=2048)
def compile_pattern(text: str, *, ignore_case: bool = False) -> PatternAutomaton:
    """Return the minimal automaton of a pattern. Patterns of the same language give equal automata.

    Args:
        text: The pattern.
        ignore_case: Match ASCII letters in both cases, as if the pattern began with ``(?i)``.

    Raises:
        PatternError: If the pattern is malformed, uses what the subset leaves out, or needs more than `MAX_STATES`
            states, or too much work on the way to them; never after more than about a second.
    """
    return build_automaton(parse(text, ignore_case=ignore_case))
