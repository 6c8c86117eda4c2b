"""Which files an edit can make wrong: those it changes, what they look at, and who looks at them.

Checking these few with all rules finds every error that an edit brings, in a repository of ten thousand flags, too. Too many files do no
harm but take time; so keys are looked for in bytes, and nobody asks whether a mention is a reference.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_CONFIG: Final = "flagctl.yaml"
_WORD: Final = re.compile(rb"[a-z0-9][a-z0-9._-]*")
_FEW: Final = 8
_SALT: Final = re.compile(rb"""(?:^|[\s{,])salt[ \t]*:[ \t]*["']?([^"',}\r\n#]+)""")
_REFERENCES: Final = frozenset({"segment", "experiment", "flag", "layer"})


class Scope:
    """Looks for related files.

    Args:
        before: Content by path before an edit.
        after: The same after it.
        changed: Paths that differ.
    """

    def __init__(self, before: Mapping[str, bytes], after: Mapping[str, bytes], changed: Iterable[str]) -> None:
        self.before = before
        self.after = after
        self.changed = frozenset(changed)

    def paths(self) -> frozenset[str] | None:
        """Return the files to look at; None for all of them."""
        if _CONFIG in self.changed:
            return None
        found = set(self.changed)
        keys: set[str] = set()
        salts: set[str] = set()
        for path in self.changed:
            for files in (self.before, self.after):
                data = _data(path, files.get(path))
                keys.update(_own_keys(path, data))
                salts.update(_salts(data))
        found |= self._users(keys)
        found |= self._seed_twins(salts | keys)
        waiting = set(found)
        while waiting:
            waiting = {near for path in waiting for near in self._looked_at(path)} - found
            found |= waiting
        return frozenset(found)

    def _users(self, keys: set[str]) -> set[str]:
        """Return the files that mention a key, and those that mention these files' keys, and so on."""
        found: set[str] = set()
        words, seen = set(keys), set(keys)
        while words:
            fresh = _files_with(words, self.after) - found
            found |= fresh
            words = {key for path in fresh for key in _own_keys(path, _data(path, self.after.get(path)))} - seen
            seen |= words
        return found

    def _looked_at(self, path: str) -> Iterator[str]:
        for files in (self.before, self.after):
            for kind, key in _references(_data(path, files.get(path))):
                yield from self._paths_of(key) or self._nearest(kind, key)
                if kind == "layer":
                    yield from _files_with({key}, self.after)

    def _paths_of(self, key: str) -> list[str]:
        return self._stems.get(key, [])

    @cached_property
    def _stems(self) -> dict[str, list[str]]:
        """Paths by name of the file, which is the key of what is in it."""
        result: dict[str, list[str]] = {}
        for path in {**self.after, **self.before}:
            result.setdefault(path.rpartition("/")[2].rpartition(".")[0], []).append(path)
        return result

    def _nearest(self, kind: str, key: str) -> list[str]:
        """Return the file of the key that was meant instead of one that does not exist, so that its name is suggested."""
        from flagctl.diagnostics import did_you_mean

        line = b"kind: %b" % kind.encode()
        alike = (stem for stem, paths in self._stems.items() if any(line in self.after.get(p, b"") for p in paths))
        near = did_you_mean(key, alike)
        return [] if near is None else self._stems[near]

    def _seed_twins(self, salts: set[str]) -> set[str]:
        """Return the files whose salts have a seed of one of these: two of them in one environment are an error."""
        from flagctl.evaluator.buckets import seed

        seeds = {seed(salt): salt for salt in salts}
        found = set()
        for path, content in self.after.items():
            stem = path.rpartition("/")[2].rpartition(".")[0]
            if seeds.get(seed(stem), stem) != stem:
                found.add(path)
            elif b"salt" in content:
                for salt in _SALT.findall(content):
                    text = salt.strip().decode("utf-8", "replace")
                    if seeds.get(seed(text), text) != text:
                        found.add(path)
        return found


def _files_with(words: set[str], files: Mapping[str, bytes]) -> set[str]:
    wanted = {word.encode() for word in words}
    if len(wanted) <= _FEW:
        alone = re.compile(rb"(?<![a-z0-9._-])(?:%b)(?![a-z0-9_-])" % b"|".join(map(re.escape, sorted(wanted))))
        return {
            path for path, content in files.items() if any(word in content for word in wanted) and alone.search(content)
        }
    return {path for path, content in files.items() if not wanted.isdisjoint(_WORD.findall(content))}


def _data(path: str, content: bytes | None) -> dict[str, Any]:
    """Return what a file says, read as it is when it is loaded: one that breaks a rule may have a key all the same."""
    from flagctl.source.reading import read_document

    data = None if content is None else read_document(path, content).document.data
    return data if isinstance(data, dict) else {}


def _own_keys(path: str, data: Mapping[str, Any]) -> Iterator[str]:
    if data.get("kind") == "test" or path.endswith((".test.yaml", ".test.yml")):
        return
    yield path.rpartition("/")[2].rpartition(".")[0]
    if isinstance(data.get("key"), str) and data["key"]:
        yield data["key"]


def _references(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str) and key in _REFERENCES:
                yield key, item
            else:
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _salts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "salt" and isinstance(item, str):
                yield item
            else:
                yield from _salts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _salts(item)
