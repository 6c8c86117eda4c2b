"""A set of flags with some flags answering as a test wants them.

Overridden flags are flags like any others: lines of a bundle, with one rule that everybody matches. So whatever the
application asks of them (typed values, details, prerequisites of other flags, all at once) goes the usual ways.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flagctl.bundle.layout import entry_line
from flagctl.errors import UsageError
from flagctl.evaluator.document import SECTIONS, MalformedEntryError, with_lines
from flagctl.evaluator.flagset import is_stale
from flagctl.testing.choices import RULE, advice, choose, variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.evaluator.document import Document
    from flagctl.evaluator.flagset import FlagSet

_KEPT = ("type", "owner", "tags")


def overlaid(flags: FlagSet, layers: Iterable[Mapping[str, Any]]) -> FlagSet:
    """Return the same flags with overrides; what cannot be overridden is left out, see `check`.

    Args:
        flags: The flags to start from; they stay as they are.
        layers: What to serve by the key of a flag, or the variant to assign by the key of an experiment; later
            mappings win over earlier ones.
    """
    document = flags.document
    entries = {}
    for overrides in layers:
        for key, wanted in overrides.items():
            with suppress(UsageError):
                flag, entries[flag] = _overridden(document, key, wanted)
    if not entries:
        return flags
    lines = {section: dict(document.raw_lines(section)) for section in SECTIONS}
    for flag, entry in entries.items():
        comma = b"," if lines["flags"][flag].endswith(b",") else b""
        lines["flags"][flag] = entry_line(flag, entry) + comma
    killed: frozenset[str] = flags._builder.killed  # noqa: SLF001 - a test may look inside
    stale = is_stale(flags)
    flags = flags.replace(with_lines(document, document.first_line, lines))
    return flags.with_state(killed - entries.keys(), stale) if killed & entries.keys() else flags


def check(flags: FlagSet, overrides: Mapping[str, Any]) -> None:
    """Refuse overrides that these flags have no place for.

    Raises:
        UsageError: If there is no such flag or experiment, or it has no such variant or value.
    """
    for key, wanted in overrides.items():
        _overridden(flags.document, key, wanted)


def _overridden(document: Document, key: str, wanted: Any) -> tuple[str, dict[str, Any]]:
    """Return a flag's key and its new entry."""
    try:
        if document.has("flags", key):
            return key, _flag(key, document.flag(key), wanted)
        if document.has("experiments", key):
            flag = document.experiment(key)["flag"]
            return flag, _experiment(key, document.flag(flag), wanted)
    except MalformedEntryError as error:
        raise UsageError(f"the flag '{key}' cannot be read: {error}") from None
    known = [*document.flag_keys(), *document.keys("experiments")]
    where = f"{document.header.project}/{document.header.env}"
    raise UsageError(f"{where} has no flag '{key}'; {advice(key, known)}")


def _flag(key: str, entry: dict[str, Any], wanted: Any) -> dict[str, Any]:
    variants, index = choose(f"the flag '{key}'", entry, wanted)
    return {
        **{name: entry[name] for name in _KEPT if name in entry},
        "variants": variants,
        "rules": [{"id": RULE, "serve": index}],
        "default": {"serve": index},
    }


def _experiment(key: str, entry: dict[str, Any], wanted: Any) -> dict[str, Any]:
    """Return a flag whose experiment takes everybody in and assigns one variant."""
    found = [rule for rule in entry.get("rules", ()) if rule.get("experiment", {}).get("key") == key]
    if not found:
        raise UsageError(f"no rule serves the experiment '{key}' in this environment")
    owner = f"the experiment '{key}'"
    variants, index = choose(owner, entry, variant(wanted) if isinstance(wanted, str) else wanted)
    if index == len(entry["variants"]):
        raise UsageError(f"{owner} assigns variants of its flag, and {variants[index][1]!r} is none of them")
    rule = {
        "id": found[0]["id"],
        "experiment": {"key": key, "status": "running", "salt": f"{key}/allocation", "slots": [[0, 100_000]]},
        "split": [[100_000, index]],
        "salt": key,
    }
    if "unit" in found[0]:
        rule["unit"] = found[0]["unit"]
    kept = {name: entry[name] for name in (*_KEPT, "off", "default", "unit") if name in entry}
    return {**kept, "variants": variants, "rules": [rule]}
