"""Events of every kind."""

from __future__ import annotations

from typing import Any

from flagctl.events import Conversion, Evaluation, Event, Exposure, Measurement, Usage

NOON = 1_795_176_000_000_000  # 2026-11-20T12:00:00Z
DAY = 86_400_000_000


def exposure(number: int = 1, **changes: Any) -> Exposure:
    values: dict[str, Any] = {
        "ts": NOON + number,
        "event_id": f"exposure-{number}",
        "environment": "production",
        "experiment": "button-test",
        "variant": "on",
        "unit_type": "targeting_key",
        "unit_id": f"user-{number}",
        "flag": "button",
        "config_hash": "0123456789abcdef",
        "reason": "SPLIT",
        "sdk": "flagctl-python/0.1.0",
        "attrs": {"plan": "pro"},
        "bundle": "ab" * 32,
    }
    return Exposure(**{**values, **changes})


def conversion(number: int = 1, **changes: Any) -> Conversion:
    values: dict[str, Any] = {
        "ts": NOON + number,
        "event_id": f"conversion-{number}",
        "environment": "production",
        "unit_type": "targeting_key",
        "unit_id": f"user-{number}",
        "event": "order",
        "value": 2.5,
    }
    return Conversion(**{**values, **changes})


def one_of_each() -> list[Event]:
    return [
        exposure(),
        conversion(),
        Measurement(
            ts=NOON, event_id="m", environment="production", name="checkout.ms", value=12.0, attrs={"arm": "on"}
        ),
        Evaluation(
            ts=NOON,
            event_id="e",
            environment="production",
            flag="button",
            value="true",
            variant="on",
            reason="SPLIT",
            rule="test",
            unit_id="user-1",
            context='{"plan":"pro"}',
            bundle="ab" * 32,
            duration_ns=700,
        ),
        Usage(
            ts=NOON,
            seconds=60.0,
            environment="production",
            flag="button",
            variant="on",
            reason="SPLIT",
            count=7,
            sdk="flagctl-python/0.1.0",
        ),
    ]
