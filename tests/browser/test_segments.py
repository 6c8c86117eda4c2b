"""Segments and conditions in the form of the editor, in a real browser."""

from __future__ import annotations

import pytest

from tests.browser.looking import LOOKS, NAMES, check_accessibility, excess, save_on, settled, step, text_of, typed
from tests.simulators.ui_server import run

pytestmark = pytest.mark.browser

SEGMENT = "segments/vip-customers.yaml"


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=NAMES)
def test_a_segment_is_edited_by_its_form(server, shop, open_page, axe, pictures, size, dark):
    page = open_page(server, size=size, dark=dark)
    page.goto(f"{server.url}/segments/vip-customers")
    page.click("text=Edit")
    page.wait_for_selector("#q-members")
    page.fill("#include-units", "user-7, user-8")
    step(page, "button[aria-label='Add units to include']")
    assert "include: [user-1001, user-1002, user-7, user-8]" in text_of(page)
    step(page, "button[aria-label='Remove user-4711 from exclude']")
    assert "exclude" not in text_of(page)
    typed(page, "input[name='f:when:0.any.1.all.0:=value']", "many")
    assert "no number" in page.inner_text(".field-error:not(:empty)")
    check_accessibility(page, axe)
    typed(page, "input[name='f:when:0.any.1.all.0:=value']", "30")
    assert "operator: greater_or_equal, value: 30}" in text_of(page)
    page.locator("details.add summary").last.click()
    page.locator("details.add").last.get_by_label("or segment").fill("employees")
    step(page, "details.add[open] >> button >> text=Add condition")
    assert "  - {segment: employees}" in text_of(page)
    assert "look at it" in page.inner_text("#checked") or "One flag looks" in page.inner_text("#checked")
    page.click("text=Measure with made-up contexts")
    page.wait_for_selector("#measured >> text=get another answer")
    assert excess(page) <= 0
    check_accessibility(page, axe)
    pictures(page)
    save_on(page, "flags/vips")
    assert "- {segment: employees}" in run(shop, "git", "show", f"flags/vips:flags/{SEGMENT}")
    assert run(shop, "git", "status", "--porcelain").strip() == ""


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=NAMES)
def test_a_new_segment_is_described_and_mended_as_one_types(server, shop, open_page, axe, pictures, size, dark):
    page = open_page(server, size=size, dark=dark)
    page.goto(f"{server.url}/segments")
    page.click("text=New segment")
    page.wait_for_selector("#key")
    check_accessibility(page, axe)
    typed(page, "#key", "employees", "**/new/segment/check")
    assert "already" in page.inner_text("#n-key-error")
    typed(page, "#key", "new-customers", "**/new/segment/check")
    typed(page, "#owner", "team-growth", "**/new/segment/check")
    page.select_option("#who-operator", "less_than")
    typed(page, "#who-attribute", "order_count", "**/new/segment/check")
    typed(page, "#who-value", "few", "**/new/segment/check")
    assert "no number" in page.inner_text("#n-who-error")
    check_accessibility(page, axe)
    assert excess(page) <= 0
    pictures(page, "wrong")
    typed(page, "#who-value", "3", "**/new/segment/check")
    page.wait_for_selector("#would >> text=operator: less_than, value: 3")
    page.click("text=Go on in the editor")
    page.wait_for_selector("#q-members")
    save_on(page, "flags/new-ones")
    assert "value: 3}" in run(shop, "git", "show", "flags/new-ones:flags/segments/new-customers.yaml")
    open_page.said[:] = [text for text in open_page.said if "422" not in text]


def test_an_operator_without_a_value_hides_its_field_and_another_one_asks_for_it(server, open_page):
    page = open_page(server)
    page.goto(f"{server.url}/edit?path={SEGMENT}")
    name = "select[name='f:when:0.any.1.all.0:=operator']"
    with page.expect_response("**/edit/step"):
        page.select_option(name, "exists")
    settled(page)
    assert "- {attribute: order_count, operator: exists}" in text_of(page)
    assert page.locator("input[name='f:when:0.any.1.all.0:=value']").count() == 0
    with page.expect_response("**/edit/step"):
        page.select_option(name, "less_than")
    settled(page)
    assert "write what to compare with" in page.inner_text("#quick")
    typed(page, "input[name='f:when:0.any.1.all.0:=value']", "3")
    assert "- {attribute: order_count, operator: less_than, value: 3}" in text_of(page)
    assert page.locator(".field-error:not(:empty)").count() == 0
