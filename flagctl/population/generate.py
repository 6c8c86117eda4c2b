"""A population made up from what a flag repository declares, for when there is no sample of real contexts.

Each attribute is drawn by itself, by its declared type: some of the values from the constants in flags and from beside them, so that
conditions are met and just missed, most from what such an attribute usually holds. A tenth of the contexts is made to lead into some
rule or segment, chosen at random, and units that are listed anywhere occur. What comes out shows whether rules can be reached at all and
who would move; how many real users that is, only a real sample tells.

The same arguments give the same contexts on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from flagctl.model import TARGETING_KEY
from flagctl.model.config import Attribute, AttributeType
from flagctl.population.constants import Constants, World, constants_of, satisfying, way_in
from flagctl.population.nesting import nested
from flagctl.population.steps import instant_at, version_near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flagctl.model import AttributeCondition, Repository

    Path = tuple[str, ...]
    Draw = Callable[[Random, int, int], Sequence[Any]]
    """(generator, rows, number of the first row) -> values"""

BATCH: Final = 10_000
LED: Final = 0.1
"""Share of contexts that are led into a rule."""
_FROM_CONSTANTS: Final = 0.3
_POOL: Final = 200
_VERSIONS: Final = ("1.0.0", "1.4.2", "2.0.0", "2.3.1", "3.0.0-rc.1", "3.0.0", "3.4.1")
_ANCHOR: Final = "2026-01-01T00:00:00Z"
_YEAR: Final = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to make.

    Attributes:
        count: Number of contexts.
        seed: Other seeds give other contexts.
        missing: Share of contexts that lack an attribute which is not required.
    """

    count: int
    seed: int = 0
    missing: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    path: Path
    draw: Draw
    missing: float
    type: AttributeType


class Generator:
    """Makes contexts for a repository.

    Attributes:
        types: Type of each attribute that contexts may have, in the order in which they are written.
    """

    def __init__(self, repository: Repository, recipe: Recipe) -> None:
        self._recipe = recipe
        self._constants = constants_of(repository)
        self._makers = [
            self._maker(path, attribute) for path, attribute in _attributes(repository, self._constants).items()
        ]
        self.types = {maker.path: maker.type for maker in self._makers}
        self._world = World(repository=repository, types=self.types)

    def batches(self) -> Iterator[list[dict[Path, Any]]]:
        """Yield contexts, by path, some thousand at a time; missing attributes are left out."""
        rng = Random(self._recipe.seed)  # noqa: S311 - made-up data
        listed = self._listed(rng)
        for start in range(0, self._recipe.count, BATCH):
            rows = min(BATCH, self._recipe.count - start)
            columns = [self._column(maker, rng, rows, start) for maker in self._makers]
            batch = [
                {maker.path: value for maker, value in zip(self._makers, values, strict=True) if value is not None}
                for values in zip(*columns, strict=True)
            ]
            for row, context in enumerate(batch):
                if self._constants.ways and rng.random() < LED:
                    context.update(self._led(rng))
                if start + row in listed:
                    context.update(listed[start + row])
            yield batch

    def contexts(self) -> Iterator[dict[str, Any]]:
        """Yield the contexts one by one."""
        for batch in self.batches():
            yield from map(nested, batch)

    def _column(self, maker: _Maker, rng: Random, rows: int, start: int) -> Sequence[Any]:
        values = maker.draw(rng, rows, start)
        if not maker.missing:
            return values
        return [None if rng.random() < maker.missing else value for value in values]

    def _led(self, rng: Random) -> dict[Path, Any]:
        found = way_in(rng.choice(self._constants.ways), self._world, rng)
        return {path: _as_declared(value, self.types[path]) for path, value in found.items() if path in self.types}

    def _listed(self, rng: Random) -> dict[int, dict[Path, Any]]:
        """Return by row the units that are listed somewhere: each once, and no more than a tenth of the contexts."""
        result: dict[int, dict[Path, Any]] = {}
        for path, units in self._constants.units.items():
            chosen = list(dict.fromkeys(units))
            most = max(self._recipe.count // 10, 1)
            if len(chosen) > most:
                chosen = rng.sample(chosen, most)
            rows = rng.sample(range(self._recipe.count), min(len(chosen), self._recipe.count))
            for row, unit in zip(rows, chosen, strict=False):
                result.setdefault(row, {})[path] = unit
        return result

    def _maker(self, path: Path, attribute: Attribute) -> _Maker:
        conditions = self._constants.conditions.get(path, [])
        optional = self._recipe.missing if path != TARGETING_KEY else self._recipe.missing / 5
        rng = Random(f"{self._recipe.seed}/{'.'.join(path)}")  # noqa: S311 - made-up data
        return _Maker(
            path=path,
            draw=_draw(attribute, conditions, path in self._constants.units, self._recipe.count, rng),
            missing=0.0 if attribute.required else optional,
            type=attribute.type,
        )


def _attributes(repository: Repository, constants: Constants) -> dict[Path, Attribute]:
    """Return all attributes to make: declared ones, and those that flags look at; none lies inside another."""
    declared = repository.config.context.attributes
    found: dict[Path, Attribute] = {}
    found[TARGETING_KEY] = declared.get(TARGETING_KEY) or Attribute(path=TARGETING_KEY, type=AttributeType.STRING)
    found.update({path: it for path, it in declared.items() if it.type is not AttributeType.OBJECT})
    for path in (*constants.units, *constants.conditions):
        if path not in found:
            kind = _guess(constants.conditions.get(path, []))
            found[path] = Attribute(path=path, type=kind)
    outer = {path[:length] for path in found for length in range(1, len(path))}
    return {path: attribute for path, attribute in found.items() if path not in outer}


_BY_OPERATOR: Final = (
    ("semver_", AttributeType.SEMVER),
    ("before", AttributeType.DATETIME),
    ("after", AttributeType.DATETIME),
    ("in_network", AttributeType.IP),
    ("contains_a", AttributeType.LIST),
    ("less", AttributeType.NUMBER),
    ("greater", AttributeType.NUMBER),
)


def _guess(conditions: Sequence[AttributeCondition]) -> AttributeType:
    """Return the type that conditions on an undeclared attribute want."""
    for condition in conditions:
        operator = condition.operator.removeprefix("not_")
        for prefix, kind in _BY_OPERATOR:
            if operator.startswith(prefix):
                return kind
        value = condition.value[0] if isinstance(condition.value, list) and condition.value else condition.value
        if isinstance(value, bool):
            return AttributeType.BOOLEAN
        if isinstance(value, (int, float)):
            return AttributeType.NUMBER
    return AttributeType.STRING


def _as_declared(value: Any, kind: AttributeType) -> Any:
    """Put a value that meets a condition into the attribute's own form, if it is a list or none of one."""
    if kind is AttributeType.LIST:
        return value if isinstance(value, list) else [value]
    return value[0] if isinstance(value, list) and value else value


def _draw(
    attribute: Attribute, conditions: Sequence[AttributeCondition], is_unit: bool, count: int, rng: Random
) -> Draw:
    if attribute.enum:
        weights = [1 / (rank + 1) for rank in range(len(attribute.enum))]
        return lambda draw, rows, _start: draw.choices(attribute.enum or (), weights, k=rows)
    if attribute.path == TARGETING_KEY:
        return lambda _draw, rows, start: [f"user-{start + row + 1}" for row in range(rows)]
    from_flags = [_as_declared(value, attribute.type) for value in _near(attribute, conditions, rng)]
    usual = _usual(attribute, conditions, rng)
    if is_unit and attribute.type is AttributeType.STRING:
        most = max(count // 4, 1)
        return lambda draw, rows, _start: [f"{attribute.path[-1]}-{draw.randrange(most)}" for _ in range(rows)]
    pool = [*from_flags, *usual]
    share = _FROM_CONSTANTS if from_flags else 0.0
    weights = [share / len(from_flags) for _ in from_flags] + [(1 - share) / len(usual) for _ in usual]
    return lambda draw, rows, _start: draw.choices(pool, weights, k=rows)


def _near(attribute: Attribute, conditions: Sequence[AttributeCondition], rng: Random) -> list[Any]:
    """Return values that conditions hold for, and ones on the other side of their constants."""
    found: list[Any] = []
    for condition in conditions:
        for _ in range(max(_POOL // (4 * len(conditions)), 2)):
            value = satisfying(condition, attribute.type, rng)
            if value is not None:
                found.append(value)
        found += _other_side(attribute.type, condition, rng)
    return found


def _other_side(kind: AttributeType, condition: AttributeCondition, rng: Random) -> list[Any]:
    value: Any = condition.value
    if isinstance(value, list) or value is None or isinstance(value, bool):
        return []
    if kind is AttributeType.NUMBER and isinstance(value, (int, float)):
        return [value - 1, value, value + 1]
    if kind is AttributeType.SEMVER and isinstance(value, str):
        return [version_near(value, rng, up=False), value, version_near(value, rng, up=True)]
    if kind is AttributeType.DATETIME and isinstance(value, (str, int, float)):
        return [instant_at(value, seconds) for seconds in (-86_400, -1, 0, 1, 86_400)]
    return []


def _usual(attribute: Attribute, conditions: Sequence[AttributeCondition], rng: Random) -> list[Any]:
    """Return what an attribute of this type and name may hold besides."""
    match attribute.type:
        case AttributeType.BOOLEAN:
            return [True, False, False]
        case AttributeType.NUMBER:
            numbers = [abs(c.value) for c in conditions if isinstance(c.value, (int, float)) and c.value is not True]
            middle = float(median(numbers)) if numbers else 10.0
            return [round(rng.lognormvariate(0, 1) * (middle or 10.0)) for _ in range(_POOL)]
        case AttributeType.SEMVER:
            return list(_VERSIONS)
        case AttributeType.DATETIME:
            return [instant_at(_ANCHOR, rng.randrange(-2 * _YEAR, _YEAR)) for _ in range(_POOL)]
        case AttributeType.IP:  # blocks that are reserved for documentation and measurements
            return [f"198.18.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(_POOL)] + ["2001:db8::1"]
        case AttributeType.LIST:
            words = [f"{attribute.path[-1]}-{number}" for number in range(1, 9)]
            return [[], *(rng.sample(words, rng.randrange(1, 4)) for _ in range(20))]
        case _:
            name = attribute.path[-1]
            if "email" in name:
                return [f"user.{number}@example.com" for number in range(_POOL)]
            return [f"{name}-{number}" for number in range(1, 21)]
