"""From when until when a flag or rule is in force, in the form."""

from __future__ import annotations

import pytest

from tests.simulators.ui_editor import Sheet, came, marks

GIFTS = "checkout/gift-wrapping.yaml"
BANNER = "platform/maintenance-banner.yaml"


def test_the_form_shows_the_windows_of_the_flag_and_its_rules_as_they_are_written(guest):
    sheet = Sheet(guest, GIFTS)
    assert sheet.form["f:window:from:"] == ["2026-11-26T00:00:00+01:00"]
    assert sheet.form["f:window:until:"] == ["2026-12-23T00:00:00+01:00"]
    assert Sheet(guest, GIFTS, "development").form["f:window:from:"] == ["2026-01-01T00:00:00Z"]
    rules = [name for name in Sheet(guest, BANNER).form if name.startswith("f:window:from:") and name[-1] != ":"]
    assert len(rules) >= 2


def test_an_environment_without_a_window_of_its_own_gets_all_of_it(guest):
    text = came(Sheet(guest, GIFTS, "staging").type("window:until:", "2026-12-24"))
    assert "  staging:\n    schedule: {from:" in text or "  staging:\n    schedule:\n      from:" in text
    assert text.count("2026-11-26T00:00:00+01:00") == 2
    assert "2026-12-24T00:00:00Z" in text


def test_an_environment_can_be_without_the_window_of_all(guest):
    sheet = Sheet(guest, GIFTS, "staging")
    sheet.form["f:window:from:"] = [""]
    text = came(sheet.type("window:until:", ""))
    assert "  staging:\n    schedule: {}" in text


def test_an_emptied_window_goes(guest):
    sheet = Sheet(guest, GIFTS)
    sheet.form["f:window:from:"] = [""]
    text = came(sheet.type("window:until:", ""))
    assert text.count("schedule:") == 1
    assert "default: off\nenvironments:" in text


@pytest.mark.parametrize("typed", ["soon", "2026-13-01", "12:00"])
def test_what_is_no_instant_is_told_at_its_field_and_stays_out_of_the_text(guest, typed):
    answer = Sheet(guest, GIFTS).type("window:from:", typed)
    assert came(answer) is None
    (mark,) = marks(answer).items()
    assert "from" in mark[0]
    assert "is no instant" in mark[1]


def test_a_schedule_that_is_none_is_left_to_the_text(guest):
    sheet = Sheet(guest, GIFTS)
    sheet.form["text"] = [sheet.text.replace("schedule: {from: 2026-11-26T00:00:00+01:00", "schedule: {from: 5", 1)]
    sheet.press("look")
    assert "f:window:from:" not in sheet.form
    assert "Its schedule is in the text only." in sheet.page
