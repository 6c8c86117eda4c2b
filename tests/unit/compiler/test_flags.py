from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from flagctl.compiler import compile_environment
from flagctl.errors import UsageError
from flagctl.model import EnvironmentOverride, FlagType, Prerequisite, Schedule, Target, Variant
from tests.unit.compiler.build import compiled, entry, flag, repository, rule, segment, strings, weights, when


def test_a_plain_flag_has_only_what_a_reader_cannot_assume():
    assert entry(flag()) == {
        "type": "boolean",
        "variants": [["on", True], ["off", False]],
        "default": {"serve": 1},
    }


def test_everything_a_flag_can_have_has_its_place():
    written = flag(
        owner="team-checkout",
        tags=("release", "checkout"),
        enabled=False,
        off="off",
        default="on",
        schedule=Schedule(from_ms=1_000, until_ms=2_000),
        prerequisites=(Prerequisite(flag="ranking", variants=("b", "a")),),
        targets=(Target(variant="on", units=("u2", "u1")), Target(variant="off", units=())),
        bucket_by=("account", "id"),
        rules=(rule(serve="on", schedule=Schedule(until_ms=5)),),
        description="not in the bundle",
    )
    assert entry(written, strings()) == {
        "type": "boolean",
        "variants": [["on", True], ["off", False]],
        "default": {"serve": 0},
        "off": 1,
        "enabled": False,
        "schedule": {"from": 1_000, "until": 2_000},
        "prerequisites": [["ranking", ["b", "a"]]],
        "targets": [[0, ["u2", "u1"]]],
        "unit": ["account", "id"],
        "rules": [{"id": "first", "schedule": {"until": 5}, "serve": 0}],
        "owner": "team-checkout",
        "tags": ["release", "checkout"],
    }


def test_a_flag_without_default_and_off_leaves_both_to_the_caller():
    assert entry(flag(default=None)).keys() == {"type", "variants"}


def test_a_window_open_on_both_sides_is_left_out():
    assert "schedule" not in entry(flag(schedule=Schedule()))


def test_inline_values_follow_the_declared_variants_under_their_rule_s_id():
    limit = flag(
        "limit",
        type=FlagType.NUMBER,
        variants=(Variant(name="default", value=100.0),),
        default="default",
        rules=(rule(id="big", value=5_000), rule(id="none", value=0.5)),
    )
    written = entry(limit)
    assert written["variants"] == [["default", 100], ["big", 5_000], ["none", 0.5]]
    assert written["rules"] == [{"id": "big", "serve": 1}, {"id": "none", "serve": 2}]
    assert isinstance(written["variants"][0][1], int)


def test_rules_are_in_the_order_of_their_evaluation():
    rules = (rule(id="late", priority=5, serve="on"), rule(id="one", serve="on"), rule(id="two", serve="off"))
    assert [document["id"] for document in entry(flag(rules=rules))["rules"]] == ["one", "two", "late"]


def test_an_environment_s_own_parts_replace_the_base_and_nothing_of_other_environments_shows():
    other = rule(id="only-in-staging", when=(when("matches", "^stag"), when("in_network", "10.0.0.0/8")), serve="on")
    written = flag(
        rules=(rule(id="base", serve="on"),),
        environments={
            "staging": EnvironmentOverride(name="staging", given=frozenset({"rules"}), rules=(other,)),
            "production": EnvironmentOverride(
                name="production", given=frozenset({"enabled", "rules"}), enabled=False, rules=()
            ),
        },
    )
    production = compile_environment(repository(written), "production")
    assert json.loads(production.data)["flags"]["new-checkout"] == entry(flag()) | {"enabled": False}
    assert production.capabilities == ()
    assert b"stag" not in production.data
    staging = compiled(written, environment="staging")
    assert staging["bundle"]["capabilities"] == ["operator:in_network", "operator:matches", "patterns"]
    assert list(staging["patterns"]) == ["^stag"]


def test_an_environment_may_have_a_value_of_its_own():
    limit = flag(
        "limit",
        type=FlagType.NUMBER,
        is_value_flag=True,
        variants=(Variant(name="default", value=1),),
        default="default",
        environments={"production": EnvironmentOverride(name="production", given=frozenset({"value"}), value=2)},
    )
    assert entry(limit)["variants"] == [["default", 2]]
    assert entry(limit, environment="staging")["variants"] == [["default", 1]]


def test_a_rollout_as_default_may_have_its_own_salt_and_unit():
    split = replace(weights(a=60_000, b=40_000), salt="ranking/2", bucket_by=("account",))
    assert entry(strings(default=split))["default"] == {
        "split": [[60_000, 0], [100_000, 1]],
        "salt": "ranking/2",
        "unit": "account",
    }


def test_only_segments_that_something_uses_are_in_the_bundle_with_those_they_use():
    from flagctl.model import Not, SegmentCondition

    inner = segment("inner", include=("u1",), exclude=("u2",))
    outer = segment("outer", when=(Not(condition=SegmentCondition(segment="inner")), when("exists")))
    unused = segment("unused", when=(when("matches", "secret"),))
    bundle = compiled(flag(rules=(rule(when=(SegmentCondition(segment="outer"),), serve="on"),)), inner, outer, unused)
    assert bundle["segments"] == {
        "inner": {"include": ["u1"], "exclude": ["u2"]},
        "outer": {"when": [{"not": {"segment": "inner"}}, {"attribute": "country", "operator": "exists"}]},
    }
    assert bundle["patterns"] == {}
    assert bundle["bundle"]["capabilities"] == ["operator:exists", "segments"]


def test_the_result_says_what_it_is():
    bundle = compile_environment(repository(flag(), strings()), "staging")
    assert bundle.sha256 == hashlib.sha256(bundle.data).hexdigest()
    assert (bundle.project, bundle.environment, bundle.flag_count) == ("acme", "staging", 2)
    assert json.loads(bundle.data)["bundle"] == {
        "capabilities": [],
        "env": "staging",
        "format": 1,
        "min_version": "0.1.0",
        "project": "acme",
    }


def test_an_unknown_environment_is_the_caller_s_mistake():
    with pytest.raises(UsageError, match="no environment 'prodution'") as caught:
        compile_environment(repository(flag()), "prodution")
    assert caught.value.hint == "did you mean 'production'?"
    with pytest.raises(UsageError) as caught:
        compile_environment(repository(flag()), "x")
    assert caught.value.hint == "there are: staging, production"
