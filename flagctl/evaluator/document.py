"""A bundle's bytes, opened: header and line index now, entries when they are asked for.

Opening 10 000 flags takes milliseconds because nothing but the header is parsed; the layout of
`docs/bundle-format.md` puts every entry on a line of its own, so that splitting at line ends finds them all. An entry
whose line turns out to be malformed is an error of that entry alone; :func:`check_structure` looks at all of them.
"""

from __future__ import annotations

import json
import re
import sys
import zlib
from hashlib import sha256
from itertools import compress
from operator import is_not
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.errors import BundleFormatError
from flagctl.evaluator.details import line_digest
from flagctl.evaluator.operators import OPERATORS
from flagctl.evaluator.pauses import rest

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = 1
"""The newest format this reader knows."""

CAPABILITIES: Final = frozenset(
    {
        "breakers",
        "experiments",
        "lists",
        "patterns",
        "prerequisites",
        "schedules",
        "segments",
        *(f"operator:{name}" for name in OPERATORS),
    }
)
"""Everything a bundle of this format may say it needs."""

SECTIONS: Final = ("experiments", "flags", "patterns", "segments")
"""In the order of the document, which is the order of their names."""

MAX_SIZE: Final = 512 * 1024 * 1024
"""Bytes a compressed bundle may expand to. A published one is held to its manifest's size before it gets here."""

_GZIP: Final = b"\x1f\x8b"
_KEY: Final = re.compile(rb'"([a-z0-9][a-z0-9._-]{0,254})":')
_HEADER_START: Final = b'{"bundle":'
_HEADER_END: Final = b',"experiments":{'
_LINES_WITHOUT_REST: Final = 500
_ENTRY_ENDS: Final = (b"}", b"},")


class Header(NamedTuple):
    """What a bundle says about itself.

    `private` has the paths of attributes that are personal data, ascending.
    """

    capabilities: tuple[str, ...]
    env: str
    format: int
    min_version: str
    project: str
    private: tuple[tuple[str, ...], ...] = ()


class MalformedEntryError(ValueError):
    """An entry that can't be used; what is wrong with it is the message. The evaluator answers PARSE_ERROR."""


class Document:
    """An opened bundle. Entries are decoded on every call: callers keep what they make of them.

    Attributes:
        header: What the bundle says about itself.
        first_line: The line that says so.
        sha256: Of the plain bytes, 64 hexadecimal digits: the bundle's id.
        size: Plain bytes.
    """

    __slots__ = ("_flag_keys", "_lines", "first_line", "header", "sha256", "size")

    def __init__(
        self, header: Header, first_line: bytes, lines: dict[str, dict[str, bytes]], sha256: str, size: int
    ) -> None:
        self.header = header
        self.first_line = first_line
        self.sha256 = sha256
        self.size = size
        self._lines = lines
        self._flag_keys = tuple(lines["flags"])

    def flag_keys(self) -> tuple[str, ...]:
        """Return the keys of all flags, ascending."""
        return self._flag_keys

    def keys(self, section: str) -> tuple[str, ...]:
        """Return the keys of a section (one of `SECTIONS`), ascending."""
        return tuple(self._lines[section])

    def has(self, section: str, key: str) -> bool:
        """Return whether a section has an entry."""
        return key in self._lines[section]

    def line(self, section: str, key: str) -> bytes:
        """Return an entry's line without comma and line end.

        Raises:
            KeyError: There is no such entry.
        """
        return self._lines[section][key].removesuffix(b",")

    def raw_line(self, section: str, key: str) -> bytes:
        """Return an entry's line with its comma, if it has one; KeyError if there is no such entry."""
        return self._lines[section][key]

    def raw_lines(self, section: str) -> dict[str, bytes]:
        """Return a section's lines by key, each with its comma, if it has one; not to be changed."""
        return self._lines[section]

    def entry(self, section: str, key: str) -> dict[str, Any]:
        """Decode an entry.

        Raises:
            KeyError: There is no such entry.
            MalformedEntryError: Its line is no JSON object.
        """
        return decode_line(self._lines[section][key])

    def flag_line(self, key: str) -> bytes:
        """Return a flag's line without comma and line end; KeyError if there is none."""
        return self.line("flags", key)

    def flag(self, key: str) -> dict[str, Any]:
        """Decode a flag; as :meth:`entry`."""
        return self.entry("flags", key)

    def segment(self, key: str) -> dict[str, Any]:
        """Decode a segment; as :meth:`entry`."""
        return self.entry("segments", key)

    def pattern(self, key: str) -> dict[str, Any]:
        """Decode a pattern's automaton; as :meth:`entry`."""
        return self.entry("patterns", key)

    def experiment(self, key: str) -> dict[str, Any]:
        """Decode an experiment; as :meth:`entry`."""
        return self.entry("experiments", key)

    def digest(self, key: str) -> str:
        """Return a flag's digest: the first 16 hexadecimal digits of the SHA-256 of its line."""
        return line_digest(self._lines["flags"][key])


def refuse_constant(text: str) -> Any:
    """Refuse `NaN` and `Infinity`, which Python's decoder takes for numbers."""
    raise ValueError(f"{text} is not JSON")


_decode: Final = json.JSONDecoder(parse_constant=refuse_constant).decode


def decode_line(line: bytes) -> dict[str, Any]:
    """Decode the object of an entry line, with or without its comma.

    Raises:
        MalformedEntryError: It is no JSON object, or a single number in it is too long to be read.
    """
    try:
        entries = _decode("{" + line.removesuffix(b",").decode() + "}")
    except (ValueError, RecursionError) as error:
        raise MalformedEntryError(f"not JSON: {error}") from None
    if len(entries) != 1:
        raise MalformedEntryError("not one entry on its line")
    (entry,) = entries.values()
    if type(entry) is not dict:
        raise MalformedEntryError("not an object")
    return entry


def open_bundle(data: bytes) -> Document:
    """Open a bundle, plain or compressed with gzip.

    Raises:
        BundleFormatError: The bytes are no bundle, or one that needs a newer flagctl. Entries are not looked into.
    """
    if data[:2] == _GZIP:
        data = _expand(data)
    lines = data.split(b"\n")
    if len(lines) < 6 or lines.pop() != b"":
        raise BundleFormatError("this is no bundle: it is cut off or was never one")
    header = _header(lines[0])
    return Document(header, lines[0], _index(lines), sha256(data).hexdigest(), len(data))


def with_lines(before: Document, first_line: bytes, lines: dict[str, dict[str, bytes]]) -> Document:
    """Open a bundle whose lines are at hand already, most of them another bundle's.

    Args:
        before: Another bundle; its header is taken over if the first line is the same.
        first_line: The first line.
        lines: The entry lines of every section by key, ascending, with their commas.

    Raises:
        BundleFormatError: The first line is no header, or needs a newer flagctl.
    """
    data = _joined(first_line, lines)
    header = before.header if first_line == before.first_line else _header(first_line)
    return Document(header, first_line, lines, sha256(data).hexdigest(), len(data))


def plain_bytes(document: Document) -> bytes:
    """Return the bytes that a document was opened from."""
    return _joined(document.first_line, {section: document.raw_lines(section) for section in SECTIONS})


def changed_keys(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> set[str]:
    """Return the keys of which one of two indexes has no line, or another one; quickest where they share the lines."""
    if before is after:
        return set()
    # Lines of a patched bundle are the same objects, so that one look at each decides; without a step of Python's own.
    if len(before) == len(after) and not any(map(is_not, before, after)):  # the same keys in the same order
        apart = compress(before, map(is_not, before.values(), after.values()))
        return {key for key in apart if before[key] != after[key]}
    apart = compress(before, map(is_not, before.values(), map(after.get, before)))
    return {key for key in apart if before[key] != after.get(key)} | (after.keys() - before.keys())


def _joined(first_line: bytes, lines: Mapping[str, Mapping[str, bytes]]) -> bytes:
    parts = [first_line]
    for section in SECTIONS:
        if section != SECTIONS[0]:
            parts.append(b'},"%s":{' % section.encode())
        parts += lines[section].values()
    return b"\n".join([*parts, b"}}", b""])


def _expand(data: bytes) -> bytes:
    expander = zlib.decompressobj(wbits=31)
    try:
        plain = expander.decompress(data, MAX_SIZE + 1)
    except zlib.error as error:
        raise BundleFormatError(f"the bundle's compression is damaged: {error}") from None
    if len(plain) > MAX_SIZE:
        raise BundleFormatError(f"the bundle expands to more than {MAX_SIZE // 1024 // 1024} MiB")
    if not expander.eof or expander.unused_data:
        raise BundleFormatError("the bundle's compression is cut off, or something follows it")
    return plain


def _header(line: bytes) -> Header:
    if not line.startswith(_HEADER_START) or not line.endswith(_HEADER_END):
        raise BundleFormatError("this is no bundle: its first line is not a bundle's header")
    try:
        fields = _decode(line[len(_HEADER_START) : -len(_HEADER_END)].decode())
    except (ValueError, RecursionError) as error:
        raise BundleFormatError(f"the bundle's header is not JSON: {error}") from None
    if type(fields) is not dict:
        raise BundleFormatError("the bundle's header is not an object")
    version, needed = fields.get("format"), fields.get("min_version")
    if type(version) is not int or version < 1 or type(needed) is not str:
        raise BundleFormatError("the bundle's header lacks `format` or `min_version`")
    if version > FORMAT:
        raise _newer(f"has format {version}, and this flagctl reads up to {FORMAT}", needed)
    capabilities = fields.get("capabilities")
    if type(capabilities) is not list or not all(type(name) is str for name in capabilities):
        raise BundleFormatError("the bundle's header lacks `capabilities`")
    unknown = sorted(set(capabilities) - CAPABILITIES)
    if unknown:
        raise _newer(f"needs {', '.join(unknown)}", needed)
    if type(fields.get("env")) is not str or type(fields.get("project")) is not str:
        raise BundleFormatError("the bundle's header lacks `env` or `project`")
    private = _private(fields.get("pii", []))
    return Header(tuple(capabilities), fields["env"], version, needed, fields["project"], private)


def _private(paths: object) -> tuple[tuple[str, ...], ...]:
    """Return the paths of personal attributes; whoever writes events must be able to rely on them."""
    if type(paths) is list:
        steps = [[path] if type(path) is str else path for path in paths]
        if all(type(path) is list and path and all(type(step) is str for step in path) for path in steps):
            return tuple([tuple(path) for path in steps])
    raise BundleFormatError("the bundle's header has no readable `pii`")


def _newer(what: str, needed: str) -> BundleFormatError:
    # The parent package is loaded whenever this module is; importing it by name would point upwards in the layers.
    here = sys.modules["flagctl"].__version__
    return BundleFormatError(
        f"the bundle {what}: it needs flagctl {needed} or newer, and this is {here}",
        reason="newer-bundle",
        hint=f"upgrade: pip install 'flagctl>={needed}'",
    )


def _index(lines: list[bytes]) -> dict[str, dict[str, bytes]]:
    """Return the entry lines of every section by key."""
    if lines[-1] != b"}}":
        raise BundleFormatError("the bundle's last line is not its end")
    edges = [0]
    for section in SECTIONS[1:]:
        try:
            edges.append(lines.index(b'},"%s":{' % section.encode(), edges[-1] + 1))
        except ValueError:
            raise BundleFormatError(f"the bundle has no section {section}") from None
    edges.append(len(lines) - 1)
    sections: dict[str, dict[str, bytes]] = {}
    for number, section in enumerate(SECTIONS):
        entries = lines[edges[number] + 1 : edges[number + 1]]
        keys = _pattern_keys(entries) if section == "patterns" else _keys(section, entries)
        index = dict(zip(keys, entries, strict=True))
        if len(index) != len(keys) or keys != sorted(keys):
            raise BundleFormatError(f"the bundle's {section} are not in ascending order, each once")
        sections[section] = index
    return sections


def key_of_line(section: str, line: bytes) -> str:
    """Return the key that an entry line begins with.

    Raises:
        BundleFormatError: It begins with none.
    """
    return (_pattern_keys([line]) if section == "patterns" else _keys(section, [line]))[0]


def _keys(section: str, entries: list[bytes]) -> list[str]:
    match = _KEY.match
    keys: list[str] = []
    for start in range(0, len(entries), _LINES_WITHOUT_REST):
        rest()
        for line in entries[start : start + _LINES_WITHOUT_REST]:
            found = match(line)
            if found is None:
                raise BundleFormatError(f"a line in the bundle's {section} does not begin with a key")
            keys.append(str(found[1], "ascii"))
    return keys


def _pattern_keys(entries: list[bytes]) -> list[str]:
    keys: list[str] = []
    for line in entries:
        try:
            entry, end = json.decoder.scanstring(line.decode(), 1)  # type: ignore[attr-defined]
        except ValueError as error:
            raise BundleFormatError(f"a line in the bundle's patterns does not begin with a key: {error}") from None
        if line[:1] != b'"' or line.decode()[end : end + 1] != ":":
            raise BundleFormatError("a line in the bundle's patterns does not begin with a key")
        keys.append(entry)
    return keys


def check_structure(document: Document) -> None:
    """Check every entry's shape, all references, and that neither prerequisites nor segments form a cycle.

    A client does this once for a bundle it is about to accept; about 0.1 ms for each flag.

    Raises:
        BundleFormatError: Something is wrong; the message names the entry.
    """
    from flagctl.evaluator.structure import check  # noqa: PLC0415 - only acceptance needs it

    check(document)


def check_changes(before: Document, after: Document) -> None:
    """As `check_structure`, for a bundle of which another version has passed it: only what can be wrong now is looked at.

    Raises:
        BundleFormatError: Something is wrong; the message names the entry.
    """
    from flagctl.evaluator.structure import check_against  # noqa: PLC0415 - only acceptance needs it

    check_against(before, after)
