from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagctl.model import (
    TARGETING_KEY,
    UNSET,
    AllOf,
    AnyOf,
    AttributeCondition,
    AttributeType,
    ExperimentStatus,
    FixedPercentage,
    LinearPercentage,
    Not,
    SegmentCondition,
    SteppedPercentage,
    walk_conditions,
)
from flagctl.source.builder.site import Site
from flagctl.source.document import SourceDocument

MS = 1_764_547_200_000  # 2025-12-01T00:00:00Z


def test_a_boolean_flag_without_variants_has_on_and_off(load):
    flag = load.flag("default: on\n")
    assert [(v.name, v.value) for v in flag.variants] == [("on", True), ("off", False)]
    assert flag.off == "off"
    assert flag.default == "on"
    assert flag.enabled
    assert not flag.is_value_flag


def test_off_is_implied_only_for_booleans_with_a_variant_of_that_name(load):
    assert load.flag("variants: {yes: true, no: false}\n").off is None
    assert load.flag("variants: {yes: true, off: false}\n").off == "off"
    assert load.flag("type: string\nvariants: {on: a, off: b}\n").off is None
    assert load.flag("type: string\nvariants: {on: a, off: b}\noff: on\n").off == "on"


def test_a_flag_with_a_value_has_one_variant_called_default(load):
    flag = load.flag("type: number\nvalue: 100\nenvironments: {production: {value: 50}}\n")
    assert flag.is_value_flag
    assert [(v.name, v.value, v.route) for v in flag.variants] == [("default", 100, ("value",))]
    assert flag.default == "default"
    assert flag.off is None
    assert flag.in_environment("production").variants[0].value == 50
    assert flag.in_environment("staging").variants[0].value == 100


def test_a_value_may_be_null_and_differs_from_none_given(load):
    flag = load.flag("type: json\nvalue: null\nrules: [{id: r, value: null}, {id: s, serve: default}]\n")
    assert flag.variants[0].value is None
    assert flag.rules[0].value is None
    assert flag.rules[1].value is UNSET


@pytest.mark.parametrize(
    ("text", "thousandths"), [("25", 25_000), ("33.333", 33_333), ("0.001", 1), ("0", 0), ("100", 100_000), ("100.0", 100_000), ("12.50", 12_500), ("1e1", 10_000)]
)  # fmt: skip
def test_percentages_are_counted_in_thousandths(text, thousandths, load):
    percentage = load.flag(f"rules: [{{id: r, serve: on, percentage: {text}}}]\n").rules[0].percentage
    assert percentage == FixedPercentage(thousandths=thousandths, route=("rules", 0, "percentage"))


@given(st.integers(0, 100_000))
def test_every_decimal_with_three_places_is_exact(thousandths):
    site = Site(SourceDocument("x.yaml", ""))
    assert site.thousandths(float(f"{thousandths // 1000}.{thousandths % 1000:03}"), ()) == thousandths
    assert site.count == 0


@given(st.integers(0, 1_000_000_000).filter(lambda n: n % 10_000))
def test_every_decimal_with_more_places_is_refused(ten_millionths):
    site = Site(SourceDocument("x.yaml", "", data={}))
    site.thousandths(float(f"{ten_millionths // 10_000_000}.{ten_millionths % 10_000_000:07}"), ())
    assert [finding.code for finding in site.findings] == ["SCH112"]


def test_schedules_of_percentages_are_read(load):
    flag = load.flag("""rules:
  - {id: a, serve: on, percentage: {steps: [{from: 2025-12-01T00:00:00Z, percent: 5}, {from: 2025-12-01T01:00:00+01:00, percent: 25.5}]}}
  - {id: b, serve: on, percentage: {linear: {from: 2025-12-01T00:00:00Z, to: 2025-12-01T00:00:00.001Z, start: 0, end: 100}}}
""")
    stepped, linear = (rule.percentage for rule in flag.rules)
    assert isinstance(stepped, SteppedPercentage)
    assert [(s.from_ms, s.thousandths) for s in stepped.steps] == [(MS, 5_000), (MS, 25_500)]
    assert stepped.steps[1].route == ("rules", 0, "percentage", "steps", 1)
    assert isinstance(linear, LinearPercentage)
    assert (linear.from_ms, linear.to_ms, linear.start, linear.end) == (MS, MS + 1, 0, 100_000)


def test_schedules_are_half_open_and_may_be_open_on_a_side(load):
    flag = load.flag(
        "schedule: {from: 2025-12-01T00:00:00Z}\nrules: [{id: r, serve: on, schedule: {until: 2025-12-01T00:00:00Z}}]\n"
    )
    assert (flag.schedule.from_ms, flag.schedule.until_ms) == (MS, None)
    assert (flag.rules[0].schedule.from_ms, flag.rules[0].schedule.until_ms) == (None, MS)


@pytest.mark.parametrize(
    "text", ["2025-12-01", "2025-12-01T00:00:00", "2025-13-01T00:00:00Z", "'2025-12-01 00:00:00Z'", "tomorrow"]
)
def test_instants_without_zone_or_sense_are_refused(text, load):
    finding = load.only(f"kind: flag\nkey: x\ntype: boolean\nschedule: {{from: {text}}}\n")
    assert finding.code == "SCH111"
    assert finding.route == ("schedule", "from")


def test_conditions_keep_their_order_nesting_and_routes(load):
    (rule,) = load.flag("""rules:
  - id: r
    serve: on
    when:
      - {attribute: device.os, operator: not_in, value: [a, 1, true], ignore_case: true}
      - any: [{segment: s}, {all: [{not: {attribute: [a.b, c], operator: exists}}]}]
""").rules
    first, second = rule.when
    assert first == AttributeCondition(
        attribute=("device", "os"),
        operator="not_in",
        value=["a", 1, True],
        ignore_case=True,
        route=("rules", 0, "when", 0),
    )
    assert isinstance(second, AnyOf)
    segment, every = second.conditions
    assert segment == SegmentCondition(segment="s", route=("rules", 0, "when", 1, "any", 0))
    assert isinstance(every, AllOf)
    (negation,) = every.conditions
    assert isinstance(negation, Not)
    assert negation.condition.attribute == ("a.b", "c")
    assert negation.condition.value is UNSET
    assert negation.condition.route == ("rules", 0, "when", 1, "any", 1, "all", 0, "not")
    assert len(list(walk_conditions(rule.when))) == 6


def test_every_route_of_the_model_leads_to_its_place(load):
    text = """kind: flag
key: x
type: boolean
variants: {on: true, off: false}
prerequisites: [{flag: y, variants: [on]}]
targets: {on: [a]}
lifecycle: {temporary: true}
default: {rollout: {on: 50, off: 50}, salt: s, bucket_by: [a.b]}
rules:
  - {id: r, serve: on, when: [{segment: s}]}
environments: {production: {rules: [{id: q, rollout: {on: 100}}]}}
"""
    loaded = load(text)
    flag, document = loaded.repository.flags["x"], loaded.documents["x.yaml"]
    places = {
        flag.variants[1].route: "false",
        flag.prerequisites[0].route: "{flag: y, variants: [on]}",
        flag.targets[0].route: "[a]",
        flag.lifecycle.route: "{temporary: true}",
        flag.default.route: "{on: 50, off: 50}",
        flag.default.arms[1].route: "50",
        flag.rules[0].route: "{id: r, serve: on, when: [{segment: s}]}",
        flag.rules[0].when[0].route: "{segment: s}",
        flag.environments["production"].route: "{rules: [{id: q, rollout: {on: 100}}]}",
        flag.environments["production"].rules[0].rollout.arms[0].route: "100",
    }
    for route, expected in places.items():
        assert document.source_of(route) == expected
    assert (flag.default.salt, flag.default.bucket_by) == ("s", ("a.b",))


def test_units_are_texts_and_integers_their_digits(load):
    flag = load.flag("targets: {on: [user-1, 42, '007', -5, 'on', off]}\n")
    assert flag.targets[0].units == ("user-1", "42", "007", "-5", "on", "off")


@pytest.mark.parametrize("unit", ["007", "+5", "0x1F", "0o17", "1.0", "-0", "00"])
def test_a_unit_that_reads_differently_from_how_it_is_written_is_refused(unit, load):
    finding = load.only(f"kind: segment\nkey: x\ninclude: [user-1, 42, {unit}]\n")
    assert finding.code == "SCH115"
    assert finding.route == ("include", 2)
    assert f"the unit {unit} " in finding.message


def test_pinned_rollouts_and_weights_are_told_apart(load):
    weights, pinned = load.flag("""rules:
  - {id: a, rollout: {on: 33.333, off: 66.667}}
  - {id: b, rollout: {on: {buckets: [[0, 10], [50, 100000]]}, off: {buckets: [[10, 50]]}}, salt: s, bucket_by: account.id}
""").rules
    assert [(arm.variant, arm.weight, arm.ranges) for arm in weights.rollout.arms] == [
        ("on", 33_333, None),
        ("off", 66_667, None),
    ]
    assert not weights.rollout.is_pinned
    assert pinned.rollout.ranges() == ((0, 10, "on"), (10, 50, "off"), (50, 100_000, "on"))
    assert (pinned.salt, pinned.bucket_by) == ("s", ("account", "id"))
    assert pinned.rollout.salt is None


def test_an_override_lists_what_it_gives(load):
    flag = load.flag(
        "rules: [{id: r, serve: on}]\nenvironments:\n  production: {rules: [], enabled: false}\n  staging: {}\n"
    )
    production = flag.environments["production"]
    assert production.given == {"rules", "enabled"}
    assert flag.in_environment("production").rules == ()
    assert not flag.in_environment("production").enabled
    assert flag.environments["staging"].given == frozenset()


@pytest.mark.parametrize(
    ("text", "route"),
    [
        (
            "type: number\nvalue: 1\nenvironments: {production: {default: a}}\n",
            ("environments", "production", "default"),
        ),
        ("type: boolean\nenvironments: {production: {value: true}}\n", ("environments", "production", "value")),
    ],
)
def test_an_override_keeps_the_form_of_the_flag(text, route, load):
    finding = load.only("kind: flag\nkey: x\n" + text)
    assert (finding.code, finding.route) == ("SCH119", route)


def test_a_segment_without_conditions_differs_from_one_with(load):
    loaded = load(
        "kind: segment\nkey: a\ninclude: [1]\nexclude: [b]\ntags: [t]\n",
        b="kind: segment\nkey: b\nwhen: [{segment: a}]\n",
    )
    first, second = loaded.repository.segments.values()
    assert (first.include, first.exclude, first.when, first.tags) == (("1",), ("b",), None, ("t",))
    assert second.when == (SegmentCondition(segment="a", route=("when", 0)),)


def test_an_experiment_is_read_with_everything(load):
    loaded = load("""kind: experiment
key: ranking
flag: search
owner: team-search
status: running
started_at: 2025-12-01T00:00:00Z
variants: {classic: 50, neural: 50}
control: classic
layer: search
slots: [[20000, 30000], [0, 10000]]
metrics:
  primary: {event: order, kind: conversion}
  secondary: [{event: click, kind: count, name: Clicks}]
  guardrails: [{event: error, kind: mean, direction: decrease}]
""")
    assert loaded.diagnostics == ()
    experiment = loaded.repository.experiments["ranking"]
    assert experiment.status is ExperimentStatus.RUNNING
    assert experiment.started_at_ms == MS
    assert experiment.allocation_slots == ((0, 10_000), (20_000, 30_000))
    assert experiment.bucket_by == TARGETING_KEY
    assert experiment.primary.event == "order"
    assert experiment.secondary[0].name == "Clicks"
    assert experiment.guardrails[0].route == ("metrics", "guardrails", 0)


def test_traffic_of_an_experiment_is_counted_in_thousandths(load):
    loaded = load(
        "kind: experiment\nkey: e\nflag: f\nstatus: draft\nvariants: {a: 100}\ntraffic: 12.5\nbucket_by: account.id\n"
    )
    assert loaded.repository.experiments["e"].traffic == 12_500
    assert loaded.repository.experiments["e"].bucket_by == ("account", "id")


def test_the_configuration_gives_environments_their_remote_and_trust(load):
    from flagctl.source import load_tree

    loaded = load_tree(
        {
            "flagctl.yaml": b"""version: 1
project: acme
environments:
  development:
  staging: {remote: {url: s3://staging, region: eu, trust: own.json}}
  production: {protected: true, remote: {url: s3://production}}
remote: {url: s3://all, endpoint_url: "http://localhost:8333", trust: trust.json}
context:
  attributes:
    device.os: {type: string, enum: [a, b], required: true, pii: true}
  additional: deny
lint: {ignore: [NAM]}
"""
        }
    )
    assert loaded.diagnostics == ()
    config = loaded.repository.config
    development, staging, production = config.environments.values()
    assert (development.remote.url, development.remote.trust, development.protected) == (
        "s3://all",
        "trust.json",
        False,
    )
    assert development.remote.endpoint_url == "http://localhost:8333"
    assert (staging.remote.url, staging.remote.trust, staging.remote.region) == ("s3://staging", "own.json", "eu")
    assert (production.remote.url, production.remote.trust, production.protected) == (
        "s3://production",
        "trust.json",
        True,
    )
    assert production.remote.endpoint_url is None
    attribute = config.context.lookup(("device", "os"))
    assert (attribute.type, attribute.enum, attribute.required, attribute.pii) == (
        AttributeType.STRING,
        ("a", "b"),
        True,
        True,
    )
    assert not config.context.additional
    assert config.lint == {"ignore": ["NAM"]}


@pytest.mark.parametrize(
    ("required", "message"),
    [(">=0.1", None), (">=0.1, <2", None), ("==0.1.0", None), ("==0.1", None), (">=99", "needs flagctl >=99"), ("<0.1", "needs flagctl <0.1"), ("!=0.1.0", "needs"), ("~=1", "not a range"), ("1", "not a range"), ("latest", "not a range")],
)  # fmt: skip
def test_the_required_version_is_checked(required, message):
    from flagctl.source import load_tree

    content = f'version: 1\nproject: acme\nrequired_version: "{required}"\nenvironments: {{production: {{}}}}\n'
    findings = load_tree({"flagctl.yaml": content.encode()}).diagnostics
    if message is None:
        assert findings == ()
    else:
        (finding,) = findings
        assert finding.code == "SCH118"
        assert message in finding.message


def test_a_test_file_is_read_with_its_defaults_put_in(load):
    loaded = load(
        """kind: test
flag: checkout
environments: [staging]
at: 2025-12-01T00:00:00Z
context: {plan: free}
cases:
  - name: first
    context: {targeting_key: user-1}
    expect: {variant: on, value: null, error_code: null}
  - name: second
    flag: other
    environment: production
    at: 2025-12-01T00:00:00.001Z
    contexts: [{a: 1}, {a: 2}]
    matrix: {country: [DE, FR]}
    default: false
    expect: {reason: SPLIT, rule: r}
""",
        "x.test.yaml",
    )
    assert loaded.diagnostics == ()
    (suite,) = loaded.tests
    assert (suite.path, suite.context) == ("x.test.yaml", {"plan": "free"})
    first, second = suite.cases
    assert (first.flag, first.environments, first.at_ms, first.context) == (
        "checkout",
        ("staging",),
        MS,
        {"targeting_key": "user-1"},
    )
    assert (first.expect.variant, first.expect.value, first.expect.error_code) == ("on", None, None)
    assert (first.expect.reason, first.expect.rule, first.default) == (UNSET, UNSET, UNSET)
    assert (second.flag, second.environments, second.at_ms, second.default) == ("other", ("production",), MS + 1, False)
    assert second.contexts == ({"a": 1}, {"a": 2})
    assert second.matrix == {"country": ("DE", "FR")}
    assert second.expect.route == ("cases", 1, "expect")


def test_a_case_needs_a_flag_and_an_expectation(load):
    text = "kind: test\ncases:\n  - {name: a, expect: {variant: on}}\n  - {name: b, flag: f, expect: {}}\n  - {name: c, flag: f, expect: {reason: split}}\n"
    assert [(f.code, f.route) for f in load.findings(text, "x.test.yaml")] == [
        ("SCH103", ("cases", 0)),
        ("SCH109", ("cases", 1, "expect")),
        ("SCH105", ("cases", 2, "expect", "reason")),
    ]
