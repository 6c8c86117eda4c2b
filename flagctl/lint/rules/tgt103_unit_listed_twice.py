"""TGT103: a unit that is listed more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.edits import drop
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flagctl.diagnostics import Route
    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TGT103",
    name="unit-listed-twice",
    severity=Severity.ERROR,
    summary="A unit stands twice in targets, or in the `include` and `exclude` of a segment.",
    why=(
        "In two targets only the first would count, and excluded units are never members whatever `include` says; a reader"
        ' who finds the other entry is misled. Units are compared as text, so 7 and "7" are the same.'
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
targets: {on: [user-1, user-2], off: [user-2]}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
targets: {on: [user-1], off: [user-2]}
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each repeated unit."""
    for flag in context.repository.flags.values():
        for targets in (flag.targets, *(override.targets for override in flag.environments.values())):
            if targets:
                yield from _repeated(context, (flag.path, flag.key), [(t.units, t.route) for t in targets])
    for segment in context.repository.segments.values():
        lists: list[tuple[tuple[str, ...], Route]] = [
            (segment.include, ("include",)),
            (segment.exclude, ("exclude",)),
        ]
        yield from _repeated(context, (segment.path, segment.key), lists)


def _repeated(
    context: LintContext, user: tuple[str, str], lists: Sequence[tuple[tuple[str, ...], Route]]
) -> Iterator[Finding]:
    path, key = user
    if len(set().union(*(units for units, _ in lists))) == sum(len(units) for units, _ in lists):
        return
    first: dict[str, Route] = {}
    for units, route in lists:
        for index, unit in enumerate(units):
            here = (*route, index)
            earlier = first.setdefault(unit, here)
            if earlier is not here:
                same_list = earlier[:-1] == route
                place = Place(path, here)
                yield Finding(
                    place=place,
                    message=f"unit {shown(unit)} is listed twice{'' if same_list else f', also under {earlier[-2]!r}'}",
                    help="keep the one that is meant",
                    related=((Place(path, earlier), "the first one is here"),),
                    fix=drop(context, place, title="remove the second one", safe=True) if same_list else None,
                    key=key,
                )
