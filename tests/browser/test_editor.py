"""The form of the editor, and moving rollouts, in a real browser."""

from __future__ import annotations

import pytest

from tests.browser.looking import LOOKS, NAMES, check_accessibility, excess, save_on, settled, step, text_of, typed
from tests.simulators.ui_server import COLOURS, ROLLOUTS, run

pytestmark = pytest.mark.browser

PATH = "checkout/new-checkout-flow.yaml"


@pytest.fixture
def shop(shop):
    """A shop in which something grows in every way, and with a split."""
    for name, text in {**ROLLOUTS, "button-colour": COLOURS}.items():
        (shop / f"{name}.yaml").write_text(text)
    run(shop, "git", "add", ".")
    run(shop, "git", "commit", "--quiet", "-m", "Grow")
    return shop


def test_the_form_is_filled_in_by_keyboard_and_keeps_the_cursor_where_it_is(server, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path={PATH}")
    page.focus("#f-name")
    page.keyboard.press("End")
    page.keyboard.type(" of 2027")
    page.keyboard.press("Tab")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("team-payments", delay=60)
    page.keyboard.press("Tab")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Two pages.", delay=40)
    assert page.evaluate("() => document.activeElement.id") == "f-description"
    page.wait_for_function(
        "() => ['of 2027', 'owner: team-payments', 'description: Two pages.']"
        ".every(line => document.getElementById('text').value.includes(line))"
    )
    settled(page)
    assert page.input_value("#f-name") == "New checkout flow of 2027"
    assert page.input_value("#f-owner") == "team-payments"
    page.wait_for_selector("#checked >> text=Meaning")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "f-expires"


def test_what_is_typed_into_the_text_comes_into_the_form_and_back(server, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path={PATH}")
    typed(page, "#text", text_of(page).replace("owner: team-checkout", "owner: team-payments"))
    assert page.input_value("#f-owner") == "team-payments"
    typed(page, "#f-owner", "team-search")
    assert "owner: team-search" in text_of(page)


def test_letters_typed_while_the_server_answers_are_kept(server, open_page):
    page = open_page(server)

    def slow(route):
        page.wait_for_timeout(700)
        route.continue_()

    page.goto(f"{server.url}/edit?path={PATH}")
    page.route("**/edit/check", slow)
    page.focus("#f-owner")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("team-se")
    page.wait_for_timeout(400)  # what is there now is on its way
    page.keyboard.type("arch")
    page.focus("#text")
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type("# mine\n")
    page.wait_for_function("() => document.getElementById('text').value.includes('owner: team-search\\n')")
    settled(page)
    assert text_of(page).endswith("# mine\n")
    assert page.input_value("#f-owner") == "team-search"


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=NAMES)
def test_the_form_can_be_used_by_everybody_also_with_errors_in_it(server, open_page, axe, pictures, size, dark):
    page = open_page(server, size=size, dark=dark)
    page.goto(f"{server.url}/edit?path={PATH}")
    for summary in page.locator("#quick summary").all():
        summary.click()
    typed(page, "input[name='f:percentage:employees']", "many")
    typed(page, "#f-owner", "team-payments")
    assert page.get_attribute("input[name='f:percentage:employees']", "aria-invalid") == "true"
    error = page.get_attribute("input[name='f:percentage:employees']", "aria-describedby")
    assert "no percentage" in page.inner_text(f"#{error}")
    assert excess(page) <= 0
    check_accessibility(page, axe)
    pictures(page)
    typed(page, "input[name='f:percentage:employees']", "30")
    assert page.get_attribute("input[name='f:percentage:employees']", "aria-invalid") is None
    assert "percentage: 30" in text_of(page)


def test_weights_show_their_sum_while_they_are_typed(server, shop, open_page, axe, pictures):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path=button-colour.yaml")
    assert page.inner_text(".sum") == "Sum: 100 %"
    page.get_by_label("red, %").press_sequentially("1", delay=20)
    page.get_by_label("red, %").fill("30")
    assert page.inner_text(".sum") == "Sum: 80 %, not 100 %"
    page.wait_for_selector(".field-error >> text=add up to 80 %")
    check_accessibility(page, axe)
    pictures(page, "80")
    page.get_by_label("blue, %").fill("70")
    assert page.inner_text(".sum") == "Sum: 100 %"
    page.wait_for_function("() => document.getElementById('text').value.includes('{red: 30, blue: 70}')")
    page.wait_for_selector("#checked >> text=Impact")
    save_on(page, "flags/weights")
    saved = run(shop, "git", "show", "flags/weights:flags/button-colour.yaml")
    assert saved == COLOURS.replace("{red: 50, blue: 50}", "{red: 30, blue: 70}")


def test_a_variant_is_added_and_renamed_and_another_flag_is_needed(server, open_page, axe, pictures):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path=button-colour.yaml")
    page.click("text=Add a variant")
    page.fill("#variant-name", "green")
    page.fill("#variant-value", "#0f0")
    step(page, "button >> text=Add variant")
    assert 'green: "#0f0"' in text_of(page)
    typed(page, "#f-variant_3a0", "crimson")
    page.wait_for_selector("text=crimson, %")
    assert "rollout: {crimson: 50, blue: 50}" in text_of(page)
    page.click("text=Need another flag")
    page.focus("#need-flag")
    page.keyboard.type("payments-v")
    page.wait_for_function("() => document.querySelectorAll('#need-flags option').length > 0")
    page.keyboard.type("2")
    page.wait_for_selector("input[name=need-variants][value=on]")
    check_accessibility(page, axe)
    pictures(page)
    step(page, "button[aria-label='Add what is needed']")
    assert "prerequisites:\n  - {flag: payments-v2, variants: [on]}" in text_of(page)
    with page.expect_response("**/edit/check"):
        page.get_by_role("group", name="Variants of payments-v2").get_by_label("off").check()
    settled(page)
    assert "variants: [on, off]" in text_of(page)
    step(page, "button[aria-label='No longer need payments-v2']")
    assert "prerequisites" not in text_of(page)


def test_choosing_a_split_shows_its_weights(server, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path={PATH}")
    step(page, "button[aria-label='Split employees']")
    assert page.inner_text(".sum") == "Sum: 100 %"
    assert "rollout: {on: 50, off: 50}" in text_of(page)
    with page.expect_response("**/edit/step"):
        page.select_option("select[name='f:serve:employees']", "on")
    settled(page)
    assert page.locator(".sum").count() == 0
    assert "rollout" not in text_of(page)


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=NAMES)
def test_a_new_flag_is_described_and_mended_as_one_types(server, shop, open_page, axe, pictures, size, dark):
    page = open_page(server, size=size, dark=dark)
    page.goto(f"{server.url}/new")
    check_accessibility(page, axe)
    typed(page, "#key", "gift-wrapping", "**/new/check")
    assert "already" in page.inner_text("#n-key-error")
    assert page.get_attribute("#key", "aria-invalid") == "true"
    typed(page, "#key", "gift-cards", "**/new/check")
    typed(page, "#owner", "team-checkout", "**/new/check")
    assert page.get_attribute("#key", "aria-invalid") is None
    page.select_option("#type", "number")
    typed(page, "#variants", "few = 3\nmany = lots", "**/new/check")
    assert "is a number" in page.inner_text("#n-variants-error")
    check_accessibility(page, axe)
    assert excess(page) <= 0
    pictures(page, "wrong")
    typed(page, "#variants", "few = 3\nmany = 30", "**/new/check")
    page.fill("#need-flag", "payments-v2")
    page.get_by_role("group", name="Variants that will do").get_by_label("on").wait_for()
    page.get_by_role("group", name="Off in").get_by_label("production").check()
    page.wait_for_selector("#would >> text=enabled: false")
    settled(page)
    check_accessibility(page, axe)
    pictures(page)
    page.click("text=Go on in the editor")
    page.wait_for_selector("#text")
    assert '{flag: payments-v2, variants: ["on"]}' in text_of(page)
    save_on(page, "flags/new")
    assert "many: 30" in run(shop, "git", "show", "flags/new:flags/checkout/gift-cards.yaml")


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=NAMES)
def test_rollouts_are_drawn_with_the_steps_that_wait(server, open_page, axe, pictures, size, dark):
    page = open_page(server, size=size, dark=dark)
    for key in ROLLOUTS:
        page.goto(f"{server.url}/flags/{key}")
        settled(page)
        assert page.locator(".rollout-card").count() >= 1
        assert excess(page) <= 0
        check_accessibility(page, axe)
        pictures(page, key)
    page.goto(f"{server.url}/flags/new-recommender/move/abort?rule=ramp")
    settled(page)
    assert excess(page) <= 0
    check_accessibility(page, axe)
    pictures(page, "move")


def test_a_rollout_is_advanced_after_a_look_at_what_that_does(server, shop, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/flags/new-recommender")
    page.click("text=Advance to 25 %")
    page.wait_for_selector(".diff >> text=released")
    with page.expect_response("**/look"):
        page.select_option("#env", "production")
    page.wait_for_selector("#would >> text=of its own, a copy")
    with page.expect_response("**/look"):
        page.select_option("#env", "")
    settled(page)
    save_on(page, "flags/onward")
    assert "hold_until: approval, released:" in run(shop, "git", "show", "flags/onward:flags/new-recommender.yaml")
    assert run(shop, "git", "status", "--porcelain").strip() == ""


def test_a_rollout_is_held_with_a_reason_by_keyboard(server, shop, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/flags/new-recommender")
    page.get_by_role("link", name="Hold").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/move/hold*")
    page.focus("#reason")
    with page.expect_response("**/look"):
        page.keyboard.type("the shop is closed")
    page.wait_for_selector(".diff >> text=the shop is closed")
    page.focus("#save")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1 >> text=Saved")


def test_aborting_waits_for_the_key_and_colours_flip(server, shop, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/flags/new-recommender")
    page.click("text=Abort")
    page.wait_for_selector("#confirm")
    page.fill("#confirm", "another")
    page.click("#save")
    page.wait_for_selector("[role=alert] >> text=type new-recommender to confirm")
    page.fill("#confirm", "new-recommender")
    save_on(page, "flags/abort")
    page.goto(f"{server.url}/flags/image-cluster")
    page.click("text=Flip production to green")
    save_on(page, "flags/flip")
    assert (
        "active: green" in run(shop, "git", "show", "flags/flip:flags/image-cluster.yaml").partition("production:")[2]
    )
    open_page.said[:] = [text for text in open_page.said if "400" not in text and "422" not in text]


def test_nothing_is_typed_into_a_form_that_is_about_to_be_made_anew(server, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path={PATH}")

    def slow(route):
        page.wait_for_timeout(700)
        route.continue_()

    page.route("**/edit/step", slow)
    page.click("button[aria-label='Move ramp up']", no_wait_after=True)
    page.wait_for_selector("#f-owner[readonly]")
    with page.expect_response("**/edit/check"):
        page.fill("#f-owner", "team-payments")  # waits until it may be typed into
    settled(page)
    assert "owner: team-payments" in text_of(page)
    assert text_of(page).index("id: ramp") < text_of(page).index("id: beta-testers")


def test_what_is_typed_as_soon_as_a_form_was_made_anew_comes_into_the_text(server, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path={PATH}")
    page.evaluate(
        """() => document.addEventListener("htmx:afterSwap", () => setTimeout(() => {
            const owner = document.getElementById("f-owner");
            owner.value = "team-payments";
            owner.dispatchEvent(new Event("input", { bubbles: true }));
        }, 0), { once: true })"""
    )
    with page.expect_response("**/edit/check"):
        page.click("button[aria-label='Move ramp up']")
    settled(page)
    assert "owner: team-payments" in text_of(page)


@pytest.mark.parametrize("size", ["laptop", "phone"])
def test_a_button_that_was_pressed_keeps_the_cursor_and_its_place_on_the_screen(server, open_page, size):
    page = open_page(server, size=size)
    page.goto(f"{server.url}/edit?path={PATH}")
    page.click("summary:has-text('Add a rule')")
    page.fill("#rule-id", "late")
    settled(page)
    place = "id => document.getElementById(id).getBoundingClientRect().top"
    for button in ("b-add-rule", "b-up:late"):
        page.focus(f"[id='{button}']")
        before = page.evaluate(place, button)
        with page.expect_response("**/edit/step"):
            page.keyboard.press("Enter")
        settled(page)
        assert page.evaluate("document.activeElement.id") == button
        assert abs(page.evaluate(place, button) - before) <= 2
