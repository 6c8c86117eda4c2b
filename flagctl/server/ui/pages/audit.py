"""Who did what when: commits that changed a meaning, publications, and flags that are forced off."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.errors import FlagctlError, NothingMatchedError
from flagctl.ops.past import PastOptions, past
from flagctl.ops.rollback import history
from flagctl.ops.status import status
from flagctl.server.ui.live import target_of
from flagctl.server.ui.pages.page import Page

if TYPE_CHECKING:
    from starlette.responses import Response

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
        kind: ``commit``, ``publication`` or ``kill``.
        title: What.
        who: Who, as far as is known.
        detail: Commit, number, or reason.
        changes: What a commit changed in meaning.
        files: How many files it touches, if they were too many to compare.
    """

    time_ms: int
    kind: str
    title: str
    who: str
    detail: str
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
    if ask.desk.git() is not None:
        options = PastOptions(
            root=ask.desk.root, key=key, environment=environment, limit=_COMMITS, most_files=_MOST_FILES
        )
        try:
            found += [
                Event(
                    entry.commit.time_ms,
                    "commit",
                    entry.commit.subject,
                    entry.commit.author,
                    entry.commit.commit[:7],
                    entry.changes,
                    entry.files,
                )
                for entry in past(options, ask.desk.memory.commits).entries
            ]
        except NothingMatchedError as error:
            troubles.append(error.message)
    if key is None:
        for name, one in ask.desk.model().config.environments.items():
            if one.remote is not None and environment in {None, name}:
                try:
                    found += _of_remote(ask, name)
                except FlagctlError as error:
                    troubles.append(f"{name}: {error.message}")
    found.sort(key=lambda event: event.time_ms, reverse=True)
    return ask.page("part_events.html", events=found, troubles=troubles)


def flag_history(ask: Ask) -> Response:
    """Show what happened to one flag."""
    options = PastOptions(root=ask.desk.root, key=ask.path("key"), limit=_COMMITS)
    try:
        entries = past(options, ask.desk.memory.commits).entries
    except NothingMatchedError:
        entries = ()
    return ask.page("part_history.html", entries=entries)


def _of_remote(ask: Ask, environment: str) -> list[Event]:
    target = target_of(ask, environment)
    found = []
    for entry in history(target, limit=_PUBLICATIONS):
        overridden = "".join(f"; set aside: {one.rule} ({one.reason})" for one in entry.overrides)
        detail = f"bundle {entry.bundle_sha256[:12]}, commit {(entry.commit or 'unknown')[:7]}{overridden}"
        title = f"number {entry.seq} published to {environment}" + (", live now" if entry.live else "")
        who = ", ".join(sorted({one.by for one in entry.overrides if one.by}))
        found.append(Event(_ms(entry.issued), "publication", title, who, detail))
    found += [
        Event(_ms(one.time), "kill", f"{one.flag} forced off in {environment}", one.actor, one.reason)
        for one in status(target, clock=ask.desk.clock, accepted=ask.desk.memory.accepted).kills
    ]
    return found


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


ROUTES: Final = (
    Page("GET", "/audit", audit),
    Page("GET", "/audit/events", events),
    Page("GET", "/flags/{key}/history", flag_history),
)
