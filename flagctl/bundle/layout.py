"""How a bundle's entries become lines of bytes (`docs/bundle-format.md`).

One JSON document, one flag per line: a reader finds a flag by its line without parsing the others, and two bundles that
differ in one flag differ in one line.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flagctl.bundle.canonical import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FORMAT: Final = 1
"""Version of the format that is written; readers refuse newer ones."""

MIN_VERSION: Final = "0.1.0"
"""The first flagctl that reads this format with every capability that can be written today."""

DIGEST_LENGTH: Final = 16
"""Hexadecimal digits of a flag's digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleContents:
    """Everything that goes into a bundle; the mappings' order does not matter.

    Attributes:
        project: Project the flags belong to.
        environment: Environment the flags were compiled for.
        capabilities: What a reader must know; written sorted.
        flags: Entries by flag key.
        experiments: Entries by experiment key.
        patterns: Automata by the key that conditions name.
        segments: Entries by segment key.
        private: Paths of attributes that are personal data.
    """

    project: str
    environment: str
    capabilities: frozenset[str] = frozenset()
    flags: Mapping[str, Any] = field(default_factory=dict)
    experiments: Mapping[str, Any] = field(default_factory=dict)
    patterns: Mapping[str, Any] = field(default_factory=dict)
    segments: Mapping[str, Any] = field(default_factory=dict)
    private: Iterable[Sequence[str]] = ()


def write_bundle(contents: BundleContents) -> bytes:
    """Return a bundle's bytes: the same contents give the same bytes, whatever their order and the machine.

    Raises:
        ValueError: If a number is not finite or a text holds a lone surrogate.
        TypeError: If a value has no form in JSON.
    """
    header: dict[str, Any] = {
        "capabilities": sorted(contents.capabilities),
        "env": contents.environment,
        "format": FORMAT,
        "min_version": MIN_VERSION,
        "project": contents.project,
    }
    if private := sorted({tuple(path) for path in contents.private}):
        header["pii"] = [path[0] if len(path) == 1 else list(path) for path in private]
    parts = [b'{"bundle":', canonical_json(header), b',"experiments":{\n']
    parts += _section(contents.experiments)
    parts.append(b'},"flags":{\n')
    parts += _section(contents.flags)
    parts.append(b'},"patterns":{\n')
    parts += _section(contents.patterns)
    parts.append(b'},"segments":{\n')
    parts += _section(contents.segments)
    parts.append(b"}}\n")
    return b"".join(parts)


def entry_line(key: str, entry: Any) -> bytes:
    """Return an entry's line without the comma and the line end."""
    return canonical_json(key) + b":" + canonical_json(entry)


def digest_of_line(line: bytes) -> str:
    """Return the digest of an entry's line, as `entry_line` returns it."""
    return hashlib.sha256(line).hexdigest()[:DIGEST_LENGTH]


def _section(entries: Mapping[str, Any]) -> Iterable[bytes]:
    if entries:
        yield b",\n".join(_line(key, entries[key]) for key in sorted(entries))
        yield b"\n"


def _line(key: str, entry: Any) -> bytes:
    try:
        return entry_line(key, entry)
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"the entry {key!r} has no place in a bundle: {error}") from error
