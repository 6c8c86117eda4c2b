from __future__ import annotations

from flagctl.population.batch import RowBatch
from flagctl.population.counting import MOST_GROUPS, Group, Grouping, Tally
from flagctl.population.measure import PRIVATE, MeasuredMovement, Served, shown
from flagctl.population.nesting import heading, path_of


def counted(rows: list, classes: list[int], examples: int = 0) -> tuple[Tally, Grouping]:
    import numpy as np

    grouping = Grouping(("country",))
    tally = Tally([grouping], examples)
    for number in range(max(classes) + 1):
        tally.number(f"class {number}")
    for half in (slice(0, len(rows) // 2), slice(len(rows) // 2, None)):
        batch = RowBatch(rows[half])
        tally.add(batch, np.array(classes[half]), [grouping.numbers(batch)])
    return tally, grouping


def test_counts_add_up_over_batches_and_groups() -> None:
    rows = [{"country": "DE"}, {"country": "FR"}, {}, {"country": "DE"}, {"country": ["a"]}, {"country": "DE"}]
    tally, grouping = counted(rows, [0, 1, 0, 0, 1, 1])
    assert (tally.total, tally.count(0), tally.count(1)) == (6, 3, 3)
    groups = {
        grouping.groups[number]: counts for number, counts in tally.by_group(0).items() if number != 1 and number < 4
    }
    assert groups == {
        Group(kind="value", value="DE"): {0: 2, 1: 1},
        Group(kind="value", value="FR"): {1: 1},
        Group(kind="missing"): {0: 1},
    }


def test_the_first_contexts_are_examples() -> None:
    rows = [{"n": number} for number in range(10)]
    tally, _ = counted(rows, [0, 0, 1, 0, 0, 0, 1, 1, 1, 1], examples=2)
    assert tally.examples(0) == [{"n": 0}, {"n": 1}]
    assert tally.examples(1) == [{"n": 2}, {"n": 6}]


def test_too_many_groups_are_counted_together() -> None:
    rows = [{"country": f"land-{number}"} for number in range(MOST_GROUPS + 50)]
    tally, grouping = counted(rows, [0] * len(rows))
    assert len(grouping.groups) == MOST_GROUPS
    largest = next(iter(tally.by_group(0).items()))
    assert grouping.groups[largest[0]] == Group(kind="others")
    assert largest[1] == {0: 52}


def test_what_applications_get_counts_as_a_change_not_the_reason() -> None:
    def movement(before: Served, after: Served) -> bool:
        return MeasuredMovement(before=before, after=after, count=1, share=1.0).is_change

    on = Served(variant="on", value=1, error_code=None)
    assert not movement(on, Served(variant="on", value=1.0, error_code=None))
    assert movement(on, Served(variant="on", value=True, error_code=None))
    assert movement(on, Served(variant="other", value=1, error_code=None))
    assert movement(on, Served(variant=None, value=None, error_code="TARGETING_KEY_MISSING"))


def test_examples_show_what_is_read_and_no_personal_data() -> None:
    context = {
        "targeting_key": "u",
        "email": "a@b.c",
        "device": {"os": "ios", "model": "x"},
        "claims": {"a": {"b": 1}},
        "n": 1,
    }
    private = frozenset({("email",), ("device", "model")})
    assert shown(context, private, None) == {
        "targeting_key": "u",
        "email": PRIVATE,
        "device": {"os": "ios", "model": PRIVATE},
        "claims": {"a": {"b": 1}},
        "n": 1,
    }
    only = {("email",), ("device", "os"), ("claims",)}
    assert shown(context, private, only) == {"email": PRIVATE, "device": {"os": "ios"}, "claims": {"a": {"b": 1}}}
    assert shown({"email": None}, private, None) == {"email": None}


def test_headings_and_paths_are_inverse() -> None:
    for path in [("a",), ("a", "b"), ("claims", "https://acme.com/x"), ("[a",), ("a", "")]:
        assert path_of(heading(path)) == path
    for text in ("", "a.", ".a", "[", "[]", "[1]", '["a", 2]'):
        assert path_of(text) is None
