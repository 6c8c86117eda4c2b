"""Segments in the web UI: a form beside the text, and one for new ones."""

from __future__ import annotations

import html
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.simulators.ui_editor import Sheet, came, marks
from tests.simulators.ui_server import Visitor, run, showing

EMPLOYEES, VIPS = "segments/employees.yaml", "segments/vip-customers.yaml"


def checked(sheet: Sheet) -> str:
    return html.unescape(sheet.send("/edit/check", headers={"hx-request": "true"}).text)


def test_no_segment_is_edited_by_being_looked_at(guest):
    for name in ("beta-testers", "business-accounts", "early-adopters", "embargoed", "employees", "vip-customers"):
        sheet = Sheet(guest, f"segments/{name}.yaml")
        assert came(checked(sheet)) is None
        before = sheet.text
        sheet.press("look")
        assert sheet.text == before


@pytest.mark.parametrize(
    ("field", "text", "there"),
    [
        ("name", "Everybody here", "name: Everybody here"),
        ("description", "All of us.", "description: All of us."),
        ("owner", "team-growth", "owner: team-growth"),
        ("tags", "internal, people", "tags: [internal, people]"),
    ],
)
def test_what_is_for_people_comes_into_the_text_of_a_segment(guest, field, text, there):
    sheet = Sheet(guest, EMPLOYEES)
    answer = sheet.type(field, text)
    assert there in came(answer)
    assert not marks(answer)
    assert "# Shared terminals" in came(answer)


def test_a_segment_has_no_field_for_an_expiry(guest):
    assert "f:expires" not in Sheet(guest, EMPLOYEES).form


@pytest.mark.parametrize(
    ("step", "there", "gone"),
    [
        ({"op": "add-members:include", "include-units": "user-1\nuser-2, user-3"}, "user-1, user-2, user-3", None),
        ({"op": "remove-member:exclude:store-kiosk-01"}, "exclude: [store-kiosk-02]", "store-kiosk-01"),
        ({"op": "remove-members:exclude", "exclude-units": "store-kiosk-01, store-kiosk-02"}, "when:", "store-kiosk"),
        ({"op": "add-members:include", "include-units": "store-kiosk-02"}, "exclude: [store-kiosk-01]", None),
    ],
)
def test_units_come_and_go_and_the_comment_stays(guest, step, there, gone):
    sheet = Sheet(guest, EMPLOYEES)
    sheet.form.update({name: [value] for name, value in step.items()})
    sheet.press(step["op"])
    assert there in sheet.text
    assert gone is None or gone not in sheet.text
    assert "# yaml-language-server" in sheet.text


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"op": "add-members:include"}, "which units?"),
        ({"op": "remove-members:include", "include-units": "nobody"}, "nobody is not in 'include'"),
        ({"op": "add-members:others", "others-units": "a"}, "no such list"),
        ({"op": "add-condition::"}, "which condition?"),
        ({"op": "add-condition::", "new::-attribute": "plan", "new::-segment": "employees"}, "not both"),
        ({"op": "add-condition::", "new::-attribute": "plan"}, "what to compare with"),
        ({"op": "remove-condition:7:"}, "there is no"),
        ({"op": "either:7:"}, "no such condition"),
    ],
)
def test_a_step_that_does_not_fit_is_told_and_changes_nothing(guest, step, why):
    sheet = Sheet(guest, EMPLOYEES)
    before = sheet.text
    sheet.form.update({name: [value] for name, value in step.items()})
    answer = guest.post("/edit/step", sheet.form)
    assert why in html.unescape(answer.text)
    sheet.read(answer.text)
    assert sheet.text == before


def test_only_some_of_many_units_are_shown_and_all_can_be_taken_out(guest):
    sheet = Sheet(guest, "segments/embargoed.yaml")
    sheet.form["include-units"] = ["\n".join(f"user-{number}" for number in range(1, 60))]
    sheet.press("add-members:include")
    assert "and 32 more" in sheet.page
    sheet.form["include-units"] = ["user-59"]
    sheet.press("remove-members:include")
    assert "and 31 more" in sheet.page
    assert "user-59" not in sheet.text


def test_conditions_of_a_segment_are_fields_down_to_the_innermost(guest):
    sheet = Sheet(guest, VIPS)
    answer = sheet.type("when:0.any.1.all.0:=value", "30")
    assert "{attribute: order_count, operator: greater_or_equal, value: 30}" in came(answer)
    assert came(answer).count("\n") == sheet.text.count("\n")


def test_a_condition_comes_beside_others_of_which_one_is_enough(guest):
    sheet = Sheet(guest, VIPS)
    sheet.form.update(
        {"new:0.any:-attribute": ["country"], "new:0.any:-operator": ["in"], "new:0.any:-value": ["DE, AT"]}
    )
    sheet.press("add-condition:0.any:")
    assert "      - {attribute: country, operator: in, value: [DE, AT]}" in sheet.text
    sheet.press("remove-condition:0.any.0:")
    assert "business-accounts" not in sheet.text
    sheet.press("remove-condition:0:")
    assert "when:" not in sheet.text
    assert "only units that it lists are in it" in sheet.page


def test_a_group_whose_last_condition_goes_goes_with_it(guest):
    sheet = Sheet(guest, VIPS)
    sheet.press("remove-condition:0.any.1.all.0:")
    sheet.press("remove-condition:0.any.1.all.0:")
    assert "all:" not in sheet.text
    assert "- {segment: business-accounts}" in sheet.text


def test_a_segment_is_in_or_not_in_another_one(guest):
    sheet = Sheet(guest, "segments/early-adopters.yaml")
    answer = sheet.type("when:1:=member", "in")
    assert "  - segment: embargoed" in came(answer).replace("{", "").replace("}", "")
    assert "not:" not in came(answer)


def test_the_flags_that_look_at_a_segment_are_named_before_it_is_saved(guest):
    answer = Sheet(guest, EMPLOYEES).type("when:0:=value", "@acme.com")
    assert "flags look at it" in answer
    assert 'href="/flags/log-level"' in answer
    assert "by segment employees" in answer


def test_whose_answers_an_edit_changes_is_measured_on_demand(guest):
    sheet = Sheet(guest, EMPLOYEES)
    assert "Measure with made-up contexts" in sheet.type("when:0:=value", "@acme.com")
    part = html.unescape(sheet.send("/edit/measure", headers={"hx-request": "true"}).text)
    assert "2,000 made-up contexts" in part
    assert "search-ranking</strong> in production" in part
    assert "(personal data)" in part
    sheet.form["f:when:0:=value"] = ["@acme.com, @acme-stores.com"]
    assert "nothing is changed yet" in sheet.send("/edit/measure", headers={"hx-request": "true"}).text


def test_an_edit_is_measured_by_the_contexts_that_the_ui_was_given(shop, tmp_path):
    people = tmp_path / "people.jsonl"
    people.write_text('{"targeting_key": "a", "email": "a@acme-stores.com"}\n{"targeting_key": "b"}\n')
    with showing(shop, population=people) as server, Visitor.entering(server) as visitor:
        sheet = Sheet(visitor, EMPLOYEES)
        assert "Measure with people.jsonl" in sheet.type("when:0:=value", "@acme.com")
        part = sheet.send("/edit/measure", headers={"hx-request": "true"}).text
        assert "2 contexts of people.jsonl" in part
        assert "50 % get another answer" in part
        people.unlink()
        assert "people.jsonl" in sheet.send("/edit/measure", headers={"hx-request": "true"}).text


def test_nobody_waits_for_a_population_that_is_still_read(shop, tmp_path):
    people = tmp_path / "people.jsonl"
    os.mkfifo(people)
    with showing(shop, population=people) as server, Visitor.entering(server) as visitor, ThreadPoolExecutor(1) as pool:
        sheet = Sheet(visitor, EMPLOYEES)
        sheet.form["f:when:0:=value"] = ["@acme.com"]
        measuring = pool.submit(sheet.send, "/edit/measure", headers={"hx-request": "true"})
        with people.open("w") as pipe:  # opens as soon as somebody reads
            with Visitor.entering(server) as other:
                assert "gift-wrapping" in other.get("/?q=gift", timeout=20).text
            pipe.write('{"targeting_key": "a", "email": "a@acme-stores.com"}\n{"targeting_key": "b"}\n')
        assert "50 % get another answer" in measuring.result().text


def test_saving_a_segment_is_a_commit_on_a_branch_and_a_conflict_is_shown(visitor, shop):
    sheet = Sheet(visitor, EMPLOYEES)
    sheet.form["include-units"] = ["user-1"]
    sheet.press("add-members:include")
    late = dict(sheet.form)
    page = html.unescape(sheet.send("/edit/save").text)
    assert "/segments/employees?at=flags%2Ffields" in page
    there = html.unescape(visitor.get("/segments/employees?at=flags/fields").text)
    assert "user-1" in there
    assert "at=flags%2Ffields" in there[there.index(">Edit<") - 200 : there.index(">Edit<")]
    assert "user-1" not in visitor.get("/segments/employees").text
    assert (
        'hx-get="/segments/employees/history?at=flags%2Ffields"'
        in visitor.get("/segments/employees?at=flags/fields").text
    )
    assert "include: 1 added" in visitor.get("/segments/employees/history?at=flags/fields").text
    assert "include: 1 added" not in visitor.get("/flags/employees/history?at=flags/fields").text
    saved = run(shop, "git", "show", f"flags/fields:flags/{EMPLOYEES}")
    assert "include: [user-1]" in saved
    assert run(shop, "git", "status", "--porcelain").strip() == ""
    file = shop / EMPLOYEES
    file.write_text(file.read_text().replace("name: Employees", "name: All of us"))
    refused = visitor.post("/edit/save", late)
    assert refused.status_code == 409
    assert "name: All of us" in refused.text


NEW = {"key": "new-customers", "owner": "team-growth", "who-operator": "equals"}


def made(visitor, **form: str) -> tuple[str, dict[str, str]]:
    """Return what the form says as somebody types, and what it marks."""
    answer = visitor.post("/new/segment/check", NEW | form, headers={"hx-request": "true"})
    assert answer.status_code == 200, answer.text
    text = html.unescape(answer.text)
    return text, marks(text)


def test_the_form_of_a_new_segment_shows_the_file_as_one_types(guest):
    who = {"who-attribute": "order_count", "who-operator": "less_than", "who-value": "3"}
    text, wrong = made(guest, name="New customers", tags="a, b", include="user-1\nuser-2", exclude="user-3", **who)
    assert not wrong
    assert "segments/new-customers.yaml" in text
    assert "include: [user-1, user-2]" in text
    assert "exclude: [user-3]" in text
    assert "{attribute: order_count, operator: less_than, value: 3}" in text
    assert "# yaml-language-server: $schema=../../schemas/segment.schema.json" in text


@pytest.mark.parametrize(
    ("form", "field", "why"),
    [
        ({"key": "employees", "include": "a"}, "key", "already"),
        ({"key": "../x", "include": "a"}, "key", "name of a file"),
        ({"key": "New Ones", "include": "a"}, "key", ""),
        ({"owner": "", "include": "a"}, "owner", "who owns"),
        ({}, "who", ""),
        ({"exclude": "a"}, "who", ""),
        ({"who-attribute": "seats", "who-operator": "greater_than", "who-value": "many"}, "who", "no number"),
        ({"who-segment": "employes"}, "who", "employes"),
    ],
)
def test_what_a_new_segment_cannot_be_is_told_at_its_field(guest, form, field, why):
    _, wrong = made(guest, **form)
    assert why in wrong[f"n-{field}"]
    answer = guest.post("/new/segment", NEW | form)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_a_new_segment_goes_on_in_the_editor_and_is_saved(visitor, shop):
    assert visitor.get("/new/segment").status_code == 200
    assert "/new/segment" in visitor.get("/segments").text
    sheet = Sheet.of(visitor, visitor.post("/new/segment", NEW | {"who-segment": "employees"}).text)
    assert sheet.send("/edit/save").status_code == 200
    saved = run(shop, "git", "show", "flags/fields:flags/segments/new-customers.yaml")
    assert "when:\n  - {segment: employees}\n" in saved
