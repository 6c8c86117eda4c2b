"""Values as people read them."""

from __future__ import annotations

import pytest

from flagctl.report.values import count, show_duration, show_instant, show_share, show_size, show_value


def test_values_are_json_on_one_line() -> None:
    assert show_value({"a": [1, None, "ü"]}) == '{"a": [1, null, "ü"]}'
    assert show_value("x" * 50, 10) == '"xxxxxxxx…'
    assert show_value(float("nan")) == "NaN"
    assert show_value(object()).startswith('"<object')


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_500, "1970-01-01T00:00:01.500Z"), (10**18, "1000000000000000000 ms since 1970")],
)
def test_instants_are_utc(milliseconds: int, text: str) -> None:
    assert show_instant(milliseconds) == text


def test_shares_sizes_counts_and_durations() -> None:
    assert [show_share(share) for share in (0, 12_500, 100_000, 1)] == ["0 %", "12.5 %", "100 %", "0.001 %"]
    assert [show_size(size) for size in (12, 26_000, 12_345_678)] == ["12 bytes", "26 kB", "12.3 MB"]
    assert [count(number, "flag") for number in (1, 2)] == ["1 flag", "2 flags"]
    assert [show_duration(seconds) for seconds in (0.5, 42, 150, 7_300, -90_000)] == [
        *["0.5 s", "42 s", "2 min 30 s", "2 h 1 min", "1 d 1 h"]
    ]
