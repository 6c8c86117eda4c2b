from __future__ import annotations

import pytest

from flagctl.errors import UsageError
from flagctl.review import diff_repositories
from flagctl.review.approvals import Approvals, person
from flagctl.review.policy import RULES, Circumstances, Sides, environments_with_policy, evaluate, rule_names
from flagctl.review.verdicts import Verdict, apply_overrides, parse_overrides
from flagctl.source import load_tree

NOW = 1_800_000_000_000
HEAD = """\
version: 1
project: shop
environments: {staging: {}, production: {protected: true}}
owner: platform
owners:
  web: {handle: "@acme/web", members: ["@Ann", bob@example.com]}
  data: "@dora"
  platform: {handle: "@acme/platform", members: [pat]}
  secret: "@acme/secret"
"""
FLAG = """\
kind: flag
key: f
owner: web
type: string
variants: {a: a, b: b, c: c}
default: a
rules:
  - id: germans
    when: [{attribute: country, operator: in, value: [DE, AT]}]
    serve: b
    percentage: 10
  - id: rest
    rollout: {a: 10, b: 10, c: 80}
    salt: f/rest
"""
EXPERIMENT = """\
kind: experiment
key: x
owner: data
flag: g
status: running
variants: {on: 50, off: 50}
control: off
traffic: 20
metrics: {primary: {event: order, kind: conversion}}
"""
G = """\
kind: flag
key: g
owner: data
type: boolean
default: off
rules:
  - {id: test, experiment: x}
"""
TREE = {"f.yaml": FLAG, "g.yaml": G, "x.yaml": EXPERIMENT}
ANN = Approvals(approvers=(person(login="ann"),), authors=(person(login="dev"),))


def config(policy: str, freeze: str = "") -> str:
    text = f"{HEAD}policy:\n  environments:\n    production: {policy}\n"
    return text + (f"  freeze:\n    - {freeze}\n" if freeze else "")


def weigh(
    policy: str,
    before: dict[str, str],
    after: dict[str, str],
    *,
    old_policy: str | None = None,
    freeze: str = "",
    **more: object,
) -> tuple[Verdict, ...]:
    loaded = []
    for rules, files in ((old_policy or policy, before), (policy, after)):
        tree = {"flagctl.yaml": config(rules, freeze), **files}
        side = load_tree({path: text.encode() for path, text in tree.items()})
        assert not side.diagnostics, side.diagnostics
        loaded.append(side)
    old, new = loaded[0].repository, loaded[1].repository
    assert old
    assert new
    sides = Sides(
        before=old,
        after=new,
        diff=diff_repositories(*loaded),
        configs=(old.config, new.config),
        owned=(old, new),
    )
    return evaluate(sides, "production", Circumstances(**{"now_ms": NOW, **more}))  # type: ignore[arg-type]


def edited(path: str, *replacements: tuple[str, str]) -> dict[str, str]:
    text = TREE[path]
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return {**TREE, path: text}


def refused(verdicts: tuple[Verdict, ...]) -> list[str]:
    for verdict in verdicts:
        assert (verdict.help is None) == verdict.passed, verdict
    return [verdict.code for verdict in verdicts if not verdict.passed]


def only(verdicts: tuple[Verdict, ...]) -> Verdict:
    (verdict,) = verdicts
    return verdict


GROWN = edited("f.yaml", ("percentage: 10", "percentage: 40"))


def test_a_policy_that_asks_for_nothing_says_nothing() -> None:
    assert weigh("{}", TREE, GROWN) == ()


def test_a_percentage_may_grow_by_so_many_points_at_once() -> None:
    verdict = only(weigh("{max_percentage_step: 20}", TREE, GROWN))
    assert verdict.code == "POL301"
    assert verdict.rule == "max_percentage_step"
    assert (verdict.measured, verdict.limit, verdict.subject) == ("30 points", "at most 20 points", "f")
    assert str(verdict.place) == "f.yaml:11"
    assert verdict.message == "f: rule germans grows from 10 % to 40 %, 30 points at once"
    assert verdict.help is not None
    assert verdict.help.startswith("go to 30 % first")
    assert "--override max_percentage_step=" in verdict.help


def test_exactly_the_limit_is_allowed_and_the_figure_is_shown() -> None:
    verdict = only(weigh("{max_percentage_step: 30}", TREE, GROWN))
    assert (verdict.passed, verdict.measured) == (True, "30 points")


def test_turning_a_percentage_down_is_never_too_fast() -> None:
    assert refused(weigh("{max_percentage_step: 5}", GROWN, TREE)) == []


def test_taking_a_percentage_away_is_growing_to_everybody() -> None:
    after = edited("f.yaml", ("    percentage: 10\n", ""))
    assert only(weigh("{max_percentage_step: 50}", TREE, after)).measured == "90 points"


def test_enabling_a_flag_counts_from_nobody() -> None:
    before = edited("f.yaml", ("default: a\n", "default: a\nenabled: false\n"), ("percentage: 10", "percentage: 60"))
    after = edited("f.yaml", ("percentage: 10", "percentage: 60"))
    assert only(weigh("{max_percentage_step: 50}", before, after)).measured == "60 points"


@pytest.mark.parametrize(
    ("schedule", "measured"),
    [
        (
            "{steps: [{from: 2026-01-01T00:00:00Z, percent: 20}, {from: 2030-01-01T00:00:00Z, percent: 90}]}",
            "70 points",
        ),
        ("{linear: {from: 2030-01-01T00:00:00Z, to: 2030-02-01T00:00:00Z, start: 10, end: 100}}", "0 points"),
        ("{linear: {from: 2020-01-01T00:00:00Z, to: 2020-02-01T00:00:00Z, start: 10, end: 100}}", "90 points"),
    ],
    ids=["a later step", "a ramp has no steps", "a ramp that is over"],
)
def test_schedules_are_looked_at_now_and_later(schedule: str, measured: str) -> None:
    after = edited("f.yaml", ("percentage: 10", f"percentage: {schedule}"))
    assert weigh("{max_percentage_step: 5}", TREE, after)[-1].measured == measured


def test_variants_of_a_rollout_count_too() -> None:
    after = edited("f.yaml", ("{a: 10, b: 10, c: 80}", "{a: 10, b: 40, c: 50}"))
    verdict = only(weigh("{max_percentage_step: 20}", TREE, after))
    assert verdict.message == "f: in rule rest, b grows from 10 % to 40 %, 30 points at once"


def test_an_experiment_that_starts_counts_from_no_traffic() -> None:
    before = edited("x.yaml", ("status: running", "status: draft"))
    assert only(weigh("{max_percentage_step: 10}", before, TREE)).measured == "20 points"


def test_units_that_switch_are_counted_exactly_and_the_needed_minimum_is_told() -> None:
    after = edited("f.yaml", ("salt: f/rest", "salt: f/again"))
    found = [v for v in weigh("{max_switching: 10}", TREE, after) if not v.passed]
    assert {v.code for v in found} == {"POL302"}
    assert found[0].measured == "34 %"  # 1 - (0.1² + 0.1² + 0.8²)
    assert "need only 0 %" in str(found[0].help)


def test_switching_within_the_limit_passes_with_its_figure() -> None:
    assert only(weigh("{max_switching: 30}", TREE, GROWN)).measured == "27 %"  # a tenth had b from the other rule


def test_another_value_under_the_same_name_is_a_switch() -> None:
    verdict = only(weigh("{max_switching: 75}", TREE, edited("f.yaml", ("c: c}", "c: cc}"))))
    assert (verdict.measured, verdict.subject) == ("80 %", "f")
    assert verdict.message == "f: 80 % of the units that no other rule takes get another value"


def test_what_cannot_be_computed_is_refused_unless_everything_may_switch() -> None:
    after = edited("f.yaml", ("[DE, AT]", "[DE]"))
    verdict = only(weigh("{max_switching: 99}", TREE, after))
    assert (verdict.code, verdict.measured, verdict.subject) == ("POL303", "unknown", "f")
    assert refused(weigh("{max_switching: 100}", TREE, after)) == []


SEGMENT = {"s.yaml": "kind: segment\nkey: s\nowner: web\ninclude: [u1]\n"}
USERS = {
    f"u{n}.yaml": f"kind: flag\nkey: u{n}\nowner: web\ntype: boolean\ndefault: off\n"
    "rules: [{id: s, when: [{segment: s}], serve: on}]\n"
    for n in range(3)
}


def test_a_segment_s_effect_on_its_flags_is_not_taken_for_nothing() -> None:
    before = {**SEGMENT, **USERS}
    after = {**before, "s.yaml": SEGMENT["s.yaml"].replace("[u1]", "[u1, u2]")}
    found = weigh("{max_switching: 50, blast_radius: {flags: 2}}", before, after)
    assert refused(found) == ["POL303", "POL303", "POL303", "POL304"]
    assert str(found[0].place) == "s.yaml:4"
    assert (
        found[-1].message == "3 flags change their answers at once, 3 of them through what they depend on: u0, u1, u2"
    )
    assert refused(weigh("{blast_radius: {flags: 3}}", before, after)) == []


def test_new_flags_and_new_descriptions_are_no_blast() -> None:
    after = edited("f.yaml", ("owner: web\n", "owner: web\ndescription: new\n")) | USERS | SEGMENT
    assert only(weigh("{blast_radius: {flags: 0}}", TREE, after)).measured == "0 flags"


def test_changes_of_another_environment_do_not_count() -> None:
    after = edited("f.yaml", ("salt: f/rest\n", "salt: f/rest\nenvironments: {staging: {enabled: false}}\n"))
    policy = "{blast_radius: {flags: 0}, max_switching: 0, approvals: {required: 1}, breaking: forbid}"
    assert refused(weigh(policy, TREE, after)) == []


def test_changed_and_new_flags_need_a_test_case_in_the_environment() -> None:
    after = {**GROWN, **SEGMENT, **USERS}
    found = weigh("{tests_required: true}", TREE, after, tested={"production": frozenset({"u0"}), "staging": {"f"}})
    assert [v.subject for v in found if not v.passed] == ["f", "u1", "u2"]
    assert found[0].message == "f changes, and no test case asks for it in production"
    everything = {"production": frozenset({"f", "u0", "u1", "u2"})}
    assert only(weigh("{tests_required: true}", TREE, after, tested=everything)).measured == "4 of 4 flags"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("{on: 50, off: 50}", "{on: 80, off: 20}"), "its weights change"),
        (("traffic: 20", "traffic: 10"), "units that are in would fall out"),
        (("traffic: 20", "traffic: 20\nbucket_by: email"), "it takes email for the unit instead of targeting_key"),
        (("status: running", "status: draft"), "it goes back to draft"),
    ],
)
def test_units_of_a_running_experiment_stay_where_they_are(change: tuple[str, str], problem: str) -> None:
    verdict = only(weigh("{locked_experiments: true}", TREE, edited("x.yaml", change)))
    assert (verdict.code, verdict.measured, verdict.subject) == ("BRK201", problem, "x")


def test_a_running_experiment_is_not_removed_but_may_grow_and_end() -> None:
    gone = edited("g.yaml", ("rules:\n  - {id: test, experiment: x}\n", ""))
    del gone["x.yaml"]
    assert only(weigh("{locked_experiments: true}", TREE, gone)).measured == "it is removed"
    for change in (("traffic: 20", "traffic: 40"), ("status: running", "status: completed")):
        assert refused(weigh("{locked_experiments: true}", TREE, edited("x.yaml", change))) == []


def test_an_experiment_that_does_not_run_is_free() -> None:
    draft = edited("x.yaml", ("status: running", "status: draft"))
    after = {**draft, "x.yaml": draft["x.yaml"].replace("{on: 50, off: 50}", "{on: 80, off: 20}")}
    assert refused(weigh("{locked_experiments: true}", draft, after)) == []


WITHOUT_F = {path: text for path, text in TREE.items() if path != "f.yaml"}


@pytest.mark.parametrize(
    ("after", "code"),
    [
        (WITHOUT_F, "BRK101"),
        (
            edited("g.yaml", ("type: boolean\ndefault: off", "type: string\nvariants: {on: x, off: y}\ndefault: off")),
            "BRK102",
        ),
        (edited("f.yaml", ("c: c}", "d: d}"), ("c: 80", "d: 80")), "BRK103"),
        (edited("f.yaml", ("c: c}", "d: c}"), ("c: 80", "d: 80")), "BRK103"),
    ],
    ids=["flag removed", "type changed", "variant removed", "variant renamed"],
)
def test_what_breaks_code_is_forbidden_or_needs_its_owner(after: dict[str, str], code: str) -> None:
    assert refused(weigh("{breaking: forbid}", TREE, after)) == [code]
    assert refused(weigh("{breaking: owners}", TREE, after)) == [code]
    owner = Approvals(approvers=(person(login="ann"), person(login="dora")))
    assert refused(weigh("{breaking: owners}", TREE, after, approvals=owner)) == []
    assert refused(weigh("{breaking: forbid}", TREE, after, approvals=owner)) == [code]


def test_nothing_broken_is_told_as_such() -> None:
    assert only(weigh("{breaking: forbid}", TREE, GROWN)).message == "nothing breaks calling code"


FREEZE = "{from: 2027-01-01T00:00:00Z, until: 2027-02-01T00:00:00Z, reason: Sales week}"


@pytest.mark.parametrize(
    ("at", "frozen"),
    [(1_798_761_599_999, False), (1_798_761_600_000, True), (1_801_439_999_999, True), (1_801_440_000_000, False)],
)
def test_a_freeze_window_is_half_open(at: int, frozen: bool) -> None:
    found = only(weigh("{}", TREE, GROWN, freeze=FREEZE, now_ms=at))
    assert (found.code, found.passed) == ("POL101", not frozen)
    if frozen:
        assert found.message == "changes are frozen: Sales week"
        assert "2027-02-01T00:00:00Z" in str(found.help)


def test_a_freeze_is_for_protected_environments_unless_it_names_some() -> None:
    named = FREEZE.replace("reason", "environments: [staging], reason")
    assert weigh("{}", TREE, GROWN, freeze=named) == ()
    repository = load_tree({"flagctl.yaml": config("{}", named).encode()}).repository
    assert repository is not None
    assert environments_with_policy((repository.config,)) == ("staging", "production")


def test_nothing_to_change_is_not_frozen_and_needs_nobody() -> None:
    policy = "{approvals: {required: 3, from_owners: true}, separation_of_duties: true}"
    assert refused(weigh(policy, TREE, TREE, freeze=FREEZE)) == []


def approvals(*logins: str, author: str = "dev") -> Approvals:
    return Approvals(approvers=tuple(person(login=login) for login in logins), authors=(person(login=author),))


def test_enough_people_besides_the_author_have_to_agree() -> None:
    policy = "{approvals: {required: 2}}"
    assert refused(weigh(policy, TREE, GROWN)) == ["POL201"]
    assert "no approvals were given" in weigh(policy, TREE, GROWN)[0].message
    assert refused(weigh(policy, TREE, GROWN, approvals=approvals("ann", "dev"))) == ["POL201"]
    assert refused(weigh(policy, TREE, GROWN, approvals=approvals("ann", "zoe"))) == []


def test_a_request_for_changes_stands_in_the_way_and_bare_commits_do() -> None:
    said = Approvals(approvers=(person(login="ann"),), objectors=(person(login="zoe"),), bare=("abc",))
    assert refused(weigh("{approvals: {required: 1}}", TREE, GROWN, approvals=said)) == ["POL203", "POL205"]


def test_owners_of_what_changes_have_to_agree() -> None:
    policy = "{approvals: {required: 1, from_owners: true}}"
    found = weigh(policy, TREE, GROWN, approvals=approvals("zoe"))
    assert refused(found) == ["POL202"]
    assert found[1].message == "f belongs to web, and none of its people agreed (ann, bob@example.com)"
    assert refused(weigh(policy, TREE, GROWN, approvals=approvals("Ann"))) == []
    by_mail = Approvals(approvers=(person(email="Bob@Example.com"),))
    assert refused(weigh(policy, TREE, GROWN, approvals=by_mail)) == []


def test_nobody_takes_a_flag_over_to_approve_it() -> None:
    after = {**TREE, "f.yaml": GROWN["f.yaml"].replace("owner: web", "owner: data")}
    policy = "{approvals: {required: 1, from_owners: true}}"
    assert refused(weigh(policy, TREE, after, approvals=approvals("dora"))) == ["POL202"]


@pytest.mark.parametrize(("owner", "words"), [("nobody", "nobody knows who"), ("secret", "not known offline")])
def test_an_owner_without_known_people_is_no_loophole(owner: str, words: str) -> None:
    before = edited("f.yaml", ("owner: web", f"owner: {owner}"))
    after = {**before, "f.yaml": before["f.yaml"].replace("percentage: 10", "percentage: 11")}
    found = weigh("{approvals: {required: 0, from_owners: true}}", before, after, approvals=ANN)
    assert refused(found) == ["POL202"]
    assert words in found[1].message
    assert f"owners: {{{owner}:" in str(found[1].help)


def test_what_has_no_owner_is_the_business_of_whoever_owns_the_configuration() -> None:
    segment = {"s.yaml": "kind: segment\nkey: s\ninclude: [u1]\n", "t.yaml": "kind: segment\nkey: t\ninclude: [u1]\n"}
    after = {path: text.replace("[u1]", "[u2]") for path, text in segment.items()}
    found = weigh("{approvals: {from_owners: true}}", segment, after, approvals=approvals("ann"))
    assert refused(found) == ["POL202"]
    assert found[1].message.startswith("s, t belong to platform")
    assert found[1].subject is None
    assert refused(weigh("{approvals: {from_owners: true}}", segment, after, approvals=approvals("pat"))) == []


def test_what_breaks_and_belongs_to_nobody_needs_the_owner_of_the_configuration() -> None:
    bare = {**TREE, "flagctl.yaml": "", "f.yaml": TREE["f.yaml"].replace("owner: web\n", "")}
    del bare["flagctl.yaml"]
    gone = {path: text for path, text in bare.items() if path != "f.yaml"}
    assert refused(weigh("{breaking: owners}", bare, gone, approvals=approvals("zoe"))) == ["BRK101"]
    assert refused(weigh("{breaking: owners}", bare, gone, approvals=approvals("pat"))) == []


def test_a_flag_that_stays_off_grows_nothing() -> None:
    before = edited("f.yaml", ("default: a\n", "default: a\nenabled: false\n"))
    after = {**before, "f.yaml": before["f.yaml"].replace("percentage: 10", "percentage: 90")}
    assert only(weigh("{max_percentage_step: 5}", before, after)).measured == "0 points"


def test_a_rollout_in_the_default_counts_too() -> None:
    before = edited("f.yaml", ("default: a\n", "default: {rollout: {a: 90, b: 10}, salt: f/default}\n"))
    after = {**before, "f.yaml": before["f.yaml"].replace("{a: 90, b: 10}", "{a: 50, b: 50}")}
    verdict = only(weigh("{max_percentage_step: 20}", before, after))
    assert verdict.message == "f: in the default, b grows from 10 % to 50 %, 40 points at once"


LAYER = {"l.yaml": "kind: layer\nkey: l\nowner: data\n"}
SLOTS = EXPERIMENT.replace("traffic: 20", "layer: l\nslots: [[0, 10000], [10000, 20000]]")


@pytest.mark.parametrize(
    ("slots", "problem"),
    [
        ("layer: l\nslots: [[0, 30000]]", None),
        ("layer: l\nslots: [[5000, 30000]]", "units that are in would fall out"),
        ("traffic: 20", "it is allocated with another salt"),
    ],
)
def test_slots_of_a_layer_may_grow_and_not_move(slots: str, problem: str | None) -> None:
    before = {**TREE, **LAYER, "x.yaml": SLOTS}
    after = {**before, "x.yaml": EXPERIMENT.replace("traffic: 20", slots)}
    found = only(weigh("{locked_experiments: true}", before, after))
    assert (None if found.passed else found.measured) == problem


def test_author_approver_and_publisher_are_different_people() -> None:
    policy = "{separation_of_duties: true}"
    assert refused(weigh(policy, TREE, GROWN)) == ["POL204"]
    assert refused(weigh(policy, TREE, GROWN, approvals=approvals("dev"))) == ["POL204"]
    assert refused(weigh(policy, TREE, GROWN, approvals=ANN)) == []
    found = weigh(policy, TREE, GROWN, approvals=ANN, publisher=person(login="Ann"))
    assert found[0].message == "the only approval is by ann, who publishes the change".replace("ann", "Ann")
    assert refused(weigh(policy, TREE, GROWN, approvals=approvals("ann", "zoe"), publisher=person(login="ann"))) == []


def test_a_change_that_loosens_the_policy_is_weighed_by_the_old_one_too() -> None:
    found = weigh("{max_percentage_step: 90}", TREE, GROWN, old_policy="{max_percentage_step: 20}")
    assert [(v.passed, v.limit) for v in found] == [(False, "at most 20 points")]
    found = weigh("{max_percentage_step: 20}", TREE, GROWN, old_policy="{max_percentage_step: 90}")
    assert [(v.passed, v.limit) for v in found] == [(False, "at most 20 points")]


def test_a_change_of_the_policy_needs_the_owner_of_flagctl_yaml() -> None:
    policy = "{approvals: {required: 1, from_owners: true}}"
    found = weigh("{}", TREE, TREE, old_policy=policy, approvals=approvals("zoe"))
    assert refused(found) == ["POL202"]
    assert "flagctl.yaml belongs to platform" in found[1].message
    assert refused(weigh("{}", TREE, TREE, old_policy=policy, approvals=approvals("pat"))) == []


def test_overrides_set_refusals_aside_with_their_reason() -> None:
    found = weigh("{max_percentage_step: 20, max_switching: 1}", TREE, GROWN)
    overrides = parse_overrides(["POL301=agreed in the   incident call"], rule_names(), by="ann")
    assert overrides == (("max_percentage_step", "agreed in the incident call", "ann"),)
    after = apply_overrides(found, overrides)
    assert [(v.rule, v.refuses) for v in after] == [("max_percentage_step", False), ("max_switching", True)]
    assert after[0].to_dict()["verdict"] == "overridden"
    assert after[0].to_dict()["reason"] == "agreed in the incident call"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["max_switchin=x"], "there is no policy rule 'max_switchin'"),
        (["freeze"], "needs a reason"),
        (["freeze= "], "needs a reason"),
        (["freeze=" + "x" * 201], "at most 200"),
        (["freeze=a\x1bb"], "printable"),
        (["freeze=a", "POL101=b"], "twice"),
        ([f"{name}={'ü' * 200}" for name in list(rule_names())[:5]], "fit into a manifest"),
    ],
)
def test_overrides_that_say_too_little_or_too_much_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_overrides(words, rule_names())


def test_every_code_is_of_one_rule_and_every_rule_can_be_asked_for() -> None:
    codes = [code for rule in RULES for code in rule.codes]
    assert len(codes) == len(set(codes))
    everything = (
        "{approvals: {from_owners: true}, separation_of_duties: true, max_percentage_step: 0, max_switching: 0, "
        "blast_radius: {flags: 0}, tests_required: true, locked_experiments: true, breaking: forbid}"
    )
    found = weigh(everything, TREE, WITHOUT_F, freeze=FREEZE)
    assert [v.rule for v in found] == sorted((v.rule for v in found), key=[rule.name for rule in RULES].index)
    assert {v.rule for v in found} == {rule.name for rule in RULES}
