from __future__ import annotations

import html
import json
import re

import pytest

from tests.simulators.ui_server import Visitor, flagctl, run, showing
from tests.unit.server.ui.editing import base_text_in, hidden, text_in

HTMX = {"hx-request": "true"}
DRAFT = "experiments/winback-offer-test.yaml"


def on_branch(shop, branch: str, path: str) -> str:
    return run(shop, "git", "show", f"{branch}:flags/{path}")


def form_of(visitor: Visitor, path: str) -> dict[str, str]:
    """Return what a page's form knows before anybody fills it in."""
    page = visitor.get(path)
    assert page.status_code == 200, page.text[-600:]
    return {"base": hidden(page.text, "base"), "at": hidden(page.text, "at"), "where": "other"}


NEW = {
    "key": "gift-test",
    "flag": "gift-wrapping",
    "hypothesis": "Wrapped gifts are given more often.",
    "primary": "order",
    "kind": "conversion",
    "effect": "3",
    "days": "21",
    "share": "50 %",
    "serve": "yes",
    "where": "other",
    "branch": "flags/gift-test",
}


def test_an_experiment_is_made_with_a_rule_that_hands_units_to_it(visitor, shop):
    shown = html.unescape(visitor.post("/experiment/new/look", NEW, headers=HTMX).text)
    assert "in production" in shown
    assert "depends on who they are" not in shown
    assert "<html" not in shown
    assert "+decision: {planned_days: 21}" in shown
    assert "+    experiment: gift-test" in shown
    assert "flags/gift-test" not in run(shop, "git", "branch", "--all")
    saved = html.unescape(visitor.post("/experiment/new", NEW).text)
    assert 'href="/experiments/gift-test?at=flags%2Fgift-test"' in saved
    made = on_branch(shop, "flags/gift-test", "experiments/gift-test.yaml")
    assert "traffic: 50" in made
    assert "status: draft" in made
    assert "experiment: gift-test" in on_branch(shop, "flags/gift-test", "checkout/gift-wrapping.yaml")
    page = html.unescape(visitor.get("/experiments/gift-test?at=flags/gift-test").text)
    assert "Wrapped gifts are given more often." in page
    assert "served in development, staging, production" in page
    assert 'href="/experiments/gift-test/start?at=flags%2Fgift-test"' in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"key": ""}, "needs a key"),
        ({"key": "ranking-test"}, "already"),
        ({"flag": "gift-wraping"}, "did you mean"),
        ({"variants": "on"}, "is no weight"),
        ({"share": "101"}, "is no percentage"),
        ({"share": "nan"}, "is no percentage"),
        ({"days": "0"}, "is no number of days"),
        ({"days": "²"}, "is no number of days"),
        ({"layer": "homepage", "share": "90"}, "30 % of its slots free"),
        ({"layer": "moon"}, "there is no layer"),
        ({"flag": "shipping-options", "variants": "a=50,b=50"}, "has no variant 'a'"),
        ({"branch": "main"}, "protected"),
    ],
)
def test_an_experiment_with_a_mistake_is_not_made_and_says_why(visitor, shop, wrong, said):
    answer = visitor.post("/experiment/new", NEW | wrong)
    assert answer.status_code in {404, 409, 422}
    assert said in html.unescape(answer.text), re.findall(r"note bad.*?<.div>", html.unescape(answer.text), re.DOTALL)
    assert "flags/gift-test" not in run(shop, "git", "branch", "--all")


def test_an_empty_form_is_no_mistake_yet(guest):
    assert 'role="alert"' not in guest.get("/experiment/new").text
    assert 'role="alert"' not in guest.get("/experiments/ranking-test/stop").text


def test_a_draft_is_started_once_everything_is_agreed_on_and_then_amended_and_stopped(visitor, shop):
    assert "cannot start without decision.planned_days" in visitor.get("/experiments/winback-offer-test/start").text
    form = form_of(visitor, "/experiments/winback-offer-test/start") | {"days": "14", "branch": "flags/winback"}
    saved = visitor.post("/experiments/winback-offer-test/start", form)
    assert saved.status_code == 200, saved.text[-800:]
    started = on_branch(shop, "flags/winback", DRAFT)
    assert "status: running" in started
    assert "registration: " in started
    assert "# Starts when legal has read" in started

    page = visitor.get("/experiments/winback-offer-test/amend?at=flags/winback").text
    text = text_in(page)
    assert text == started
    change = {
        "at": "flags/winback",
        "base": hidden(page, "base"),
        "base_text": base_text_in(page),
        "text": text.replace("event: purchase", "event: order"),
        "where": "other",
        "branch": "flags/winback",
    }
    refused = visitor.post("/experiments/winback-offer-test/amend", change)
    assert refused.status_code == 422
    assert "say why it had to change" in refused.text
    amended = visitor.post(
        "/experiments/winback-offer-test/amend", change | {"reason": "Nobody sends purchase any more."}
    )
    assert amended.status_code == 200, html.unescape(amended.text)[-1500:]
    assert "reason: Nobody sends purchase any more." in on_branch(shop, "flags/winback", DRAFT)
    look = html.unescape(visitor.get("/experiments/winback-offer-test?at=flags/winback").text)
    assert "yes, with amendments" in look
    assert "Nobody sends purchase any more." in look

    path = "/experiments/winback-offer-test/stop"
    form = form_of(visitor, f"{path}?at=flags/winback") | {"branch": "flags/winback"}
    assert visitor.post(path, form).status_code == 422
    assert visitor.post(path, form | {"winner": "moon"}).status_code == 422
    shown = html.unescape(visitor.post(f"{path}/look", form | {"winner": "free_shipping"}, headers=HTMX).text)
    assert "+winner: free_shipping" in shown
    assert visitor.post(path, form | {"winner": "free_shipping"}).status_code == 200
    stopped = on_branch(shop, "flags/winback", DRAFT)
    assert "status: completed" in stopped
    assert "winner: free_shipping" in stopped


def test_an_experiment_that_changed_meanwhile_is_not_stopped_unseen(visitor, shop):
    form = form_of(visitor, "/experiments/ranking-test/stop") | {"winner": "-", "branch": "flags/stop"}
    file = shop / "experiments" / "ranking-test.yaml"
    file.write_text(file.read_text() + "# Theirs.\n")
    run(shop, "git", "commit", "--quiet", "--all", "-m", "Meanwhile")
    answer = visitor.post("/experiments/ranking-test/stop", form)
    assert answer.status_code == 409
    assert "changed since this page was opened" in answer.text
    again = form | {"base": hidden(answer.text, "base")}
    assert visitor.post("/experiments/ranking-test/stop", again).status_code == 200
    assert on_branch(shop, "flags/stop", "experiments/ranking-test.yaml").endswith("# Theirs.\n")


def test_an_amendment_keeps_what_others_changed_meanwhile(visitor, shop):
    flagctl(shop, "experiment", "start", "winback-offer-test", "--days", "14")
    run(shop, "git", "commit", "--quiet", "--all", "-m", "Start")
    page = visitor.get("/experiments/winback-offer-test/amend").text
    form = {
        "base": hidden(page, "base"),
        "base_text": base_text_in(page),
        "text": text_in(page).replace("event: purchase", "event: order"),
        "reason": "Another event.",
        "where": "other",
        "branch": "flags/amend",
    }
    file = shop / DRAFT
    file.write_text(file.read_text() + "# Theirs.\n")
    run(shop, "git", "commit", "--quiet", "--all", "-m", "Meanwhile")
    answer = visitor.post("/experiments/winback-offer-test/amend", form)
    assert answer.status_code == 409
    both = text_in(answer.text)
    assert "event: order" in both
    assert both.endswith("# Theirs.\n")
    again = form | {"base": hidden(answer.text, "base"), "base_text": base_text_in(answer.text), "text": both}
    assert visitor.post("/experiments/winback-offer-test/amend", again).status_code == 200
    saved = on_branch(shop, "flags/amend", DRAFT)
    assert "event: order" in saved
    assert "# Theirs.\n" in saved


def test_the_plan_is_that_of_the_command(guest, shop_original):
    said = json.loads(
        flagctl(
            shop_original,
            *("experiment", "power", "ranking-test", "--rate", "5", "--effect", "3", "--per-day", "4000"),
            *("--output-format", "json"),
        )
    )
    page = html.unescape(guest.get("/experiments/ranking-test/power?rate=5&effect=3&per-day=4000").text)
    assert f"<strong>{said['plan']['units']:,} units</strong>" in page
    assert f"<strong>{said['plan']['days']:,} days</strong>" in page
    for other in said["others"]:
        assert f"{other['units']:,}" in page
    assert '<polyline class="line s0"' in page
    assert "days are needed" in page
    by_units = html.unescape(guest.get("/experiments/ranking-test/power?rate=5%25").text)
    assert "units are needed" in by_units


@pytest.mark.parametrize(
    "query", ["rate=x", "rate=0", "rate=100", "effect=0&rate=5", "mean=inf&deviation=1", "mean=1", "per-day=-1&rate=5"]
)
def test_a_plan_that_cannot_be_made_says_why(guest, query):
    answer = guest.get(f"/experiments/ranking-test/power?{query}", headers=HTMX)
    assert answer.headers["x-flagctl-status"] == "400"
    assert 'role="alert"' in answer.text


@pytest.fixture
def held_out(shop):
    """The shop with a holdout of five percent in its layer."""
    file = shop / "experiments" / "newsletter-timing.yaml"
    file.write_text(file.read_text().replace("[[50000, 60000], [90000, 100000]]", "[[50000, 60000], [85000, 95000]]"))
    file = shop / "layers" / "homepage.yaml"
    file.write_text(file.read_text() + "holdout: [[95000, 100000]]\n")
    run(shop, "git", "commit", "--quiet", "--all", "-m", "Hold out")
    return shop


def test_a_layer_shows_who_has_which_slots_and_where_a_unit_is(held_out):
    with showing(held_out) as server:
        visitor = Visitor.enter(server)
        page = html.unescape(visitor.get("/layers/homepage").text)
        assert "Slots of layer homepage: homepage-hero 50 %, newsletter-timing 20 %, held out 5 %, free 25 %" in page
        assert "50,000 to 59,999, 85,000 to 94,999" in page
        assert "5 % of all units, by targeting_key, see none of this layer's experiments" in page
        assert "homepage-hero 50 %" in visitor.get("/experiments").text
        from flagctl.evaluator.buckets import bucket

        seen = set()
        for number in range(60):
            slot = bucket("homepage/allocation", f"user-{number}")
            said = html.unescape(visitor.get(f"/layers/homepage/unit?unit=user-{number}").text)
            assert f"slot {slot:,}:" in said
            for name, held in (
                ("homepage-hero", slot < 50_000),
                ("newsletter-timing", 50_000 <= slot < 60_000 or 85_000 <= slot < 95_000),
                ("nobody has that slot", 60_000 <= slot < 85_000),
                ("held out of all experiments", slot >= 95_000),
            ):
                assert (name in said) is held
                seen |= {name} if held else set()
        assert len(seen) == 4
        assert visitor.get("/layers/homepage/unit?unit=").text.strip() == ""
        assert visitor.get(f"/layers/homepage/unit?unit={'x' * 600}").status_code == 400
        assert visitor.get("/layers/none").status_code == 404
        visitor.client.close()


@pytest.mark.parametrize(
    ("share", "held"),
    [
        ("8", "[[92000, 100000]]"),
        ("5", None),
        ("2.5", "[[97500, 100000]]"),
        ("0", ""),
        ("30", "[[60000, 80000], [90000, 100000]]"),
    ],
)
def test_a_holdout_grows_into_free_slots_and_shrinks(visitor, shop, share, held):
    newsletter = shop / "experiments" / "newsletter-timing.yaml"
    newsletter.write_text(newsletter.read_text().replace("[90000, 100000]", "[80000, 90000]"))
    layer = shop / "layers" / "homepage.yaml"
    layer.write_text(layer.read_text() + "holdout: [[95000, 100000]]\n")
    run(shop, "git", "commit", "--quiet", "--all", "-m", "Hold out")
    form = form_of(visitor, "/layers/homepage/holdout") | {"share": share, "branch": "flags/held"}
    answer = visitor.post("/layers/homepage/holdout", form)
    if held is None:
        assert answer.status_code == 422
        assert "nothing to save" in answer.text
        return
    assert answer.status_code == 200, re.findall(r"note bad.*?<.div>", html.unescape(answer.text), re.DOTALL)
    text = on_branch(shop, "flags/held", "layers/homepage.yaml")
    found = re.search(r"holdout: (.*)", text)
    assert (found[1] if found else "") == held


@pytest.mark.parametrize("share", ["", "x", "31"])
def test_a_holdout_that_cannot_be_is_refused(visitor, share):
    form = form_of(visitor, "/layers/homepage/holdout") | {"share": share, "branch": "flags/held"}
    assert visitor.post("/layers/homepage/holdout", form).status_code == 422


def test_results_plans_and_holdouts_are_read_from_events(held_out, tmp_path):
    events = tmp_path / "events"
    flagctl(held_out, "experiment", "simulate-events", "homepage-hero", "-o", str(events), "--units", "3000")
    with showing(held_out, events=str(events)) as server:
        visitor = Visitor.enter(server)
        page = html.unescape(visitor.get("/experiments/homepage-hero/results").text)
        assert 'aria-label="Effects"' in page
        assert "none to none" not in page
        plan = html.unescape(visitor.get("/experiments/homepage-hero/power").text)
        assert "measured on" in plan or "baseline" in plan  # how much has come depends on the day
        said = json.loads(
            flagctl(held_out, "experiment", "holdout", "homepage", "--events", str(events), "--output-format", "json")
        )
        held = html.unescape(visitor.get("/layers/homepage/held").text)
        assert f"{said['units']['holdout']:,} units of the holdout and {said['units']['rest']:,} of the rest" in held
        assert said["rows"][0]["event"] in held
        nobody = visitor.get("/layers/homepage/held?events=nothing", headers=HTMX)
        assert nobody.headers["x-flagctl-status"] == "404"
        visitor.client.close()
