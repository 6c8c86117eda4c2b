"""From when until when a flag or rule is in force, in a real browser."""

from __future__ import annotations

import pytest

from tests.browser.looking import LOOKS, NAMES, check_accessibility, excess, text_of, typed

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=NAMES)
def test_a_flag_and_a_rule_get_another_window(server, open_page, axe, pictures, size, dark):
    page = open_page(server, size=size, dark=dark)
    page.goto(f"{server.url}/edit?path=platform/maintenance-banner.yaml")
    page.wait_for_selector("#q-serving")
    page.locator("details.add summary", has_text="of the flag").click()
    typed(page, "input[name='f:window:until:']", "soon")
    assert "is no instant" in page.inner_text(".field-error:not(:empty)")
    typed(page, "input[name='f:window:until:']", "2027-01-31 18:00")
    assert "2027-01-31T18:00:00Z" in text_of(page)
    rules = page.locator("#q-serving .rule-list details.add[open] input[name^='f:window:until:']")
    assert rules.first.input_value() == "2026-12-06T05:00:00Z"
    typed(page, f"input[name='{rules.first.get_attribute('name')}']", "2026-12-06T06:00:00Z")
    assert "until: 2026-12-06T06:00:00Z}" in text_of(page)
    assert excess(page) <= 0
    check_accessibility(page, axe)
    pictures(page)
