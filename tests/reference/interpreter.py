"""The steps of an evaluation, in their order, over the decoded bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.reference import readers
from tests.reference.conditions import InvalidContextError, attribute_holds, read
from tests.reference.murmur import bucket

FULL = 100_000
TARGETING_KEY = "targeting_key"


class Answer(NamedTuple):
    """What an evaluation says; `variant`, `error_code` and `rule` are None where there is none."""

    value: Any
    variant: str | None
    reason: str
    error_code: str | None = None
    rule: str | None = None


class NoUnitError(Exception):
    """A bucket was needed, and the context has no unit."""


class Reference:
    """Evaluates one bundle.

    Args:
        bundle: The bundle's plain bytes, or the object they decode to.
        killed: Keys that are forced off.
        stale: Whether the manifest has expired.
        tripped: Keys of flags whose breaker has tripped.
        lists: Units of lists by their names; one that is not there has no members.
    """

    def __init__(
        self,
        bundle: bytes | Mapping[str, Any],
        killed: frozenset[str] = frozenset(),
        stale: bool = False,
        *,
        tripped: frozenset[str] = frozenset(),
        lists: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        decoded = json.loads(bundle) if isinstance(bundle, bytes) else bundle
        self.flags: Mapping[str, Any] = decoded["flags"]
        self.segments: Mapping[str, Any] = decoded["segments"]
        self.experiments: Mapping[str, Any] = decoded["experiments"]
        self.killed = killed
        self.stale = stale
        self.tripped = tripped
        self.lists = lists or {}

    def evaluate(self, key: object, context: Any, default: Any, now_ms: int) -> Answer:
        answer = self._evaluate(key, context, default, now_ms)
        if self.stale and answer.reason in {"STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT"}:
            return answer._replace(reason="STALE")
        return answer

    def is_enabled(self, key: object, context: Any, now_ms: int) -> bool:
        return self.get_value(key, context, default=False, now_ms=now_ms)

    def get_value(self, key: object, context: Any, default: Any, now_ms: int) -> Any:
        """Return the value if it has the default's type, else the default."""
        answer = self.evaluate(key, context, default, now_ms)
        if answer.variant is None:
            return default
        value = answer.value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        match default:
            case None:
                return value
            case bool():
                return value if isinstance(value, bool) else default
            case str():
                return value if isinstance(value, str) else default
            case int():
                return int(value) if is_number and value == int(value) else default
            case float():
                return float(value) if is_number else default
            case dict() | list():
                return value if isinstance(value, (dict, list)) else default
        raise AssertionError(default)

    def get_variant(self, experiment: str, context: Any, now_ms: int) -> tuple[str, Any] | None:
        """Return name and value of the variant if the experiment's own rule decided."""
        if experiment not in self.experiments:
            return None
        key = self.experiments[experiment]["flag"]
        answer = self.evaluate(key, context, None, now_ms)
        for rule in self.flags[key].get("rules", []) if key in self.flags else []:
            if rule["id"] == answer.rule and rule.get("experiment", {}).get("key") == experiment:
                return None if answer.variant is None else (answer.variant, answer.value)
        return None

    # --- the steps ---

    def _evaluate(self, key: object, context: Any, default: Any, now_ms: int) -> Answer:
        if not isinstance(key, str) or key not in self.flags:
            return Answer(default, None, "ERROR", "FLAG_NOT_FOUND")
        flag = self.flags[key]
        is_off = key in self.killed or key in self.tripped or flag.get("enabled") is False
        if is_off or not within(flag.get("schedule"), now_ms):
            return self._off(flag, default, self._breaker(key, flag))
        if context is None:
            context = {}
        try:
            return self._decide(key, flag, context, default, now_ms)
        except NoUnitError:
            return Answer(default, None, "ERROR", "TARGETING_KEY_MISSING")
        except AssertionError:  # a bug of this interpreter
            raise
        except Exception:  # noqa: BLE001 - whatever a hostile context raises
            return Answer(default, None, "ERROR", "INVALID_CONTEXT")

    def _breaker(self, key: str, flag: Mapping[str, Any]) -> str | None:
        """Return the rule that an answer of a flag that is off names."""
        comes_first = key in self.killed or flag.get("enabled") is False
        return "breaker" if key in self.tripped and not comes_first else None

    def _decide(self, key: str, flag: Mapping[str, Any], context: Any, default: Any, now_ms: int) -> Answer:
        if not isinstance(context, Mapping):
            raise InvalidContextError
        for other, variants in flag.get("prerequisites", []):
            answer = self._evaluate(other, context, None, now_ms)
            if answer.error_code == "INVALID_CONTEXT":
                raise InvalidContextError
            if answer.variant not in variants:
                return self._off(flag, default, f"prerequisite:{other}")
        if "targets" in flag:
            unit = readers.unit(read(context, flag.get("unit", TARGETING_KEY)))
            for index, units in flag["targets"]:
                if unit in units:
                    return self._served(flag, index, "TARGETING_MATCH", "target")
        for rule in flag.get("rules", []):
            index = self._rule(key, rule, context, now_ms)
            if index is not None:
                split = "percentage" in rule or "split" in rule or "experiment" in rule
                return self._served(flag, index, "SPLIT" if split else "TARGETING_MATCH", rule["id"])
        return self._default(key, flag, context, default)

    def _default(self, key: str, flag: Mapping[str, Any], context: Any, default: Any) -> Answer:
        static = not any(flag.get(part) for part in ("rules", "targets", "prerequisites", "schedule"))
        outcome = flag.get("default")
        if outcome is None:
            return Answer(default, None, "STATIC" if static else "DEFAULT")
        if "split" in outcome:
            unit = readers.unit(read(context, outcome.get("unit", TARGETING_KEY)))
            if unit is None:
                raise NoUnitError
            return self._served(flag, choose(outcome["split"], bucket(outcome.get("salt", key), unit)), "SPLIT", None)
        return self._served(flag, outcome["serve"], "STATIC" if static else "DEFAULT", None)

    def _rule(self, key: str, rule: Mapping[str, Any], context: Any, now_ms: int) -> int | None:
        """Return the index of the variant that a rule serves, None if it does not match."""
        if not within(rule.get("schedule"), now_ms):
            return None
        if not all(self._holds(condition, context) for condition in rule.get("when", [])):
            return None
        salt = rule.get("salt", key)
        experiment = rule.get("experiment")
        if experiment is not None and experiment["status"] == "draft":
            return None
        if experiment is not None and experiment["status"] == "completed":
            return rule.get("serve")
        if "percentage" in rule:
            share = share_at(rule["percentage"], now_ms)
            if 0 < share < FULL:
                unit = readers.unit(read(context, rule.get("unit", TARGETING_KEY)))
                if unit is None or bucket(salt, unit) >= share:
                    return None
            return rule["serve"] if share > 0 else None
        if "split" in rule:
            unit = readers.unit(read(context, rule.get("unit", TARGETING_KEY)))
            if unit is None:
                return None
            if experiment is not None:
                draw = bucket(experiment["salt"], unit)
                if not any(start <= draw < end for start, end in experiment["slots"]):
                    return None
            return choose(rule["split"], bucket(salt, unit))
        return rule["serve"]

    def _holds(self, condition: Mapping[str, Any], context: Any) -> bool:
        if "all" in condition:
            return all(self._holds(part, context) for part in condition["all"])
        if "any" in condition:
            return any(self._holds(part, context) for part in condition["any"])
        if "not" in condition:
            return not self._holds(condition["not"], context)
        if "segment" in condition:
            return self._is_member(self.segments[condition["segment"]], context)
        return attribute_holds(condition, context)

    def _is_member(self, segment: Mapping[str, Any], context: Any) -> bool:
        if "exclude" in segment or "include" in segment or "list" in segment:
            unit = readers.unit(read(context, TARGETING_KEY))
            if unit in segment.get("exclude", []):
                return False
            if unit in segment.get("include", []):
                return True
            if "list" in segment and unit in self.lists.get(segment["list"], frozenset()):
                return True
        return "when" in segment and all(self._holds(condition, context) for condition in segment["when"])

    def _off(self, flag: Mapping[str, Any], default: Any, rule: str | None = None) -> Answer:
        if "off" not in flag:
            return Answer(default, None, "DISABLED", None, rule)
        return self._served(flag, flag["off"], "DISABLED", rule)

    def _served(self, flag: Mapping[str, Any], index: int, reason: str, rule: str | None) -> Answer:
        name, value = flag["variants"][index]
        return Answer(value, name, reason, None, rule)


def within(schedule: Mapping[str, int] | None, now_ms: int) -> bool:
    """Whether an instant lies in a half-open window whose sides may be absent."""
    if schedule is None:
        return True
    return schedule.get("from", now_ms) <= now_ms and ("until" not in schedule or now_ms < schedule["until"])


def share_at(percentage: int | Mapping[str, Any], now_ms: int) -> int:
    """Return a percentage at an instant, in thousandths of a percent."""
    if isinstance(percentage, int):
        return percentage
    if "steps" in percentage:
        return next((share for since, share in reversed(percentage["steps"]) if since <= now_ms), 0)
    since, until, start, end = percentage["linear"]
    if now_ms <= since:
        return int(start)
    if now_ms >= until:
        return int(end)
    return int(start + (end - start) * (now_ms - since) // (until - since))


def choose(split: list[list[int]], draw: int) -> int:
    """Return the variant index of the range that a bucket lies in."""
    return next(index for end, index in split if draw < end)
