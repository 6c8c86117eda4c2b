"""Layers as the pages show them: who has which slots, as a table and as a bar, and where a unit is."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from markupsafe import Markup

from flagctl.errors import NothingMatchedError
from flagctl.evaluator.buckets import bucket
from flagctl.ops.experiment_edit import free_ranges
from flagctl.review.words import share

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.model import Experiment, Layer, Repository

_SLOTS: Final = 100_000
_SIZE: Final = (720, 76)
_TOP: Final = 8
_BAR: Final = 40
_LETTER: Final = 7.2
"""Width of a letter, about."""


class Part(NamedTuple):
    """Slots of a layer that belong together.

    Attributes:
        kind: ``experiment``, ``holdout`` or ``free``.
        key: Of the experiment.
        name: What it is called.
        slots: Half-open ranges, ascending.
        experiment: The experiment, if it is one.
    """

    kind: str
    key: str
    name: str
    slots: tuple[tuple[int, int], ...]
    experiment: Experiment | None = None

    @property
    def size(self) -> int:
        """Number of slots: thousandths of a percent of the units."""
        return sum(end - start for start, end in self.slots)


class Place(NamedTuple):
    """Where a unit is in a layer: its slot, and whose that is."""

    slot: int
    part: Part


def find_layer(repository: Repository, key: str) -> Layer:
    """Return a layer by its key.

    Raises:
        NothingMatchedError: If there is none.
    """
    found = repository.layers.get(key)
    if found is None:
        raise NothingMatchedError(f"there is no layer '{key}'", hint="the page of experiments has all")
    return found


def parts_of(repository: Repository, layer: Layer) -> tuple[Part, ...]:
    """Return who has which slots: experiments that are not completed, the holdout, and what is free."""
    mine = [
        one for one in repository.experiments.values() if one.layer == layer.key and one.status.value != "completed"
    ]
    parts = [Part("experiment", one.key, one.key, tuple(sorted(one.slots)), one) for one in mine]
    parts.sort(key=lambda part: part.slots)
    if layer.holdout:
        parts.append(Part("holdout", "", "held out", tuple(sorted(layer.holdout))))
    free = free_ranges([slot for part in parts for slot in part.slots])
    if free:
        parts.append(Part("free", "", "free", tuple(free)))
    return tuple(parts)


def place_of(layer: Layer, parts: tuple[Part, ...], unit: str) -> Place:
    """Return where a unit is."""
    slot = bucket(f"{layer.key}/allocation", unit)
    part = next(part for part in parts if any(start <= slot < end for start, end in part.slots))
    return Place(slot, part)


def slots_picture(layer: Layer, parts: tuple[Part, ...], url: Callable[[str], str]) -> Markup:
    """Return the slots of a layer as a bar."""
    width, height = _SIZE
    stripes = f"stripes-{escape(layer.key)}"
    defs = (
        f'<defs><pattern id="{stripes}" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="ground" width="8" height="8"/><line class="stripe" x1="0" y1="0" x2="0" y2="8"/></pattern></defs>'
    )
    drawn = [defs]
    number = 0
    for part in parts:
        series = ""
        if part.kind == "experiment":
            series, number = f" s{number % 6}", number + 1
        for start, end in part.slots:
            x, wide = start / _SLOTS * width, (end - start) / _SLOTS * width
            title = f"{part.name}: {start}-{end}, {share(end - start)}"
            fill = f' fill="url(#{stripes})"' if part.kind == "holdout" else ""
            inner = (
                f"<title>{escape(title)}</title>"
                f'<rect class="slot {part.kind}{series}"{fill} x="{x:.1f}" y="{_TOP}" width="{wide:.1f}" height="{_BAR}"/>'
            )
            room = int((wide - 12) / _LETTER)
            if room >= 4:
                text = part.name if len(part.name) <= room else part.name[: room - 1] + "…"
                inner += f'<text x="{x + 6:.1f}" y="{_TOP + _BAR / 2 + 4:.0f}">{escape(text)}</text>'
            drawn.append(
                f'<a href="{escape(url("/experiments/" + part.key))}">{inner}</a>' if part.key else f"<g>{inner}</g>"
            )
    for slot in range(0, _SLOTS + 1, 20_000):
        anchor = "start" if slot == 0 else "end" if slot == _SLOTS else "middle"
        x = slot / _SLOTS * width
        drawn.append(f'<text class="axis" x="{x:.0f}" y="{height - 8}" text-anchor="{anchor}">{slot // 1000} %</text>')
    title = f"Slots of layer {layer.key}: " + ", ".join(f"{part.name} {share(part.size)}" for part in parts)
    return Markup(  # noqa: S704 - made of numbers and escaped text
        f'<svg class="picture slots" role="group" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'xmlns="http://www.w3.org/2000/svg" aria-label="{escape(title)}">{"".join(drawn)}</svg>'
    )
