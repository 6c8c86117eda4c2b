"""Values a little beside a constant: versions and instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flagctl.evaluator.instants import parse_instant
from flagctl.evaluator.versions import parse_version

if TYPE_CHECKING:
    from random import Random

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def version_near(text: str, rng: Random, *, up: bool) -> str:
    """Return a version above or below one; the version itself, or 0.0.0, where there is no room below."""
    core = text.removeprefix("v").partition("-")[0].partition("+")[0]
    if parse_version(text) is None:
        return text
    parts = [int(part) for part in core.split(".")]
    parts += [0] * (3 - len(parts))
    movable = [place for place in range(3) if up or parts[place]]
    if not movable:
        return "0.0.0"
    place = rng.choice(movable)
    parts[place] += rng.randrange(1, 4) if up else -rng.randrange(1, min(parts[place], 3) + 1)
    parts[place + 1 :] = [rng.randrange(20) for _ in parts[place + 1 :]]
    return ".".join(map(str, parts))


def instant_at(constant: Any, seconds: int) -> str:
    """Return the instant so many seconds after a constant of a condition, as RFC 3339 in UTC."""
    micros = parse_instant(constant) if isinstance(constant, str) else int(constant * 1_000_000)
    try:
        moment = _EPOCH + timedelta(microseconds=micros or 0, seconds=seconds)
    except OverflowError:
        moment = _EPOCH
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")
