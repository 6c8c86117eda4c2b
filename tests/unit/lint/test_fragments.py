"""A file is checked as far as it can be read: all problems in one pass, and none that are only echoes of others."""

from __future__ import annotations

import random
import re

import pytest

from flagctl.lint import LintOptions, lint
from flagctl.lint.registry import LOCAL, load_rules
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree
from flagctl.source.incremental import IncrementalLoader
from tests.scale import scaled
from tests.unit.lint.repositories import CONFIG, NOW_MS, files_of, lint_text, place

MANY = """\
kind: flag
key: a
owner: team-a
type: boolean
default: off
rules:
  - id: target
    when:
      - {attribute: email, operator: 5}
      - {attribute: contry, operator: equals}
      - {attribute: beta, operator: equals, value: "true"}
      - {attribute: signed_up_at, operator: before, value: 2026-12-01}
      - not: {any: [{attribute: ip, operator: in_network, value: 10.0.0.1/8}, {attribute: email, operator: in, value: []}]}
      - {segment: nobody}
      - {segment: nobody, attribute: email}
    schedule: {from: 1, until: 2026-13-01T00:00:00Z}
    percentage: 33.3333
    serve: onn
  - id: target
    rollout: {on: 60, off: 30}
    serve: on
lifecycle: {temporary: yes, expires: 2026-02-30}
environments:
  production: {enabled: 5, rules: [{id: x, priority: many, serve: maybe}]}
"""


def test_all_problems_of_a_file_are_found_in_one_pass():
    assert [f"{d.span.line}:{d.code}" for d in lint_text(MANY).diagnostics if d.span] == [
        "7:NAM103",
        "9:SCH104",
        "10:SCH103",
        "10:REF105",
        "11:TYP110",
        "12:TYP108",
        "13:TYP109",
        "13:SCH109",
        "14:REF102",
        "15:SCH107",
        "16:SCH104",
        "16:SCH111",
        "17:SCH112",
        "18:REF101",
        "19:NAM102",
        "19:NAM103",
        "20:ROL101",
        "21:SCH107",
        "22:SCH104",
        "22:SCH117",
        "24:SCH104",
        "24:SCH104",
        "24:REF101",
    ]


def test_a_wrong_condition_of_a_segment_does_not_hide_the_others():
    segment = """\
kind: segment
key: staff
owner: team-a
when:
  - all:
      - {attribute: email, operator: ends_with}
      - {attribute: app_version, operator: semver_equal, value: x}
  - {attribute: contry, operator: exists}
"""
    assert [place(d) for d in lint_text(segment).diagnostics] == [
        "staff.yaml:6:9",
        "staff.yaml:7:65",
        "staff.yaml:8:17",
    ]


def test_a_wrong_key_of_an_experiment_does_not_hide_the_others():
    documents = """\
kind: experiment
key: e
flag: a
owner: w
status: running
variants: {on: 50, of: 40}
control: offf
layer: nowhere
slots: [[0, 200000]]
metrics: {primary: {event: x, kind: 5}}
---
kind: flag
key: a
owner: w
type: boolean
default: off
rules: [{id: r, experiment: e}]
"""
    found = [f"{d.span.line}:{d.code}" for d in lint_text(documents).diagnostics if d.span]
    assert found == ["6:EXP108", "6:REF101", "7:REF101", "8:REF107", "9:SCH110", "10:SCH104"]


def test_nothing_is_said_about_a_flag_whose_variants_cannot_be_read():
    flag = (
        "kind: flag\nkey: a\nowner: w\ntype: boolean\nvariants: [on, off]\ndefault: on\nrules: [{id: r, serve: off}]\n"
    )
    assert [d.code for d in lint_text(flag).diagnostics] == ["SCH104"]
    assert [
        d.code for d in lint_text(flag.replace("boolean", "[]").replace("variants: [on, off]\n", "")).diagnostics
    ] == ["SCH104"]


def test_errors_around_and_inside_of_a_part_are_told_together():
    flag = "kind: flag\nkey: a\nowner: w\ntype: boolean\ndefault: off\nenvironments:\n  !t x:\n    rules: [{{a: b}: c, serve: [5]}]\n"
    assert {d.code for d in lint_text(flag).diagnostics} == {"SYN112", "SYN120"}


@pytest.mark.parametrize(
    "twice",
    [
        "  - {id: r, when: [{segment: s}], when: [{segment: s}, {segment: !t s}], serve: on}\n",
        "  - {id: r, when: [{segment: s}], when: {segment: !t s}, serve: on}\n",
        "  - {id: r, serve: on}\nrules:\n  - {id: r, serve: on}\n  - {id: q, serve: !t on}\n",
    ],
    ids=["longer list", "no list", "rules"],
)
def test_what_is_wrong_in_the_second_of_two_keys_of_one_name_is_told_beside_that(twice):
    flag = f"kind: flag\nkey: a\nowner: w\ntype: boolean\ndefault: off\nrules:\n{twice}"
    assert {"SYN110", "SYN112"} <= {d.code for d in lint_text(flag).diagnostics}


def test_a_wrong_part_has_no_echoes():
    files = read_tree(data_path("flags"))
    options = LintOptions(now_ms=NOW_MS)
    before = lint(load_tree(files), options).diagnostics
    places = [
        (path, match.span(1))
        for path, data in files.items()
        if not path.endswith(".test.yaml") and path != "flagctl.yaml"
        for match in re.finditer(
            r"(?:operator|segment|percentage|serve|from|priority|control|traffic|layer|event|started_at|winner|bucket_by|tags|name): ([^\s,{}\[]+)",
            data.decode(),
        )
    ]
    assert len(places) > 150
    for path, (start, end) in random.Random(4).sample(places, scaled(25, len(places))):
        text = files[path].decode()
        broken = {**files, path: (text[:start] + "[[]]" + text[end:]).encode()}
        found = [d for d in lint(load_tree(broken), options).diagnostics if d not in before]
        assert {(d.path, d.span.line) for d in found if d.span} == {(path, text.count("\n", 0, start) + 1)}, text[:end]


FLAG = """\
kind: flag
key: a
type: boolean
default: of
rules:
  - {id: r, when: [{attribute: plan, operator: not_equals, value: free}, {attribute: nope, operator: exists}], serve: on}
environments: {production: {default: on}}
"""


@pytest.mark.parametrize(
    ("old", "new", "codes"),
    [
        ("project: acme-shop\n", "", ["REF101", "SCH103"]),
        ("version: 1", "version: [1", ["REF101", "SYN108"]),
        ("  staging: {}", "\tstaging: {}", ["REF101", "SYN104"]),
        ("development: {}", "development: 5", ["REF101", "SCH104"]),
        ("seats: {type: number}", "seats: {type: 5}", ["OWN101", "REF101", "SCH104"]),
        ("version: 1\n", "version: 1\nremote: 5\n", ["OWN101", "REF101", "REF105", "SCH104"]),
    ],
)
def test_a_broken_configuration_hides_no_error_of_flags_and_makes_up_none(old, new, codes):
    result = lint(
        load_tree({"flagctl.yaml": CONFIG.replace(old, new).encode(), "a.yaml": FLAG.encode()}),
        LintOptions(now_ms=NOW_MS),
    )
    assert [d.code for d in result.diagnostics] == codes


def test_a_suppression_in_a_file_that_is_read_in_part_is_not_called_unused():
    flag = """\
kind: flag
key: a
owner: team-a
type: boolean
default: off
rules:
  - id: r
    # flagctl: ignore[TGT102] guests have no address, and are meant
    when: [{attribute: email, operator: not_equals, value: x}, {attribute: seats, operator: equals}]
    serve: on
"""
    assert [d.code for d in lint_text(flag).diagnostics] == ["SCH103"]


def test_what_stays_loaded_has_the_same_findings():
    files = files_of(MANY)
    loader = IncrementalLoader()
    options = LintOptions(now_ms=NOW_MS)
    for _ in range(2):
        assert lint(loader.load(files), options).diagnostics == lint(load_tree(files), options).diagnostics


def test_rules_that_look_at_fragments_exist():
    assert set(load_rules()) > LOCAL


WRONG_REST = """\
variants: {a: x, b: y}
default: c
rules:
  - id: r
    when: [{attribute: email, operator: matches, value: "("}]
    serve: nope
"""


@pytest.mark.parametrize(
    ("head", "missing"),
    [("kind: flag\nowner: team-a\ntype: string\n", "key"), ("kind: flag\nowner: team-a\nkey: a\n", "type")],
)
def test_a_flag_that_lacks_its_key_or_a_type_that_its_values_have_is_checked_all_the_same(head, missing):
    found = [(d.code, d.message) for d in lint_text("# file: a.yaml\n" + head + WRONG_REST).diagnostics]
    assert found[0] == ("SCH103", f"the key '{missing}' is missing")
    assert [code for code, _ in found[1:]] == ["REF101", "TYP106", "REF101"]


@pytest.mark.parametrize("values", ["{a: x, b: 2}", "{}"])
def test_a_flag_whose_values_leave_its_type_in_doubt_is_told_that_alone(values):
    text = "kind: flag\nkey: a\nowner: team-a\n" + WRONG_REST.replace("{a: x, b: y}", values)
    assert {d.code for d in lint_text(text).diagnostics} <= {"SCH103", "SCH109"}


def test_what_a_missing_key_stands_for_brings_no_findings_of_its_own():
    for gone in ("key: a", "type: string"):
        lines = ["kind: flag", "key: a", "owner: team-a", "type: string", "variants: {a: x, b: y}", "default: a"]
        text = "# file: a.yaml\n" + "\n".join(line for line in lines if line != gone) + "\n"
        assert [d.code for d in lint_text(text).diagnostics] == ["SCH103"], gone


def test_segments_without_a_key_and_experiments_without_a_status_are_checked_all_the_same():
    segment = (
        '# file: s.yaml\nkind: segment\nowner: team-a\nwhen: [{attribute: email, operator: matches, value: "("}]\n'
    )
    assert [d.code for d in lint_text(segment).diagnostics] == ["SCH103", "TYP106"]
    trial = "kind: experiment\nowner: team-a\nkey: a\nflag: f\nvariants: {on: 50, maybe: 50}\n"
    flag = "kind: flag\nkey: f\nowner: team-a\ntype: boolean\ndefault: off\n"
    files = {**files_of(trial), "f.yaml": flag.encode()}
    found = lint(load_tree(files), LintOptions(now_ms=NOW_MS)).diagnostics
    assert [d.code for d in found] == ["SCH103", "REF101"]
