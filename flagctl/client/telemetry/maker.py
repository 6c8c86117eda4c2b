"""Makes events of what was noted; on the hub's thread, where taking one's time holds nobody up.

A method returns None for what must not leave: an event about a unit whose attribute is personal, without a key to hash
it with.
"""

from __future__ import annotations

import json
import os
from itertools import count
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.client.telemetry.privacy import plain
from flagctl.events import Conversion, Evaluation, Exposure, GuardChange, Measurement, Usage

if TYPE_CHECKING:
    from flagctl.client.guard_book import GuardStep
    from flagctl.client.telemetry.book import Count
    from flagctl.client.telemetry.watcher import Watcher
    from flagctl.evaluator.details import Answer
    from flagctl.evaluator.plan import Path

_to_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode


@final
class Maker:
    """Makes events.

    Args:
        environment: Environment of the client.
        sdk: Library and version.
    """

    def __init__(self, environment: str, sdk: str) -> None:
        self._environment = environment
        self._sdk = sdk
        self.renew()

    def renew(self) -> None:
        """Begin with ids of another prefix; a forked child must not use its parent's."""
        self._prefix = os.urandom(10).hex()
        self._numbers = count()

    def _id(self) -> str:
        return f"{self._prefix}{next(self._numbers):08x}"

    def exposure(self, ts: int, watcher: Watcher, flag: str, answer: Answer, *noted: Any) -> Exposure | None:
        """Return an exposure; `noted`: unit, attributes, whether it is a bot."""
        unit, attributes, is_bot = noted
        assert answer.experiment is not None and answer.variant is not None  # noqa: S101, PT018 - only those are noted
        settings = watcher.settings(answer.experiment)
        path: Path = answer.unit or settings.unit
        unit_id = watcher.privacy.unit(path, unit)
        if unit_id is None:
            return None
        return Exposure(
            ts=ts,
            event_id=self._id(),
            environment=self._environment,
            experiment=answer.experiment,
            variant=answer.variant,
            unit_type=dotted(path),
            unit_id=unit_id,
            flag=flag,
            layer=settings.layer,
            config_hash=settings.config,
            reason=watcher.reason(answer),
            sdk=self._sdk,
            attrs=watcher.privacy.strings(attributes),
            is_bot=is_bot,
            bundle=watcher.document.sha256,
        )

    def evaluation(self, ts: int, watcher: Watcher, flag: str, answer: Answer, *noted: Any) -> Evaluation | None:
        """Return a log entry; `noted`: context or None, unit or None, and (fits, value, nanoseconds)."""
        context, unit, (fits, value, took) = noted
        reason, _, code = (watcher.reason(answer) if fits else "ERROR:TYPE_MISMATCH").partition(":")
        held = watcher.privacy.context(context) if isinstance(context, dict) else None
        return Evaluation(
            ts=ts,
            event_id=self._id(),
            environment=self._environment,
            flag=flag,
            variant=answer.variant if fits else None,
            value=_to_json(plain(value)),
            reason=reason,
            rule=answer.rule,
            error_code=code or None,
            unit_id=None if unit is None else watcher.privacy.unit("targeting_key", unit),
            context=None if held is None else _to_json(held),
            bundle=watcher.document.sha256,
            duration_ns=took,
        )

    def conversion(self, ts: int, watcher: Watcher, path: Path, unit: str, *noted: Any) -> Conversion | None:
        """Return a conversion; `noted`: event, value, experiment or None, attributes."""
        event, value, experiment, attributes = noted
        unit_id = watcher.privacy.unit(path, unit)
        if unit_id is None:
            return None
        return Conversion(
            ts=ts,
            event_id=self._id(),
            environment=self._environment,
            unit_type=dotted(path),
            unit_id=unit_id,
            event=event,
            value=value,
            experiment=experiment,
            attrs=watcher.privacy.strings(attributes),
        )

    def measurement(self, ts: int, watcher: Watcher | None, unit: str | None, *noted: Any) -> Measurement | None:
        """Return a measurement; `noted`: name, value, attributes. Without a set of flags there is no unit in it."""
        name, value, attributes = noted
        unit_id = None if unit is None or watcher is None else watcher.privacy.unit("targeting_key", unit)
        return Measurement(
            ts=ts,
            event_id=self._id(),
            environment=self._environment,
            unit_type=None if unit_id is None else "targeting_key",
            unit_id=unit_id,
            name=name,
            value=value,
            attrs={} if watcher is None else watcher.privacy.strings(attributes),
        )

    def guard(self, ts: int, bundle: str | None, step: GuardStep) -> GuardChange:
        """Return what a flag's breaker did."""
        seen, off = step.seen, step.baseline
        return GuardChange(
            ts=ts,
            event_id=self._id(),
            environment=self._environment,
            flag=step.flag,
            step=step.step,
            variant=step.variant,
            cause=step.cause,
            calls=None if seen is None else seen.calls,
            errors=None if seen is None else seen.errors,
            slow=None if seen is None else seen.slow,
            p95_ms=None if seen is None else seen.p95_ms,
            off_calls=None if off is None else off.calls,
            off_errors=None if off is None else off.errors,
            cool_down=step.cool_down,
            bundle=bundle,
            sdk=self._sdk,
        )

    def usage(self, begin: int, seconds: float, counts: list[Count]) -> list[Usage]:
        """Return what was counted within a window of time."""
        return [
            Usage(
                ts=begin,
                seconds=seconds,
                environment=self._environment,
                flag=flag,
                variant=variant,
                reason=reason,
                count=times,
                sdk=self._sdk,
            )
            for flag, variant, reason, times in counts
        ]


def dotted(path: Path) -> str:
    """Return a path as `unit_type` names it."""
    return path if isinstance(path, str) else ".".join(path)
