"""One decoded entry of a bundle into a plan, checking everything the format says about its shape on the way.

The same code serves the first use of a flag and the structural check of a whole bundle, so that a bundle that was
accepted can't surprise anybody later. Whatever is wrong is a `MalformedEntryError`.
"""

from __future__ import annotations

import re
from enum import IntEnum
from sys import intern
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.evaluator.breakers import BREAKER_RULE, read_breaker
from flagctl.evaluator.buckets import BUCKETS, threshold
from flagctl.evaluator.conditions import ConditionReader, is_number, is_unicode, read_path
from flagctl.evaluator.details import Answer, ErrorCode, FlagFacts, Reason
from flagctl.evaluator.document import MalformedEntryError
from flagctl.evaluator.lists import Lists, Members
from flagctl.evaluator.plan import (
    Draw,
    FlagPlan,
    OutcomePlan,
    PrerequisitePlan,
    RulePlan,
    SegmentPlan,
    Serve,
    Split,
    Window,
)
from flagctl.evaluator.shares import (
    ALL_HASHES,
    ALWAYS,
    read_array,
    read_ramp,
    read_salt,
    read_share,
    read_slots,
    read_steps,
    share_limit,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.evaluator.conditions import KnownTests
    from flagctl.evaluator.plan import Path

    Search = Callable[[str], bool]

__all__ = ["ALWAYS", "Bundle", "Forced", "lower_flag", "lower_segment", "read_units"]

_FLAG_KEYS: Final = frozenset(
    {
        "type",
        "variants",
        "default",
        "off",
        "enabled",
        "schedule",
        "prerequisites",
        "targets",
        "unit",
        "rules",
        "breaker",
        "owner",
        "tags",
    }
)
_RULE_KEYS: Final = frozenset({"id", "when", "schedule", "serve", "percentage", "salt", "unit", "split", "experiment"})
_SEGMENT_KEYS: Final = frozenset({"include", "exclude", "list", "when"})
_LIST: Final = re.compile("[a-z0-9][a-z0-9._-]{0,254}")
_TARGETING_KEY: Final = "targeting_key"


class Forced(IntEnum):
    """Whether a flag is off whatever its entry says; the later one counts."""

    NOT = 0
    TRIPPED = 1
    """Its breaker has tripped in this process: answers name the rule ``breaker``."""
    KILLED = 2


class Bundle(NamedTuple):
    """What lowering an entry needs of the others.

    Attributes:
        pattern: Returns the search function of a pattern's key; raises MalformedEntryError.
        tests: Tests made so far, to be shared.
        lists: Who knows the units of lists; None: nobody does.
    """

    pattern: Callable[[str], Search]
    tests: KnownTests
    lists: Lists | None = None


def lower_flag(
    key: str, line: bytes, entry: Mapping[str, Any], bundle: Bundle, *, forced: Forced = Forced.NOT
) -> FlagPlan:
    """Return a flag's plan.

    Args:
        key: The flag's key.
        line: Its line.
        entry: Its line, decoded.
        bundle: What else is needed.
        forced: Whether it is forced off.

    Raises:
        MalformedEntryError: The entry is not as the format says.
    """
    return _FlagReader(key, line, entry, bundle).read(forced)


class _FlagReader:
    """State of lowering one flag."""

    __slots__ = ("conditions", "entry", "facts", "key", "timed", "variants")

    def __init__(self, key: str, line: bytes, entry: Mapping[str, Any], bundle: Bundle) -> None:
        if not entry.keys() <= _FLAG_KEYS:
            raise MalformedEntryError("a flag has unknown keys")
        self.key = key
        self.entry = entry
        self.variants = _variants(entry)
        self.facts = _facts(line, entry)
        self.conditions = ConditionReader(bundle.pattern, bundle.tests)
        self.timed = False

    def read(self, forced: Forced) -> FlagPlan:
        entry = self.entry
        enabled = entry.get("enabled", True)
        if type(enabled) is not bool:
            raise MalformedEntryError("`enabled` is a boolean")
        window = self.window(entry) if "schedule" in entry else None
        off_variant = self.variant(entry["off"]) if "off" in entry else None
        prerequisites = self.prerequisites(off_variant) if "prerequisites" in entry else ()
        targets = self.targets() if "targets" in entry else {}
        rules = self.rules() if "rules" in entry else ()
        plain = not (rules or targets or prerequisites or window)
        default = self.default(plain)
        if "breaker" in entry:
            read_breaker(entry["breaker"], "off" in entry)
        tripped = forced is Forced.TRIPPED and enabled
        always_off = forced or not enabled
        off = None
        if always_off or window is not None:
            off = Answer(Reason.DISABLED, self.facts, off_variant, BREAKER_RULE if tripped else None)
        fixed = off if always_off else None
        if fixed is None and plain and type(default) is Serve:
            fixed = default.answer
        return FlagPlan(
            self.key,
            off,
            fixed,
            window,
            prerequisites,
            targets,
            read_path(entry["unit"]) if "unit" in entry else _TARGETING_KEY,
            rules,
            default,
            self.missing(default.draw.path) if type(default) is Split else None,
            self.conditions.segments,
            self.conditions.patterns,
            self.timed,
        )

    def missing(self, path: Path) -> Answer:
        """Return the answer of a default that needs a unit and has none."""
        unit = path if isinstance(path, str) else ".".join(path)
        message = f"the default is a rollout, and {unit!r} names no unit"
        return Answer(Reason.ERROR, self.facts, error=(ErrorCode.TARGETING_KEY_MISSING, message))

    def variant(self, index: object) -> tuple[str, Any]:
        if type(index) is not int or not 0 <= index < len(self.variants):
            raise MalformedEntryError("an index does not name a variant")
        return self.variants[index]

    def window(self, entry: Mapping[str, Any]) -> Window:
        schedule = entry["schedule"]
        if type(schedule) is not dict or not schedule or not schedule.keys() <= {"from", "until"}:
            raise MalformedEntryError("a schedule has `from`, `until` or both")
        if not all(type(instant) is int for instant in schedule.values()):
            raise MalformedEntryError("a schedule's instants are integers")
        self.timed = True
        return Window(schedule.get("from"), schedule.get("until"))

    def prerequisites(self, off: tuple[str, Any] | None) -> tuple[PrerequisitePlan, ...]:
        plans = []
        for item in read_array(self.entry["prerequisites"]):
            if type(item) is not list or len(item) != 2 or type(item[0]) is not str:
                raise MalformedEntryError("a prerequisite is [flag, [variants]]")
            flag, variants = item
            if type(variants) is not list or not all(type(name) is str for name in variants):
                raise MalformedEntryError("a prerequisite is [flag, [variants]]")
            answer = Answer(Reason.DISABLED, self.facts, off, f"prerequisite:{flag}")
            plans.append(PrerequisitePlan(flag, frozenset(variants), answer))
        return tuple(plans)

    def targets(self) -> dict[str, Answer]:
        found: dict[str, Answer] = {}
        for item in read_array(self.entry["targets"]):
            if type(item) is not list or len(item) != 2:
                raise MalformedEntryError("a target is [variant, [units]]")
            answer = Answer(Reason.TARGETING_MATCH, self.facts, self.variant(item[0]), "target")
            for unit in read_units(item[1]):
                if found.setdefault(unit, answer) is not answer:
                    raise MalformedEntryError("a unit is the target of two variants")
        return found

    def rules(self) -> tuple[RulePlan, ...]:
        plans = []
        seen = set()
        for rule in read_array(self.entry["rules"]):
            if type(rule) is not dict or not rule.keys() <= _RULE_KEYS:
                raise MalformedEntryError("a rule is an object of known keys")
            name = rule.get("id")
            if type(name) is not str or name in seen:
                raise MalformedEntryError("a rule has an id of its own")
            seen.add(name)
            conditions = self.conditions.read_all(rule["when"]) if "when" in rule else ()
            window = self.window(rule) if "schedule" in rule else None
            plans.append(RulePlan(conditions, window, self.rule_outcome(name, rule)))
        return tuple(plans)

    def answer(self, index: object, reason: Reason, rule: str | None = None, experiment: str | None = None) -> Answer:
        return Answer(reason, self.facts, self.variant(index), rule, experiment)

    def default(self, plain: bool) -> Serve | Split:
        if "default" not in self.entry:
            return Serve(Answer(Reason.STATIC if plain else Reason.DEFAULT, self.facts))
        outcome = self.entry["default"]
        if type(outcome) is dict:
            if outcome.keys() == {"serve"}:
                return Serve(self.answer(outcome["serve"], Reason.STATIC if plain else Reason.DEFAULT))
            if "split" in outcome and outcome.keys() <= {"split", "salt", "unit"}:
                return self.split(outcome, rule=None)
        raise MalformedEntryError("a default is `serve` or `split`")

    def rule_outcome(self, rule: str, outcome: dict[str, Any]) -> OutcomePlan:
        if "experiment" in outcome:
            return self.experiment(rule, outcome)
        if ("serve" in outcome) == ("split" in outcome):
            raise MalformedEntryError("a rule has one of `serve`, `split`, `experiment`")
        if "split" in outcome:
            if "percentage" in outcome:
                raise MalformedEntryError("`percentage` goes with `serve`")
            return self.split(outcome, rule=rule)
        if "percentage" not in outcome:
            if "salt" in outcome or "unit" in outcome:
                raise MalformedEntryError("`salt` and `unit` go with a share")
            return Serve(self.answer(outcome["serve"], Reason.TARGETING_MATCH, rule))
        limit = self.limit(outcome["percentage"])
        served = Serve(self.answer(outcome["serve"], Reason.SPLIT, rule), self.draw(outcome), limit)
        if limit == 0:
            return None
        return Serve(served.answer) if limit == ALWAYS else served

    def draw(self, outcome: Mapping[str, Any]) -> Draw:
        path: Path = read_path(outcome["unit"]) if "unit" in outcome else _TARGETING_KEY
        return Draw(read_salt(outcome.get("salt", self.key)), path)

    def split(self, outcome: Mapping[str, Any], rule: str | None, experiment: str | None = None) -> Split:
        ends, answers = [], []
        previous = 0
        for item in read_array(outcome["split"]):
            if (
                type(item) is not list
                or len(item) != 2
                or type(item[0]) is not int
                or not previous < item[0] <= BUCKETS
            ):
                raise MalformedEntryError("a split is an array of [end, variant] with ascending ends")
            previous = item[0]
            ends.append(threshold(previous))
            answers.append(self.answer(item[1], Reason.SPLIT, rule, experiment))
        if previous != BUCKETS:
            raise MalformedEntryError("a split ends at 100 000")
        draw = self.draw(outcome)
        if experiment is not None:
            for answer in answers:
                answer.unit = draw.path
        return Split(draw, tuple(ends), tuple(answers))

    def experiment(self, rule: str, outcome: dict[str, Any]) -> OutcomePlan:
        experiment = outcome["experiment"]
        if type(experiment) is not dict or type(experiment.get("key")) is not str or "percentage" in outcome:
            raise MalformedEntryError("an experiment has its key")
        key, status = experiment["key"], experiment.get("status")
        if status == "running":
            if experiment.keys() != {"key", "status", "salt", "slots"} or "split" not in outcome or "serve" in outcome:
                raise MalformedEntryError("a running experiment has `salt` and `slots`, and a `split` beside it")
            slots = read_slots(experiment["slots"])
            intake = Draw(read_salt(experiment["salt"]), self.draw(outcome).path)
            split = self.split(outcome, rule, key)
            if slots == ALL_HASHES:
                return split  # every unit is taken in: no need to draw
            return split._replace(intake=intake, slots=slots) if slots else None
        extra = {"split", "salt", "unit"} & outcome.keys()
        if experiment.keys() != {"key", "status"} or extra or status not in ("draft", "completed"):
            raise MalformedEntryError("an experiment that is not running has `key` and `status`")
        if "serve" not in outcome:
            return None
        if status == "draft":
            raise MalformedEntryError("a draft experiment serves nothing")
        return Serve(self.answer(outcome["serve"], Reason.SPLIT, rule, key))

    def limit(self, percentage: object) -> int | Callable[[int], int]:
        if type(percentage) is int:
            return share_limit(read_share(percentage))
        if type(percentage) is dict and len(percentage) == 1:
            self.timed = True
            if "steps" in percentage:
                return read_steps(percentage["steps"])
            if "linear" in percentage:
                return read_ramp(percentage["linear"])
        raise MalformedEntryError("a percentage is a share, `steps` or `linear`")


def lower_segment(entry: Mapping[str, Any], bundle: Bundle) -> SegmentPlan:
    """Return a segment's plan; arguments and errors as for :func:`lower_flag`."""
    if not entry.keys() <= _SEGMENT_KEYS:
        raise MalformedEntryError("a segment has unknown keys")
    if entry.keys().isdisjoint(("include", "list", "when")):
        raise MalformedEntryError("a segment has `include`, `list` or `when`")
    conditions = ConditionReader(bundle.pattern, bundle.tests)
    plans = conditions.read_all(entry["when"]) if "when" in entry else None
    include = frozenset(read_units(entry["include"])) if "include" in entry else frozenset()
    if "list" in entry:
        name = entry["list"]
        if type(name) is not str or not _LIST.fullmatch(name):
            raise MalformedEntryError("a segment's `list` is the name of one")
        include = Members(include, name, bundle.lists or Lists())
    return SegmentPlan(
        include=include,
        exclude=frozenset(read_units(entry["exclude"])) if "exclude" in entry else frozenset(),
        conditions=plans,
        segments=conditions.segments,
        patterns=conditions.patterns,
    )


def read_units(units: object) -> list[str]:
    """Return an array of units; MalformedEntryError if it is none."""
    if type(units) is not list or not all(type(unit) is str and unit and is_unicode(unit) for unit in units):
        raise MalformedEntryError("units are an array of non-empty texts of valid Unicode")
    return units


def _variants(entry: Mapping[str, Any]) -> list[tuple[str, Any]]:
    kind = entry.get("type")
    fits = _FITS.get(kind) if type(kind) is str else None
    if fits is None:
        raise MalformedEntryError("a flag has a type")
    variants = []
    for item in read_array(entry.get("variants")):
        if type(item) is not list or len(item) != 2 or type(item[0]) is not str:
            raise MalformedEntryError("a variant is [name, value]")
        if not fits(item[1]):
            raise MalformedEntryError("a variant's value does not have the flag's type")
        variants.append((item[0], item[1]))
    if len({name for name, _ in variants}) != len(variants):
        raise MalformedEntryError("two variants have the same name")
    return variants


def _is_json(value: object, depth: int = 0) -> bool:
    kind = type(value)
    if kind is dict:
        return depth < 256 and all(_is_json(part, depth + 1) for part in value.values())  # type: ignore[attr-defined]
    if kind is list:
        return depth < 256 and all(_is_json(part, depth + 1) for part in value)  # type: ignore[attr-defined]
    return value is None or kind is bool or kind is str or is_number(value)


_FITS: Final[dict[str, Callable[[object], bool]]] = {
    "boolean": lambda value: type(value) is bool,
    "string": lambda value: type(value) is str,
    "number": is_number,
    "json": _is_json,
}


def _facts(line: bytes, entry: Mapping[str, Any]) -> FlagFacts:
    owner, tags = entry.get("owner"), entry.get("tags", ())
    if owner is None:
        if "owner" in entry:
            raise MalformedEntryError("`owner` is text")
    elif type(owner) is not str:
        raise MalformedEntryError("`owner` is text")
    if tags != ():
        if type(tags) is not list or not all(type(tag) is str for tag in tags):
            raise MalformedEntryError("`tags` are texts")
        tags = tuple(map(intern, tags))
    return FlagFacts(line, None if owner is None else intern(owner), tags)
