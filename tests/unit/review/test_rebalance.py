from __future__ import annotations

from random import Random

import pytest

from flagctl.model import FULL, Flag, FlagType, Repository, RepositoryConfig, Rollout, RolloutArm, Variant
from flagctl.review.impact import exact_impact
from flagctl.review.rebalance import minimum, moved, rebalanced
from tests.scale import scaled

REPOSITORY = Repository(config=RepositoryConfig(path="flagctl.yaml", version=1, project="p", environments={}))
NAMES = ("a", "b", "c", "d", "e")


def weighted(**weights: int) -> tuple[tuple[int, int, str], ...]:
    return Rollout(arms=tuple(RolloutArm(variant=n, weight=w * 1000) for n, w in weights.items())).ranges()


def shares(**percent: int) -> dict[str, int]:
    return {name: share * 1000 for name, share in percent.items()}


def test_growing_three_arms_moves_only_what_must_move() -> None:
    before = weighted(a=10, b=10, c=80)
    after = rebalanced(before, shares(a=20, b=20, c=60))
    assert moved(before, after) == 20_000
    assert moved(before, weighted(a=20, b=20, c=60)) == 30_000
    assert moved(weighted(a=10, b=10, c=80), weighted(a=10, b=10, c=80)) == 0


def test_borders_move_before_ranges_are_cut_out() -> None:
    assert rebalanced(weighted(a=50, b=50), shares(a=60, b=40)) == ((0, 60_000, "a"), (60_000, 100_000, "b"))
    assert rebalanced(weighted(a=50, b=50), shares(a=40, b=60)) == ((0, 40_000, "a"), (40_000, 100_000, "b"))


def test_a_variant_that_gives_all_away_lets_its_neighbours_meet() -> None:
    after = rebalanced(weighted(a=30, b=10, c=60), shares(a=50, c=50))
    assert after == ((0, 50_000, "a"), (50_000, 100_000, "c"))


def test_a_new_variant_gets_its_buckets() -> None:
    after = rebalanced(weighted(a=100), shares(a=90, b=10))
    assert after == ((0, 90_000, "a"), (90_000, 100_000, "b"))


def test_what_stays_the_same_stays_where_it_is() -> None:
    before = weighted(a=20, b=30, c=50)
    assert rebalanced(before, shares(a=20, b=30, c=50)) == before


@pytest.mark.parametrize(
    ("before", "given"),
    [
        (weighted(a=100), {"a": 99_999}),
        (weighted(a=100), {"a": 110_000, "b": -10_000}),
        (((0, 50_000, "a"),), {"a": FULL}),
        (((0, 50_000, "a"), (60_000, FULL, "b")), {"a": FULL}),
        (((5, FULL, "a"),), {"a": FULL}),
    ],
)
def test_what_covers_not_all_buckets_is_refused(before, given) -> None:
    with pytest.raises(ValueError, match=r"cover|add up"):
        rebalanced(before, given)


def random_shares(rng: Random) -> dict[str, int]:
    names = rng.sample(NAMES, rng.randint(1, len(NAMES)))
    cuts = sorted(rng.choice((rng.randint(0, FULL), 25_000, 50_000)) for _ in names[1:])
    return {name: end - start for name, start, end in zip(names, [0, *cuts], [*cuts, FULL], strict=True)}


def random_ranges(rng: Random) -> tuple[tuple[int, int, str], ...]:
    cuts = sorted(rng.sample(range(1, FULL), rng.randint(0, 12)))
    pieces = zip([0, *cuts], [*cuts, FULL], strict=True)
    return tuple((start, end, rng.choice(NAMES)) for start, end in pieces)


def flag(ranges: tuple[tuple[int, int, str], ...]) -> Flag:
    by_variant: dict[str, list[tuple[int, int]]] = {}
    for start, end, variant in ranges:
        by_variant.setdefault(variant, []).append((start, end))
    return Flag(
        key="f",
        path="f.yaml",
        type=FlagType.STRING,
        variants=tuple(Variant(name=name, value=name) for name in NAMES),
        default=Rollout(arms=tuple(RolloutArm(variant=n, ranges=tuple(r)) for n, r in by_variant.items())),
    )


def test_moved_shares_are_half_the_sum_of_absolute_differences() -> None:
    for seed in range(scaled(300, 20_000)):
        rng = Random(seed)
        before, given = random_ranges(rng), random_shares(rng)
        after = rebalanced(before, given)
        held = {name: sum(end - start for start, end, variant in after if variant == name) for name in NAMES}
        assert held == {name: given.get(name, 0) for name in NAMES}
        assert [end for _, end, _ in after] == [*(start for start, _, _ in after[1:]), FULL]
        old = {name: sum(end - start for start, end, variant in before if variant == name) for name in NAMES}
        least = sum(abs(old[name] - held[name]) for name in NAMES) // 2
        assert moved(before, after) == minimum(before, given) == least
        assert len(after) <= len(before) + len(NAMES), "few ranges arise"
        impact = exact_impact((flag(before), REPOSITORY), (flag(after), REPOSITORY), "production", 0)
        assert impact is not None
        assert impact[0].switching == pytest.approx(least / FULL, abs=1e-9)
        assert impact[0].switching == pytest.approx(impact[0].minimum, abs=1e-9)
