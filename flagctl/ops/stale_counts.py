"""How often applications asked for flags, as far as that is known: from events, or from a file of counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flagctl.ops.stale import StaleOptions
    from flagctl.ops.usage import UsageResult

_ERROR: Final = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What applications asked for.

    Attributes:
        by_key: How often each key was asked for; keys that nobody asked for may be missing.
        unanswered: How often there was no such flag, by key; None if the counts do not tell.
        last: Newest date on which a key was asked for, where that is known.
        words: About the time they are of, such as " from 2026-05-02 to 2026-06-01"; empty if nobody knows.
    """

    by_key: Mapping[str, int]
    unanswered: Mapping[str, int] | None = None
    last: Mapping[str, str] = field(default_factory=dict)
    words: str = ""


def counts_of(options: StaleOptions, notes: list[str]) -> Counts | None:
    """Return the counts that options name, or None if there are none.

    Args:
        options: With `usage` or `events`.
        notes: Gets what one should know about them.

    Raises:
        UsageError: If a file of counts can't be read.
        RemoteError: If the store of events can't be read.
    """
    if options.events is None:
        return None if options.usage is None else Counts(by_key=read_counts(options.usage))
    from flagctl.ops.usage import UsageOptions, usage

    result = usage(
        UsageOptions(
            root=options.root,
            events=options.events,
            now_ms=options.now_ms,
            days=options.days,
            endpoint_url=options.endpoint_url,
            region=options.region,
        )
    )
    notes += [f"events: {finding}" for finding in result.findings]
    return _counted(result, options, notes)


def _counted(result: UsageResult, options: StaleOptions, notes: list[str]) -> Counts | None:
    days = sorted({day for one in result.flags for day in one.days})
    if not days:
        notes.append(
            f"nobody knows which flags are not asked for: {options.events} has no counts "
            f"from {result.first_day} to {result.last_day}"
        )
        return None
    if result.counted != "usage":
        notes.append("applications were counted in a sampled log, where flags that are asked for rarely are missing")
    # the first day begins somewhere in the middle of a day
    if len(days) < options.days:
        notes.append(f"counts are of {len(days)} of {options.days} days only, from {days[0]} to {days[-1]}")
    return Counts(
        by_key={one.key: one.count for one in result.flags},
        unanswered={
            one.key: sum(n for why, n in one.reasons.items() if why.startswith(_ERROR)) for one in result.flags
        },
        last={one.key: one.last_day for one in result.flags},
        words=f" from {days[0]} to {days[-1]}",
    )


def read_counts(path: Path) -> dict[str, int]:
    """Return how often each key was asked for, as a file has it.

    Raises:
        UsageError: If it can't be read.
    """
    import json

    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
            pairs = [(row["flag"], row.get("count", 1)) for row in rows]
        else:
            data = json.loads(text)
            rows = data["flags"] if "flags" in data else [{"key": key, "count": n} for key, n in data.items()]
            pairs = [(row["key"], row["count"]) for row in rows]
        counts: dict[str, int] = {}
        for key, number in pairs:
            counts[str(key)] = counts.get(str(key), 0) + int(number)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "it wants `flagctl usage --output-format json`, or JSON lines with `flag` and `count`"
        raise UsageError(f"{path} has no counts: {error}", hint=hint) from error
    return counts
