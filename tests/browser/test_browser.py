"""What people do in the browser, in a real one."""

from __future__ import annotations

import time

import pytest

from tests.browser.looking import LOOKS, NAMES, check_accessibility, excess, save_on, settled, step, typed
from tests.simulators.ui_server import run

pytestmark = pytest.mark.browser

PAGES = {
    "flags": "/",
    "found": "/?q=checkout&env=production",
    "flag": "/flags/new-checkout-flow",
    "flag-with-an-experiment": "/flags/search-ranking",
    "edit": "/edit?path=checkout/new-checkout-flow.yaml",
    "new": "/new",
    "remove": "/remove/flag/gift-wrapping",
    "play": "/play?flag=new-checkout-flow&env=production",
    "segments": "/segments",
    "segment": "/segments/employees",
    "segment-edit": "/edit?path=segments/vip-customers.yaml",
    "segment-new": "/new/segment",
    "experiments": "/experiments",
    "experiment": "/experiments/ranking-test",
    "experiment-new": "/experiment/new",
    "experiment-start": "/experiments/winback-offer-test/start",
    "experiment-stop": "/experiments/ranking-test/stop",
    "experiment-amend": "/experiments/ranking-test/amend",
    "layer": "/layers/homepage",
    "holdout": "/layers/homepage/holdout",
    "environments": "/environments",
    "environment": "/environments/production",
    "audit": "/audit",
    "missing": "/flags/none",
}
PATH = "checkout/gift-wrapping.yaml"


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=NAMES)
def test_every_page_opens_without_complaints_and_can_be_used_by_everybody(
    shared_server, open_page, axe, pictures, size, dark
):
    page = open_page(shared_server, size=size, dark=dark)
    for name, path in PAGES.items():
        page.goto(shared_server.url + path)
        settled(page)
        check_accessibility(page, axe)
        assert excess(page) <= 0, f"{name} is {excess(page)} pixels too wide"
        pictures(page, name)
    open_page.said[:] = [text for text in open_page.said if "404" not in text]  # the page that is missing


def test_searching_narrows_the_list_as_one_types(shared_server, open_page):
    page = open_page(shared_server)
    page.keyboard.press("/")
    page.keyboard.type("payments")
    page.wait_for_function("() => document.querySelectorAll('table.flags tbody tr').length < 10")
    assert page.locator("a.key", has_text="payments-v2").count() == 1
    page.select_option("#f-type", "json")
    page.wait_for_selector("text=No flag fits")
    assert "q=payments" in page.url
    page.reload()
    assert page.input_value("#q") == "payments"


def test_the_keyboard_is_enough(shared_server, open_page):
    page = open_page(shared_server)
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("() => document.activeElement.textContent") == "address-autocomplete"
    page.keyboard.press("Enter")
    page.wait_for_url("**/flags/address-autocomplete")
    page.keyboard.press("?")
    assert page.locator("#shortcuts").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#shortcuts").is_visible()
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/play")
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/environments")


def test_the_theme_is_a_choice_that_stays(shared_server, open_page):
    page = open_page(shared_server)
    before = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    page.wait_for_function("before => getComputedStyle(document.body).backgroundColor !== before", arg=before)
    page.reload()
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_the_playground_answers_as_one_types(shared_server, open_page, pictures):
    page = open_page(shared_server)
    page.goto(f"{shared_server.url}/play?flag=payments-v2&env=production")
    page.wait_for_selector("#answer .trace")
    page.fill("#context", '{"targeting_key": "user-1", "account_id"')
    page.wait_for_selector("#answer >> text=no JSON")
    page.fill("#context", '{"targeting_key": "user-1"}')
    page.wait_for_selector("#answer .trace .decided")
    page.click("[data-attribute=country]")
    page.wait_for_function("() => document.getElementById('context').value.includes('country')")
    settled(page)
    pictures(page)
    page.wait_for_selector("#answer a[href*=country]")
    link = page.get_attribute("text=Link to this question", "href")
    assert "country" in link
    page.goto(shared_server.url + link)
    page.wait_for_selector("#answer .trace")


def test_a_flag_is_edited_and_saved_as_a_commit_on_a_branch(server, shop, open_page, axe, pictures):
    page = open_page(server)
    page.goto(f"{server.url}/flags/new-checkout-flow")
    page.click("main >> text=Edit")
    page.wait_for_url("**/edit?*")
    with page.expect_response("**/edit/step"):
        page.select_option("#env", "staging")
    settled(page)
    typed(page, "input[name='f:percentage:half']", "75")
    step(page, "button[aria-label='Move half up']")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Move half up"
    with page.expect_response("**/edit/step"):
        page.select_option("select[name='f:enabled:staging']", "off")
    settled(page)
    assert "percentage: 75" in page.input_value("#text")
    assert "enabled: false" in page.input_value("#text")
    page.wait_for_selector("#checked >> text=Meaning")
    check_accessibility(page, axe)
    pictures(page, "changed")
    save_on(page, "flags/from-the-browser")
    check_accessibility(page, axe)
    pictures(page, "saved")
    saved = run(shop, "git", "show", "flags/from-the-browser:flags/checkout/new-checkout-flow.yaml")
    assert "percentage: 75" in saved
    assert "# The testers' accounts" in saved
    assert run(shop, "git", "status", "--porcelain").strip() == ""
    page.click("text=Go on editing on this branch")
    assert "percentage: 75" in page.input_value("#text")


def test_a_mistake_is_told_as_one_types_and_cannot_be_saved(server, shop, open_page, axe, pictures):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path={PATH}")
    text = page.input_value("#text")
    page.fill("#text", text.replace("default: off", "default: oof"))
    page.wait_for_selector("#checked >> text=did you mean")
    check_accessibility(page, axe)
    pictures(page)
    page.click("#save")
    page.wait_for_selector("[role=alert]")
    assert "default: oof" in page.input_value("#text")
    assert "flags/edit" not in run(shop, "git", "branch", "--all")
    open_page.said[:] = [text for text in open_page.said if "422" not in text]


def test_a_flag_is_made(server, shop, open_page, pictures):
    page = open_page(server)
    page.click("text=New flag")
    page.fill("#key", "gift-cards")
    page.fill("#owner", "team-checkout")
    page.fill("#description", "Cards with a code.")
    page.click("text=Go on in the editor")
    page.wait_for_selector("#text")
    assert "key: gift-cards" in page.input_value("#text")
    pictures(page)
    save_on(page, "flags/gift-cards")
    assert "gift-cards.yaml" in run(shop, "git", "ls-tree", "-r", "--name-only", "flags/gift-cards")


def test_a_conflict_shows_both_and_loses_nothing(server, shop, open_page, axe, pictures):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path={PATH}")
    text = page.input_value("#text")
    page.fill("#text", text.replace("default: off", "default: on"))
    settled(page)
    (shop / PATH).write_text(text + "# Theirs.\n")
    run(shop, "git", "commit", "--quiet", "--all", "-m", "Meanwhile")
    page.fill("#branch", "flags/both")
    page.click("#save")
    page.wait_for_selector("h1 >> text=Changed meanwhile")
    both = page.input_value("#text")
    assert "default: on" in both
    assert both.endswith("# Theirs.\n")
    check_accessibility(page, axe)
    pictures(page)
    page.click("#save")
    page.wait_for_selector("h1 >> text=Saved")
    assert run(shop, "git", "show", f"flags/both:flags/{PATH}") == both
    open_page.said[:] = [text for text in open_page.said if "409" not in text]


def test_a_plan_is_looked_at_and_published_then_a_flag_is_forced_off(server, open_page, axe, pictures):
    page = open_page(server)
    page.goto(f"{server.url}/environments/production")
    page.click("text=Compare with what is committed")
    page.wait_for_selector("#publish-confirm")
    check_accessibility(page, axe)
    pictures(page, "plan")
    page.fill("#publish-confirm", "production")
    page.click("text=Publish to production")
    page.wait_for_selector("text=Number 2 is live")
    page.fill("#kill-flag", "payments-v2")
    page.fill("#kill-reason", "payments time out")
    page.fill("#kill-confirm", "payments-v2")
    page.click("text=Force off in production")
    page.wait_for_selector("text=payments-v2 is forced off in production")
    page.wait_for_selector("#lift-1")
    settled(page)
    check_accessibility(page, axe)
    pictures(page, "killed")
    page.fill("#lift-1", "payments-v2")
    page.click("button >> text=Lift")
    page.wait_for_selector("text=answers in production as it is published")


def test_a_text_that_was_not_saved_is_not_lost_by_a_slip(server, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path={PATH}")
    page.click("#text")
    page.keyboard.type("# x\n")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.click("header >> text=Segments")
    page.wait_for_url("**/segments")
    assert asked == ["beforeunload"]


def test_a_broken_page_of_a_flag_runs_no_code_of_its_texts(server, shop, open_page):
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    import json

    (shop / "evil.yaml").write_text(
        f"kind: flag\nkey: evil\nname: {json.dumps(evil)}\ndescription: {json.dumps(evil)}\nowner: {json.dumps(evil)}\n"
        f"tags: [{json.dumps(evil)}]\ntype: boolean\n"
    )
    page = open_page(server)
    time.sleep(1.1)  # a look at the disk holds for a second
    for path in ("/", "/?q=evil", "/flags/evil", "/edit?path=evil.yaml", "/play?flag=evil"):
        page.goto(server.url + path)
        settled(page)
        assert page.title() != "owned"
        assert page.locator("img[src=x]").count() == 0


def test_an_experiment_is_planned_and_stopped_with_a_winner(server, shop, open_page, axe, pictures):
    page = open_page(server)
    page.goto(f"{server.url}/experiments/ranking-test")
    page.fill("#power-rate", "5")
    page.wait_for_selector("#planned svg")
    page.fill("#power-day", "4000")
    page.wait_for_selector("#planned >> text=days at 4,000 units a day")
    check_accessibility(page, axe)
    pictures(page, "planned")
    page.click("main >> text=Stop")
    page.wait_for_url("**/stop")
    page.check("input[value=neural]")
    page.wait_for_selector("#would >> text=winner: neural")
    check_accessibility(page, axe)
    pictures(page, "stop")
    save_on(page, "flags/neural-won")
    assert "winner: neural" in run(shop, "git", "show", "flags/neural-won:flags/experiments/ranking-test.yaml")
    page.click("text=on this branch")
    page.wait_for_selector("h1 >> text=completed")
