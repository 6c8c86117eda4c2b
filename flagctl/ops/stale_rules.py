"""The single reasons why something can go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.model import Flag, Repository
    from flagctl.ops.code import Code
    from flagctl.ops.stale import StaleFinding, StaleOptions
    from flagctl.ops.stale_counts import Counts
    from flagctl.ops.stale_history import FlagPast
    from flagctl.source import LoadedRepository

_DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known.

    Attributes:
        repository: The flags.
        loaded: Their files.
        now_ms: Now, milliseconds since the epoch.
        past: Of flags, from git.
        days: Flags younger than this are not looked for in code and in counts: they are only about to be used.
    """

    repository: Repository
    loaded: LoadedRepository
    now_ms: int
    past: Mapping[str, FlagPast]
    days: int

    def is_new(self, key: str) -> bool:
        """Return whether a flag has only just come."""
        past = self.past.get(key)
        return past is not None and self.now_ms - past.created_ms < self.days * _DAY_MS

    @cached_property
    def needed(self) -> frozenset[str]:
        """Flags that others have as prerequisites: nobody has to ask for them."""
        flags = self.repository.flags.values()
        lists = [flag.prerequisites for flag in flags]
        lists += [override.prerequisites for flag in flags for override in flag.environments.values()]
        return frozenset(one.flag for prerequisites in lists for one in prerequisites)

    def line(self, path: str, route: tuple[str | int, ...]) -> int:
        """Return the line of a place in a document."""
        document = self.loaded.documents.get(path)
        span = document.span(route, "key") if document is not None else None
        return span.line if span else 1

    def finding(self, flag: Flag, reason: str, route: tuple[str | int, ...], **more: Any) -> StaleFinding:
        """Return a finding about a flag."""
        from flagctl.ops.stale import StaleFinding

        return StaleFinding(
            reason=reason,
            kind="flag",
            key=flag.key,
            owner=flag.owner,
            path=flag.path,
            line=self.line(flag.path, route),
            **more,
        )


def date_of(instant_ms: int) -> str:
    """Return the UTC day of an instant."""
    return datetime.fromtimestamp(instant_ms / 1000, UTC).date().isoformat()


def about_flags(facts: Facts, options: StaleOptions) -> Iterator[StaleFinding]:
    """Yield what files and their history tell about flags."""
    today = date_of(facts.now_ms)
    for flag in facts.repository.flags.values():
        past = facts.past.get(flag.key)
        keep = f"flagctl cleanup {flag.key} --keep {past.answer}" if past and past.answer else None
        if flag.lifecycle is not None and flag.lifecycle.expires is not None and flag.lifecycle.expires < today:
            yield facts.finding(
                flag,
                "expired",
                ("lifecycle", "expires"),
                since=flag.lifecycle.expires,
                evidence=f"expired on {flag.lifecycle.expires}",
                suggestion=keep or f"finish the rollout and remove it, or: flagctl set-expiry {flag.key} DATE",
            )
        permanent = flag.lifecycle is not None and not flag.lifecycle.temporary
        if past is not None and past.answer_since_ms is not None and not permanent:
            days = (facts.now_ms - past.answer_since_ms) // _DAY_MS
            if days >= options.days:
                yield facts.finding(
                    flag,
                    "one-sided",
                    ("default",),
                    since=date_of(past.answer_since_ms),
                    evidence=f"{past.answer} for everybody everywhere since {date_of(past.answer_since_ms)}, "
                    f"commit {str(past.answer_commit)[:10]}",
                    suggestion=str(keep),
                )
        if flag.lifecycle is not None and flag.lifecycle.temporary and flag.lifecycle.expires is None and past:
            days = (facts.now_ms - past.created_ms) // _DAY_MS
            if days >= options.old_days:
                yield facts.finding(
                    flag,
                    "long-lived",
                    ("lifecycle",),
                    since=date_of(past.created_ms),
                    evidence=f"temporary, without a day, and there since {date_of(past.created_ms)}",
                    suggestion=keep or f"flagctl set-expiry {flag.key} DATE, or say that it is permanent",
                )
        yield from _unused_variants(facts, flag)


def _unused_variants(facts: Facts, flag: Flag) -> Iterator[StaleFinding]:
    document = facts.loaded.documents.get(flag.path)
    data = document.data if document is not None else None
    if not isinstance(data, dict) or not isinstance(data.get("variants"), dict) or flag.is_value_flag:
        return
    named = set(_texts({name: value for name, value in data.items() if name != "variants"}))
    for other in facts.loaded.documents.values():
        if other.path != flag.path and isinstance(other.data, dict) and flag.key in set(_texts(other.data)):
            named |= set(_texts(other.data))
    for name in data["variants"]:
        if str(name) not in named:
            yield facts.finding(
                flag,
                "unused-variant",
                ("variants", name),
                evidence=f"no rule, rollout, target, experiment or default serves {name}",
                suggestion=f"flagctl remove-variant {flag.key} {name}",
            )


def about_documents(facts: Facts) -> Iterator[StaleFinding]:
    """Yield segments that nothing uses."""
    from flagctl.ops.stale import StaleFinding

    used: set[str] = set()
    for document in facts.loaded.documents.values():
        used |= set(_named(document.data, "segment"))
    for segment in facts.repository.segments.values():
        if segment.key not in used:
            yield StaleFinding(
                reason="orphan-segment",
                kind="segment",
                key=segment.key,
                owner=segment.owner,
                path=segment.path,
                evidence="no flag, experiment or segment uses it",
                suggestion=f"flagctl delete {segment.key} --kind segment",
            )


def about_code(facts: Facts, code: Code) -> Iterator[StaleFinding]:
    """Yield flags that no code names, and keys that code asks for and nobody made."""
    from flagctl.diagnostics import did_you_mean
    from flagctl.ops.stale import StaleFinding

    found = code.by_key()
    for flag in facts.repository.flags.values():
        past = facts.past.get(flag.key)
        places = [one for one in found.get(flag.key, ()) if one.kind.value not in {"comment", "config"}]
        if not places and not facts.is_new(flag.key) and flag.key not in facts.needed:
            yield facts.finding(
                flag,
                "no-references",
                ("key",),
                since=date_of(past.changed_ms) if past else None,
                evidence=f"nowhere in {code.files:,} files"
                + (f"; last changed {date_of(past.changed_ms)}" if past else ""),
                suggestion=f"flagctl delete {flag.key} --with-tests, if no other repository has code for it",
            )
    known = {*facts.repository.flags, *facts.repository.experiments}
    for one in code.unknown:
        if one.kind.value == "test":
            continue
        near = did_you_mean(one.key, known)
        yield StaleFinding(
            reason="unknown-key",
            kind="key",
            key=one.key,
            owner=None,
            path=one.path,
            line=one.line,
            evidence=f"{one.method} asks for it, and there is no such flag",
            suggestion=f"did you mean '{near}'?" if near else "remove the call, or create the flag",
            in_code=True,
        )


def about_usage(facts: Facts, counts: Counts) -> Iterator[StaleFinding]:
    """Yield flags that nobody asked for, and keys that applications asked for and nobody made."""
    from flagctl.diagnostics import did_you_mean
    from flagctl.ops.stale import StaleFinding

    for flag in facts.repository.flags.values():
        past = facts.past.get(flag.key)
        if not counts.by_key.get(flag.key) and not facts.is_new(flag.key) and flag.key not in facts.needed:
            yield facts.finding(
                flag,
                "never-evaluated",
                ("key",),
                since=date_of(past.changed_ms) if past else None,
                evidence=f"no application asked for it{counts.words}"
                + (f"; last changed {date_of(past.changed_ms)}" if past else ""),
                suggestion=f"flagctl refs {flag.key} shows what code is left; then flagctl delete {flag.key} --with-tests",
            )
    known = {*facts.repository.flags, *facts.repository.experiments}
    unanswered = counts.by_key if counts.unanswered is None else counts.unanswered
    for key in sorted(key for key, number in unanswered.items() if number and key not in known):
        near, last = did_you_mean(key, known), counts.last.get(key)
        yield StaleFinding(
            reason="unknown-key",
            kind="key",
            key=key,
            owner=None,
            path="flagctl.yaml",
            evidence=f"applications asked for it {unanswered[key]:,} times{counts.words}, and there is no such flag"
            + (f"; last on {last}" if last else ""),
            suggestion=f"flagctl refs {key} shows who does" + (f"; did they mean '{near}'?" if near else ""),
        )


def _texts(value: Any) -> Iterator[str]:
    """Yield all strings, and booleans as YAML writes them, in a document, keys of mappings among them."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _named(value: Any, name: str) -> Iterator[str]:
    """Yield what stands under a name anywhere in a document."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == name:
                yield from (item if isinstance(item, list) else [item] if isinstance(item, str) else [])
            if not isinstance(item, str):
                yield from _named(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, name)
