"""Contexts of a population against the flags: what `diff --population` and `simulate` share, and the former."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any

from flagctl.diagnostics import did_you_mean
from flagctl.errors import FindingsError, FlagctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from flagctl.evaluator.document import Document
    from flagctl.evaluator.lists import ListReader
    from flagctl.model import ContextSchema, Repository
    from flagctl.population.measure import MeasuredFlag, Versions
    from flagctl.population.reading import PopulationFile
    from flagctl.review import RepositoryDiff


def _no_progress(_done: int, _share: float | None) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationOptions:
    """Which contexts, and what to count.

    Attributes:
        path: File of contexts; None is `stream`.
        stream: Where contexts come from without a file.
        form: Format; None goes by the file's ending.
        by: Attributes to break numbers down by, as flag files write them.
        examples: How many contexts to show of each movement.
        progress: Told after each batch how many contexts are done, and the share of the file (None: unknown).
        lists: Files with the units of lists that segments name, by the lists' names.
    """

    path: Path | None
    stream: IO[bytes] | None = None
    form: str | None = None
    by: tuple[str, ...] = ()
    examples: int = 3
    progress: Callable[[int, float | None], None] = _no_progress
    lists: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a change does to a population.

    Attributes:
        source: File of the contexts, or ``stdin``.
        contexts: How many there were.
        at_ms: Instant of the evaluations.
        environments: Where the versions were compared.
        flags: One measurement for each environment and flag that the change concerns there.
    """

    source: str
    contexts: int
    at_ms: int
    environments: tuple[str, ...]
    flags: tuple[MeasuredFlag, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the measurements as JSON outputs have them."""
        return {
            "source": self.source,
            "contexts": self.contexts,
            "at_ms": self.at_ms,
            "environments": list(self.environments),
            "flags": [flag.to_dict() for flag in self.flags],
        }

    def shares(self) -> dict[str, dict[str, float]]:
        """Return the share of contexts whose answer changes, by environment and flag."""
        found: dict[str, dict[str, float]] = {}
        for flag in self.flags:
            found.setdefault(flag.environment, {})[flag.key] = flag.changed / flag.contexts
        return found


def measure_change(
    diff: RepositoryDiff,
    sides: tuple[Repository, Repository],
    options: PopulationOptions,
    environments: tuple[str, ...],
    now_ms: int,
) -> Measured:
    """Evaluate both versions of what a difference changes or reaches for every context.

    Args:
        diff: The difference.
        sides: Both repositories, complete.
        options: The population.
        environments: Where; empty: the protected ones, or all if none is.
        now_ms: Instant of the evaluations.

    Raises:
        UsageError: If the population can't be read, or NumPy is missing.
        NothingMatchedError: If there is no context.
        FindingsError: If the flags can't be compiled.
    """
    need_numpy()
    from flagctl.population.measure import Versions

    old, new = sides
    names = _environments(old, new, environments)
    concerned = _concerned(diff, names)
    versions = [
        Versions(
            environment=name,
            before=compiled(old, concerned[name], name),
            after=compiled(new, concerned[name], name),
            keys=tuple(sorted(concerned[name])),
        )
        for name in names
    ]
    return _measure(versions, options, new.config.context, now_ms)


def measure_bundles(
    diff: RepositoryDiff,
    bundles: tuple[Document, Document],
    options: PopulationOptions,
    schema: ContextSchema,
    now_ms: int,
) -> Measured:
    """Evaluate both versions of what differs between two bundles of one environment for every context.

    Args:
        diff: The difference.
        bundles: Both bundles.
        options: The population.
        schema: Declared context; a bundle has none.
        now_ms: Instant of the evaluations.

    Raises:
        UsageError: If the population can't be read, or NumPy is missing.
        NothingMatchedError: If there is no context.
    """
    need_numpy()
    from flagctl.population.measure import Versions

    before, after = bundles
    environment = after.header.env
    keys = tuple(sorted(_concerned(diff, (environment,))[environment]))
    versions = [Versions(environment=environment, before=before, after=after, keys=keys)]
    return _measure(versions, options, schema, now_ms)


def _measure(versions: Sequence[Versions], options: PopulationOptions, schema: ContextSchema, now_ms: int) -> Measured:
    from flagctl.population.measure import Questions, compare

    source = population_file(options, schema)
    questions = Questions(
        by=paths_of(options.by, schema),
        examples=options.examples,
        private=frozenset(path for path, attribute in schema.attributes.items() if attribute.pii),
        lists=list_reader([document for version in versions for document in (version.before, version.after)], options),
    )
    done = 0

    def progress(count: int, share: float | None) -> None:
        nonlocal done
        done = count
        options.progress(count, share)

    flags = compare(versions, source.batches(), now_ms, questions, progress)
    environments = tuple(version.environment for version in versions)
    return Measured(source=source.name, contexts=done, at_ms=now_ms, environments=environments, flags=flags)


def _environments(old: Repository, new: Repository, wanted: tuple[str, ...]) -> tuple[str, ...]:
    every = {name: it for name, it in new.config.environments.items() if name in old.config.environments}
    chosen = [name for name in every if name in wanted] if wanted else [name for name in every if every[name].protected]
    return tuple(chosen or ([] if wanted else every))


def _concerned(diff: RepositoryDiff, environments: tuple[str, ...]) -> dict[str, set[str]]:
    """Return the keys of flags that may answer differently, by environment."""
    concerned: dict[str, set[str]] = {name: set(diff.reached) for name in environments}
    for change in diff.changes:
        if change.kind == "flag" and (change.category.changes_answers or change.code == "flag-added"):
            for name in environments:
                if not change.environments or name in change.environments:
                    concerned[name].add(change.key)
    return concerned


def need_numpy() -> None:
    """Refuse to go on without NumPy.

    Raises:
        UsageError: If it is not installed.
    """
    from importlib.util import find_spec

    if find_spec("numpy") is None:
        raise UsageError("evaluating a population needs NumPy", hint='install it: pip install "flagctl[population]"')


def list_reader(documents: Iterable[Document], options: PopulationOptions) -> ListReader | None:
    """Return who knows the units of all lists that some bundles name, None if they name none.

    Raises:
        UsageError: If a list was not given: what it means for a population cannot be known without it.
    """
    from flagctl.client.listed import list_names

    wanted = sorted({name for document in documents for name in list_names(document)})
    if not wanted:
        return None
    from flagctl.ops.unit_lists import FileLists

    missing = [name for name in wanted if name not in options.lists]
    if missing:
        raise UsageError(
            f"whom these flags reach depends on the list '{missing[0]}', which is not in the repository",
            hint=f"give its units: --list {missing[0]}=FILE",
        )
    return FileLists({name: options.lists[name] for name in wanted})


def population_file(options: PopulationOptions, schema: ContextSchema) -> PopulationFile:
    """Return the file of contexts that options name."""
    from flagctl.population.reading import PopulationFile

    return PopulationFile(path=options.path, stream=options.stream, form=options.form, schema=schema)


def paths_of(names: Iterable[str], schema: ContextSchema) -> tuple[tuple[str, ...], ...]:
    """Return the paths of attributes that options name.

    Raises:
        UsageError: If one is not declared, and the context has no others.
    """
    from flagctl.population.nesting import path_of

    paths = []
    for name in names:
        path = path_of(name)
        if path is None or not schema.allows(path):
            known = [attribute.name for attribute in schema.attributes.values()]
            close = did_you_mean(name, known)
            raise UsageError(
                f"flagctl.yaml declares no attribute '{name}'",
                hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(known)}",
            )
        paths.append(path)
    return tuple(paths)


def compiled(repository: Repository, keys: Iterable[str], environment: str) -> Document:
    """Return the bundle of some flags and what they depend on; keys that are no flag are left out.

    Raises:
        FindingsError: If they can't be compiled.
    """
    from flagctl.compiler import compile_environment
    from flagctl.evaluator.document import open_bundle

    try:
        return open_bundle(compile_environment(reduced(repository, keys), environment).data)
    except FlagctlError as error:
        raise FindingsError(
            f"the flags that are to be evaluated can't be compiled: {error.message}",
            hint=error.hint or "flagctl validate shows every problem and its place",
        ) from error


def reduced(repository: Repository, keys: Iterable[str]) -> Repository:
    """Return a repository with these flags and, transitively, everything they look at."""
    from flagctl.review.reach import dependencies

    graph = dependencies(repository)
    for key, experiment in repository.experiments.items():
        graph["experiment", key] = {("layer", experiment.layer)} if experiment.layer else set()
    waiting = [("flag", key) for key in keys]
    seen = set(waiting)
    while waiting:
        fresh = graph.get(waiting.pop(), set()) - seen
        seen |= fresh
        waiting += fresh

    def kept(kind: str, items: Mapping[str, Any]) -> dict[str, Any]:
        return {key: item for key, item in items.items() if (kind, key) in seen}

    return replace(
        repository,
        flags=kept("flag", repository.flags),
        segments=kept("segment", repository.segments),
        experiments=kept("experiment", repository.experiments),
        layers=kept("layer", repository.layers),
        broken=frozenset(),
    )
