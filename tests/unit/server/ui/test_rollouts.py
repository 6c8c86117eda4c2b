"""Rollouts on a flag's page, and moving them from there."""

from __future__ import annotations

import html
import re

import pytest

from tests.simulators.ui_server import ROLLOUTS, copy_shop, run, showing


def grown(root):
    """Let something grow in a shop in every way."""
    for name, text in ROLLOUTS.items():
        (root / f"{name}.yaml").write_text(text)
    run(root, "git", "add", ".")
    run(root, "git", "commit", "--quiet", "-m", "Grow")
    return root


@pytest.fixture
def shop(shop):
    return grown(shop)


@pytest.fixture(scope="module")
def looked_at(shop_original, tmp_path_factory):
    """The UI of such a shop that tests only look at."""
    with showing(grown(copy_shop(shop_original, tmp_path_factory.mktemp("rollouts") / "shop"))) as server:
        yield server


def form_of(visitor, key: str, move: str, **query: str) -> dict[str, str]:
    """Return the form of a move's page."""
    page = visitor.get(f"/flags/{key}/move/{move}", params=query)
    assert page.status_code == 200, page.text
    base = re.search(r'name="base" value="(\w+)"', page.text)
    assert base is not None
    return {"base": base[1], **query, "where": "other", "branch": "flags/moved"}


def saved_text(shop, key: str) -> str:
    return run(shop, "git", "show", f"flags/moved:flags/{key}.yaml")


def test_a_flag_page_draws_what_grows_and_writes_its_calendar_beside(guest):
    page = html.unescape(guest.get("/flags/new-recommender").text)
    assert '<svg class="picture rollout"' in page
    assert "25 %: waits for approval" in page
    assert 'class="waits"' in page
    assert "waits for somebody" in page
    assert "2020-12-03T09:00:00Z at the earliest, waits for approval" in page
    assert "Advance to 25 %" in page
    assert "Hold" in page
    assert "Abort" in page


def test_every_strategy_has_its_card(guest):
    assert "first to" in guest.get("/flags/new-ranking").text
    assert "Guarded, rule engine" in guest.get("/flags/basket-engine").text
    colours = html.unescape(guest.get("/flags/image-cluster").text)
    assert "blue</strong> is active, green to flip back to" in colours
    assert "Flip production to green" in colours
    assert "Flip staging to blue" in colours


def test_a_line_offers_no_step(guest):
    page = guest.get("/flags/new-checkout-flow").text
    assert "Linear, rule ramp" in page
    assert "/move/abort" in page
    assert "/move/advance" not in page


def test_nothing_is_offered_where_nothing_can_be_saved(guest):
    assert "/move/" not in guest.get("/flags/new-recommender?at=HEAD").text


def test_advancing_is_shown_first_and_saved_as_a_commit_on_a_branch(visitor, shop):
    form = form_of(visitor, "new-recommender", "advance", rule="ramp")
    looked = html.unescape(visitor.post("/flags/new-recommender/move/advance/look", form).text)
    assert "released:" in looked
    assert run(shop, "git", "branch", "--list", "flags/*").strip() == ""
    answer = visitor.post("/flags/new-recommender/move/advance", form)
    assert answer.status_code == 200, answer.text[-800:]
    assert "percent: 25, hold_until: approval, released:" in saved_text(shop, "new-recommender")
    assert run(shop, "git", "status", "--porcelain").strip() == ""
    assert "new-recommender" in run(shop, "git", "log", "-1", "--format=%s", "flags/moved")


def test_holding_keeps_the_reason_and_resuming_ends_it(visitor, shop):
    form = form_of(visitor, "new-recommender", "hold", rule="ramp") | {"reason": "the shop is closed"}
    assert visitor.post("/flags/new-recommender/move/hold", form).status_code == 200
    assert "reason: the shop is closed" in saved_text(shop, "new-recommender")
    run(shop, "git", "merge", "--quiet", "flags/moved")
    again = form_of(visitor, "new-recommender", "resume", rule="ramp")
    assert "the shop is closed" in html.unescape(visitor.get("/flags/new-recommender").text)
    assert visitor.post("/flags/new-recommender/move/resume", again).status_code == 200
    assert "until:" in saved_text(shop, "new-recommender")


def test_aborting_asks_for_the_key(visitor, shop):
    form = form_of(visitor, "new-recommender", "abort", rule="ramp") | {"reason": "it broke"}
    refused = visitor.post("/flags/new-recommender/move/abort", form | {"confirm": "new-recommende"})
    assert refused.status_code == 422
    assert "type new-recommender to confirm" in refused.text
    assert visitor.post("/flags/new-recommender/move/abort", form | {"confirm": "new-recommender"}).status_code == 200
    assert "reason: it broke" in saved_text(shop, "new-recommender")


def test_one_environment_alone_gets_a_copy_of_the_rules(visitor, shop):
    page = html.unescape(visitor.get("/flags/new-recommender/move/hold?rule=ramp").text)
    assert "production alone, with its own copy of the rules (protected)" in page
    form = form_of(visitor, "new-recommender", "hold", rule="ramp") | {"env": "production"}
    assert visitor.post("/flags/new-recommender/move/hold", form).status_code == 200
    text = saved_text(shop, "new-recommender")
    assert text.index("holds:") > text.index("production:")


def test_colours_are_flipped_in_one_environment(visitor, shop):
    form = form_of(visitor, "image-cluster", "flip", env="production")
    assert visitor.post("/flags/image-cluster/move/flip", form).status_code == 200
    text = saved_text(shop, "image-cluster")
    assert "production:\n    strategy: {blue_green: {active: green, previous: blue}}" in text


def test_what_changed_meanwhile_is_looked_at_again(visitor, shop):
    form = form_of(visitor, "new-recommender", "advance", rule="ramp")
    file = shop / "new-recommender.yaml"
    file.write_text(file.read_text() + "# Theirs.\n")
    answer = visitor.post("/flags/new-recommender/move/advance", form)
    assert answer.status_code == 409
    assert "changed since this page was opened" in answer.text
    assert run(shop, "git", "branch", "--list", "flags/*").strip() == ""


@pytest.mark.parametrize("wish", [{"branch": "main"}, {"where": "current"}])
def test_a_move_is_never_written_to_the_default_branch_of_a_protected_environment(visitor, shop, wish):
    before = run(shop, "git", "rev-parse", "main")
    form = form_of(visitor, "new-recommender", "advance", rule="ramp") | wish
    assert visitor.post("/flags/new-recommender/move/advance", form).status_code == 409
    assert run(shop, "git", "rev-parse", "main") == before


def test_what_cannot_be_done_says_why(guest):
    page = html.unescape(guest.get("/flags/new-recommender/move/resume?rule=ramp").text)
    assert "is not held" in page
    assert "nothing grows" in guest.get("/flags/gift-wrapping/move/hold").text
    assert "has no two colours" in guest.get("/flags/gift-wrapping/move/flip?env=production").text
    assert "in which environment" in guest.get("/flags/image-cluster/move/flip").text
    assert guest.get("/flags/new-recommender/move/dance").status_code == 404
    assert guest.get("/flags/none/move/hold").status_code == 404
    assert guest.post("/flags/new-recommender/move/dance", {"branch": "b"}).status_code == 404
