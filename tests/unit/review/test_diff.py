from __future__ import annotations

import pytest

from flagctl.review import Category, Change, RepositoryDiff, diff_repositories
from flagctl.source import load_tree

CONFIG = "version: 1\nproject: shop\nenvironments: {staging: {}, production: {}}\n"
FLAG = """\
kind: flag
key: f
owner: team-a
description: A flag
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
SEGMENT = "kind: segment\nkey: beta\nowner: team-a\ninclude: [u1]\n"
USER = """\
kind: flag
key: user
owner: team-a
type: boolean
default: off
rules:
  - id: beta
    when: [{segment: beta}]
    serve: on
"""
DEPENDENT = """\
kind: flag
key: dependent
owner: team-a
type: boolean
default: on
prerequisites: [{flag: user, variants: [on]}]
"""


def compare(before: dict[str, str], after: dict[str, str]) -> RepositoryDiff:
    sides = []
    for files in (before, after):
        loaded = load_tree({path: text.encode() for path, text in {"flagctl.yaml": CONFIG, **files}.items()})
        assert not [d for d in loaded.diagnostics if d.severity.value == "error"], loaded.diagnostics
        sides.append(loaded)
    return diff_repositories(sides[0], sides[1])


def edited(*replacements: tuple[str, str], text: str = FLAG) -> RepositoryDiff:
    changed = text
    for old, new in replacements:
        assert old in changed
        changed = changed.replace(old, new, 1)
    return compare({"f.yaml": text}, {"f.yaml": changed})


def only(diff: RepositoryDiff) -> Change:
    (change,) = diff.changes
    return change


def test_formatting_comments_order_of_sets_and_moves_are_no_change() -> None:
    reformatted = FLAG.replace("[DE, AT]", "[AT, 'DE', DE]").replace("type: string", "type: string  # text")
    assert compare({"f.yaml": FLAG}, {"team/f.yaml": "# moved\n" + reformatted}).changes == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "category", "message"),
    [
        ("percentage: 10", "percentage: 25", "percentage-changed", Category.SUBJECT, "rule germans: 10 % → 25 %"),
        ("    percentage: 10\n", "", "percentage-changed", Category.SUBJECT, "rule germans: 10 % → everyone"),
        ("salt: f/rest", "salt: other", "salt-changed", Category.RESHUFFLE, "rule rest: salt f/rest → other"),
        (
            "salt: f/rest",
            "salt: f/rest\n    bucket_by: account",
            "unit-changed",
            Category.RESHUFFLE,
            "rule rest: bucket by targeting_key → account",
        ),
        (
            "{a: 10, b: 10, c: 80}",
            "{b: 10, a: 10, c: 80}",
            "rollout-changed",
            Category.RESHUFFLE,
            "rule rest: a 10 % / b 10 % / c 80 % → b 10 % / a 10 % / c 80 %",
        ),
        (
            "{a: 10, b: 10, c: 80}",
            "{a: 20, b: 20, c: 60}",
            "rollout-changed",
            Category.SUBJECT,
            "rule rest: a 10 % / b 10 % / c 80 % → a 20 % / b 20 % / c 60 %",
        ),
        (
            "value: [DE, AT]",
            "value: [DE, FR]",
            "condition-changed",
            Category.SUBJECT,
            "rule germans: condition country in [DE, AT] → country in [DE, FR]",
        ),
        ("default: a", "default: c", "default-changed", Category.SUBJECT, "default a → c"),
        ("default: a", "default: a\nenabled: false", "enabled-changed", Category.SUBJECT, "enabled → disabled"),
        ("default: a", "default: a\noff: b", "off-changed", Category.SUBJECT, "off caller default → b"),
        (
            "default: a",
            "default: a\nschedule: {from: 2026-01-01T00:00:00Z}",
            "schedule-changed",
            Category.SUBJECT,
            "schedule always → from 2026-01-01T00:00:00Z",
        ),
        (
            "default: a",
            "default: a\ntargets: {b: [u1, u2]}",
            "targets-changed",
            Category.SUBJECT,
            "2 targets: none → b",
        ),
        ("c: c}", "c: d}", "variant-changed", Category.SUBJECT, "variant c changed: c → d"),
        ("c: c}", "c: c, d: d}", "variant-added", Category.STRUCTURE, "variant d added"),
        (
            "serve: b",
            "serve: c",
            "outcome-changed",
            Category.SUBJECT,
            "rule germans: serve b to 10 % → serve c to 10 %",
        ),
        ("owner: team-a", "owner: team-b", "owner-changed", Category.OWNERSHIP, "owner team-a → team-b"),
        ("A flag", "The flag", "description-changed", Category.DOCS, "description changed"),
        ("default: a", "default: a\ntags: [x]", "tags-changed", Category.OWNERSHIP, "tags changed"),
        (
            "- id: germans",
            "- id: germans\n    priority: 5",
            "rule-moved",
            Category.SUBJECT,
            "rule rest moved: place 2 → 1",
        ),
    ],
)
def test_each_edit_is_named_by_its_meaning(old: str, new: str, code: str, category: Category, message: str) -> None:
    change = only(edited((old, new)))
    assert (change.code, change.category, change.message) == (code, category, message)


def test_one_and_true_are_different_values() -> None:
    text = "kind: flag\nkey: f\nowner: o\ntype: json\nvalue: {limit: 1}\n"
    change = only(edited(("limit: 1", "limit: true"), text=text))
    assert change.message == 'value {"limit": 1} → {"limit": true}'
    assert edited(("limit: 1", "limit: 1.0"), text=text).changes == ()


def test_added_and_removed_rules_are_described() -> None:
    rule = "  - id: rest\n    rollout: {a: 10, b: 10, c: 80}\n    salt: f/rest\n"
    removed = only(edited((rule, "")))
    assert removed.message == "rule rest removed: everyone: split a 10 % / b 10 % / c 80 %"
    assert (removed.before is not None, removed.after) == (True, None)
    added = only(edited((rule, rule + "  - {id: last, serve: c}\n")))
    assert added.code == "rule-added"
    assert added.after is not None
    assert (added.after.path, added.after.line) == ("f.yaml", 16)


def test_places_are_given_on_both_sides() -> None:
    moved = "# a comment above\n" + FLAG.replace("percentage: 10", "percentage: 20")
    change = only(compare({"f.yaml": FLAG}, {"team/f.yaml": moved}))
    assert (str(change.before), str(change.after)) == ("f.yaml:12", "team/f.yaml:13")


def test_a_change_of_one_environment_names_it() -> None:
    change = only(edited(("default: a", "default: a\nenvironments: {production: {default: c}}")))
    assert change.environments == ("production",)
    assert change.message == "default a → c"
    both = only(edited(("default: a", "default: b")))
    assert both.environments == ("staging", "production")


def test_an_override_that_says_the_same_is_no_change() -> None:
    assert edited(("default: a", "default: a\nenvironments: {production: {default: a, enabled: true}}")).changes == ()


def test_a_removed_flag_a_type_and_a_variant_break_code() -> None:
    gone = compare({"f.yaml": FLAG}, {})
    assert (gone.removed, gone.worst) == (("f",), Category.CODE)
    new = compare({}, {"f.yaml": FLAG})
    assert (new.added, new.worst) == (("f",), Category.STRUCTURE)
    numeric = FLAG.replace("type: string", "type: number").replace("{a: a, b: b, c: c}", "{a: 1, b: 2, c: 3}")
    assert "type-changed" in {c.code for c in compare({"f.yaml": FLAG}, {"f.yaml": numeric}).changes}


def test_a_segment_reaches_every_flag_behind_it() -> None:
    files = {"beta.yaml": SEGMENT, "user.yaml": USER, "dependent.yaml": DEPENDENT, "f.yaml": FLAG}
    diff = compare(files, files | {"beta.yaml": SEGMENT.replace("[u1]", "[u1, u2, u3]")})
    assert only(diff).message == "include: 2 added"
    assert diff.reached == {"dependent": ("segment beta",), "user": ("segment beta",)}


def test_a_prerequisite_reaches_the_flags_that_need_it() -> None:
    files = {"beta.yaml": SEGMENT, "user.yaml": USER, "dependent.yaml": DEPENDENT}
    diff = compare(files, files | {"user.yaml": USER.replace("default: off", "default: on")})
    assert diff.reached == {"dependent": ("flag user",)}


def test_prerequisites_are_compared_one_by_one() -> None:
    files = {"beta.yaml": SEGMENT, "user.yaml": USER, "dependent.yaml": DEPENDENT}
    changed = DEPENDENT.replace("variants: [on]", "variants: [off]")
    assert compare(files, files | {"dependent.yaml": changed}).changes[0].message == "prerequisite user: on → off"
    removed = DEPENDENT.replace("prerequisites: [{flag: user, variants: [on]}]\n", "")
    assert compare(files, files | {"dependent.yaml": removed}).changes[0].code == "prerequisite-removed"
    assert compare(files | {"dependent.yaml": removed}, files).changes[0].code == "prerequisite-added"


def test_documentation_of_a_dependency_reaches_nobody() -> None:
    files = {"beta.yaml": SEGMENT, "user.yaml": USER}
    diff = compare(files, files | {"beta.yaml": SEGMENT + "name: Beta\n"})
    assert (only(diff).category, diff.reached) == (Category.DOCS, {})


def test_an_experiment_s_weights_reshuffle_and_reach_its_flag() -> None:
    experiment = "kind: experiment\nkey: e\nowner: o\nflag: f\nstatus: running\nvariants: {a: 50, b: 50}\ncontrol: a\ntraffic: 20\n"
    text = FLAG.replace("    rollout: {a: 10, b: 10, c: 80}\n    salt: f/rest\n", "    experiment: e\n")
    files = {"f.yaml": text, "e.yaml": experiment}
    diff = compare(files, files | {"e.yaml": experiment.replace("a: 50, b: 50", "a: 40, b: 60")})
    assert (only(diff).category, diff.reached) == (Category.RESHUFFLE, {"f": ("experiment e",)})
    grown = compare(files, files | {"e.yaml": experiment.replace("traffic: 20", "traffic: 40")})
    assert only(grown).message == "allocation 20 % of its own → 40 % of its own"


def test_environments_and_the_project_are_compared() -> None:
    before = load_tree({"flagctl.yaml": CONFIG.encode()})
    after = load_tree({"flagctl.yaml": CONFIG.replace("staging: {}", "qa: {}").replace("shop", "store").encode()})
    codes = [c.code for c in diff_repositories(before, after).changes]
    assert codes == ["environment-added", "environment-removed", "project-changed"]


def test_a_variant_with_another_name_and_the_same_value_is_one_change_that_says_what_names_it() -> None:
    change = only(edited(("variants: {a: a, b: b, c: c}", "variants: {z: a, b: b, c: c}"), ("default: a", "default: z"),
                         ("{a: 10,", "{z: 10,")))  # fmt: skip
    assert (change.code, change.category) == ("variant-renamed", Category.CODE)
    assert change.message == "variant a renamed to z: default, rule rest"


def test_a_rename_takes_prerequisites_draft_experiments_targets_and_overrides_along() -> None:
    flag = FLAG + "off: b\ntargets: {b: [u1]}\nenvironments: {staging: {default: b}}\n"
    needs = DEPENDENT.replace("flag: user", "flag: f").replace("[on]", "[b]")
    trial = (
        "kind: experiment\nkey: trial\nowner: team-a\nflag: f\nstatus: draft\ncontrol: a\nvariants: {a: 50, b: 50}\n"
    )
    before = {"f.yaml": flag, "dependent.yaml": needs, "trial.yaml": trial}
    after = {
        "f.yaml": flag.replace("b: b", "best: b").replace("serve: b", "serve: best").replace("b: 10", "best: 10")
        .replace("off: b", "off: best").replace("{b: [u1]}", "{best: [u1]}").replace("default: b}", "default: best}"),
        "dependent.yaml": needs.replace("[b]", "[best]"),
        "trial.yaml": trial.replace("b: 50", "best: 50"),
    }  # fmt: skip
    assert only(compare(before, after)).message == (
        "variant b renamed to best: off, targets, rule germans, rule rest, default, prerequisite of dependent, experiment trial"
    )


def test_what_else_changed_is_told_beside_a_rename_in_new_names() -> None:
    diff = edited(
        ("{a: a,", "{z: a,"), ("default: a", "default: b"), ("{a: 10, b: 10, c: 80}", "{z: 20, b: 10, c: 70}")
    )
    assert [change.message for change in diff.changes] == [
        "variant a renamed to z: rule rest",
        "default z → b",
        "rule rest: z 10 % / b 10 % / c 80 % → z 20 % / b 10 % / c 70 %",
    ]


@pytest.mark.parametrize("variants", ["{z: other, b: b, c: c}", "{z: a, y: a, b: b, c: c}"])
def test_another_value_or_a_doubtful_one_is_no_rename(variants: str) -> None:
    diff = edited(("{a: a, b: b, c: c}", variants), ("default: a", "default: z"), ("{a: 10,", "{z: 10,"))
    assert {"variant-removed", "variant-added"} <= {change.code for change in diff.changes}
    assert "variant-renamed" not in {change.code for change in diff.changes}


def test_new_names_in_a_running_experiment_are_a_change_of_their_own() -> None:
    trial = (
        "kind: experiment\nkey: trial\nowner: team-a\nflag: f\nstatus: running\nstarted_at: 2026-01-01T00:00:00Z\n"
        "control: b\nvariants: {b: 50, c: 50}\n"
    )
    changed = FLAG.replace("{a: a, b: b, c: c}", "{a: a, b: b, z: c}").replace("c: 80", "z: 80")
    diff = compare(
        {"f.yaml": FLAG, "trial.yaml": trial}, {"f.yaml": changed, "trial.yaml": trial.replace("c: 50", "z: 50")}
    )
    assert [change.code for change in diff.changes] == ["variant-renamed", "experiment-variants-changed"]
