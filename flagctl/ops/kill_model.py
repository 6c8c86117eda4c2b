"""Options and results of everything that replaces an environment's kill list."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from flagctl.bundle.fields import format_instant
from flagctl.errors import UsageError
from flagctl.evaluator.instants import parse_instant
from flagctl.ops.publish_model import FORMAT_VERSION, result_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.bundle.kill import Kill
    from flagctl.ops.push import Pushed

KillAction = Literal["killed", "lifted", "renewed", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KillOptions:
    """Options of everything that replaces a kill list.

    Attributes:
        dry_run: Do everything but write.
        recover: Begin a new list if nothing says what the current one is.
        any_flag: Force off also what the live bundle does not have.
        attempts: Rounds before a writer that always loses gives up.
        clock: Seconds since 1970.
        sleep: Waits a number of seconds.
        uniform: Random number from 0 to 1.
    """

    dry_run: bool = False
    recover: bool = False
    any_flag: bool = False
    attempts: int = 24
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class KillEntry:
    """A flag that is forced off.

    Attributes:
        flag: Key of the flag.
        reason: Why.
        actor: Who did it, as they say.
        time: When, RFC 3339.
        until: When somebody should look at it again, RFC 3339; None if nothing was said.
        overdue: Whether that time has come.
    """

    flag: str
    reason: str
    actor: str
    time: str
    until: str | None
    overdue: bool


_DURATION: Final = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}


def parse_until(text: str, now: float) -> int:
    """Return the instant that a person means, in seconds since 1970: ``90m``, ``4h``, ``2d``, or RFC 3339 with a zone.

    Raises:
        UsageError: If it is neither.
    """
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        return int(now) + int(duration[1]) * _SECONDS[duration[2]]
    instant = parse_instant(text)
    if instant is None:
        raise UsageError(
            f"'{text[:40]}' is no time", hint="write 90m, 4h, 2d, or an instant such as 2026-12-24T18:00:00+01:00"
        )
    return instant // 1_000_000


def entry_of(kill: Kill, now: float) -> KillEntry:
    """Return an entry as results show it; `now` is in seconds since 1970."""
    return KillEntry(
        flag=kill.flag,
        reason=kill.reason,
        actor=kill.actor,
        time=format_instant(kill.time),
        until=None if kill.until is None else format_instant(kill.until),
        overdue=kill.until is not None and kill.until <= now,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KillResult:
    """What became of a kill list, or with `dry_run` would.

    Attributes:
        action: ``killed``, ``lifted``, ``renewed``, or ``unchanged`` if there was nothing to do.
        dry_run: Whether nothing was written.
        environment: Environment.
        project: Project.
        url: The remote.
        flag: The flag that it was about; None for a renewal.
        epoch: Epoch of the list.
        seq: Number of the list; 0 if there is none.
        previous_seq: Number of the list it replaced; None for the first of an epoch.
        issued: RFC 3339.
        kills: All flags that are forced off now.
        attempts: Rounds it took.
        warnings: What went wrong without spoiling the result, or needs attention.
        pushed: The shared cache that was told; None without one, and if that failed.
    """

    action: KillAction
    dry_run: bool
    environment: str
    project: str
    url: str
    flag: str | None
    epoch: int
    seq: int
    previous_seq: int | None
    issued: str
    kills: tuple[KillEntry, ...]
    attempts: int
    warnings: tuple[str, ...] = ()
    pushed: Pushed | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values (`schemas/output-kill.schema.json`)."""
        return result_document(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class KillListing:
    """The kill list of an environment; `seq` is 0 and `kills` empty if there is none yet."""

    environment: str
    project: str
    url: str
    epoch: int
    seq: int
    issued: str | None
    kills: tuple[KillEntry, ...]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the listing as JSON values (`schemas/output-kills.schema.json`)."""
        return result_document(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllKills:
    """The kill lists of all environments."""

    environments: tuple[KillListing, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the listings as JSON values (`schemas/output-kills.schema.json`)."""
        return {"format_version": FORMAT_VERSION, "environments": [one.to_dict() for one in self.environments]}
