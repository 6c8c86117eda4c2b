"""`flagctl inspect`: what is in a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import did_you_mean
from flagctl.errors import BundleFormatError, NothingMatchedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.evaluator.document import Document, Header

SECTIONS: Final = ("flags", "segments", "patterns", "experiments")
"""In the order people ask for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectOptions:
    """What to look at.

    Attributes:
        path: The bundle's file, plain or compressed with gzip.
        flag: Show this flag's entry.
        biggest: How many of the largest flags to list.
    """

    path: Path
    flag: str | None = None
    biggest: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagEntry:
    """One flag of a bundle.

    Attributes:
        key: Its key.
        digest: Of its line, 16 hexadecimal digits.
        size: Bytes of its line.
        entry: What the bundle says about it.
        segments: Keys of the segments it uses, those used by segments included, sorted.
        patterns: Patterns it or these segments use, sorted.
    """

    key: str
    digest: str
    size: int
    entry: dict[str, Any]
    segments: tuple[str, ...]
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectResult:
    """What is in a bundle.

    Attributes:
        path: The file.
        stored: Bytes of the file.
        size: Bytes of the plain bundle.
        sha256: Of the plain bundle: its id.
        header: What the bundle says about itself.
        counts: Number of entries by section.
        sizes: Bytes of the entries by section.
        biggest: ``(key, bytes)`` of the largest flags, largest first.
        problem: What a client would refuse the bundle for, or None.
        flag: The flag that was asked for, or None.
    """

    path: str
    stored: int
    size: int
    sha256: str
    header: Header
    counts: dict[str, int]
    sizes: dict[str, int]
    biggest: tuple[tuple[str, int], ...]
    problem: str | None
    flag: FlagEntry | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-inspect.schema.json`)."""
        flag = self.flag
        return {
            "path": self.path,
            "stored": self.stored,
            "size": self.size,
            "sha256": self.sha256,
            "header": {**self.header._asdict(), "capabilities": list(self.header.capabilities)},
            "sections": {name: {"entries": self.counts[name], "size": self.sizes[name]} for name in SECTIONS},
            "biggest": [{"key": key, "size": size} for key, size in self.biggest],
            "problem": self.problem,
            "flag": None
            if flag is None
            else {
                "key": flag.key,
                "digest": flag.digest,
                "size": flag.size,
                "entry": flag.entry,
                "segments": list(flag.segments),
                "patterns": list(flag.patterns),
            },
        }


def inspect_file(options: InspectOptions) -> InspectResult:
    """Look into a bundle file.

    Raises:
        UsageError: If the file cannot be read.
        BundleFormatError: If it is no bundle, or needs a newer flagctl. A bundle with a damaged entry is shown, with
            `problem` set.
        NothingMatchedError: If the flag that was asked for is not in it.
    """
    try:
        data = options.path.read_bytes()
    except OSError as error:
        raise UsageError(f"{options.path} cannot be read: {error.strerror or error}") from error
    return inspect_bundle(data, options)


def inspect_bundle(data: bytes, options: InspectOptions) -> InspectResult:
    """Look into a bundle's bytes; `options.path` only names it. Raises as :func:`inspect_file`."""
    from flagctl.evaluator.document import check_structure, open_bundle

    document = open_bundle(data)
    lengths = {name: {key: len(document.line(name, key)) for key in document.keys(name)} for name in SECTIONS}
    by_size = sorted(lengths["flags"].items(), key=lambda item: (-item[1], item[0]))
    problem = None
    try:
        check_structure(document)
    except BundleFormatError as error:
        problem = error.message
    return InspectResult(
        path=str(options.path),
        stored=len(data),
        size=document.size,
        sha256=document.sha256,
        header=document.header,
        counts={name: len(entries) for name, entries in lengths.items()},
        sizes={name: sum(entries.values()) for name, entries in lengths.items()},
        biggest=tuple(by_size[: options.biggest]),
        problem=problem,
        flag=None if options.flag is None else _flag(document, options.flag),
    )


def _flag(document: Document, key: str) -> FlagEntry:
    from flagctl.evaluator.document import MalformedEntryError

    if not document.has("flags", key):
        close = did_you_mean(key, document.flag_keys())
        raise NothingMatchedError(f"the bundle has no flag '{key}'", hint=f"did you mean '{close}'?" if close else None)
    try:
        entry = document.flag(key)
    except MalformedEntryError as error:
        raise BundleFormatError(f"the entry of flag '{key}' is damaged: {error}") from error
    segments, patterns = _uses(entry.get("rules"))
    waiting = list(segments)
    while waiting:
        further, more = _uses(_conditions_of(document, waiting.pop()))
        patterns |= more
        waiting += further - segments
        segments |= further
    return FlagEntry(
        key=key,
        digest=document.digest(key),
        size=len(document.flag_line(key)),
        entry=entry,
        segments=tuple(sorted(segments)),
        patterns=tuple(sorted(patterns)),
    )


def _conditions_of(document: Document, segment: str) -> Any:
    from flagctl.evaluator.document import MalformedEntryError

    try:
        return document.segment(segment).get("when") if document.has("segments", segment) else None
    except MalformedEntryError:
        return None  # `problem` tells it


def _uses(part: Any) -> tuple[set[str], set[str]]:
    """Return the segments and patterns in rules or conditions; values of variants are not looked into."""
    segments: set[str] = set()
    patterns: set[str] = set()
    stack = [part]  # no recursion: a damaged bundle may be nested deeply
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack += part
        elif isinstance(part, dict):
            if isinstance(part.get("segment"), str):
                segments.add(part["segment"])
            if part.get("operator") in ("matches", "not_matches") and isinstance(part.get("value"), str):
                patterns.add(part["value"])
            stack += [part.get(name) for name in ("when", "all", "any", "not")]
    return segments, patterns
