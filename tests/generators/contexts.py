"""Random contexts: near the constants of a bundle's conditions, far from them, and hostile."""

from __future__ import annotations

import math
from collections import ChainMap, OrderedDict, UserDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tests.generators import vocabulary as v

if TYPE_CHECKING:
    from random import Random

Path = tuple[str, ...]
Constants = dict[Path, list[Any]]


class Colour(str, Enum):  # noqa: UP042 - unlike StrEnum, its str() is not its text
    DE = "DE"
    USER = "user-1"


class Plan(StrEnum):
    FREE = "free"
    PRO = "pro"


class Level(IntEnum):
    ONE = 1
    LIMIT = 100


class Seats(int):
    """An integer that prints like something else."""

    def __str__(self) -> str:
        return "seats"

    __repr__ = __str__


class Score(float):
    """A float of a class of its own."""


def constants_of(entry: Any, segments: Mapping[str, Any]) -> Constants:
    """Collect what a compiled flag compares each attribute with, as (operator, constant), its segments included.

    Lists of units count as an operator ``unit``.
    """
    result: Constants = {}
    _collect(entry, segments, result)
    return result


def _collect(node: Any, segments: Mapping[str, Any], result: Constants) -> None:
    if isinstance(node, list):
        for item in node:
            _collect(item, segments, result)
    elif isinstance(node, dict):
        if "attribute" in node and "operator" in node:
            path = (node["attribute"],) if isinstance(node["attribute"], str) else tuple(node["attribute"])
            result.setdefault(path, []).append((node["operator"].removeprefix("not_"), node.get("value")))
            return
        for _, units in node.get("targets", ()):
            path = node.get("unit", "targeting_key")
            result.setdefault((path,) if isinstance(path, str) else tuple(path), []).append(("unit", units))
        if isinstance(node.get("segment"), str):
            segment = segments[node["segment"]]
            for part in ("include", "exclude"):
                if part in segment:
                    result.setdefault(("targeting_key",), []).append(("unit", segment[part]))
            _collect(segment.get("when", []), segments, result)
        for key in ("when", "all", "any", "not", "rules"):
            if key in node:
                _collect(node[key], segments, result)


def any_mapping(rng: Random, context: dict[str, Any]) -> Mapping[str, Any]:
    """Return the same context as another kind of mapping, seldom."""
    if rng.random() < 0.9:
        return context
    kinds: tuple[Callable[[dict[str, Any]], Mapping[str, Any]], ...] = (
        MappingProxyType,
        OrderedDict,
        ChainMap,
        UserDict,
        Counting,
        lambda inner: defaultdict(lambda: "DE", inner),
        lambda inner: defaultdict(lambda: "user-1", {key: inner[key] for key in inner if rng.random() < 0.5}),
        lambda inner: ChainMap({}, inner),
    )
    return rng.choice(kinds)(context)


def pool_context(rng: Random) -> dict[str, Any]:
    """Return a context over the whole vocabulary."""
    context: dict[Any, Any] = {}
    if rng.random() < 0.92:
        put(context, ("targeting_key",), rng.choice(v.UNITS) if rng.random() < 0.9 else odd_value(rng))
    for word in v.WORDS[1:]:
        draw = rng.random()
        if draw < 0.6:
            put(context, word.path, value_for(rng, word))
        elif draw < 0.72:
            put(context, word.path, odd_value(rng))
    if rng.random() < 0.05:
        context[rng.choice((1, None, ("a", "b"), 2.5, True))] = "not a string key"
    return context


def focused_context(rng: Random, constants: Constants) -> dict[str, Any]:
    """Return a context whose attributes are near what one flag compares them with."""
    context: dict[Any, Any] = {}
    if rng.random() < 0.95:
        put(context, ("targeting_key",), rng.choice(v.UNITS))
    for path in rng.sample(v.UNIT_PATHS, 2):
        put(context, path, rng.choice((*v.UNITS, 42, 7)))
    for path, seen in constants.items():
        if rng.random() < 0.85:
            operator, constant = rng.choice(seen)
            put(context, path, near(rng, operator, constant))
    return context


def put(context: dict[Any, Any], path: Path, value: Any) -> None:
    """Set a nested value; what stands in the way is left alone."""
    for key in path[:-1]:
        inner = context.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        context = inner
    context[path[-1]] = value


def value_for(rng: Random, word: v.Word) -> Any:
    """Return a value of the type that a word's constants have, if it has one."""
    kind = "any" if word.type is None else word.type.value
    match kind:
        case "string" | "any":
            if kind == "any" and rng.random() < 0.3:
                return odd_value(rng)
            return rng.choice(word.strings) if rng.random() < 0.8 else rng.choice(v.STRINGS + v.EMAILS)
        case "number":
            return rng.choice(v.NUMBERS) + rng.choice((0, 0, 1, -0.5))
        case "boolean":
            return rng.random() < 0.5
        case "semver":
            return rng.choice(v.VERSIONS if rng.random() < 0.8 else v.NOT_VERSIONS)
        case "datetime":
            return any_instant(rng)
        case "ip":
            return rng.choice(v.ADDRESSES if rng.random() < 0.8 else v.NOT_ADDRESSES)
        case "list":
            return any_list(rng)
    raise AssertionError(kind)


def any_list(rng: Random) -> Any:
    members = rng.choices(v.MEMBERS, k=rng.randint(0, 5))
    draw = rng.random()
    if draw < 0.1:
        return [*members, {"not": "hashable"}, [1], None, math.nan]
    return rng.choice((list, tuple, set, frozenset, list))(members)


def any_instant(rng: Random) -> Any:
    draw = rng.random()
    if draw < 0.45:
        return rng.choice(v.INSTANTS)
    if draw < 0.55:
        return rng.choice(v.NOT_INSTANTS)
    if draw < 0.75:
        return rng.choice(v.EPOCH_SECONDS) + rng.choice((0, 0.0000005, 1e-6, -1e-6))
    zone = rng.choice((UTC, timezone(timedelta(hours=-8)), None, timezone(timedelta(minutes=345, seconds=7))))
    return rng.choice((datetime(2026, 12, 1, tzinfo=zone), datetime.max.replace(tzinfo=zone), date(2026, 12, 1)))


def near(rng: Random, operator: str, constant: Any) -> Any:
    """Return a value on one side or the other of a condition's edge."""
    if isinstance(constant, list) and operator in {"contains_any", "contains_all", "in"}:
        chosen = rng.sample(constant, min(len(constant), rng.randint(1, 3)))
        if operator == "in":
            return twisted(rng, chosen[0])
        return rng.choice((chosen, list(constant), [twisted(rng, item) for item in chosen], set(chosen), []))
    if isinstance(constant, list):
        constant = rng.choice(constant)
    match operator:
        case "unit":
            return int(constant) if constant.lstrip("-").isdecimal() and rng.random() < 0.5 else constant
        case "matches":
            return rng.choice(v.PATTERNS.get(constant, ("x",)))
        case "before" | "after":
            return near_instant(rng, constant)
        case "in_network":
            return rng.choice((*v.ADDRESSES, constant.partition("/")[0]))
        case "exists":
            return rng.choice((None, 0, "", False, [], {}))
        case "starts_with" | "ends_with" | "contains" if isinstance(constant, str):
            return rng.choice(
                (constant, constant + "x", "x" + constant, twisted(rng, constant), constant[:-1], [constant])
            )
        case "semver_equal":
            return rng.choice((constant, "v" + constant, constant + "+b", constant + "-0", rng.choice(v.VERSIONS)))
        case _ if operator.startswith("semver_"):
            return rng.choice((constant, rng.choice(v.VERSIONS), constant + ".1", constant.partition("-")[0]))
    return twisted(rng, constant)


def near_instant(rng: Random, microseconds: int) -> Any:
    """Return the instant itself or a neighbour, in one of the forms that are read."""
    shifted = microseconds + rng.choice((0, 0, 1, -1, 1_000_000, -3_600_000_000))
    form = rng.randrange(3)
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=shifted)
    except OverflowError:
        form = 2
    else:
        moment = moment.astimezone(timezone(timedelta(hours=rng.choice((0, 5))))) if 1 < moment.year < 9999 else moment
    if form == 0:
        return moment.isoformat()
    if form == 1:
        return moment
    return shifted // 1_000_000 if shifted % 1_000_000 == 0 else shifted / 1_000_000


def twisted(rng: Random, constant: Any) -> Any:
    """Return a constant, or something that a careless comparison takes for it."""
    if rng.random() < 0.4:
        return constant
    if isinstance(constant, bool):
        return rng.choice((not constant, int(constant), float(constant), str(constant).lower(), Level.ONE))
    if isinstance(constant, (int, float)):
        exact = (constant, float(constant), -constant, constant + 1, math.nextafter(constant, math.inf), str(constant))
        return rng.choice(
            (*exact, bool(constant), Score(constant), Seats(int(constant)), Decimal(str(constant)), math.nan)
        )
    if isinstance(constant, str):
        forms = (
            constant.upper(),
            constant.lower(),
            constant.casefold(),
            constant.swapcase(),
            constant + " ",
            [constant],
        )
        return rng.choice((*forms, constant.encode(), "x" + constant, Colour.DE, Plan.PRO, constant.title()))
    return constant


def odd_value(rng: Random) -> Any:
    """Return a value that conditions seldom expect."""
    return rng.choice(ODD_VALUES)


ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -0.0, 1.0, 2**53, 2**53 + 1, 10**400, -(10**400), 10**5000, 1e308, 5e-324, math.nan,
    math.inf, -math.inf, "", " ", "\ud800", "a\udfffb", "\x00", "x" * 3000, "9" * 5000, "1." + "9" * 5000 + ".0",
    [], [[]], [{}], [None], [math.nan], ["\ud800", 1, True], {}, {"os": "ios"}, {"os": None}, {"id": "user-1"}, {"id": True},
    {"specs": {"ram": 100}}, {"specs": MappingProxyType({"ram": 100})}, {"specs": []}, UserDict({"id": 42, "os": "ios"}), {1: 2}, (), ("DE", "admin"), {"admin"}, frozenset({1.5}), b"DE", bytearray(b"x"),
    Colour.DE, Colour.USER, Plan.FREE, Level.ONE, Level.LIMIT, Seats(42), Score(0.5), Decimal(1), 1j, object(), Colour,
    datetime(2026, 12, 1), datetime(2026, 12, 1, tzinfo=UTC), date(2026, 12, 1), timedelta(1), range(3),  # noqa: DTZ001
    MappingProxyType({"os": "android"}), v.INSTANTS[0], "2026-12-01T00:00:00." + "1" * 50 + "Z", iter(()), "user-1", 42,
)  # fmt: skip


class Nasty(Mapping[str, Any]):
    """A mapping whose reads of some keys raise."""

    def __init__(self, inner: Mapping[str, Any], raises_on: Callable[[object], bool], error: type[Exception]) -> None:
        self.inner, self.raises_on, self.error = inner, raises_on, error

    def __getitem__(self, key: str) -> Any:
        if self.raises_on(key):
            raise self.error(key)
        return self.inner[key]

    def __contains__(self, key: object) -> bool:
        return self.raises_on(key) or key in self.inner

    def __iter__(self) -> Iterator[str]:
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)


class Liar(dict[str, Any]):
    """A dict that claims to have every key."""

    def __contains__(self, key: object) -> bool:
        return True


class Counting(dict[str, Any]):
    """A dict that makes up values for keys it does not have."""

    def __missing__(self, key: str) -> Any:
        return 1


class Masked:
    """Not a mapping, and asking what it is raises."""

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no class")


class Uncomparable(str):
    """Text whose comparisons raise."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __hash__(self) -> int:
        raise RuntimeError("no hash")


NOT_MAPPINGS: tuple[Any, ...] = (
    0,
    1.5,
    "user-1",
    b"x",
    [],
    [("targeting_key", "user-1")],
    (),
    set(),
    object(),
    True,
    dict,
    math.nan,
    iter(()),
)
"""What callers pass by mistake; None is not among them: it is the empty context."""


def hostile_contexts(rng: Random, inner: Mapping[str, Any]) -> list[Any]:
    """Return contexts whose reads may raise; an evaluation must answer them all."""
    unlucky = rng.choice([word.path[0] for word in v.WORDS])
    return [
        Nasty(inner, lambda key: key == unlucky, KeyError),
        Nasty(inner, lambda key: True, RuntimeError),  # noqa: ARG005
        Nasty(inner, lambda key: key == "targeting_key", RecursionError),
        {**inner, "device": Nasty({}, lambda key: True, ValueError)},  # noqa: ARG005
        Liar(inner),
        {**inner, unlucky: Masked()},
        {**inner, unlucky: Uncomparable("DE")},
        {**inner, "groups": [Uncomparable("admin"), Masked()]},
        Masked(),
    ]
