"""The curve of a rollout as SVG: for files, and for the web UI.

Every step has a mark, and what a mark looks like says whether the step has begun, will begin by itself, or waits for somebody; so
nothing hangs on colour alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.ops.rollout import share_of
from flagctl.ops.rollout_words import WAITS
from flagctl.review import words

if TYPE_CHECKING:
    from flagctl.ops.rollout import RolloutView

_HOUR: Final = 3_600_000
_DAY: Final = 24 * _HOUR
_WIDTH, _HEIGHT = 400, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 28, 30
_SPACE: Final = 58
"""So far are dates apart, at least."""
_EVERY: Final = (_HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY)
_STYLE: Final = (
    "<style>svg{font:12px sans-serif;background:#fff}.axis{fill:#444}.grid{stroke:#ddd}"
    ".area{fill:#1668a8;opacity:.13}.curve,.expected{fill:none;stroke:#1668a8;stroke-width:2.5}"
    ".expected{stroke:#a85d16;stroke-dasharray:6 4;stroke-width:2}.begun{fill:#1668a8}"
    ".later{fill:#fff;stroke:#1668a8;stroke-width:2}.waits{fill:#fff;stroke:#a85d16;stroke-width:2}"
    "line.now{stroke:#b3261e;stroke-width:1.5}text.now{fill:#b3261e}</style>"
)
_KINDS: Final = {
    "begun": "has begun",
    "later": "begins by itself",
    "waits": "waits for somebody",
    "expected": "expected, if it waits no longer",
}


class Mark(NamedTuple):
    """A step in a picture: when and how many, what kind of mark it has, and what it is in words."""

    at: int
    share: int
    kind: str
    title: str


class _Frame(NamedTuple):
    """Where instants and shares are in a picture."""

    start: int
    end: int

    def x(self, at: int) -> float:
        return _LEFT + (at - self.start) / (self.end - self.start) * (_WIDTH - _LEFT - _RIGHT)

    @staticmethod
    def y(share: float) -> float:
        return _TOP + (100_000 - share) / 100_000 * (_HEIGHT - _TOP - _BOTTOM)

    def line(self, points: list[tuple[int, float]]) -> str:
        return " ".join(f"{self.x(at):.1f},{self.y(share):.1f}" for at, share in points)


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
    """Return the curve of a rollout with a mark at every step; empty if nothing has a date.

    Args:
        view: The rollout.
        now_ms: Marked in the picture.
        standalone: A file of its own, with its own style, instead of a part of a page.
    """
    window = window_of(view, now_ms)
    if window is None:
        return ""
    frame = _Frame(*window)
    border = certain_until(view)
    marks = _marks(view, now_ms)
    certain = _corners(view, frame.start, frame.end if border is None else border - 1)
    parts = _axes(frame)
    feet = f"{frame.x(certain[0][0]):.1f},{frame.y(0):.1f} {{}} {frame.x(certain[-1][0]):.1f},{frame.y(0):.1f}"
    parts.append(f'<polygon class="area" points="{feet.format(frame.line(certain))}"/>')
    if border is not None:
        parts.append(
            f'<polyline class="expected" points="{frame.line(_corners(view, border - 1, frame.end))}"/>',
        )
    parts.append(f'<polyline class="curve" points="{frame.line(certain)}"/>')
    parts += _now(frame, now_ms)
    parts += [_drawn(frame, mark) for mark in marks]
    title = f"{view.key}: share of {view.serves}" + (f", rule {view.rule}" if view.rule else "")
    picture = (
        f'<svg class="picture rollout" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>'
        f"{_STYLE if standalone else ''}{''.join(parts)}</svg>"
    )
    return (
        f"{picture}\n" if standalone else picture + _legend({mark.kind for mark in marks}, expected=border is not None)
    )


def _marks(view: RolloutView, now_ms: int) -> list[Mark]:
    """Return the marks of a picture; a step that waits stands where it is expected."""
    if view.kind == "linear":
        return [
            Mark(at, share, "begun" if at <= now_ms else "later", f"{words.share(share)} at {words.instant(at)}")
            for at, share in view.known
        ]
    found: list[Mark] = []
    places = {share: at for at, share in view.expected}
    for step in view.steps:
        share = round(step.percent * 1000)
        at = step.begins_ms if step.begins_ms is not None else places.get(share)
        if at is None or (view.state == "aborted" and at > now_ms):
            continue
        if step.begins_ms is None:
            kind, text = "waits", WAITS.get(step.waits_for or "", "not known yet")
        else:
            kind, text = "begun" if at <= now_ms else "later", words.instant(at)
        found.append(Mark(at, share, kind, f"{step.label}: {text}"))
    return found


def _drawn(frame: _Frame, mark: Mark) -> str:
    x, y = frame.x(mark.at), frame.y(mark.share)
    title = f"<title>{escape(mark.title)}</title>"
    shape = (
        f'<path class="waits" d="M{x:.1f},{y - 7:.1f} l7,7 l-7,7 l-7,-7 z">{title}</path>'
        if mark.kind == "waits"
        else f'<circle class="{mark.kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{title}</circle>'
    )
    if not mark.share:
        return shape
    near = x > _WIDTH - _RIGHT - 40
    label = f'<text class="axis" x="{x - 9 if near else x + 9:.1f}" y="{y - 6:.1f}"'
    label += f' text-anchor="{"end" if near else "start"}">{escape(words.share(mark.share))}</text>'
    return shape + label


def _axes(frame: _Frame) -> list[str]:
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{frame.y(level):.1f}" y2="{frame.y(level):.1f}"/>'
        f'<text class="axis" x="{_LEFT - 6}" y="{frame.y(level) + 4:.1f}" text-anchor="end">{level // 1000} %</text>'
        for level in (0, 50_000, 100_000)
    ]
    span = frame.end - frame.start
    room = (_WIDTH - _LEFT - _RIGHT) / span
    every = next((one for one in _EVERY if one * room >= _SPACE), span // 5 // _DAY * _DAY or _DAY)
    at = -(-frame.start // every) * every
    while at < frame.end:
        parts.append(
            f'<line class="grid" x1="{frame.x(at):.1f}" x2="{frame.x(at):.1f}" y1="{_HEIGHT - _BOTTOM}" y2="{_HEIGHT - _BOTTOM + 5}"/>'
            f'<text class="axis" x="{frame.x(at):.1f}" y="{_HEIGHT - 10}" text-anchor="middle">{_date(at, every)}</text>'
        )
        at += every
    return parts


def _now(frame: _Frame, now_ms: int) -> list[str]:
    place = frame.x(now_ms)
    end = place > _WIDTH - _RIGHT - 40
    return [
        f'<line class="now" x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP - 16}" y2="{_HEIGHT - _BOTTOM}"/>',
        f'<text class="now" x="{place - 4 if end else place + 4:.1f}" y="{_TOP - 16}" text-anchor="{"end" if end else "start"}">now</text>',
    ]


def _legend(kinds: set[str], *, expected: bool) -> str:
    shown = [name for name in _KINDS if name in kinds or (name == "expected" and expected)]
    if len(shown) < 2:
        return ""
    items = "".join(f'<li><span class="sign {name}" aria-hidden="true"></span>{_KINDS[name]}</li>' for name in shown)
    return f'<ul class="legend">{items}</ul>'


def _corners(view: RolloutView, start: int, end: int) -> list[tuple[int, float]]:
    """Return the points of a line through a curve: (milliseconds, thousandths), both sides of each jump."""
    bends = sorted({at for at, _ in (view.expected or view.known) if start < at <= end})
    points: list[tuple[int, float]] = [(start, share_of(view, start))]
    for at in bends:
        points += [(at, share_of(view, at - 1)), (at, share_of(view, at))]
    return [*points, (end, share_of(view, end))]


def _date(at_ms: int, every: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    if every >= 28 * _DAY:
        return moment.strftime("%b %Y")
    return moment.strftime("%d %b" if every >= _DAY or not moment.hour else "%H:%M")
