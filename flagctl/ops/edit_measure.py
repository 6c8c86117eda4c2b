"""Who gets another answer by an edit: both versions are asked for every context of a population.

Arithmetic says exactly what a percentage moves; who meets a condition only people's own data say, or contexts that are made up.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.model import Repository
    from flagctl.ops.edit_model import EditPlan
    from flagctl.ops.measure import Measured
    from flagctl.ops.workspace import Workspace

MADE_UP: Final = 2000
"""So many contexts are made up where nobody has some."""
_MISSING: Final = 0.1


def both_sides(workspace: Workspace, plan: EditPlan) -> tuple[Repository, Repository]:
    """Return all flags as they are, and as they are after an edit.

    Args:
        workspace: The files as they are.
        plan: Of the edit.

    Raises:
        UsageError: If one of them cannot be evaluated.
    """
    from flagctl.ops.edit_plan import with_edits

    if not plan.has_changes:
        raise UsageError("nothing is changed yet")
    files = with_edits(workspace.files, plan.files)
    before, after = workspace.loaded().repository, workspace.load(files, files).repository
    if plan.errors or before is None or after is None:
        raise _unmeasurable()
    return before, after


def measure_plan(
    sides: tuple[Repository, Repository], plan: EditPlan, population: Path | None, now_ms: int
) -> Measured:
    """Evaluate both versions of what an edit changes or reaches, in the protected environments, or in all if none is.

    Args:
        sides: Of the edit.
        plan: Of the edit.
        population: File of contexts; None makes some up, with the values that conditions look at.
        now_ms: Instant of the evaluations, milliseconds since the epoch.

    Raises:
        UsageError: If the edit cannot be compared, the population can't be read, or NumPy is missing.
        FindingsError: If the flags can't be compiled.
    """
    from flagctl.ops.measure import PopulationOptions, measure_change, need_numpy

    need_numpy()
    if plan.review is None:
        raise _unmeasurable()
    stream = None if population is not None else _made_up(*sides)
    options = PopulationOptions(path=population, stream=stream, form=None if stream is None else "jsonl", examples=1)
    return measure_change(plan.review.diff, sides, options, (), now_ms)


def _unmeasurable() -> UsageError:
    return UsageError("what has errors can't be measured", hint="mend them first")


def _made_up(*sides: Repository) -> io.BytesIO:
    """Return contexts that know the values of both versions: who left is found by what only the old one looks at."""
    from flagctl.population.generate import Generator, Recipe
    from flagctl.population.writing import write_population

    stream = io.BytesIO()
    for seed, side in enumerate(sides):
        generator = Generator(side, Recipe(count=MADE_UP // len(sides), seed=seed, missing=_MISSING))
        write_population(stream, "jsonl", generator.types, generator.batches())
    stream.seek(0)
    return stream
