"""The complete check of a bundle: every line, every entry's shape, every reference, no cycles.

A client runs it once on a bundle it is about to accept. Evaluation stays total without it, a broken entry being an
error of its own flags only; but a publisher's mistake should be refused whole, not answered around.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import BundleFormatError
from flagctl.evaluator.automaton import Automaton
from flagctl.evaluator.document import SECTIONS, Document, MalformedEntryError, changed_keys, refuse_constant
from flagctl.evaluator.lowering import Bundle, lower_flag, lower_segment
from flagctl.evaluator.pauses import rest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def check(document: Document) -> None:
    """Check a bundle's structure.

    Raises:
        BundleFormatError: Something is wrong; the message names the entry.
    """
    _Check(document).run()


def check_against(before: Document, after: Document) -> None:
    """Check a bundle's structure, given that another bundle's is good and most lines are the same.

    Raises:
        BundleFormatError: Something is wrong; the message names the entry.
    """
    _Check(after).run_against(before)


_MOST_NEEDLES: Final = 32
"""From so many keys on that are gone, looking at everything is quicker than looking for who refers to them."""


class _Lazily(dict[str, tuple[str, ...]]):
    """Edges of a graph: those that are known, and others when they are asked for."""

    def __init__(self, known: Mapping[str, tuple[str, ...]], read: Callable[[str], tuple[str, ...]]) -> None:
        super().__init__(known)
        self._read = read

    def __missing__(self, key: str) -> tuple[str, ...]:
        edges = self[key] = self._read(key)
        return edges


def _no_pattern(_: str) -> bool:
    return False


def _strict_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


_decode: Final = json.JSONDecoder(parse_constant=refuse_constant, object_pairs_hook=_strict_object).decode


class _Check:
    """State of one check: what refers to what, found while each entry is lowered."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.bundle = Bundle(self.search, {})
        self.prerequisites: dict[str, tuple[str, ...]] = {}
        self.segments: dict[str, tuple[str, ...]] = {}
        self.used_experiments: set[tuple[str, str]] = set()

    def run(self) -> None:
        for section in SECTIONS:
            keys = self.document.keys(section)
            for number, key in enumerate(keys):
                self.look(section, key, last=number == len(keys) - 1)
        self.finish()

    def run_against(self, before: Document) -> None:
        """Look at entries that changed, at those that may refer to something that is gone, and at the ends of sections."""
        after = self.document
        changed: dict[str, set[str]] = {}
        gone: set[str] = set()
        for section in SECTIONS:
            old, new = before.raw_lines(section), after.raw_lines(section)
            apart = changed_keys(old, new)
            apart |= {next(reversed(lines)) for lines in (old, new) if apart and lines}
            changed[section] = {key for key in apart if key in new}
            gone |= apart - changed[section]
        # An experiment that names another flag now is as bad for the flags that serve it as one that is gone.
        needles = [json.dumps(key, ensure_ascii=False).encode() for key in gone | changed["experiments"]]
        if len(needles) > _MOST_NEEDLES:
            self.run()
            return
        for section in SECTIONS:
            lines = after.raw_lines(section)
            if needles:
                # A reference may be spelt with escapes, which all have a backslash.
                needles_here = (*needles, b"\\")
                changed[section] |= {key for key, line in lines.items() if any(word in line for word in needles_here)}
            last = next(reversed(lines), None) if changed[section] else None
            for key in sorted(changed[section]):
                self.look(section, key, last=key == last)
        self.prerequisites = _Lazily(self.prerequisites, self.prerequisites_of)
        self.segments = _Lazily(self.segments, self.segments_of)
        self.finish()

    def look(self, section: str, key: str, *, last: bool) -> None:
        checks: dict[str, Callable[[str, dict[str, Any]], None]] = {
            "experiments": self.experiment,
            "flags": self.flag,
            "patterns": self.pattern,
            "segments": self.segment,
        }
        rest()
        try:
            checks[section](key, self.entry(section, key, last=last))
        except (ValueError, RecursionError) as error:
            raise BundleFormatError(f"the bundle's {section} entry {key!r} can't be used: {error}") from None

    def finish(self) -> None:
        for key, experiment in sorted(self.used_experiments):
            if not self.document.has("experiments", experiment) or self.flag_of(experiment) != key:
                raise BundleFormatError(
                    f"the bundle's flag {key!r} serves experiment {experiment!r}, which is not its own"
                )
        _refuse_cycles(self.prerequisites, "flag")
        _refuse_cycles(self.segments, "segment")

    def prerequisites_of(self, key: str) -> tuple[str, ...]:
        """Return what a flag that was not looked at needs; it is as it was when it passed."""
        if b'"prerequisites":' not in self.document.raw_line("flags", key):
            return ()
        return tuple([need[0] for need in self.document.flag(key).get("prerequisites", ())])

    def segments_of(self, key: str) -> tuple[str, ...]:
        """Return the segments that a segment which was not looked at refers to."""
        return tuple(sorted(lower_segment(self.document.segment(key), self.bundle).segments))

    def entry(self, section: str, key: str, *, last: bool) -> dict[str, Any]:
        line = self.document.raw_line(section, key)
        if line.endswith(b",") == last:
            raise MalformedEntryError("the comma at its line's end is missing or too many")
        text = line.removesuffix(b",").decode()
        entries = _decode("{" + text + "}")
        if list(entries) != [key] or type(entries[key]) is not dict:
            raise MalformedEntryError("its line does not hold one object under its key")
        if "\\ud" in text.lower() and not _is_unicode(entries):
            raise MalformedEntryError("it holds text that is not valid Unicode")
        return entries[key]  # type: ignore[no-any-return]

    def experiment(self, _key: str, entry: dict[str, Any]) -> None:
        if entry.keys() != {"flag"} or type(entry["flag"]) is not str:
            raise MalformedEntryError("an experiment has `flag`")
        self.refer("flags", entry["flag"])

    def flag_of(self, experiment: str) -> object:
        return self.document.experiment(experiment).get("flag")

    def flag(self, key: str, entry: dict[str, Any]) -> None:
        plan = lower_flag(key, b"", entry, self.bundle)
        for name in plan.segments:
            self.refer("segments", name)
        self.prerequisites[key] = tuple([need.flag for need in plan.prerequisites])
        for name in self.prerequisites[key]:
            self.refer("flags", name)
        for rule in entry.get("rules", ()):
            if "experiment" in rule:
                self.used_experiments.add((key, rule["experiment"]["key"]))

    def pattern(self, _key: str, entry: dict[str, Any]) -> None:
        if entry.keys() != {"accept", "classes", "next"}:
            raise MalformedEntryError("a pattern has `accept`, `classes` and `next`")
        Automaton.from_document(entry)

    def segment(self, key: str, entry: dict[str, Any]) -> None:
        plan = lower_segment(entry, self.bundle)
        self.segments[key] = tuple(sorted(plan.segments))
        for name in self.segments[key]:
            self.refer("segments", name)

    def search(self, key: str) -> Callable[[str], bool]:
        self.refer("patterns", key)
        return _no_pattern

    def refer(self, section: str, key: str) -> None:
        if not self.document.has(section, key):
            raise MalformedEntryError(f"it refers to {section} {key!r}, which the bundle does not have")


def _is_unicode(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_cycles(graph: Mapping[str, tuple[str, ...]], what: str) -> None:
    """Refuse a graph with a cycle, naming the way round it."""
    done: set[str] = set()
    for start in list(graph):
        path: list[str] = []
        on_path: set[str] = set()
        stack = [(start, False)]
        while stack:
            key, leaving = stack.pop()
            if leaving:
                path.pop()
                on_path.discard(key)
                done.add(key)
            elif key in on_path:
                way = " -> ".join([*path[path.index(key) :], key])
                raise BundleFormatError(f"the bundle's {what} {key!r} depends on itself: {way}")
            elif key not in done:
                path.append(key)
                on_path.add(key)
                stack.append((key, True))
                stack.extend((need, False) for need in graph[key])
