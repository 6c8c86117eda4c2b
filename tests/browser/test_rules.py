"""Conditions of rules and their steps in time, in a real browser."""

from __future__ import annotations

import pytest

from tests.browser.looking import LOOKS, NAMES, check_accessibility, excess, save_on, settled, step, text_of, typed
from tests.simulators.ui_server import run

pytestmark = pytest.mark.browser

SUGGESTIONS, FLOW = "search/search-suggestions.yaml", "checkout/new-checkout-flow.yaml"


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=NAMES)
def test_conditions_and_steps_are_edited_by_fields(server, shop, open_page, axe, pictures, size, dark):
    page = open_page(server, size=size, dark=dark)
    page.goto(f"{server.url}/edit?path={SUGGESTIONS}")
    typed(page, "input[name='f:step:1:steps=from']", "2026-12-08 09:00")
    assert "- {from: 2026-12-08T09:00:00Z, percent: 25}" in text_of(page)
    typed(page, "input[name='f:step:2:steps=percent']", "600")
    assert "no percentage" in page.inner_text(".field-error:not(:empty)")
    check_accessibility(page, axe)
    pictures(page, "wrong")
    typed(page, "input[name='f:step:2:steps=percent']", "61.5")
    with page.expect_response("**/edit/step"):
        page.select_option("select[name='f:step:2:steps=hold']", "approval")
    settled(page)
    assert "percent: 61.5, hold_until: approval}" in text_of(page)
    page.click("details[id='d-new-step:steps'] > summary")
    page.fill("[id='new-step:steps-after']", "2d")
    page.fill("[id='new-step:steps-percent']", "80")
    step(page, "button[id='b-add-step:steps']")
    assert "- {after: 2d, percent: 80}" in text_of(page)
    step(page, "button[aria-label='Remove step 5 of steps']")
    assert "{after: 2d, percent: 80}" not in text_of(page)
    page.click("details[id='d-:steps'] > summary")
    page.fill("[id='new::steps-attribute']", "country")
    page.select_option("[id='new::steps-operator']", "in")
    page.fill("[id='new::steps-value']", "DE, AT")
    step(page, "button[id='b-add-condition::steps']")
    assert "- {attribute: country, operator: in, value: [DE, AT]}" in text_of(page)
    step(page, "button[aria-label^='or: let another condition do in place of condition 2']")
    settled(page)
    assert "any of these holds" in page.inner_text("#q-serving")
    assert excess(page) <= 0
    check_accessibility(page, axe)
    pictures(page)
    save_on(page, "flags/steps")
    assert "hold_until: approval" in run(shop, "git", "show", f"flags/steps:flags/{SUGGESTIONS}")


def test_a_condition_is_edited_by_keyboard_and_the_cursor_stays(server, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path={FLOW}")
    page.focus("textarea[name='f:when:1:beta-testers=value']")
    page.keyboard.press("End")
    with page.expect_response("**/edit/check"):
        page.keyboard.type(", CH", delay=30)
    page.wait_for_function("() => document.getElementById('text').value.includes('value: [DE, AT, FR, NL, CH]}')")
    settled(page)
    assert page.evaluate("() => document.activeElement.name") == "f:when:1:beta-testers=value"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('text').value.includes('CH], ignore_case: true}')")
