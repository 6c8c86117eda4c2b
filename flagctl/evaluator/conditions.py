"""What each operator means: conditions of a bundle into tests on readings, with their constants prepared.

Negation is pushed down to single tests, so that ``not`` costs nothing at run time; conjunction and disjunction are
classical, and a test on a missing attribute is false before negation.
"""

from __future__ import annotations

import math
from sys import intern
from typing import TYPE_CHECKING, Any, Final

from flagctl.evaluator import readings
from flagctl.evaluator.document import MalformedEntryError
from flagctl.evaluator.networks import parse_network
from flagctl.evaluator.operators import OPERATORS, positive
from flagctl.evaluator.plan import Check, ConditionPlan, Group, Member, Path, Reading, Test
from flagctl.evaluator.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    KnownTests = dict[tuple[Any, ...], Test]
    Prepare = Callable[["ConditionReader", Path, Any, bool], Test]

_SHARED_VALUES: Final = 32
_MATCHES: Final = frozenset({"matches", "not_matches"})
_MOST_VALUES: Final = 100_000
_DEEPEST: Final = 64


class ConditionReader:
    """Turns conditions of one entry into plans and notes what they refer to.

    Args:
        pattern: Returns the search function of a pattern's key; raises MalformedEntryError.
        known: Tests of the same bundle.

    Attributes:
        segments: Keys of segments referred to so far.
        patterns: Keys of patterns referred to so far.
    """

    __slots__ = ("known", "pattern", "patterns", "segments")

    def __init__(self, pattern: Callable[[str], Callable[[str], bool]], known: KnownTests) -> None:
        self.pattern = pattern
        self.known = known
        self.segments: set[str] = set()
        self.patterns: set[str] = set()

    def read_all(self, conditions: object, depth: int = 0) -> tuple[ConditionPlan, ...]:
        """Return the plans of a non-empty array of conditions.

        Raises:
            MalformedEntryError: Anything in it is not as the format says.
        """
        if type(conditions) is not list or not conditions:
            raise MalformedEntryError("conditions are a non-empty array")
        if depth > _DEEPEST:
            raise MalformedEntryError("conditions are nested too deeply")
        return tuple([self._read(condition, False, depth) for condition in conditions])

    def _read(self, condition: object, negated: bool, depth: int) -> ConditionPlan:
        if type(condition) is not dict:
            raise MalformedEntryError("a condition is an object")
        if "attribute" in condition:
            return self._attribute(condition, negated)
        if len(condition) != 1:
            raise MalformedEntryError("a condition has an attribute, or one of `all`, `any`, `not`, `segment`")
        ((name, part),) = condition.items()
        if name == "segment":
            if type(part) is not str:
                raise MalformedEntryError("`segment` names a segment")
            self.segments.add(part)
            return Member(part, negated)
        if name == "not":
            if depth > _DEEPEST:
                raise MalformedEntryError("conditions are nested too deeply")
            return self._read(part, not negated, depth + 1)
        if name not in {"all", "any"}:
            raise MalformedEntryError(f"unknown condition {name!r}")
        return Group(name == "any", self.read_all(part, depth + 1), negated)

    def _attribute(self, condition: dict[str, Any], negated: bool) -> ConditionPlan:
        key = _key(condition, negated)
        if key is None:
            return self._test(condition, negated)
        test = self.known.get(key)
        if test is None:
            test = self.known[key] = self._test(condition, negated)
        elif condition.get("operator") in _MATCHES:
            self.patterns.add(condition["value"])
        return test

    def _test(self, condition: dict[str, Any], negated: bool) -> Test:
        path = read_path(condition["attribute"])
        written = condition.get("operator")
        if type(written) is not str:
            raise MalformedEntryError("a condition lacks its operator")
        name, is_not = positive(written)
        prepare = _PREPARE.get(name)
        if prepare is None:
            raise MalformedEntryError(f"unknown operator {written!r}")
        expected = 2
        value = None
        if name != "exists":
            if "value" not in condition:
                raise MalformedEntryError(f"operator {written} lacks its value")
            expected, value = 3, condition["value"]
        fold = False
        if "ignore_case" in condition:
            if condition["ignore_case"] is not True or not OPERATORS[name].ignore_case:
                raise MalformedEntryError(f"`ignore_case` does not go with {written} here")
            expected, fold = expected + 1, True
        if len(condition) != expected:
            raise MalformedEntryError("a condition has unknown keys")
        plan = prepare(self, path, value, fold)
        return plan.negation() if is_not != negated else plan


def _key(condition: dict[str, Any], negated: bool) -> tuple[Any, ...] | None:
    """Return what tells a test from all others of its bundle, or None if that is not worth knowing."""
    value = condition.get("value")
    kind = type(value)
    if kind is list:
        if len(value) > _SHARED_VALUES:  # type: ignore[arg-type]
            return None
        try:
            "".join(value)  # type: ignore[arg-type]
        except TypeError:
            return None  # numbers and booleans may be equal without being the same
        value = tuple(value)  # type: ignore[arg-type]
    elif kind is dict:
        return None
    path = condition["attribute"]
    if type(path) is not str:
        return None
    operator = condition.get("operator")
    if type(operator) is not str:
        return None
    # With its length, because a condition with keys that don't belong there is no test.
    return path, operator, kind, value, condition.get("ignore_case") is True, len(condition), negated


def read_path(path: object) -> Path:
    """Return a path of the format as a plan has it.

    Raises:
        MalformedEntryError: It is neither text nor an array of at least two texts.
    """
    if type(path) is str:
        return path
    if type(path) is list and len(path) > 1 and all(type(step) is str for step in path):
        return tuple(path)
    raise MalformedEntryError("a path is text or an array of at least two texts")


def is_number(value: object) -> bool:
    """Return whether JSON data is a finite number."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def is_unicode(text: str) -> bool:
    """Return whether text has no lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _scalar_key(value: object, fold: bool) -> Any:
    kind = type(value)
    if kind is bool or (kind is str and is_unicode(value)) or is_number(value):  # type: ignore[arg-type]
        return readings.scalar_folded(value) if fold else readings.scalar(value)
    raise MalformedEntryError("a value is text of valid Unicode, a finite number or a boolean")


def _list(value: object) -> list[Any]:
    if type(value) is not list or not 0 < len(value) <= _MOST_VALUES:
        raise MalformedEntryError("a list of values has 1 to 100 000 of them")
    return value


def _texts(value: object, fold: bool) -> tuple[str, ...]:
    texts = _list(value)
    if not all(type(text) is str and is_unicode(text) for text in texts):
        raise MalformedEntryError("these values are texts of valid Unicode")
    return tuple([text.casefold() for text in texts] if fold else texts)


def _text_reading(fold: bool) -> str:
    return Reading.FOLDED if fold else Reading.TEXT


def _equals(_: ConditionReader, path: Path, value: Any, fold: bool) -> Test:
    if value is True:
        return Test(path, Reading.RAW, Check.IS_TRUE)
    if value is False:
        return Test(path, Reading.RAW, Check.IS_FALSE)
    key = _scalar_key(value, fold)
    if type(key) is not str:
        return Test(path, Reading.NUMBER, Check.EQUALS, key)
    return Test(path, _text_reading(fold), Check.EQUALS, intern(key))  # applications' own constants are interned too


def _in(reader: ConditionReader, path: Path, value: Any, fold: bool) -> Test:
    values = _list(value)
    if len(values) == 1:
        return _equals(reader, path, values[0], fold)
    keys = frozenset([_scalar_key(item, fold) for item in values])
    kinds = {type(key) for key in keys}
    if kinds == {str}:
        return Test(path, _text_reading(fold), Check.IN, keys)
    if kinds <= {int, float}:
        return Test(path, Reading.NUMBER, Check.IN, keys)
    return Test(path, Reading.SCALAR_FOLDED if fold else Reading.SCALAR, Check.IN, keys)


def _contains(_: ConditionReader, path: Path, value: Any, fold: bool) -> Test:
    key = _scalar_key(value, fold)
    return Test(path, Reading.RAW, Check.CALL_WITH, (readings.has_folded if fold else readings.has, key))


def _contains_any(_: ConditionReader, path: Path, value: Any, fold: bool) -> Test:
    keys = frozenset([_scalar_key(item, fold) for item in _list(value)])
    return Test(path, Reading.RAW, Check.CALL_WITH, (readings.has_any_folded if fold else readings.has_any, keys))


def _contains_all(_: ConditionReader, path: Path, value: Any, fold: bool) -> Test:
    keys = frozenset([_scalar_key(item, fold) for item in _list(value)])
    return Test(path, Reading.RAW, Check.CALL_WITH, (readings.has_all_folded if fold else readings.has_all, keys))


def _starts_with(_: ConditionReader, path: Path, value: Any, fold: bool) -> Test:
    return _affix(path, _texts(value, fold), fold, Check.STARTS)


def _ends_with(_: ConditionReader, path: Path, value: Any, fold: bool) -> Test:
    return _affix(path, _texts(value, fold), fold, Check.ENDS)


def _affix(path: Path, texts: tuple[str, ...], fold: bool, check: str) -> Test:
    # Every text begins and ends with the empty one; then all that is asked is whether there is text.
    return Test(path, _text_reading(fold), Check.EXISTS if "" in texts else check, texts)


def _matches(reader: ConditionReader, path: Path, value: Any, _fold: bool) -> Test:
    if type(value) is not str:
        raise MalformedEntryError("`matches` names a pattern")
    reader.patterns.add(value)
    return Test(path, Reading.TEXT, Check.CALL, reader.pattern(value))


def _compare(reading: str, check: str, constant: Callable[[Any], Any]) -> Prepare:
    def prepare(_: ConditionReader, path: Path, value: Any, _fold: bool) -> Test:
        return Test(path, reading, check, constant(value))

    return prepare


def _number(value: Any) -> Any:
    if not is_number(value):
        raise MalformedEntryError("this value is a finite number")
    return value


def _version(value: Any) -> Any:
    key = parse_version(value) if type(value) is str else None
    if key is None:
        raise MalformedEntryError("this value is a version")
    return key


def _instant(value: Any) -> Any:
    if type(value) is not int:
        raise MalformedEntryError("this value is an instant in microseconds")
    return value


def _in_network(_: ConditionReader, path: Path, value: Any, _fold: bool) -> Test:
    """Group networks by version and prefix length: an address takes one look-up for each length that occurs."""
    prefixes: dict[tuple[int, int], set[int]] = {}
    for text in _texts(value, fold=False):
        network = parse_network(text)
        if network is None:
            raise MalformedEntryError(f"{text!r} is no network")
        version, first, length = network
        shift = (32 if version == 4 else 128) - length
        prefixes.setdefault((version, shift), set()).add(first >> shift)
    networks = Networks((version, shift, frozenset(found)) for (version, shift), found in sorted(prefixes.items()))
    return Test(path, Reading.ADDRESS, Check.CALL, networks.hold)


class Networks:
    """IP networks grouped by their size.

    Attributes:
        tables: (IP version, bits of an address that do not count, the values of the bits that do) each.
    """

    __slots__ = ("tables",)

    def __init__(self, tables: Iterable[tuple[int, int, frozenset[int]]]) -> None:
        self.tables = tuple(tables)

    def hold(self, address: tuple[int, int]) -> bool:
        """Return whether an address, (IP version, number), lies in one of the networks."""
        version, number = address
        return any(version == table[0] and number >> table[1] in table[2] for table in self.tables)


def _exists(_: ConditionReader, path: Path, _value: Any, _fold: bool) -> Test:
    return Test(path, Reading.RAW, Check.EXISTS)


_PREPARE: Final[dict[str, Prepare]] = {
    "equals": _equals,
    "in": _in,
    "contains": _contains,
    "contains_any": _contains_any,
    "contains_all": _contains_all,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "matches": _matches,
    "greater_than": _compare(Reading.NUMBER, Check.GREATER, _number),
    "greater_or_equal": _compare(Reading.NUMBER, Check.GREATER_OR_EQUAL, _number),
    "less_than": _compare(Reading.NUMBER, Check.LESS, _number),
    "less_or_equal": _compare(Reading.NUMBER, Check.LESS_OR_EQUAL, _number),
    "semver_equal": _compare(Reading.VERSION, Check.EQUALS, _version),
    "semver_greater_than": _compare(Reading.VERSION, Check.GREATER, _version),
    "semver_greater_or_equal": _compare(Reading.VERSION, Check.GREATER_OR_EQUAL, _version),
    "semver_less_than": _compare(Reading.VERSION, Check.LESS, _version),
    "semver_less_or_equal": _compare(Reading.VERSION, Check.LESS_OR_EQUAL, _version),
    "before": _compare(Reading.INSTANT, Check.LESS, _instant),
    "after": _compare(Reading.INSTANT, Check.GREATER, _instant),
    "in_network": _in_network,
    "exists": _exists,
}
