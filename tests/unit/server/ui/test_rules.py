"""Conditions of rules and their steps in time: fields beside the text."""

from __future__ import annotations

import html
import random
from collections import Counter

import pytest

from flagctl.ops.repository import FlagRepository
from flagctl.server.ui.condition_values import instant_text, read_value, value_text
from flagctl.server.ui.conditions import OPERATOR_NAMES
from flagctl.server.ui.field_edits import take_over
from flagctl.server.ui.fields import Field
from flagctl.server.ui.panel import panel_of
from tests.scale import scaled
from tests.simulators.ui_editor import Sheet, came, marks
from tests.simulators.ui_server import ROLLOUTS, copy_shop, showing

FLOW, SUGGESTIONS, GROWING = "checkout/new-checkout-flow.yaml", "search/search-suggestions.yaml", "new-recommender.yaml"
ODD = """\
kind: flag
key: odd-ones
owner: team-checkout
description: Conditions of every sort.
type: boolean
default: off
rules:
  - id: odd
    when:
      - {attribute: [email], operator: equals, value: a@b.c}
      - {attribute: email, operator: contains, value: "two\\nlines"}
      - {attribute: account_id, operator: in, value: ["1", " x ", "a, b", "true", ""]}  # texts
      - not:
          any:
            - {attribute: seats, operator: greater_than, value: 3}
            - not: {attribute: plan, operator: equals, value: pro}
      - {attribute: email, operator: ends_with, value: "@acme.com", ignore_case: true}
      - {attribute: email, operator: exists}
    serve: on
  - id: plain
    serve: on
    percentage: 25
"""


@pytest.fixture(scope="module")
def looked_at(shop_original, tmp_path_factory):
    """The UI of a shop with rules of every sort."""
    root = copy_shop(shop_original, tmp_path_factory.mktemp("rules") / "shop")
    for name, text in {**ROLLOUTS, "odd-ones": ODD}.items():
        (root / f"{name}.yaml").write_text(text)
    with showing(root) as server:
        yield server


# --- values as lines of text ---

VALUES = (
    ("equals", "DE"), ("equals", "1"), ("equals", 1), ("equals", 1.5), ("equals", True), ("equals", "true"), ("equals", ""),
    ("equals", "a, b"), ("equals", "a: b"), ("equals", "@file"), ("equals", "# no"), ("equals", '"'), ("equals", "null"),
    ("in", ["DE", "AT"]), ("in", ["1", 1, True, "true"]), ("in", ["a, b", "c"]), ("in", ["@a", "@b"]), ("in", ["[x]"]),
    ("starts_with", "a"), ("starts_with", ["a"]), ("starts_with", "a, b"), ("ends_with", ["@acme.com", "@acme.de"]),
    ("matches", "^a,b$"), ("matches", "a: [b]"), ("semver_less_than", "8.2.0"), ("semver_less_than", "2"),
    ("before", "2026-12-01T09:00:00+01:00"), ("before", 1700000000), ("before", "1700000000"), ("after", "soon"),
    ("in_network", "10.0.0.0/8"), ("in_network", ["10.0.0.0/8", "2001:db8::/32"]), ("greater_than", -3), ("less_than", 0.5),
    ("contains", "x y"), ("not_in", ["a"]),
)  # fmt: skip


@pytest.mark.parametrize(("operator", "value"), VALUES)
def test_a_value_that_a_field_shows_is_read_as_exactly_that_value_again(operator, value):
    text = value_text(operator, value)
    assert text is not None
    again = read_value(operator, text, value)
    assert (type(again), repr(again)) == (type(value), repr(value))


@pytest.mark.parametrize(
    ("operator", "value"),
    [("matches", "a\nb"), ("matches", " a"), ("equals", {"a": 1}), ("in", [["a"]]), ("in", ["x" * 3000]), ("in", [])],
)
def test_a_value_that_no_line_of_text_says_has_no_field(operator, value):
    assert operator in OPERATOR_NAMES
    assert value_text(operator, value) is None


@pytest.mark.parametrize(
    ("operator", "text", "why"),
    [
        ("equals", " ", "what to compare with"),
        ("equals", "[a]", "not one value"),
        ("equals", "null", "not one value"),
        ("greater_than", "many", "no number"),
        ("greater_than", "true", "no number"),
        ("in", "[a, [b]]", "not one value"),
        ("in", ",", "no list"),
    ],
)
def test_a_value_that_does_not_fit_its_operator_is_refused(operator, text, why):
    from flagctl.errors import UsageError

    with pytest.raises(UsageError, match=why):
        read_value(operator, text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-12-01", "2026-12-01T00:00:00Z"),
        ("2026-12-01 09:30", "2026-12-01T09:30:00Z"),
        (" 2026-12-01T09:00:00+01:00 ", "2026-12-01T09:00:00+01:00"),
        ("tomorrow", "tomorrow"),
    ],
)
def test_an_instant_without_a_zone_is_one_of_utc(text, instant):
    assert instant_text(text) == instant


# --- conditions of rules ---

EDITS = (
    (FLOW, "", "when:1:beta-testers=value", "DE\nAT", "operator: in, value: [DE, AT]}"),
    (FLOW, "", "when:1:beta-testers=value", "DE, AT, FR, NL, CH", "value: [DE, AT, FR, NL, CH]}"),
    (FLOW, "", "when:1:beta-testers=operator", "not_in", "{attribute: country, operator: not_in, value: [DE, AT, FR, NL]}"),
    (FLOW, "", "when:1:beta-testers=attribute", "email", "{attribute: email, operator: in"),
    (FLOW, "", "when:1:beta-testers=case", "yes", "value: [DE, AT, FR, NL], ignore_case: true}"),
    (FLOW, "", "when:0:employees=segment", "vip-customers", "      - {segment: vip-customers}"),
    (FLOW, "", "when:0:employees=member", "not in", "not:"),
    (FLOW, "", "when:1.any.1:ramp=value", "8.3.0", "value: 8.3.0}"),
    (FLOW, "production", "when:0:employees=segment", "vip-customers", "  production:\n    rules:"),
    ("odd-ones.yaml", "", "when:3.not.any.0:odd=value", "4", "{attribute: seats, operator: greater_than, value: 4}"),
    ("odd-ones.yaml", "", "when:3.not.any.1.not:odd=value", "free", "- not: {attribute: plan, operator: equals, value: free}"),
    ("odd-ones.yaml", "", "when:4:odd=value", "@acme.org", 'value: "@acme.org", ignore_case: true}'),
    ("odd-ones.yaml", "", "when:4:odd=case", "", 'value: "@acme.com"}'),
    ("odd-ones.yaml", "", "when:4:odd=operator", "matches", '{attribute: email, operator: matches, value: "@acme.com"}'),
    (SUGGESTIONS, "", "step:1:steps=percent", "30", "{from: 2026-12-07T09:00:00+01:00, percent: 30}"),
    (SUGGESTIONS, "", "step:1:steps=from", "2026-12-08 09:00", "{from: 2026-12-08T09:00:00Z, percent: 25}"),
    (SUGGESTIONS, "", "step:1:steps=hold", "approval", "percent: 25, hold_until: approval}"),
    (GROWING, "", "step:1:ramp=after", "3d", "{after: 3d, percent: 25, hold_until: approval}"),
    (GROWING, "", "step:1:ramp=hold", "", "{after: 2d, percent: 25}"),
    (GROWING, "", "step:0:ramp=percent", "7.5", "percent: 7.5}   # a few"),
    ("new-ranking.yaml", "", "step:0:engine=percent", "20", "steps: [20, {percent: 50, after: 1d}, 100]"),
    ("new-ranking.yaml", "", "step:0:engine=after", "2d", "{after: 2d, percent: 10}"),
    ("new-ranking.yaml", "", "step:1:engine=after", "3d", "{percent: 50, after: 3d}"),
    ("basket-engine.yaml", "", "step:3:engine=percent", "90", "steps: [1, 10, 50, 90]"),
    (FLOW, "", "line:ramp=end", "60", "start: 0, end: 60}"),
    (FLOW, "", "line:ramp=to", "2026-12-20", "to: 2026-12-20T00:00:00Z"),
)  # fmt: skip


@pytest.mark.parametrize(("path", "environment", "box", "text", "there"), EDITS)
def test_what_is_typed_into_a_box_of_a_rule_changes_that_line_alone(guest, path, environment, box, text, there):
    sheet = Sheet(guest, path, environment)
    before = sheet.text
    answer = sheet.type(box, text)
    after = came(answer)
    assert after is not None, marks(answer)
    assert there in after
    assert not marks(answer)
    assert before.count("# ") == after.count("# "), "comments stay"
    assert environment or (Counter(before.splitlines()) - Counter(after.splitlines())).total() == 1


WRONG = (
    (FLOW, "when:1:beta-testers=value", " ", "what to compare with"),
    (FLOW, "when:1:beta-testers=attribute", " ", "name an attribute"),
    (FLOW, "when:0:employees=segment", "", "name a segment"),
    ("odd-ones.yaml", "when:3.not.any.0:odd=value", "three", "no number"),
    (SUGGESTIONS, "step:1:steps=percent", "120", "no percentage"),
    (SUGGESTIONS, "step:1:steps=from", "soon", "no instant"),
    (SUGGESTIONS, "step:1:steps=from", "", "when does the step begin?"),
    (SUGGESTIONS, "step:1:steps=after", "2d", "not both"),
    (GROWING, "step:1:ramp=after", "two days", "no length of time"),
    (GROWING, "step:1:ramp=hold", "luck", "waits for"),
    (FLOW, "line:ramp=to", "later", "no instant"),
    (FLOW, "line:ramp=end", "x", "no percentage"),
)


@pytest.mark.parametrize(("path", "box", "text", "why"), WRONG)
def test_what_does_not_fit_a_rule_is_told_at_its_boxes_and_kept_there(guest, path, box, text, why):
    sheet = Sheet(guest, path)
    answer = sheet.type(box, text)
    assert came(answer) is None
    assert why in "".join(marks(answer).values())
    refused = sheet.send("/edit/save")
    assert refused.status_code == 422
    assert text == "luck" or Sheet.of(guest, refused.text).form[f"f:{box}"] == [text.strip()]


def test_a_box_whose_line_says_something_else_by_now_changes_nothing(guest):
    sheet = Sheet(guest, FLOW)
    sheet.form["text"] = [sheet.text.replace("[DE, AT, FR, NL]", "[DE, AT]")]
    answer = sheet.type("when:1:beta-testers=value", "CH")
    assert "something else here by now" in "".join(marks(answer).values())


def test_what_the_form_has_no_fields_for_is_shown_and_stays(guest):
    sheet = Sheet(guest, "odd-ones.yaml")
    page = html.unescape(sheet.page)
    assert "the form has no fields for it" in page
    assert sheet.form["f:when:1:odd=value"] == ['"two\\nlines"']
    assert "f:when:0:odd=attribute" not in sheet.form
    assert sheet.form["f:when:2:odd=value"] == ['"1", " x ", "a, b", "true", ""']
    before = sheet.text
    sheet.press("look")
    assert sheet.text == before
    sheet.press("remove-condition:1:odd")
    assert "two\\nlines" not in sheet.text
    assert "# texts" in sheet.text


def test_what_arithmetic_does_not_know_is_said_once_for_all_environments(guest):
    answer = Sheet(guest, "odd-ones.yaml").type("when:4:odd=value", "@acme.org")
    told = "in development, staging, production: depends on who meets its conditions"
    assert answer.count("depends on who meets its conditions") == answer.count(told) == 1


def test_an_edit_is_measured_at_any_instant(guest):
    sheet = Sheet(guest, SUGGESTIONS)
    sheet.form["f:when:0:steps=value"] = ["ios"]
    sheet.form["measure-at"] = ["2026-11-01"]
    before = sheet.send("/edit/measure", headers={"hx-request": "true"}).text
    assert "None of them gets another answer" in before
    sheet.form["measure-at"] = ["2027-02-01 09:00"]
    later = sheet.send("/edit/measure", headers={"hx-request": "true"}).text
    assert "Asked at 2027-02-01 09:00 UTC" in later
    assert "% get another answer" in later
    sheet.form["measure-at"] = ["soon"]
    assert 'role="alert"' in sheet.send("/edit/measure", headers={"hx-request": "true"}).text


def test_very_many_conditions_are_left_to_the_text(guest):
    sheet = Sheet(guest, "odd-ones.yaml")
    more = "".join(f"      - {{attribute: seats, operator: not_equals, value: {at}}}\n" for at in range(150))
    sheet.form["text"] = [sheet.text.replace("    serve: on\n  - id: plain", more + "    serve: on\n  - id: plain")]
    sheet.press("look")
    assert sum(name.startswith("was:when:") for name in sheet.form) == 100
    assert "too many conditions" in sheet.page


STEPS = (
    (FLOW, {"op": "add-condition::employees", "new::employees-segment": "embargoed"}, "      - {segment: embargoed}\n    serve: on"),
    ("odd-ones.yaml", {"op": "add-condition::plain", "new::plain-attribute": "plan", "new::plain-value": "pro"},
     "  - id: plain\n    when:\n      - {attribute: plan, operator: equals, value: pro}"),
    (FLOW, {"op": "add-condition:1.any:ramp", "new:1.any:ramp-segment": "employees"}, "          - {segment: employees}"),
    (FLOW, {"op": "remove-condition:0:employees"}, "  - id: employees\n    serve: on"),
    (FLOW, {"op": "either:0:employees"}, "any"),
    (SUGGESTIONS, {"op": "add-step:steps", "new-step:steps-from": "2026-12-20 09:00", "new-step:steps-percent": "40"},
     "percent: 25}\n        - {from: 2026-12-20T09:00:00Z, percent: 40}\n        - {from: 2027-01-11"),
    (SUGGESTIONS, {"op": "remove-step:0:steps"}, "steps:\n        - {from: 2026-12-07"),
    (GROWING, {"op": "add-step:ramp", "new-step:ramp-after": "1d", "new-step:ramp-percent": "100", "new-step:ramp-hold": "guardrail"},
     "{after: 1d, percent: 100, hold_until: guardrail}"),
    ("new-ranking.yaml", {"op": "add-step:engine", "new-step:engine-percent": "100"}, "100, 100]"),
    ("odd-ones.yaml", {"op": "add-step:plain", "new-step:plain-from": "2099-12-01", "new-step:plain-percent": "50"},
     '        - {from: "2099-12-01T00:00:00Z", percent: 50}'),
    ("odd-ones.yaml", {"op": "add-step:odd", "new-step:odd-from": "2099-12-01", "new-step:odd-percent": "50"},
     '      steps:\n        - {from: "2099-12-01T00:00:00Z", percent: 50}'),
)  # fmt: skip


@pytest.mark.parametrize(("path", "step", "there"), STEPS)
def test_conditions_and_steps_come_and_go(guest, path, step, there):
    sheet = Sheet(guest, path)
    comments = sheet.text.count("# ")
    sheet.form.update({name: [value] for name, value in step.items()})
    sheet.press(step["op"])
    assert there in sheet.text
    assert sheet.text.count("# ") == comments
    assert all(sheet.form.get(name, [""]) == [""] for name in step if name.startswith("new") and "hold" not in name)


def test_what_a_rule_served_before_it_grew_it_goes_on_serving(guest):
    sheet = Sheet(guest, "odd-ones.yaml")
    sheet.form.update({"new-step:plain-from": ["2099-12-01"], "new-step:plain-percent": ["50"]})
    sheet.press("add-step:plain")
    assert "percent: 25}" in sheet.text
    assert "goes on serving 25 %" in sheet.page


def test_a_rule_without_conditions_holds_for_everybody_and_says_so(guest):
    sheet = Sheet(guest, FLOW)
    sheet.press("remove-condition:0:employees")
    assert "employees has no conditions any more: it holds for everybody" in sheet.page


REFUSED = (
    (FLOW, {"op": "add-step:ramp", "new-step:ramp-after": "1d", "new-step:ramp-percent": "10"}, "grows in a line"),
    (GROWING, {"op": "remove-step:9:ramp"}, "no such step"),
    (GROWING, {"op": "add-step:ramp", "new-step:ramp-percent": "10"}, "when does the step begin?"),
    (GROWING, {"op": "add-step:none", "new-step:none-percent": "10"}, "no rule 'none'"),
    ("new-ranking.yaml", {"op": "add-step:engine", "new-step:engine-from": "2099-01-01", "new-step:engine-percent": "1"}, "some time after"),
)  # fmt: skip


@pytest.mark.parametrize(("path", "step", "why"), REFUSED)
def test_a_step_in_time_that_does_not_fit_is_told_and_changes_nothing(guest, path, step, why):
    sheet = Sheet(guest, path)
    before = sheet.text
    answer = guest.post("/edit/step", {**sheet.form, **step})
    assert why in html.unescape(answer.text)
    assert Sheet.of(guest, answer.text).text == before


def test_the_only_step_stays(guest):
    sheet = Sheet(guest, GROWING)
    for _ in range(2):
        sheet.press("remove-step:0:ramp")
    answer = guest.post("/edit/step", {**sheet.form, "op": "remove-step:0:ramp"})
    assert "it is the only step" in answer.text


def test_rules_without_names_of_their_own_are_left_to_the_text(guest):
    sheet = Sheet(guest, "odd-ones.yaml")
    sheet.form["text"] = [sheet.text.replace("id: plain", "id: odd")]
    sheet.press("look")
    assert "because it has no id of its own" in sheet.page


def commented(text: str) -> str:
    """Return a document with a comment behind every line that may have one."""
    lines = [
        line if "#" in line or line.endswith(("|", ">-", ">")) else f"{line}  # c{at}"
        for at, line in enumerate(text.split("\n"))
    ]
    return "\n".join(lines)


def boxes_of(repository: FlagRepository) -> list[tuple[str, str, Field, str, str]]:
    """Return path, text, field, box, and what to type into it, of every box of every example."""
    found = []
    for path in sorted(repository.loaded.documents):
        text = commented(repository.text(path))
        panel = panel_of(path, text, "", repository.model)
        fields = [] if panel is None else [*panel.sections["conditions"], *panel.sections.get("growth", ())]
        found += [(path, text, field, name, GIVEN[name]) for field in fields for name in field.parts if name in GIVEN]
    return found


GIVEN = {"attribute": "email", "segment": "employees", "percent": "3", "start": "3", "end": "4"}


def test_each_box_of_each_example_changes_one_line_with_comments_everywhere(shop_original):
    repository = FlagRepository(shop_original)
    every = boxes_of(repository)
    assert len(every) > 100
    for path, text, field, box, given in random.Random(5).sample(every, scaled(40, len(every))):
        form = {f"f:{field.name}={name}": [said] for name, said in field.parts.items()}
        form |= {f"was:{field.name}": [field.value], f"f:{field.name}={box}": [given]}
        draft = repository.draft()
        draft.write(path, text)
        assert not take_over(draft, path, form, None).troubles
        before, after = text.split("\n"), draft.text(path).split("\n")
        changed = sum(one != other for one, other in zip(before, after, strict=True))
        assert changed == (field.parts[box] != given)
        assert draft.text(path).count("#") == text.count("#")
