"""What validation would have found is never compiled into a wrong bundle."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from flagctl.compiler import compile_environment
from flagctl.errors import FindingsError
from flagctl.model import (
    UNSET,
    AnyOf,
    AttributeCondition,
    EnvironmentOverride,
    FixedPercentage,
    FlagType,
    Layer,
    LinearPercentage,
    Not,
    Prerequisite,
    Rollout,
    RolloutArm,
    Schedule,
    SegmentCondition,
    Step,
    SteppedPercentage,
    Target,
    Variant,
)
from tests.unit.compiler.build import (
    compiled,
    experiment,
    flag,
    pinned,
    repository,
    rule,
    segment,
    strings,
    weights,
    when,
)

HALF = FixedPercentage(thousandths=50_000)


def ruled(**parts):
    return strings(rules=(rule(**parts),))


def conditioned(condition):
    return flag(rules=(rule(when=(condition,), serve="on"),))


def running(**parts):
    return (strings(rules=(rule(experiment="ranking-test"),)), experiment(**parts))


REFUSED = {
    "two variants of a name": ([flag(variants=(Variant(name="on", value=True),) * 2)], "'on' is given to two variants"),
    "no variants": ([flag(variants=(), default=None)], "at least one variant"),
    "a value of another type": ([strings(type=FlagType.NUMBER)], "the value of 'a' is not of type number"),
    "text for a boolean": ([flag(type=FlagType.STRING)], "the value of 'on' is not of type string"),
    "true for a number": ([flag(type=FlagType.NUMBER)], "not of type number"),
    "a number for a boolean": ([flag(variants=(Variant(name="off", value=0),))], "not of type boolean"),
    "an unknown default": ([flag(default="of")], "at default: the flag has no variant 'of'"),
    "an unknown off": ([flag(off="of")], "at off: the flag has no variant 'of'"),
    "a default out of a rule": ([strings(default="first", rules=(rule(value="x"),))], "no variant 'first'"),
    "an unknown serve": ([ruled(serve="z")], "at rules[0].serve: the flag has no variant 'z'"),
    "a rule id like a variant": ([ruled(id="a", value="x")], "'a' is given to two variants"),
    "an inline value of another type": ([ruled(value=1)], "the value of 'first' is not of type string"),
    "a value JSON does not have": (
        [flag("n", type=FlagType.NUMBER, variants=(Variant(name="off", value=math.nan),))],
        "the entry 'n' has no place in a bundle: nan",
    ),
    "a lone surrogate": ([flag(owner="\ud800")], "the entry 'new-checkout' has no place in a bundle"),
    "an object no JSON has": (
        [flag(type=FlagType.JSON, variants=(Variant(name="off", value={1, 2}),))],
        "set has no form in JSON",
    ),
    "a rule that serves nothing": ([ruled()], "exactly one of serve, value, rollout and experiment"),
    "a rule that serves twice": ([ruled(serve="a", value="x")], "exactly one of"),
    "a percentage of a rollout": ([ruled(rollout=weights(a=100_000), percentage=HALF)], "percentage goes with"),
    "a rule id twice": (
        [strings(rules=(rule(serve="a"), rule(serve="b")))],
        "rules[0].id: the rule id 'first' is used twice",
    ),
    "a reserved rule id": ([ruled(id="target", serve="a")], "reserved"),
    "a rule id like a prerequisite": ([ruled(id="prerequisite:x", serve="a")], "reserved"),
    "shares above 100 %": ([ruled(rollout=weights(a=60_000, b=50_000))], "the bucket ranges have a gap at 60000"),
    "shares below 100 %": ([ruled(rollout=weights(a=60_000, b=39_999))], "the shares make 99.999 %, not 100 %"),
    "no shares": ([ruled(rollout=Rollout(arms=(), route=("rollout",)))], "the shares make 0 %"),
    "a negative share": ([ruled(rollout=weights(a=-1, b=100_001))], "-0.001 is not a percentage"),
    "an unknown arm": ([ruled(rollout=weights(a=50_000, z=50_000))], "no variant 'z'"),
    "an unknown arm without a share": ([ruled(rollout=weights(a=100_000, z=0))], "no variant 'z'"),
    "a gap": ([ruled(rollout=pinned(a=((0, 10),), b=((11, 100_000),)))], "have a gap at 11"),
    "an overlap": ([ruled(rollout=pinned(a=((0, 10),), b=((9, 100_000),)))], "overlap at 9"),
    "weights and ranges": (
        [ruled(rollout=Rollout(arms=(RolloutArm(variant="a", weight=50_000), RolloutArm(variant="b", ranges=()))))],
        "cannot be mixed",
    ),
    "an arm without anything": ([ruled(rollout=Rollout(arms=(RolloutArm(variant="a"),)))], "either a weight or"),
    "too high a percentage": ([ruled(serve="a", percentage=FixedPercentage(thousandths=100_001))], "not a percentage"),
    "no steps": ([ruled(serve="a", percentage=SteppedPercentage(steps=()))], "the list of steps is empty"),
    "steps out of order": (
        [
            ruled(
                serve="a",
                percentage=SteppedPercentage(steps=(Step(from_ms=2, thousandths=1), Step(from_ms=2, thousandths=2))),
            )
        ],
        "not in the order",
    ),
    "a ramp backwards": (
        [ruled(serve="a", percentage=LinearPercentage(from_ms=2, to_ms=2, start=0, end=1))],
        "the ramp ends before it begins",
    ),
    "an empty window": (
        [flag(schedule=Schedule(from_ms=2, until_ms=2, route=("schedule",)))],
        "at schedule: the schedule ends",
    ),
    "an unknown prerequisite": ([flag(prerequisites=(Prerequisite(flag="x", variants=("on",)),))], "no flag 'x'"),
    "a prerequisite's unknown variant": (
        [flag(prerequisites=(Prerequisite(flag="ranking", variants=("z",)),)), strings()],
        "flag 'ranking' has no variant 'z'",
    ),
    "a prerequisite of nothing": (
        [flag(prerequisites=(Prerequisite(flag="ranking", variants=()),)), strings()],
        "at least one variant",
    ),
    "prerequisites in a circle": (
        [
            flag("a", prerequisites=(Prerequisite(flag="b", variants=("on",)),)),
            flag("b", prerequisites=(Prerequisite(flag="c", variants=("on",)),)),
            flag("c", prerequisites=(Prerequisite(flag="b", variants=("on",)),)),
        ],
        "b -> c -> b",
    ),
    "segments in a circle": (
        [
            conditioned(SegmentCondition(segment="s")),
            segment("s", when=(Not(condition=SegmentCondition(segment="t")),)),
            segment("t", when=(AnyOf(conditions=(SegmentCondition(segment="s"),)),)),
        ],
        "s -> t -> s",
    ),
    "a unit twice": (
        [flag(targets=(Target(variant="on", units=("u",)), Target(variant="off", units=("u",))))],
        "the unit 'u' is listed twice",
    ),
    "a unit twice in a segment": (
        [conditioned(SegmentCondition(segment="s")), segment("s", include=("u", "u"))],
        "segments/s.yaml: segment 's' at include: a unit is listed twice",
    ),
    "a segment that only excludes": (
        [conditioned(SegmentCondition(segment="s")), segment("s", exclude=("u",))],
        "needs include, members or when",
    ),
    "a segment with empty when": (
        [conditioned(SegmentCondition(segment="s")), segment("s", include=("u",), when=())],
        "the list of conditions is empty",
    ),
    "an unknown segment": ([conditioned(SegmentCondition(segment="s"))], "there is no segment 's'"),
    "an empty any": ([conditioned(AnyOf(conditions=()))], "the list of conditions is empty"),
    "an unknown operator": ([conditioned(when("like", "x"))], "at when[0]: there is no operator 'like'"),
    "an empty path": ([conditioned(AttributeCondition(attribute=(), operator="exists"))], "path is empty"),
    "ignore_case where it has no meaning": (
        [conditioned(when("matches", "x", ignore_case=True))],
        "ignore_case does not go",
    ),
    "a value for exists": ([conditioned(when("exists", True))], "takes no value"),
    "no value": ([conditioned(when("equals"))], "at when[0].value: 'equals' needs a value"),
    "no pattern": ([conditioned(when("matches"))], "a pattern is text"),
    "a bad pattern": ([conditioned(when("matches", r"a\b"))], "in the pattern, at character 2"),
    "a list for equals": ([conditioned(when("equals", ["a"]))], "is not a number"),
    "a scalar for in": ([conditioned(when("in", "a"))], "needs a list"),
    "an empty list": ([conditioned(when("in", []))], "1 to 100,000 values, not 0"),
    "a list too long": ([conditioned(when("in", ["a"] * 100_001))], "not 100,001"),
    "a number as prefix": ([conditioned(when("starts_with", [1]))], "1 is not text"),
    "text as number": ([conditioned(when("greater_than", "1"))], "'1' is not a number"),
    "an infinite number": ([conditioned(when("less_than", math.inf))], "inf has no place in JSON"),
    "no version": ([conditioned(when("semver_equal", "1.x"))], "'1.x' is not a version"),
    "a date without zone": ([conditioned(when("before", "2026-12-01T00:00:00"))], "is not an instant"),
    "host bits": ([conditioned(when("in_network", "10.0.0.1/8"))], "is not a network"),
    "an unknown experiment": ([ruled(experiment="x")], "at rules[0].experiment: there is no experiment 'x'"),
    "another flag's experiment": (running(flag="other"), "names the flag 'other'"),
    "an experiment's unknown variant": (running(variants=weights(z=100_000)), "experiment 'ranking-test'"),
    "an unknown winner": (running(winner="z"), "at winner: the flag has no variant 'z'"),
    "an unknown layer": (running(layer="x", slots=((0, 1),)), "there is no layer 'x'"),
    "slots without a layer": (running(slots=((0, 1),)), "slots need a layer"),
    "traffic in a layer": ([*running(layer="l", traffic=1), Layer(key="l", path="l.yaml")], "slots, not traffic"),
    "too much traffic": (running(traffic=100_001), "not a percentage"),
    "slots beyond the end": (
        [*running(layer="l", slots=((0, 100_001),)), Layer(key="l", path="l.yaml")],
        "is not a range",
    ),
    "overlapping slots": (
        [*running(layer="l", slots=((0, 9), (8, 10))), Layer(key="l", path="l.yaml")],
        "overlap at 8",
    ),
}


@pytest.mark.parametrize(("documents", "message"), REFUSED.values(), ids=REFUSED)
def test_an_error_in_the_flags_is_refused_with_its_document_and_place(documents, message):
    with pytest.raises(FindingsError) as caught:
        compile_environment(repository(*documents), "production")
    assert message in caught.value.message
    assert "'" in caught.value.message
    assert "flagctl validate" in caught.value.hint


def test_a_document_that_could_not_be_read_stops_the_compilation():
    broken = replace(repository(flag()), broken=frozenset({("segment", "beta")}))
    with pytest.raises(FindingsError, match="segment 'beta' could not be read"):
        compile_environment(broken, "production")


def test_long_chains_of_prerequisites_need_no_recursion():
    chain = [flag("f0")]
    chain += [flag(f"f{n}", prerequisites=(Prerequisite(flag=f"f{n - 1}", variants=("on",)),)) for n in range(1, 5_000)]
    assert compile_environment(repository(*chain), "production").flag_count == 5_000


def test_a_prerequisite_may_name_an_inline_value_of_another_environment():
    needed = strings(rules=(rule(id="inline", value="x"),))
    asking = flag(prerequisites=(Prerequisite(flag="ranking", variants=("inline",)),))
    assert compiled(asking, needed)["bundle"]["capabilities"] == ["prerequisites"]
    elsewhere = EnvironmentOverride(name="staging", given=frozenset({"rules"}), rules=needed.rules)
    assert compiled(asking, strings(environments={"staging": elsewhere}))["flags"]["new-checkout"]["prerequisites"]


def test_unset_is_not_null():
    assert repr(UNSET) == "UNSET"
    nothing = flag(type=FlagType.JSON, variants=(Variant(name="off", value=None),), rules=(rule(value=None),))
    assert compile_environment(repository(nothing), "production").flag_count == 1
