from __future__ import annotations

import pytest

from flagctl.model import (
    ExperimentStatus,
    FixedPercentage,
    Layer,
    LinearPercentage,
    Step,
    SteppedPercentage,
)
from tests.unit.compiler.build import compiled, experiment, flag, outcome, pinned, rule, strings, weights

HALF = FixedPercentage(thousandths=50_000)


def test_a_plain_rule_serves():
    assert outcome(flag(rules=(rule(serve="on"),))) == {"serve": 0}


@pytest.mark.parametrize(
    ("percentage", "document"),
    [
        (FixedPercentage(thousandths=0), 0),
        (FixedPercentage(thousandths=100_000), 100_000),
        (
            SteppedPercentage(steps=(Step(from_ms=-5, thousandths=1), Step(from_ms=7, thousandths=0))),
            {"steps": [[-5, 1], [7, 0]]},
        ),
        (LinearPercentage(from_ms=1, to_ms=9, start=100_000, end=0), {"linear": [1, 9, 100_000, 0]}),
    ],
)
def test_percentages_keep_their_shape(percentage, document):
    assert outcome(flag(rules=(rule(serve="on", percentage=percentage),))) == {"serve": 0, "percentage": document}


def test_a_percentage_that_changes_with_time_needs_a_reader_who_knows_schedules():
    ramp = LinearPercentage(from_ms=1, to_ms=9, start=0, end=100_000)
    assert compiled(flag(rules=(rule(serve="on", percentage=ramp),)))["bundle"]["capabilities"] == ["schedules"]
    assert compiled(flag(rules=(rule(serve="on", percentage=HALF),)))["bundle"]["capabilities"] == []


def test_salt_and_unit_are_the_innermost_and_left_out_where_a_reader_assumes_them():
    assert outcome(flag(salt="s", bucket_by=("a", "b"), rules=(rule(serve="on", percentage=HALF),))) == {
        "serve": 0,
        "percentage": 50_000,
        "salt": "s",
        "unit": ["a", "b"],
    }
    own = rule(serve="on", percentage=HALF, salt="new-checkout", bucket_by=("targeting_key",))
    assert outcome(flag(salt="s", bucket_by=("a",), rules=(own,))) == {"serve": 0, "percentage": 50_000}


def test_weights_take_consecutive_ranges_in_the_order_written():
    assert outcome(strings(rules=(rule(rollout=weights(c=20_000, a=0, b=80_000)),))) == {
        "split": [[20_000, 2], [100_000, 1]]
    }


def test_pinned_ranges_are_sorted_and_equal_neighbours_joined():
    rollout = pinned(b=((50_000, 60_000), (0, 10_000)), a=((10_000, 50_000),), c=((60_000, 70_000), (70_000, 100_000)))
    assert outcome(strings(rules=(rule(rollout=rollout),))) == {
        "split": [[10_000, 1], [50_000, 0], [60_000, 1], [100_000, 2]]
    }


def test_a_running_experiment_has_a_draw_of_its_own_for_taking_units_in():
    written = experiment(traffic=20_000, bucket_by=("account",))
    flags = strings(salt="other", rules=(rule(experiment="ranking-test"),))
    assert outcome(flags, written) == {
        "experiment": {
            "key": "ranking-test",
            "status": "running",
            "salt": "ranking-test/allocation",
            "slots": [[0, 20_000]],
        },
        "split": [[50_000, 0], [100_000, 1]],
        "salt": "ranking-test",
        "unit": "account",
    }
    bundle = compiled(flags, written, experiment("unused"))
    assert bundle["experiments"] == {"ranking-test": {"flag": "ranking"}}
    assert bundle["bundle"]["capabilities"] == ["experiments"]


def test_an_experiment_named_like_its_flag_needs_no_salt():
    document = outcome(strings(rules=(rule(experiment="ranking"),)), experiment("ranking"))
    assert "salt" not in document
    assert document["experiment"]["slots"] == [[0, 100_000]]


def test_the_slots_of_a_layer_are_joined_and_drawn_with_its_salt():
    written = experiment(layer="search", slots=((50_000, 60_000), (0, 10_000), (10_000, 20_000)))
    layer = Layer(key="search", path="layers/search.yaml")
    document = outcome(strings(rules=(rule(experiment="ranking-test"),)), written, layer)
    assert document["experiment"]["salt"] == "search/allocation"
    assert document["experiment"]["slots"] == [[0, 20_000], [50_000, 60_000]]


def test_an_experiment_without_traffic_takes_nobody_in():
    document = outcome(strings(rules=(rule(experiment="ranking-test"),)), experiment(traffic=0))
    assert document["experiment"]["slots"] == []


@pytest.mark.parametrize(
    ("status", "winner", "document"),
    [
        (ExperimentStatus.DRAFT, None, {"experiment": {"key": "ranking-test", "status": "draft"}}),
        (ExperimentStatus.DRAFT, "b", {"experiment": {"key": "ranking-test", "status": "draft"}}),
        (ExperimentStatus.COMPLETED, None, {"experiment": {"key": "ranking-test", "status": "completed"}}),
        (ExperimentStatus.COMPLETED, "b", {"experiment": {"key": "ranking-test", "status": "completed"}, "serve": 1}),
    ],
)
def test_only_the_status_gates_an_experiment(status, winner, document):
    flags = strings(rules=(rule(experiment="ranking-test"),))
    assert outcome(flags, experiment(status=status, winner=winner)) == document
