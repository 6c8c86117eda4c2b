"""Keys in the text of a file: one pass to see whether there is any, a second one, over few files, to see where.

The first pass replaces every byte that can't be part of a key by a space, splits, and looks whether the words and the keys have
one in common. All of that happens in C, so a thousand keys cost what one costs.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.references.casing import alias
from flagctl.references.model import KEY_WORD, ReferenceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WORD_BYTES: Final = (string.ascii_letters + string.digits + "_-").encode()
_WORDS: Final = bytes(byte if byte in _WORD_BYTES else 32 for byte in range(256))
_IDENTIFIER_BYTES: Final = (string.ascii_letters + string.digits + "_").encode()
_IDENTIFIERS: Final = bytes(byte if byte in _IDENTIFIER_BYTES else 32 for byte in range(256))
_QUOTED: Final = re.compile(rb"([\"'`])([A-Za-z0-9][A-Za-z0-9._-]*)\1")
_IDENTIFIER: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_LONG_IDENTIFIER: Final = re.compile(rb"[A-Za-z0-9_]+(?:[-.][A-Za-z0-9_]+)+")
_KEY: Final = rb"([a-z0-9][a-z0-9._-]*)"
_ASKS: Final = re.compile(
    rb"\b(is_?[eE]nabled|guarded|guard|[gG]et_?(?:[vV]ariant|[bB]oolean_?|[sS]tring_?|[nN]umber_?|[iI]nteger_?|"
    rb"[dD]ouble_?|[fF]loat_?|[oO]bject_?)(?:[vV]alue|[dD]etails)?(?:_?[aA]sync)?)"
    rb"\(\s*([\"'`])([a-z0-9][a-z0-9._-]*)\2"
)
_ASKING_WORDS: Final = frozenset(
    {b"isEnabled", b"is_enabled", b"getVariant"}
    | {
        b"get%sValue%s" % (kind, end)
        for kind in (b"Boolean", b"String", b"Number", b"Integer", b"Double", b"Object")
        for end in (b"", b"Async")
    }
)


class Hit(NamedTuple):
    """A place in a file, with its quotes: `start` and `end` count bytes; `via` is the text that stands for the key, or None."""

    start: int
    end: int
    key: str
    via: str | None


class Ask(NamedTuple):
    """A call of a method that looks like an evaluation, in a language that is read as text only."""

    start: int
    method: str
    key: str


class Scanner:
    """Looks for keys in texts.

    Args:
        keys: The keys.
        settings: Aliases, literals and patterns.
    """

    def __init__(self, keys: Iterable[str], settings: ReferenceSettings | None = None) -> None:
        settings = settings or ReferenceSettings()
        self._quoted: dict[bytes, str] = {}
        self._names: dict[bytes, str] = {}
        self._literals: dict[bytes, str] = {text.encode(): key for text, key in settings.literals}
        self._patterns = [_pattern(text) for text in settings.patterns]
        wanted = list(keys)
        self._keys = {key.encode(): key for key in wanted}
        for key in wanted:
            self._quoted[key.encode()] = key
        for key in wanted:
            for casing in settings.aliases:
                name = alias(key, casing)
                if name is not None and name != key:
                    self._names.setdefault(name.encode(), key)
        self._probes = frozenset(max(re.split(rb"[.]", key), key=len) for key in self._quoted)
        self._name_probes = frozenset(max(re.split(rb"[-.]", name), key=len) for name in self._names)

    def may_have(self, data: bytes) -> bool:
        """Return whether a second look is worth it: False means that nothing is there."""
        if not self._probes.isdisjoint(data.translate(_WORDS).split()):
            return True
        if self._name_probes and not self._name_probes.isdisjoint(data.translate(_IDENTIFIERS).split()):
            return True
        return any(text in data for text in self._literals) or any(p.search(data) for p in self._patterns)

    def hits(self, data: bytes) -> list[Hit]:
        """Return all places, in order; a place that several ways find counts once."""
        found: dict[int, Hit] = {}
        for hit in self._all(data):
            found.setdefault(hit.start, hit)
        return [found[start] for start in sorted(found)]

    def _all(self, data: bytes) -> Iterator[Hit]:
        for match in _QUOTED.finditer(data):
            key = self._quoted.get(match[2])
            if key is not None:
                yield Hit(match.start(), match.end(), key, None)
        if self._names:
            for expression in (_IDENTIFIER, _LONG_IDENTIFIER):
                for match in expression.finditer(data):
                    key = self._names.get(match[0])
                    if key is not None:
                        yield Hit(match.start(), match.end(), key, match[0].decode())
        for pattern in self._patterns:
            for match in pattern.finditer(data):
                key = self._keys.get(match[1].rstrip(b"."))
                if key is not None:
                    yield Hit(match.start(1), match.end(1), key, None)
        for text, key in self._literals.items():
            start = data.find(text)
            while start >= 0:
                yield Hit(start, start + len(text), key, text.decode())
                start = data.find(text, start + len(text))


def asks(data: bytes) -> Iterator[Ask]:
    """Yield calls with a literal key of methods that SDKs evaluate flags with."""
    for match in _ASKS.finditer(data):
        yield Ask(match.start(2), match[1].decode(), match[3].decode())


def may_ask(data: bytes) -> bool:
    """Return whether a text calls such methods at all."""
    return any(word in data for word in _ASKING_WORDS)


def has_word(data: bytes, words: frozenset[bytes]) -> bool:
    """Return whether a text has one of these identifiers."""
    return not words.isdisjoint(data.translate(_IDENTIFIERS).split())


def _pattern(text: str) -> re.Pattern[bytes]:
    before, _, after = text.partition(KEY_WORD)
    return re.compile(re.escape(before.encode()) + _KEY + re.escape(after.encode()))
