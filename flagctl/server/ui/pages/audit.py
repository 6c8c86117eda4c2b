"""Who did what when: commits that changed a meaning and who agreed to them, publications, and flags that were forced off."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.errors import FlagctlError, NothingMatchedError
from flagctl.lint.words import listed
from flagctl.ops.audit import kills
from flagctl.ops.past import PastOptions, past
from flagctl.ops.rollback import history
from flagctl.ops.target import with_newest_root
from flagctl.server.ui.live import target_of
from flagctl.server.ui.pages.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from starlette.responses import Response

    from flagctl.ops.rollback import LogEntry
    from flagctl.review import Change
    from flagctl.server.ui.rendering import Ask

_COMMITS: Final = 60
_PUBLICATIONS: Final = 30
_MOST_FILES: Final = 300
"""A commit that touches more, such as the first one of a large repository, would keep everybody waiting."""


class Event(NamedTuple):
    """One thing that happened.

    Attributes:
        time_ms: When.
        kind: ``commit``, ``publication``, ``kill`` or ``unkill``.
        title: What.
        who: Who, as far as is known.
        detail: Commit, number, or reason.
        approved_by: Who agreed to the commit, or to the one that was published.
        changes: What a commit changed in meaning.
        files: How many files it touches, if they were too many to compare.
    """

    time_ms: int
    kind: str
    title: str
    who: str
    detail: str
    approved_by: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    files: int = 0


def audit(ask: Ask) -> Response:
    """Show the timeline's frame; it comes in a part of its own."""
    environments = tuple(ask.desk.model().config.environments)
    return ask.page("audit.html", environments=environments, environment=ask.query("env"), key=ask.query("key"))


def events(ask: Ask) -> Response:
    """Show what happened, newest first."""
    environment, key = ask.query("env") or None, ask.query("key").strip() or None
    found: list[Event] = []
    troubles: list[str] = []
    silent: dict[str, list[str]] = {}
    agreed = _approvals(ask)
    if agreed is not None:
        try:
            found += _commits(ask, environment, key, agreed)
        except NothingMatchedError as error:
            troubles.append(error.message)
    for name, one in ask.desk.model().config.environments.items():
        if one.remote is not None and environment in {None, name}:
            try:
                found += _of_remote(ask, name, key, agreed or {})
            except FlagctlError as error:
                silent.setdefault(error.message, []).append(name)
    troubles += [f"{listed(names)}: {message}" for message, names in silent.items()]
    found.sort(key=lambda event: event.time_ms)
    return ask.page("part_events.html", events=found[::-1], troubles=troubles)


def flag_history(ask: Ask) -> Response:
    """Show what happened to one flag."""
    return _history_of(ask, "flag")


def segment_history(ask: Ask) -> Response:
    """Show what happened to one segment."""
    return _history_of(ask, "segment")


def _history_of(ask: Ask, kind: str) -> Response:
    revision = ask.query("at") or "HEAD"
    options = PastOptions(root=ask.desk.root, key=ask.path("key"), kind=kind, revision=revision, limit=_COMMITS)
    try:
        entries = past(options, ask.desk.memory.commits).entries
    except NothingMatchedError:
        entries = ()
    return ask.page("part_history.html", entries=entries, agreed=_approvals(ask) or {})


def _approvals(ask: Ask) -> Mapping[str, tuple[str, ...]] | None:
    """Return who agreed to each commit; None without git."""
    git = ask.desk.git()
    return None if git is None else ask.desk.memory.approvals(git)


def _commits(
    ask: Ask, environment: str | None, key: str | None, agreed: Mapping[str, tuple[str, ...]]
) -> Iterator[Event]:
    options = PastOptions(root=ask.desk.root, key=key, environment=environment, limit=_COMMITS, most_files=_MOST_FILES)
    for entry in reversed(past(options, ask.desk.memory.commits).entries):
        commit = entry.commit
        yield Event(
            commit.time_ms,
            "commit",
            commit.subject,
            commit.author,
            commit.commit[:7],
            agreed.get(commit.commit, ()),
            entry.changes,
            entry.files,
        )


def _of_remote(ask: Ask, environment: str, key: str | None, agreed: Mapping[str, tuple[str, ...]]) -> list[Event]:
    target = with_newest_root(target_of(ask, environment))
    published = history(target, limit=_PUBLICATIONS) if key is None else ()
    found = [_publication(published, at, environment, agreed) for at in reversed(range(len(published)))]
    for one in kills(target, ask.desk.memory.kill_lists(target)):
        if key is None or key in one.keys:
            flag = one.keys[0]
            off = one.action == "kill"
            title = f"{flag} forced off in {environment}" if off else f"{flag} no longer forced off in {environment}"
            who = one.actor if off else f"key {one.actor}"
            found.append(Event(one.time_ms, one.action, title, who, ", ".join(one.details)))
    return found


def _publication(
    published: Sequence[LogEntry], at: int, environment: str, agreed: Mapping[str, tuple[str, ...]]
) -> Event:
    """Return what a publication was; `published` has the newest first."""
    entry = published[at]
    earlier = [one for one in published[at + 1 :] if one.bundle_sha256 == entry.bundle_sha256]
    what = f"published to {environment}"
    if earlier and earlier[0] is published[at + 1]:
        what = f"renewed in {environment}, the same flags"
    elif earlier:
        what = f"published to {environment}, back to the flags of number {earlier[0].seq}"
    overridden = "".join(f"; set aside: {one.rule} ({one.reason})" for one in entry.overrides)
    return Event(
        _ms(entry.issued),
        "publication",
        f"number {entry.seq} {what}" + (", live now" if entry.live else ""),
        ", ".join(sorted({one.by for one in entry.overrides if one.by})),
        f"bundle {entry.bundle_sha256[:12]}, commit {(entry.commit or 'unknown')[:7]}{overridden}",
        agreed.get(entry.commit or "", ()),
    )


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


ROUTES: Final = (
    Page("GET", "/audit", audit),
    Page("GET", "/audit/events", events),
    Page("GET", "/flags/{key}/history", flag_history),
    Page("GET", "/segments/{key}/history", segment_history),
)
