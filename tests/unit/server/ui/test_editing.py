from __future__ import annotations

import html

import pytest

from tests.simulators.ui_server import TOKEN, Visitor, run, showing
from tests.unit.server.ui.editing import PATH, hidden, on_branch, sheet, text_in


def test_the_editor_shows_the_file_as_it_is(visitor, shop):
    assert sheet(visitor)["text"] == (shop / PATH).read_text()


def test_saving_makes_a_commit_on_a_branch_and_leaves_everything_else_as_it_is(visitor, shop):
    form = sheet(visitor)
    form["text"] = form["text"].replace("default: off", "default: on", 1)
    answer = visitor.post("/edit/save", form)
    assert answer.status_code == 200
    assert "git push --set-upstream origin flags/test" in answer.text
    assert on_branch(shop, "flags/test") == form["text"]
    assert run(shop, "git", "status", "--porcelain").strip() == ""
    assert run(shop, "git", "branch", "--show-current").strip() == "main"
    subject = run(shop, "git", "log", "-1", "--format=%s", "flags/test")
    assert "gift-wrapping" in subject
    assert "on" in subject
    assert len(run(shop, "git", "diff", "main", "flags/test", "--stat").splitlines()) == 2


def test_a_branch_can_be_edited_further(visitor, shop):
    form = sheet(visitor)
    visitor.post("/edit/save", form | {"text": form["text"].replace("default: off", "default: on", 1)})
    again = sheet(visitor, at="flags/test")
    assert "default: on" in again["text"]
    answer = visitor.post("/edit/save", again | {"text": again["text"] + "# Until Christmas.\n"})
    assert answer.status_code == 200
    assert on_branch(shop, "flags/test").endswith("# Until Christmas.\n")
    assert run(shop, "git", "rev-list", "--count", "main..flags/test").strip() == "2"


@pytest.mark.parametrize("wish", [{"branch": "main"}, {"where": "current"}])
def test_nothing_is_written_to_the_default_branch_of_a_protected_environment(visitor, shop, wish):
    form = sheet(visitor)
    before = run(shop, "git", "rev-parse", "main")
    answer = visitor.post("/edit/save", form | {"text": form["text"] + "# x\n"} | wish)
    assert answer.status_code == 409
    assert "protected" in answer.text
    assert run(shop, "git", "rev-parse", "main") == before
    assert run(shop, "git", "status", "--porcelain").strip() == ""


def test_the_branch_that_is_checked_out_is_offered_if_it_is_not_the_default(visitor, shop):
    run(shop, "git", "switch", "--quiet", "-c", "work")
    page = visitor.get("/edit", params={"path": PATH}).text
    assert "on work, which is checked out" in page
    form = sheet(visitor) | {"where": "current"}
    assert visitor.post("/edit/save", form | {"text": form["text"] + "# x\n"}).status_code == 200
    assert (shop / PATH).read_text().endswith("# x\n")
    assert run(shop, "git", "status", "--porcelain").strip() == ""
    assert run(shop, "git", "rev-list", "--count", "main..work").strip() == "1"


def test_without_git_the_file_is_written(shop, tmp_path):
    import shutil

    plain = tmp_path / "plain"
    shutil.copytree(shop, plain)
    with showing(plain) as server:
        visitor = Visitor.enter(server)
        form = sheet(visitor)
        assert "in no git repository" in visitor.get("/edit", params={"path": PATH}).text
        assert visitor.post("/edit/save", form | {"text": form["text"] + "# x\n"}).status_code == 200
        assert (plain / PATH).read_text().endswith("# x\n")
        assert visitor.get("/environments/production/plan").status_code == 200
        assert visitor.get("/audit/events").status_code == 200
        visitor.client.close()


def test_findings_come_as_one_types_and_refuse_saving(visitor, shop):
    form = sheet(visitor)
    form["text"] = form["text"].replace("default: off", "default: oof", 1)
    checked = visitor.post("/edit/check", form, headers={"hx-request": "true"}).text
    assert "did you mean" in checked
    assert "REF" in checked
    answer = visitor.post("/edit/save", form)
    assert answer.status_code == 422
    assert text_in(answer.text) == form["text"]
    assert "flags/test" not in run(shop, "git", "branch", "--all")


@pytest.mark.parametrize(
    "text", ["", "}{", "kind: flag\n\tkey: x\n", "a: &x [*x]\n", "kind: flag\nkey: [\n", "\ufeffkey: 1"]
)
def test_a_text_that_cannot_be_read_is_told_and_kept(visitor, text):
    form = sheet(visitor) | {"text": text}
    assert visitor.post("/edit/check", form, headers={"hx-request": "true"}).status_code == 200
    answer = visitor.post("/edit/save", form)
    assert answer.status_code == 422
    assert text_in(answer.text) == text
    stepped = visitor.post("/edit/step", form | {"op": "up:half", "env": ""})
    assert stepped.status_code == 200
    assert text_in(stepped.text) == text


def test_the_preview_says_what_an_edit_means_and_for_how_many(visitor):
    form = sheet(visitor, "payments/payments-v2.yaml")
    form["text"] = form["text"].replace("percentage: 80", "percentage: 90", 1)
    checked = html.unescape(visitor.post("/edit/check", form, headers={"hx-request": "true"}).text)
    assert "80 % → 90 %" in checked
    assert "10 % of" in checked
    assert "off → on" in checked
    assert "+    percentage: 90" in checked


STEPS = (
    ({"op": "up:half", "env": "staging"}, None),
    ({"op": "down:testers", "env": "staging"}, None),
    (
        {
            "op": "add-rule",
            "rule-id": "germans",
            "rule-serve": "on",
            "rule-attribute": "country",
            "rule-operator": "in",
            "rule-value": "DE, AT",
            "rule-percentage": "25",
            "env": "",
        },
        "id: germans",
    ),
    (
        {"op": "add-rule", "rule-id": "vips", "rule-serve": "on", "rule-segment": "vip-customers", "env": ""},
        "vip-customers",
    ),
    ({"op": "add-targets", "target-units": "user-7, user-8", "target-variant": "on", "env": ""}, "user-8"),
    ({"op": "remove-target:load-test", "env": ""}, None),
)


@pytest.mark.parametrize(("step", "there"), STEPS, ids=lambda step: step["op"] if isinstance(step, dict) else "")
def test_each_button_edits_the_text_keeps_its_comments_and_leaves_it_valid(visitor, step, there):
    form = sheet(visitor, "checkout/new-checkout-flow.yaml")
    answer = visitor.post("/edit/step", form | step)
    assert answer.status_code == 200
    text = text_in(answer.text)
    assert text != form["text"], html.unescape(answer.text)
    assert there is None or there in text
    assert "# The testers' accounts are the ones with a plus sign" in text
    assert 'class="note bad"' not in answer.text
    assert visitor.post("/edit/save", form | {"text": text}).status_code == 200


def test_a_rule_that_tests_name_goes_and_what_that_breaks_is_told(visitor):
    form = sheet(visitor, "checkout/new-checkout-flow.yaml")
    answer = visitor.post("/edit/step", form | {"op": "remove-rule:half", "env": "staging"})
    assert "id: half" not in text_in(answer.text)
    assert "Elsewhere this would bring" in answer.text
    assert "REF108" in answer.text
    assert visitor.post("/edit/save", form | {"text": text_in(answer.text)}).status_code == 422


@pytest.mark.parametrize(
    "step",
    [
        {"op": "nonsense"},
        {"op": ""},
        {"op": "remove-rule:none"},
        {"op": "add-rule", "rule-id": "x", "rule-serve": "on", "rule-percentage": "nan"},
        {"op": "add-rule", "rule-id": "x", "rule-serve": "on", "rule-percentage": "101"},
        {"op": "add-rule"},
        {"op": "add-targets", "target-units": " , ", "target-variant": "on"},
        {"op": "look", "env": "moon"},
        {"op": "remove-target:nobody"},
    ],
)
def test_a_button_that_does_not_fit_says_why_and_changes_nothing(visitor, step):
    form = sheet(visitor, "checkout/new-checkout-flow.yaml")
    answer = visitor.post("/edit/step", form | step)
    assert text_in(answer.text) == form["text"]
    assert 'role="alert"' in answer.text


def test_lines_end_as_they_did(visitor, shop):
    file = shop / PATH
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    run(shop, "git", "commit", "--quiet", "--all", "-m", "As on Windows")
    form = sheet(visitor)
    form["text"] = form["text"].replace("\r\n", "\n").replace("default: off", "default: on", 1)
    assert visitor.post("/edit/save", form).status_code == 200
    lines = run(shop, "git", "diff", "--numstat", "main", "flags/test").split()
    assert lines[:2] == ["1", "1"]


# --- others edit, too ---


def test_a_new_flag_begins_in_the_editor_and_is_written_when_it_is_saved(visitor, shop):
    form = {
        "key": "gift-cards",
        "type": "boolean",
        "owner": "team-checkout",
        "description": "Cards.",
        "tags": "checkout",
    }
    page = visitor.post("/new", form)
    assert page.status_code == 200
    text = text_in(page.text)
    assert "key: gift-cards" in text
    assert not list(shop.rglob("gift-cards.yaml"))
    sent = {"path": hidden(page.text, "path"), "text": text, "base": "new", "where": "other", "branch": "flags/new"}
    assert visitor.post("/edit/save", sent).status_code == 200
    assert "gift-cards" in on_branch(shop, "flags/new", sent["path"])


@pytest.mark.parametrize(
    "form",
    [
        {"key": ""},
        {"key": "gift-wrapping", "owner": "t"},
        {"key": "x y", "owner": "t"},
        {"key": "a", "template": "none"},
    ],
)
def test_a_new_flag_that_cannot_be_says_why(visitor, form):
    answer = visitor.post("/new", form)
    assert answer.status_code == 422
    assert 'class="note bad"' in answer.text


def test_somebody_who_makes_the_same_flag_is_told(visitor, shop):
    form = {"key": "gift-cards", "type": "boolean", "owner": "team-checkout"}
    page = visitor.post("/new", form)
    sent = {
        "path": hidden(page.text, "path"),
        "text": text_in(page.text),
        "base": "new",
        "where": "other",
        "branch": "b",
    }
    (shop / sent["path"]).write_text("kind: flag\nkey: gift-cards\nowner: them\ntype: boolean\n")
    answer = visitor.post("/edit/save", sent)
    assert answer.status_code == 409
    assert "owner: them" in answer.text


def test_a_flag_that_others_need_is_not_deleted(visitor):
    page = visitor.get("/remove/flag/payments-v2")
    assert "still needed by" in page.text
    assert visitor.post("/remove/flag/payments-v2", {"confirm": "payments-v2", "branch": "b"}).status_code == 400


def test_a_flag_is_deleted_on_a_branch_once_its_key_is_typed(visitor, shop):
    assert visitor.get("/remove/flag/gift-wrapping").status_code == 200
    form = {"where": "other", "branch": "flags/gone", "tests": "yes"}
    assert visitor.post("/remove/flag/gift-wrapping", form | {"confirm": "gift"}).status_code == 400
    answer = visitor.post("/remove/flag/gift-wrapping", form | {"confirm": "gift-wrapping"})
    assert answer.status_code == 200, answer.text[-800:]
    assert (shop / PATH).exists()
    assert PATH not in run(shop, "git", "ls-tree", "-r", "--name-only", "flags/gone")
    assert visitor.get("/remove/flag/none").status_code == 404


def test_the_start_token_is_in_no_page(visitor):
    for path in ("/", "/play", f"/edit?path={PATH}", "/environments/production"):
        assert TOKEN not in visitor.get(path).text
