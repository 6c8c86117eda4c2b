"""The form beside the text: what it shows comes from the text, and what is typed into it goes back as an edit."""

from __future__ import annotations

import html

import pytest

from tests.simulators.ui_editor import Sheet, came, marks, typed
from tests.simulators.ui_server import COLOURS, copy_shop, run, showing

PATH = "checkout/new-checkout-flow.yaml"
SPLIT = f"""\
{COLOURS}rules:
  - id: vips
    when:
      - {{segment: vip-customers}}
    rollout: {{red: 20, blue: 80}}
targets:
  red: [user-1]
environments:
  staging:
    default: blue
"""
CONFIG = "kind: flag\nkey: page-size\nowner: team-checkout\ndescription: Items.\ntype: number\nvalue: 20\n"


@pytest.fixture(scope="module")
def looked_at(shop_original, tmp_path_factory):
    """The UI of a shop with more flags, that tests only look at."""
    root = copy_shop(shop_original, tmp_path_factory.mktemp("fields") / "shop")
    (root / "button-colour.yaml").write_text(SPLIT)
    (root / "page-size.yaml").write_text(CONFIG)
    (root / "wide.yaml").write_text(CONFIG.replace("page-size", "wide").replace("number", "json"))
    with showing(root) as server:
        yield server


GIFTS = "checkout/gift-wrapping.yaml"
BONUS = "window:until:first-friends"
EDITS = (
    (PATH, "", "description", ("Two pages.",), "description: Two pages."),
    (PATH, "", "name", ("",), None),
    (PATH, "", "owner", ("team-payments",), "owner: team-payments"),
    (PATH, "", "tags", ("release, fast",), "tags: [release, fast]"),
    (PATH, "", "expires", ("2028-01-31",), "expires: 2028-01-31"),
    (PATH, "", "expires", ("",), None),
    (PATH, "", "enabled:", ("off",), "\nenabled: false"),
    (PATH, "", "enabled:production", ("off",), "  production:\n    enabled: false"),
    (PATH, "", "serve:default", ("on",), "\ndefault: on"),
    (PATH, "", "serve:employees", ("off",), "serve: off"),
    (PATH, "", "percentage:employees", ("12.5",), "percentage: 12.5"),
    (PATH, "staging", "percentage:half", ("60 %",), "percentage: 60"),
    (PATH, "staging", "percentage:half", ("",), None),
    (PATH, "production", "percentage:employees", ("10",), "  production:\n    rules:"),
    (PATH, "", "need:payments-v2", ("on", "off"), "variants: [on, off]"),
    ("button-colour.yaml", "", "variant:0", ("crimson",), 'crimson: "#f00"   # as it was'),
    ("button-colour.yaml", "", "content:1", ("navy",), 'blue: "navy"'),
    ("button-colour.yaml", "", "weights:vips", ("red=30", "blue=70"), "rollout: {red: 30, blue: 70}"),
    ("button-colour.yaml", "", "weights:default", ("red=0.5", "blue=99.5"), "rollout: {red: 0.5, blue: 99.5}"),
    ("button-colour.yaml", "", "serve:vips", ("red",), "serve: red"),
    ("button-colour.yaml", "staging", "serve:default", ("red",), "    default: red"),
    (
        GIFTS,
        "",
        "window:from:",
        ("2026-11-27 08:00",),
        "schedule: {from: 2026-11-27T08:00:00Z, until: 2026-12-23T00:00:00+01:00}",
    ),
    (GIFTS, "", "window:until:", ("",), "schedule: {from: 2026-11-26T00:00:00+01:00}"),
    (GIFTS, "staging", "window:until:", ("2026-12-24T00:00:00Z",), "until: 2026-12-24T00:00:00Z"),
    ("growth/referral-bonus.yaml", "", BONUS, ("",), None),
    (PATH, "", "window:from:employees", ("2026-12-01",), "from: 2026-12-01T00:00:00Z"),
    ("page-size.yaml", "", "window:until:", ("2027-01-01",), 'schedule: {until: "2027-01-01T00:00:00Z"}'),
    ("page-size.yaml", "", "value", ("30",), "value: 30"),
    ("page-size.yaml", "production", "value", ("40.5",), "    value: 40.5"),
)


@pytest.mark.parametrize(("path", "environment", "name", "values", "there"), EDITS)
def test_what_is_typed_into_a_field_comes_into_the_text_which_stays_as_it_was_otherwise(
    guest, path, environment, name, values, there
):
    sheet = Sheet(guest, path, environment)
    before = sheet.text
    answer = typed(sheet, name, values)
    text = came(answer)
    assert text is not None
    assert text != before
    assert there is None or there in text
    assert not marks(answer)
    assert before.count("# ") == text.count("# "), "comments stay"
    gone = set(before.splitlines()) - set(text.splitlines())
    assert len(gone) <= (5 if name.startswith("variant:") else 1)


def test_nothing_is_edited_where_nothing_was_typed(guest):
    for path in (PATH, "button-colour.yaml", "page-size.yaml", "search/search-ranking.yaml"):
        sheet = Sheet(guest, path)
        answer = html.unescape(sheet.send("/edit/check", headers={"hx-request": "true"}).text)
        assert came(answer) is None
        assert "Nothing is changed yet" in answer


ODD = (
    "default: off", "default: oof",
    "expires: 2027-09-30", "expires: soon",
    "owner: team-checkout", "owner: [a, b]",
    "tags: [checkout, release]", "tags: {a: b}",
    "variants: [on]", "variants: on",
    "flag: payments-v2", "flag: payments-v9",
    "    serve: on", "    serve: [on]",
    "  - id: employees", "  - name: employees",
    "rules:\n", "rules:\n  - 7\n",
    "targets:\n", "targets: {}\nother:\n",
    "description: One", "description: |\n  One\n\n  Two\n#",
    "variants: {on: true, off: false}", 'variants: {on: true, off: false, "a b=c": "x\\ny", z: [1, {}]}',
    "environments:\n", "environments: 7\nelse:\n",
)  # fmt: skip


@pytest.mark.parametrize("at", range(0, len(ODD), 2))
def test_an_odd_text_is_not_edited_by_being_looked_at(guest, at):
    sheet = Sheet(guest, PATH)
    text = sheet.text.replace(ODD[at], ODD[at + 1], 1)
    assert text != sheet.text
    sheet.form["text"] = [text]
    sheet.form = {name: values for name, values in sheet.form.items() if not name.startswith(("f:", "was:"))}
    sheet.press("look")
    assert sheet.text == text
    answer = html.unescape(sheet.send("/edit/check", headers={"hx-request": "true"}).text)
    assert came(answer) is None
    sheet.press("look")
    assert sheet.text == text


def test_a_variant_is_renamed_wherever_the_flag_names_it(guest):
    sheet = Sheet(guest, "button-colour.yaml")
    text = came(sheet.type("variant:0", "crimson"))
    assert "default: {rollout: {crimson: 50, blue: 50}}" in text
    assert "off: crimson" in text
    assert "rollout: {crimson: 20, blue: 80}" in text
    assert "crimson: [user-1]" in text
    assert "red" not in text


def test_a_name_and_a_value_typed_together_are_about_the_same_variant(guest):
    sheet = Sheet(guest, "button-colour.yaml")
    sheet.form["f:content:0"] = ["#a00"]
    assert 'crimson: "#a00"' in came(sheet.type("variant:0", "crimson"))


WRONG = (
    (PATH, "expires", ("tomorrow",), "no date"),
    (PATH, "percentage:employees", ("101",), "no percentage"),
    (PATH, "percentage:employees", ("many",), "no percentage"),
    (PATH, "need:payments-v2", (), "choose a variant"),
    (PATH, "variant:0", ("off",), "already"),
    (PATH, "variant:0", ("",), "needs a name"),
    (PATH, "content:0", ("yes",), "true or false"),
    (PATH, "serve:default", ("-split",), "choose a variant"),
    ("button-colour.yaml", "weights:vips", ("red=30", "blue=30"), "add up to 60 %, not to 100 %"),
    ("button-colour.yaml", "weights:vips", ("red=x", "blue=30"), "no percentage"),
    ("page-size.yaml", "value", ("twenty",), "is a number"),
    ("page-size.yaml", "value", ("NaN",), "is a number"),
    ("page-size.yaml", "nonsense", ("1",), "no such field"),
)


@pytest.mark.parametrize(("path", "name", "values", "why"), WRONG)
def test_what_does_not_fit_is_told_at_its_field_and_leaves_the_text_as_it_was(guest, path, name, values, why):
    sheet = Sheet(guest, path)
    sheet.form.setdefault(f"was:{name}", [""])
    answer = typed(sheet, name, values)
    assert came(answer) is None
    refused = sheet.send("/edit/save")
    assert refused.status_code == 422
    assert "a field is not right yet" in refused.text
    if name != "nonsense":
        assert why in "".join(marks(answer).values())
        assert 'aria-invalid="true"' in refused.text
        again = Sheet.of(guest, refused.text)
        if not name.startswith(("weights:", "need:", "serve:", "expires")):
            assert again.form[f"f:{name}"] == list(values), "it is still there to be mended"


def test_findings_are_told_at_their_fields(guest):
    sheet = Sheet(guest, "button-colour.yaml")
    sheet.form["text"] = [SPLIT.replace("off: red", "off: rad").replace("owner: team-checkout", "owner: 7")]
    told = marks(html.unescape(sheet.send("/edit/check", headers={"hx-request": "true"}).text))
    assert "f-owner" in told


def test_a_field_that_is_right_goes_into_the_text_beside_one_that_is_not(guest):
    sheet = Sheet(guest, PATH)
    sheet.form["f:percentage:employees"] = ["x"]
    answer = sheet.type("owner", "team-payments")
    assert "owner: team-payments" in came(answer)
    assert len(marks(answer)) == 1


def test_what_is_typed_and_saved_at_once_is_shown_first(visitor, shop):
    sheet = Sheet(visitor, PATH)
    sheet.form["f:owner"] = ["team-payments"]
    first = sheet.send("/edit/save")
    assert first.status_code == 422
    assert "look at the difference, then save" in first.text
    sheet.read(first.text)
    assert "owner: team-payments" in sheet.text
    assert sheet.send("/edit/save").status_code == 200
    assert "owner: team-payments" in run(shop, "git", "show", f"flags/fields:flags/{PATH}")


def test_a_button_takes_along_what_was_typed(guest):
    sheet = Sheet(guest, PATH)
    sheet.form["f:owner"] = ["team-payments"]
    sheet.press("up:ramp")
    assert "owner: team-payments" in sheet.text
    assert sheet.text.index("id: ramp") < sheet.text.index("id: beta-testers")


def test_fields_are_about_the_environment_that_was_shown(guest):
    sheet = Sheet(guest, PATH, "staging")
    sheet.form["f:percentage:half"] = ["75"]
    sheet.form["env"] = ["production"]
    sheet.press("look")
    assert "        percentage: 75" in sheet.text
    assert "f:percentage:half" not in sheet.form
    assert "f:percentage:employees" in sheet.form


STEPS = (
    ("button-colour.yaml", {"op": "add-variant", "variant-name": "green", "variant-value": "#0f0"}, 'green: "#0f0"'),
    ("page-size.yaml", {"op": "look", "f:value": "15"}, "value: 15"),
    (PATH, {"op": "add-need", "need-flag": "ledger-v3", "need-variants": "on"}, "{flag: ledger-v3, variants: [on]}"),
    (PATH, {"op": "remove-need:payments-v2"}, None),
    (PATH, {"op": "split:employees"}, "rollout: {on: 50, off: 50}"),
    (PATH, {"op": "split:default"}, "default:"),
    (PATH, {"op": "inherit:rules", "env": "staging", "shown-env": "staging"}, None),
    (PATH, {"op": "add-rule", "rule-id": "half", "rule-serve": "-split", "rule-segment": "employees"}, "on: 50"),
)


@pytest.mark.parametrize(("path", "step", "there"), STEPS)
def test_the_form_has_buttons_for_what_comes_and_goes(guest, path, step, there):
    sheet = Sheet(guest, path)
    before = sheet.text
    sheet.form.update({name: [value] for name, value in step.items()})
    sheet.press(step["op"])
    assert sheet.text != before, sheet.page
    assert there is None or there in sheet.text
    assert 'role="alert"' not in sheet.page


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"op": "add-need"}, "which flag is needed"),
        ({"op": "add-need", "need-flag": "ledger-v3"}, "which variants of ledger-v3"),
        ({"op": "add-need", "need-flag": "ledger-v9", "need-variants": "on"}, "did you mean"),
        ({"op": "add-variant", "variant-name": "on", "variant-value": "true"}, "already"),
        ({"op": "add-variant", "variant-name": "", "variant-value": "true"}, "needs a name"),
        ({"op": "inherit:rules"}, "choose an environment first"),
        ({"op": "split:nothing"}, "has no rule"),
    ],
)
def test_a_button_that_cannot_says_why_and_keeps_what_was_typed(guest, step, why):
    sheet = Sheet(guest, PATH)
    before = sheet.text
    sheet.form |= {name: [value] for name, value in step.items()} | {"f:owner": ["team-payments"]}
    sheet.press(step["op"])
    assert why in html.unescape(sheet.page)
    assert sheet.text == before.replace("owner: team-checkout", "owner: team-payments")


def test_files_of_this_machine_cannot_be_put_into_values(guest, tmp_path):
    (tmp_path / "secret").write_text("geheim")
    sheet = Sheet(guest, "wide.yaml")
    answer = sheet.type("value", f"@{tmp_path / 'secret'}")
    assert "geheim" not in answer
    assert came(answer) is None


def test_flags_and_their_variants_are_suggested(guest):
    page = guest.get("/edit/suggest?need-flag=pay", headers={"hx-request": "true"}).text
    assert '<option value="payments-v2">' in page
    assert "need-variants" not in page
    assert 'name="need-variants" value="off"' in guest.get("/edit/suggest?need-flag=payments-v2").text
    assert "There is no such flag" in guest.get("/edit/suggest?need-flag=zzz").text


def test_a_text_that_cannot_be_read_keeps_the_form_that_is_there(guest):
    sheet = Sheet(guest, PATH)
    sheet.form["text"] = ["}{"]
    answer = sheet.type("owner", "team-payments")
    assert came(answer) is None
    assert 'id="q-about"' not in answer


# --- new flags ---

NEW = {"key": "gift-cards", "type": "boolean", "owner": "team-checkout", "description": "Cards."}


def made(visitor, **form: object) -> tuple[str, dict[str, str]]:
    """Return what the form of a new flag says as somebody types, and what it marks."""
    answer = visitor.post("/new/check", {**NEW, **form}, headers={"hx-request": "true"})
    assert answer.status_code == 200, answer.text
    text = html.unescape(answer.text)
    return text, marks(text)


def test_the_form_of_a_new_flag_shows_the_file_as_one_types(guest):
    text, wrong = made(guest, tags="checkout, gifts", expires="2028-01-31", name="Gift cards")
    assert not wrong
    assert "tags: [checkout, gifts]" in text
    assert 'lifecycle: {temporary: true, expires: "2028-01-31"}' in text
    assert "checkout/gift-cards.yaml" in text


def test_a_new_flag_has_variants_needs_another_one_and_is_off_somewhere(guest):
    text, wrong = made(
        guest,
        type="string",
        variants="red = #f00\nblue = #00f\n",
        **{"need-flag": "payments-v2", "need-variants": ["on"], "off-in": ["staging", "production"]},
    )
    assert not wrong
    assert 'red: "#f00"' in text
    assert "default: red" in text
    assert '"off": red' in text
    assert '{flag: payments-v2, variants: ["on"]}' in text
    assert text.count("enabled: false") == 2


@pytest.mark.parametrize(
    ("form", "field", "why"),
    [
        ({"key": "gift-wrapping"}, "key", "already"),
        ({"key": "Gift Cards"}, "key", ""),
        ({"key": "../gift"}, "key", "name of a file"),
        ({"owner": ""}, "owner", "who owns"),
        ({"expires": "soon"}, "expires", "2027-03-31"),
        ({"template": "none"}, "template", "no template"),
        ({"type": "string", "variants": "red"}, "variants", "no variant"),
        ({"type": "number", "variants": "red = x"}, "variants", "is a number"),
        ({"type": "number", "variants": "a = 1\na = 2"}, "variants", "two variants"),
        ({"template": "release", "variants": "a = 1"}, "variants", "template"),
        ({"need-flag": "payments-v9"}, "need", "did you mean"),
        ({"need-flag": "payments-v2"}, "need", "which variants"),
        ({"off-in": "moon"}, "off", "no environment"),
    ],
)
def test_what_a_new_flag_cannot_be_is_told_at_its_field(guest, form, field, why):
    _, wrong = made(guest, **form)
    assert why in wrong[f"n-{field}"]
    answer = guest.post("/new", {**NEW, **form})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_an_empty_form_is_not_wrong_yet(guest):
    assert made(guest, key="")[1] == {}
    assert guest.post("/new", {**NEW, "key": ""}).status_code == 422


def test_templates_of_several_files_are_not_offered(guest):
    page = guest.get("/new").text
    assert 'value="release"' in page
    assert 'value="experiment"' not in page


def test_a_second_rule_takes_nothing_over_from_the_first(guest):
    sheet = Sheet(guest, PATH)
    first = {"rule-id": "vips", "rule-serve": "on", "rule-segment": "vip-customers", "rule-percentage": "25"}
    sheet.form.update({name: [value] for name, value in first.items()})
    sheet.press("add-rule")
    sheet.form["rule-id"] = ["everybody"]
    sheet.press("add-rule")
    assert sheet.text.count("vip-customers") == 1
    assert sheet.text.count("percentage: 25") == 1
