"""The curve of a rollout as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.ops.rollout import share_of

if TYPE_CHECKING:
    from flagctl.ops.rollout import RolloutView

_HOUR: Final = 3_600_000
_DAY: Final = 24 * _HOUR
_STYLE: Final = (
    "<style>svg{font:12px sans-serif;background:#fff}.axis{fill:#444}.grid{stroke:#ddd}.zero{stroke:#888}"
    ".line{fill:none;stroke-width:2}.s0{stroke:#1668a8}.s1{stroke:#a85d16;stroke-dasharray:5 4}</style>"
)


def window_of(view: RolloutView, now_ms: int) -> tuple[int, int] | None:
    """Return the span of time that a picture of a rollout covers; None if nothing has a date."""
    instants = [at for at, _ in (*view.known, *view.expected)]
    if not instants:
        return None
    first, last = min(*instants, now_ms), max(*instants, now_ms)
    margin = max((last - first) // 20, _HOUR)
    return first - margin, last + margin


def certain_until(view: RolloutView) -> int | None:
    """Return from when on the curve is only expected; None if all of it is certain."""
    known = set(view.known)
    return next((at for at, share in view.expected if (at, share) not in known), None)


def curve_svg(view: RolloutView, now_ms: int, *, standalone: bool = False) -> str:
    """Return the curve of a rollout; empty if nothing has a date.

    Args:
        view: The rollout.
        now_ms: Marked in the picture.
        standalone: A file of its own, with its own style, instead of a part of a page.
    """
    from flagctl.plots import Series, lines

    window = window_of(view, now_ms)
    if window is None:
        return ""
    start, end = window
    origin = start // _DAY * _DAY  # so that marks stand at midnight
    border = certain_until(view)
    certain = Series(label="certain", points=_corners(view, start, end if border is None else border - 1))
    series = [certain]
    if border is not None:
        series.append(Series(label="expected, unless it waits longer", points=_corners(view, border - 1, end)))
    title = f"{view.key}: share of {view.serves}" + (f", rule {view.rule}" if view.rule else "")
    picture = lines(
        title,
        [Series(label=one.label, points=tuple(((at - origin) / _DAY, y) for at, y in one.points)) for one in series],
        lambda share: f"{share:g} %",
        lambda days: _date(origin + round(days * _DAY)),
        vertical=((now_ms - origin) / _DAY, "now"),
    )
    if not standalone:
        return picture
    drawing = picture[: picture.index("</svg>") + 6]
    head, _, rest = drawing.partition(">")
    name = "" if "xmlns=" in head else ' xmlns="http://www.w3.org/2000/svg"'
    return f"{head}{name}>{_STYLE}{rest}\n"


def _corners(view: RolloutView, start: int, end: int) -> tuple[tuple[float, float], ...]:
    """Return the points of a line through a curve: (milliseconds, percent), both sides of each jump."""
    bends = sorted({at for at, _ in (view.expected or view.known) if start < at <= end})
    points: list[tuple[float, float]] = [(start, share_of(view, start) / 1000)]
    for at in bends:
        points += [(at, share_of(view, at - 1) / 1000), (at, share_of(view, at) / 1000)]
    return (*points, (end, share_of(view, end) / 1000))


def _date(at_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%d %b")
