"""Pictures of effects over time."""

import re

from flagctl import plots


def test_a_wide_band_of_the_first_days_that_includes_zero_is_drawn_on_both_sides_of_it():
    days = range(10)
    band = tuple((-8.0, 8.0) if day < 2 else (0.5, 3.0) for day in days)
    series = plots.Series(label="on", points=tuple((float(day), 2.0) for day in days), band=band)
    picture = plots.lines("effect", [series], str, str)
    polygon = re.search(r'<polygon class="band s0" points="([^"]+)"', picture)
    zero = re.search(r'<line class="zero" [^>]*y1="([\d.]+)"', picture)
    assert polygon is not None
    assert zero is not None
    # Heights grow downwards; the lower edge comes last, from the right to the left.
    first_day = float(polygon[1].split()[-1].split(",")[1])
    third_day = float(polygon[1].split()[-3].split(",")[1])
    assert first_day > float(zero[1]) + 10
    assert third_day < float(zero[1])
