"""`flagctl generate population`: contexts made up from the declared context and the flags."""

from __future__ import annotations

import gzip
from contextlib import nullcontext
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from flagctl.errors import UsageError
from flagctl.ops.loading import load, readable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateOptions:
    """What to make.

    Attributes:
        root: The flag repository's root.
        count: Number of contexts.
        seed: Other seeds give other contexts.
        missing: Share of contexts that lack an attribute which is not required.
        path: File to write; None is `stream`.
        stream: Where to without a file.
        form: Format; None goes by the file's ending, JSONL without one.
    """

    root: Path
    count: int
    seed: int
    missing: float
    path: Path | None
    stream: IO[bytes] | None = None
    form: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateResult:
    """What was made."""

    path: str | None
    count: int
    seed: int
    attributes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-population.schema.json`)."""
        return {"path": self.path, "contexts": self.count, "seed": self.seed, "attributes": list(self.attributes)}


def generate_population(options: GenerateOptions) -> GenerateResult:
    """Make a population up and write it.

    Raises:
        UsageError: If the file can't be written, or its format is unknown.
    """
    from flagctl.ops.measure import need_numpy

    need_numpy()
    from flagctl.population.generate import Generator, Recipe
    from flagctl.population.nesting import heading
    from flagctl.population.reading import format_of
    from flagctl.population.writing import write_population

    form = format_of(options.path, options.form)
    repository = readable(load(options.root))
    generator = Generator(repository, Recipe(count=options.count, seed=options.seed, missing=options.missing))
    try:
        with _opened(options) as stream:
            count = write_population(stream, form, generator.types, generator.batches())
    except OSError as error:
        if options.path is None:
            raise
        raise UsageError(f"the population {options.path} cannot be written: {error.strerror or error}") from error
    return GenerateResult(
        path=None if options.path is None else str(options.path),
        count=count,
        seed=options.seed,
        attributes=tuple(heading(path) for path in generator.types),
    )


def _opened(options: GenerateOptions) -> AbstractContextManager[IO[bytes]]:
    if options.path is not None:
        if options.path.name.endswith(".gz"):
            return cast("IO[bytes]", gzip.open(options.path, "wb"))
        return options.path.open("wb")
    if options.stream is None:
        raise UsageError("where should the population go?", hint="name a file: -o contexts.jsonl")
    return nullcontext(options.stream)
