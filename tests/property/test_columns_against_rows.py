"""A flag evaluated in columns answers every row as the evaluator does one by one."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from flagctl.compiler import compile_environment
from flagctl.evaluator import FlagSet
from flagctl.evaluator.document import open_bundle
from flagctl.population.batch import RowBatch, TableBatch
from flagctl.population.columns import Column
from flagctl.population.engine import ColumnFlags
from tests.generators import vocabulary as v
from tests.generators.bundles import decoded, focused_cases, harsher, pool_cases, random_bundle, random_instant
from tests.generators.contexts import hostile_contexts, pool_context
from tests.generators.layout import lay_out
from tests.generators.repositories import ENVIRONMENTS
from tests.generators.strategies import contexts, instants, repositories
from tests.property.agreement import shown
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.population.batch import Batch


def check(
    data: bytes, rows: Sequence[Any], now_ms: int, keys: Sequence[str] | None = None, *, batch: Any = None
) -> None:
    document = open_bundle(data)
    by_row, by_column = FlagSet(document), ColumnFlags(document, now_ms)
    batch = RowBatch(rows) if batch is None else batch
    run = by_column.on(batch)
    for key in by_row.keys() if keys is None else keys:
        answers = run.flag(key)
        outcomes = by_column.outcomes(key)
        assert answers.shape == (len(rows),)
        for row, context in enumerate(rows):
            wanted = by_row.evaluate(key, context, None, now=now_ms / 1000)
            found = outcomes[answers[row]]
            assert (found.variant, found.reason, found.error_code, found.rule) == (
                wanted.variant,
                wanted.reason,
                wanted.error_code,
                wanted.rule,
            ), (key, row, shown(context))
            assert found.variant is None or found.value == wanted.value


def test_columns_agree_on_contexts_of_every_kind() -> None:
    for seed in range(scaled(14, 400)):
        rng = Random(seed)
        data = random_bundle(30_000 + seed, 30)
        if seed % 3 == 0:
            data = harsher(rng, data)
        check(data, [case.context for case in pool_cases(rng, 120)], random_instant(rng))


def test_columns_agree_near_the_edges_of_conditions() -> None:
    for seed in range(scaled(6, 150)):
        rng = Random(seed)
        data = random_bundle(40_000 + seed, 12)
        bundle = decoded(data)
        for key in bundle["flags"]:
            cases = focused_cases(rng, bundle, key, 60)
            check(data, [case.context for case in cases], rng.choice(cases).now_ms, [key])


def test_columns_agree_on_contexts_that_raise() -> None:
    # Fewer rows than make a flag hot: generated code may try conditions in another order, and not come to the read that raises.
    for seed in range(scaled(10, 200)):
        rng = Random(seed)
        rows = [*hostile_contexts(rng, pool_context(rng)), *(pool_context(rng) for _ in range(5))]
        document = open_bundle(random_bundle(50_000 + seed, 30))
        for key in document.flag_keys():
            by_row, by_column = FlagSet(document), ColumnFlags(document, v.BASE_MS)
            answers = by_column.on(RowBatch(rows)).flag(key)
            for row, context in enumerate(rows):
                wanted = by_row.evaluate(key, context, None, now=v.BASE_MS / 1000)
                found = by_column.outcomes(key)[answers[row]]
                assert (found.variant, found.reason, found.error_code, found.rule) == (
                    wanted.variant,
                    wanted.reason,
                    wanted.error_code,
                    wanted.rule,
                ), (seed, key, row, shown(context))


@given(repositories(), st.lists(contexts(), max_size=6), instants(), st.sampled_from(ENVIRONMENTS))
def test_columns_agree_on_small_cases(repository: Any, rows: list[Any], now_ms: int, environment: str) -> None:
    check(compile_environment(repository, environment).data, rows, now_ms)


class Cells:
    """A table made from rows, as files give it: nothing but leaves."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.flat = [dict(leaves(row, ())) for row in rows]
        self.size = len(rows)
        every = {path for row in self.flat for path in row}
        self.paths = sorted(path for path in every if not any(path[:n] in every for n in range(1, len(path))))
        self.rows = rows

    def values(self, path: tuple[str, ...]) -> list[Any]:
        return [self.cell(path, row) for row in range(self.size)]

    def column(self, path: tuple[str, ...]) -> Column:
        return Column(self.values(path))

    def cell(self, path: tuple[str, ...], row: int) -> Any:
        value: Any = self.rows[row]
        for step in path:
            value = value.get(step) if type(value) is dict else None
        return value


def leaves(value: Any, path: tuple[str, ...]) -> Any:
    if type(value) is dict and value and all(type(key) is str for key in value):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif path:
        yield path, value


def plain(value: Any) -> Any:
    """Return what a file may hold of a value: JSON, with null for everything else."""
    if type(value) is dict:
        return {key: plain(inner) for key, inner in value.items() if type(key) is str}
    if type(value) is list:
        return [plain(inner) for inner in value]
    return value if type(value) in {str, int, float, bool} else None


def test_tables_agree_with_their_rows() -> None:
    for seed in range(scaled(8, 200)):
        rng = Random(seed)
        rows = [plain(pool_context(rng)) for _ in range(60)]
        batch: Batch = TableBatch(Cells(rows))
        contexts_of_table = [batch.context(row) for row in range(len(rows))]
        data = random_bundle(60_000 + seed, 25)
        check(data, contexts_of_table, random_instant(rng), batch=batch)
        check(data, rows, random_instant(rng), batch=TableBatch(Cells(rows)))


NO_PATTERN = {"attribute": "a", "operator": "matches", "value": "missing"}
BREAKS: tuple[dict[str, Any], ...] = (
    {"rules": [{"id": "r", "serve": 99}]},
    {"rules": [{"id": "r", "serve": 0, "when": [{"segment": "missing"}]}]},
    {"rules": [{"id": "r", "serve": 0, "when": [NO_PATTERN]}]},
    {"prerequisites": [["missing", ["on"]]]},
    {"unknown": 1},
)


def test_flags_whose_entries_are_malformed_are_left_to_the_evaluator() -> None:
    for seed in range(scaled(6, 100)):
        rng = Random(seed)
        bundle = decoded(random_bundle(70_000 + seed, 12))
        keys = list(bundle["flags"])
        for key in rng.sample(keys, 4):
            bundle["flags"][key].update(rng.choice(BREAKS))
        one, other = keys[:2]
        bundle["flags"][one]["prerequisites"] = [[other, ["on"]]]
        bundle["flags"][other]["prerequisites"] = [[one, ["on"]]]
        bundle["segments"]["self"] = {"when": [{"segment": "self"}]}
        bundle["flags"][keys[2]]["rules"] = [{"id": "r", "serve": 0, "when": [{"segment": "self"}]}]
        check(lay_out(bundle), [case.context for case in pool_cases(rng, 20)], random_instant(rng))


def test_an_unknown_flag_is_not_found_in_any_row() -> None:
    document = open_bundle(random_bundle(1, 3))
    flags = ColumnFlags(document, 0)
    assert flags.on(RowBatch([{}, None, 7])).flag("no-such-flag").tolist() == [0, 0, 0]
    assert flags.outcomes("no-such-flag")[0].error_code == "FLAG_NOT_FOUND"
    assert flags.on(RowBatch([])).flag("no-such-flag").tolist() == []
