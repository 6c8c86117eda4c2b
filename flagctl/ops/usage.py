"""`flagctl usage`: what is asked for, what nobody asks for, and what does not exist."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flagctl.ops.experiment_analyze import DAY_MS, need_warehouse
from flagctl.ops.loading import check_environment, load, readable

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.warehouse.usage import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageOptions:
    """What to look at.

    Attributes:
        root: The flag repository's root.
        events: Folder or ``s3://`` location that sinks wrote to.
        now_ms: Instant up to which events count, milliseconds since the epoch.
        days: How far back.
        keys: Only these flags; empty for all.
        environment: Only of this environment; None for all.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.
    """

    root: Path
    events: str
    now_ms: int
    days: int = 30
    keys: tuple[str, ...] = ()
    environment: str | None = None
    endpoint_url: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagUsage:
    """How often one key was asked for.

    Attributes:
        key: As applications asked.
        known: Whether it is a flag, or an experiment, of the repository.
        count: In all.
        variants: Variant to count; the caller's default is under ``""``.
        reasons: Reason to count.
        days: Date to count, without days on which nobody asked.
        last_day: The newest date.
    """

    key: str
    known: bool
    count: int
    variants: dict[str, int]
    reasons: dict[str, int]
    days: dict[str, int]
    last_day: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageResult:
    """Usage of flags.

    Attributes:
        source: Where the events came from.
        counted: ``usage`` for exact counts, ``evaluations`` for a sampled log.
        first_day: Date of the first day looked at.
        last_day: Date of the last one.
        flags: What was asked for, most often first.
        never: Flags that nobody asked for; none if nothing was counted in these days.
        findings: What is wrong with the events.
    """

    source: str
    counted: str
    first_day: str
    last_day: str
    flags: tuple[FlagUsage, ...]
    never: tuple[str, ...]
    findings: tuple[str, ...]

    @property
    def unknown(self) -> tuple[FlagUsage, ...]:
        """Keys that code asks for and nobody made."""
        return tuple(one for one in self.flags if not one.known)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-usage.schema.json`)."""
        return {
            "source": self.source,
            "counted": self.counted,
            "first_day": self.first_day,
            "last_day": self.last_day,
            "flags": [one.to_dict() for one in self.flags],
            "never": list(self.never),
            "findings": list(self.findings),
        }


def usage(options: UsageOptions) -> UsageResult:
    """Count what was asked for.

    Raises:
        NothingMatchedError: If there are no such events, or one of the keys is no flag and was never asked for.
        UsageError: If packages are missing, or neither the flags nor the events have the environment.
        RemoteError: If the store cannot be read.
        FindingsError: If the flag files have errors.
    """
    need_warehouse()
    from flagctl.warehouse.duck import DuckEngine
    from flagctl.warehouse.listing import days_around, list_events
    from flagctl.warehouse.usage import KINDS, asked

    repository = readable(load(options.root))
    start, end = options.now_ms - options.days * DAY_MS, options.now_ms
    listing = list_events(
        options.events,
        KINDS,
        days=days_around(start, end),
        endpoint_url=options.endpoint_url,
        region=options.region,
    )
    engine = DuckEngine()
    try:
        engine.load(listing, KINDS)
        counted, rows = asked(engine, window=(start * 1000, end * 1000), environment=options.environment)
        findings = tuple(map(str, engine.findings))
    finally:
        engine.close()
    if options.environment is not None and not rows:
        check_environment(repository, options.environment)
    known = {*repository.flags, *repository.experiments}
    flags = _by_flag(rows, known)
    if options.keys:
        _check_keys(options.keys, known, flags)
        flags = [one for one in flags if one.key in options.keys]
    seen = {one.key for one in flags}
    # Where nothing at all was counted, nobody knows what was not asked for.
    wanted = (options.keys or tuple(repository.flags)) if rows else ()
    return UsageResult(
        source=options.events,
        counted=counted,
        first_day=_date(start // DAY_MS),
        last_day=_date(end // DAY_MS),
        flags=tuple(sorted(flags, key=lambda one: (-one.count, one.key))),
        never=tuple(sorted(key for key in wanted if key in repository.flags and key not in seen)),
        findings=findings,
    )


def _check_keys(keys: tuple[str, ...], known: set[str], flags: list[FlagUsage]) -> None:
    from flagctl.diagnostics import did_you_mean
    from flagctl.errors import NothingMatchedError

    asked_for = {one.key for one in flags}
    for key in keys:
        if key not in known and key not in asked_for:
            near = did_you_mean(key, known)
            raise NothingMatchedError(
                f"'{key}' is no flag, and nobody asked for it", hint=f"did you mean '{near}'?" if near else None
            )


def _by_flag(rows: list[Asked], known: set[str]) -> list[FlagUsage]:
    found: dict[str, FlagUsage] = {}
    for row in rows:
        one = found.get(row.flag)
        if one is None:
            one = FlagUsage(
                key=row.flag,
                known=row.flag in known,
                count=0,
                variants={},
                reasons={},
                days={},
                last_day=_date(row.day),
            )
        for counts, name in ((one.variants, row.variant or ""), (one.reasons, row.reason), (one.days, _date(row.day))):
            counts[name] = counts.get(name, 0) + row.count
        found[row.flag] = FlagUsage(
            key=one.key,
            known=one.known,
            count=one.count + row.count,
            variants=one.variants,
            reasons=one.reasons,
            days=one.days,
            last_day=max(one.last_day, _date(row.day)),
        )
    return list(found.values())


def _date(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
