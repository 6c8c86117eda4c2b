"""Deltas: what turns one bundle into another, for readers that hold the first.

A delta is the gzip of lines of text: a head that names both bundles, then one line for each entry that is gone or written anew::

    {"from":"<sha256>","to":"<sha256>","v":1}
    - flags "old-banner"
    + flags "new-checkout":{"default":{"serve":1},…}
    = {"bundle":{"capabilities":[…],…},"experiments":{

Lines after the head are sorted, entry lines have no comma (where commas go follows from the order of keys), and ``=`` replaces the bundle's
first line. A delta is a short cut and nothing else: the manifest pins its digest and size, and the result must have the digest of
the bundle. Whatever is wrong with one, a reader fetches the whole bundle instead.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.bundle.blob import inflate, pack
from flagctl.bundle.canonical import canonical_json
from flagctl.errors import BundleFormatError, UntrustedError
from flagctl.evaluator.document import SECTIONS, key_of_line, with_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.bundle.manifest import Delta
    from flagctl.evaluator.document import Document

MAX_DELTA: Final = 1024 * 1024
"""Most bytes of an unpacked delta; beyond that the bundle itself is not much longer."""

_REASON: Final = "malformed-delta"
_VERSION: Final = 1


class Patch(NamedTuple):
    """What changes.

    Attributes:
        source: Digest of the bundle before.
        result: Digest of the bundle after.
        lines: New entry lines without comma by (section, key); None for entries that are gone.
        first_line: The new first line, None if it stays.
    """

    source: str
    result: str
    lines: Mapping[tuple[str, str], bytes | None]
    first_line: bytes | None = None


def compare(before: Document, after: Document) -> Patch:
    """Return what turns one bundle into another."""
    lines: dict[tuple[str, str], bytes | None] = {}
    for section in SECTIONS:
        old, new = before.raw_lines(section), after.raw_lines(section)
        lines |= {(section, key): None for key in old if key not in new}
        for key in new:
            line = after.line(section, key)
            if key not in old or before.line(section, key) != line:
                lines[section, key] = line
    first_line = None if before.first_line == after.first_line else after.first_line
    return Patch(before.sha256, after.sha256, lines, first_line)


def join(first: Patch, second: Patch) -> Patch:
    """Return one patch that does what two do one after the other."""
    first_line = second.first_line if second.first_line is not None else first.first_line
    return Patch(first.source, second.result, {**first.lines, **second.lines}, first_line)


def write_delta(patch: Patch) -> bytes | None:
    """Return the stored form of a patch, or None if it is too large to be worth it."""
    rows = [_head(patch.source, patch.result)]
    for (section, key), line in sorted(patch.lines.items()):
        rows.append(
            b"- %b %b" % (section.encode(), canonical_json(key))
            if line is None
            else b"+ %b %b" % (section.encode(), line)
        )
    if patch.first_line is not None:
        rows.append(b"= " + patch.first_line)
    data = b"\n".join([*rows, b""])
    return pack(data) if len(data) <= MAX_DELTA else None


def read_delta(delta: Delta, result: str, blob: bytes) -> Patch:
    """Read a stored patch.

    Args:
        delta: From a verified manifest.
        result: Digest of the bundle that it leads to.
        blob: Bytes as received.

    Raises:
        UntrustedError: ``wrong-delta-digest``, ``bad-compression`` or ``malformed-delta``.
    """
    if not delta.is_stored_as(blob):
        raise UntrustedError("the stored delta is not the one in the manifest", reason="wrong-delta-digest")
    data = inflate(blob, MAX_DELTA)
    head, *rows = data.split(b"\n")
    source = _source(head, result)
    if source is None or not delta.leads_from(source) or rows[-1:] != [b""]:
        raise UntrustedError("the delta is cut off, or between other bundles", reason=_REASON)
    lines: dict[tuple[str, str], bytes | None] = {}
    first_line = None
    for row in rows[:-1]:
        sign, _, rest = row.partition(b" ")
        section, _, line = rest.partition(b" ")
        name = section.decode("ascii", "replace")
        if sign == b"=":
            first_line = rest
        elif name not in SECTIONS or sign not in {b"+", b"-"}:
            raise UntrustedError("the delta has a line that is no change", reason=_REASON)
        elif sign == b"-":
            lines[name, _key(line)] = None
        else:
            lines[name, key_of_line(name, line)] = line
    return Patch(source, result, lines, first_line)


def apply(document: Document, patch: Patch) -> Document:
    """Return the patched bundle; entries that stay are shared, and so are their lines.

    Raises:
        BundleFormatError: If the patch is not for this bundle, or does not lead to the promised one.
    """
    if document.sha256 != patch.source:
        raise BundleFormatError("the delta is for another bundle", reason=_REASON)
    sections: dict[str, dict[str, bytes]] = {}
    for section in SECTIONS:
        touched = {key: line for (name, key), line in patch.lines.items() if name == section}
        sections[section] = _patched(document.raw_lines(section), touched)
    first_line = document.first_line if patch.first_line is None else patch.first_line
    patched = with_lines(document, first_line, sections)
    if patched.sha256 != patch.result:
        raise BundleFormatError("the delta does not lead to the bundle in the manifest", reason=_REASON)
    return patched


def _patched(old: dict[str, bytes], touched: dict[str, bytes | None]) -> dict[str, bytes]:
    """Return a section's lines with these instead; the very same if there are none."""
    if not touched:
        return old
    new = dict(old)
    for key, line in touched.items():
        if line is None:
            new.pop(key, None)
        else:
            new[key] = line + b","
    if new.keys() != old.keys():
        new = {key: new[key] for key in sorted(new)}
    _set_commas(new, next(reversed(old), None))
    return new


def _set_commas(lines: dict[str, bytes], last_before: str | None) -> None:
    """Give each line of a section a comma but the last one."""
    if last_before is not None and last_before in lines:
        lines[last_before] = lines[last_before].removesuffix(b",") + b","
    last = next(reversed(lines), None)
    if last is not None:
        lines[last] = lines[last].removesuffix(b",")


def _head(source: str, result: str) -> bytes:
    return canonical_json({"from": source, "to": result, "v": _VERSION})


def _source(head: bytes, result: str) -> str | None:
    """Return the digest of the bundle that a patch to `result` leads from; None if its head does not say."""
    found = re.match(rb'\{"from":"([0-9a-f]{64})"', head)
    source = None if found is None else found[1].decode()
    return source if source is not None and head == _head(source, result) else None


def _key(text: bytes) -> str:
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    if not isinstance(key, str):
        raise UntrustedError("the delta has a line that names no entry", reason=_REASON)
    return key
