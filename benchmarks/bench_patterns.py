"""What patterns cost: compiling them to automata, and walking 10 kB of text, beside google-re2 where it is installed.

    python benchmarks/bench_patterns.py

Compiling happens once, on the author's side. The texts are chosen to make a back-tracking engine suffer; a walk takes
one table step for each character whatever the pattern, unless the answer is known earlier. Times are CPU milliseconds,
the least of several rounds, and for walks the worst text.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from flagctl.evaluator.automaton import Automaton
from flagctl.patterns import PatternError, compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

PATTERNS = [
    "^A-[0-9]{4}$",
    r"@(?:example|shop)\.(?:com|org)$",
    r"(?i)^(?:[a-z0-9]+[-._]?)+@example\.com$",
    r"Mobile.{0,40}Safari/\d+\.\d+",
    "|".join(f"user-{number}" for number in range(100, 200)),
    "((a*)*)*$",
    "(x+x+)+y",
    "(a?){1000}$",
    "(.*a){20}",
    "(a|b)*a(a|b){8}$",
    "^.{0,999}.{0,999}$",
    "(a|b)*a(a|b){12}$",
    "^(?:[ab]*a[ab]{13}c)$",
    "(?:[a-m].{0,30}[n-z].{0,30}){10}$",
]
TEXTS = ["a" * 10_000, "ab" * 5_000, "x" * 9_999 + "z", "user-" * 2_000, "aé" * 5_000]
ROUNDS = 5
AT_MOST_MS = 20


def milliseconds(action: Callable[..., object], *arguments: object) -> float:
    """Return the least CPU time of several calls."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        action(*arguments)
        best = min(best, time.process_time() - began)
    return best * 1000


def worst_text(search: Callable[[str], object]) -> float:
    """Return the time of the text that takes longest."""
    return max(milliseconds(search, text) for text in TEXTS)


def main() -> None:
    try:
        import re2
    except ImportError:
        re2 = None
    print(f"{'pattern':<44}{'states':>8}{'compile ms':>12}{'walk ms':>10}{'re2 ms':>9}")
    worst = 0.0
    for pattern in PATTERNS:
        shown = pattern if len(pattern) <= 42 else pattern[:39] + "..."
        try:
            automaton = compile_pattern(pattern)
        except PatternError:
            print(f"{shown:<44}{'refused':>8}{milliseconds(_refused, pattern):>12.2f}")
            continue
        compiling = milliseconds(compile_pattern.__wrapped__, pattern)
        walk = worst_text(Automaton.from_document(automaton.to_document()).search)
        worst = max(worst, walk)
        other = "" if re2 is None else f"{worst_text(_quiet(re2, pattern).search):.2f}"
        print(f"{shown:<44}{len(automaton.next):>8}{compiling:>12.2f}{walk:>10.2f}{other:>9}")
    print(f"worst walk {worst:.2f} ms of {AT_MOST_MS} ms")
    sys.exit(worst > AT_MOST_MS)


def _quiet(re2: ModuleType, pattern: str) -> Any:
    """Return RE2's compiled pattern, with room for its tables and without its log."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 256 << 20
    return re2.compile(pattern, options)


def _refused(pattern: str) -> None:
    try:
        compile_pattern(pattern)
    except PatternError:
        return
    raise AssertionError(pattern)


if __name__ == "__main__":
    main()
