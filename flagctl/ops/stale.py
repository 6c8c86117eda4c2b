"""`flagctl stale`: what can go, why, since when, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import UsageError
from flagctl.ops.code import Code, read_code
from flagctl.ops.loading import load, readable
from flagctl.ops.stale_counts import counts_of
from flagctl.ops.stale_history import FlagPast, read_past
from flagctl.ops.stale_rules import Facts, about_code, about_documents, about_flags, about_usage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from flagctl.source import LoadedRepository

REASONS: Final = {
    "expired": "The day it should have been gone by has passed.",
    "one-sided": "Everybody has been getting the same answer everywhere.",
    "never-evaluated": "No application asks for it.",
    "no-references": "No code names it.",
    "unknown-key": "Code asks for a flag that does not exist.",
    "long-lived": "Meant to be temporary, without a day, and old.",
    "unused-variant": "Nothing ever serves this variant.",
    "orphan-segment": "Nothing uses the segment.",
}
"""What is looked for, with a sentence each."""

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleOptions:
    """What to look at.

    Attributes:
        root: The flag repository's root.
        now_ms: Instant that ages are counted from, milliseconds since the epoch.
        days: A flag is one-sided after so many days.
        old_days: A temporary flag without a day is old after so many.
        usage: File with counts: output of `flagctl usage` as JSON, or JSON lines with ``flag`` and ``count``.
        events: Location of events, instead of `usage`.
        code: Folders in git repositories; empty for the one that the flags are in.
        reasons: Only these; empty for all.
        owner: Only what this owner has.
        endpoint_url: Address of an S3-compatible store for `events`.
        region: Region of the store.
    """

    root: Path
    now_ms: int
    days: int = 30
    old_days: int = 90
    usage: Path | None = None
    events: str | None = None
    code: tuple[Path, ...] = ()
    reasons: tuple[str, ...] = ()
    owner: str | None = None
    endpoint_url: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleFinding:
    """One thing that can go.

    Attributes:
        reason: Of `REASONS`.
        kind: ``flag``, ``segment`` or ``key``.
        key: Of the flag or segment, or what code asks for.
        owner: Of the document, or None.
        path: The file: of the document relative to the flag repository's root, else of the code.
        line: From 1.
        since: Day from which on it holds, or None if that can't be told.
        age_days: How long, or None.
        evidence: What was seen.
        suggestion: What to do.
        in_code: Whether `path` is that of code.
    """

    reason: str
    kind: str
    key: str
    owner: str | None
    path: str
    line: int = 1
    since: str | None = None
    age_days: int | None = None
    evidence: str
    suggestion: str
    in_code: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleResult:
    """What can go, oldest first.

    Attributes:
        findings: The findings.
        flags: How many flags there are.
        notes: What could not be looked at, and why.
    """

    findings: tuple[StaleFinding, ...]
    flags: int
    notes: tuple[str, ...] = field(default=())

    def fails(self, fail_on: Iterable[str]) -> bool:
        """Return whether there is a finding for one of these reasons, or any at all for ``any``."""
        wanted = set(fail_on)
        return any("any" in wanted or one.reason in wanted for one in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-stale.schema.json`)."""
        return {
            "findings": [one.to_dict() for one in self.findings],
            "flags": self.flags,
            "notes": list(self.notes),
        }


def stale(options: StaleOptions) -> StaleResult:
    """Look for what can go.

    Raises:
        UsageError: If a reason does not exist, a file of counts can't be read, or code is in no git repository.
        InvalidFlagsError: If `flagctl.yaml` is unusable.
        RemoteError: If the store of events can't be read.
    """
    check_reasons(options.reasons)
    loaded = load(options.root)
    repository = readable(loaded)
    notes: list[str] = []
    wanted = options.reasons or tuple(REASONS)
    history = _history(options, loaded, notes)
    facts = Facts(repository=repository, loaded=loaded, now_ms=options.now_ms, past=history, days=options.days)
    found: list[StaleFinding] = [*about_flags(facts, options), *about_documents(facts)]
    if {"no-references", "unknown-key"} & set(wanted):
        code = _code(options, loaded, notes)
        if code is not None:
            found += about_code(facts, code)
    if options.usage is None and options.events is None and "never-evaluated" in options.reasons:
        raise UsageError("who asks for what is not known", hint="give --usage FILE or --events LOCATION")
    counts = counts_of(options, notes) if {"never-evaluated", "unknown-key"} & set(wanted) else None
    if counts is not None:
        found += about_usage(facts, counts)
    kept = [
        _aged(one, options.now_ms)
        for one in found
        if one.reason in wanted and (options.owner is None or one.owner == options.owner)
    ]
    kept.sort(key=lambda one: (one.age_days is None, -(one.age_days or 0), one.key, one.reason, one.path, one.line))
    return StaleResult(findings=tuple(kept), flags=len(repository.flags), notes=tuple(notes))


def check_reasons(names: Iterable[str], *further: str) -> None:
    """Go on only if all names are reasons, or among `further`.

    Raises:
        UsageError: If not.
    """
    from flagctl.diagnostics import did_you_mean

    for name in names:
        if name not in REASONS and name not in further:
            near = did_you_mean(name, (*REASONS, *further))
            hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(REASONS)}"
            raise UsageError(f"there is no reason '{name}'", hint=hint)


def _aged(one: StaleFinding, now_ms: int) -> StaleFinding:
    if one.since is None:
        return one
    day = datetime.fromisoformat(one.since).replace(tzinfo=UTC).timestamp() * 1000
    return replace(one, age_days=max(0, int((now_ms - day) // DAY_MS)))


def _history(options: StaleOptions, loaded: LoadedRepository, notes: list[str]) -> dict[str, FlagPast]:
    try:
        return read_past(options.root, loaded, options.now_ms)
    except UsageError as error:
        notes.append(f"no ages and no one-sided flags: {error}")
        return {}


def _code(options: StaleOptions, loaded: LoadedRepository, notes: list[str]) -> Code | None:
    try:
        code = read_code(options.root, loaded, code=options.code)
    except UsageError as error:
        if options.code:
            raise
        notes.append(f"no references in code: {error}")
        return None
    if not code.references:
        notes.append("no code was found that names any flag; --code DIR looks into other repositories")
        return None
    return code
