"""`flagctl diff` where a side is a bundle: a compiled file, or what is live in an environment.

A bundle holds one environment's flags without names and comments. So the other side is compiled for that environment too,
and both are compared as bundles; places are looked up in the flag files where a side has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flagctl.errors import NothingMatchedError, UsageError

if TYPE_CHECKING:
    from flagctl.evaluator.document import Document
    from flagctl.ops.diff import DiffOptions, DiffResult
    from flagctl.ops.measure import Measured
    from flagctl.review import RepositoryDiff
    from flagctl.source import LoadedRepository

BUNDLE = "bundle:"
REMOTE = "remote:"


def names_bundle(*names: str | None) -> bool:
    """Return whether one of the sides is a bundle."""
    return any(name is not None and name.startswith((BUNDLE, REMOTE)) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    label: str
    document: Document
    loaded: LoadedRepository | None = None


def diff_bundles(options: DiffOptions) -> DiffResult:
    """Compare two sides of which at least one is ``bundle:FILE`` or ``remote:ENV``.

    Raises:
        UsageError: If a side does not exist, or the sides are of different environments.
        NothingMatchedError: If nothing is published to the environment.
        RemoteError: If the remote cannot be reached.
        UntrustedError: If what is live is not to be trusted, or the file is no bundle.
    """
    from flagctl.ops.bundle_sides import difference
    from flagctl.ops.diff import DiffResult
    from flagctl.ops.sides import WORK_TREE
    from flagctl.review.facts import impacts_of
    from flagctl.review.reach import affected_edges
    from flagctl.review.side import BundleSide, concerned_flags

    names = (options.base or WORK_TREE, options.head or WORK_TREE)
    opened = [_open(name, options) if names_bundle(name) else None for name in names]
    environments = {side.document.header.env for side in opened if side is not None}
    if len(environments) > 1 or (options.environments and set(options.environments) != environments):
        shown = ", ".join(sorted(environments | set(options.environments)))
        raise UsageError(f"the sides are of different environments: {shown}")
    environment = environments.pop()
    sides = [side or _compile(name, environment, options) for side, name in zip(opened, names, strict=True)]
    keys = concerned_flags(sides[0].document, sides[1].document)
    before, after = (BundleSide(side.document, side.loaded, keys) for side in sides)
    result = difference(before, after)
    impacts = impacts_of(result, before.repository, after.repository, environment, options.now_ms)
    return DiffResult(
        base=sides[0].label,
        head=sides[1].label,
        environments=(environment,),
        diff=result,
        impacts={key: {environment: groups} for key, groups in impacts.items()},
        edges=affected_edges(result, before.repository, after.repository),
        measured=_measured(result, (sides[0].document, sides[1].document), options),
    )


def _measured(result: RepositoryDiff, bundles: tuple[Document, Document], options: DiffOptions) -> Measured | None:
    if options.population is None:
        return None
    from flagctl.ops.loading import load, readable
    from flagctl.ops.measure import measure_bundles

    schema = readable(load(options.root)).config.context
    return measure_bundles(result, bundles, options.population, schema, options.now_ms)


def _open(name: str, options: DiffOptions) -> _Compiled:
    from flagctl.evaluator.document import check_structure, open_bundle

    if name.startswith(BUNDLE):
        path = Path(name.removeprefix(BUNDLE))
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"the bundle {path} cannot be read: {error.strerror}") from error
        document = open_bundle(data)
        check_structure(document)
        return _Compiled(label=f"{name} ({document.header.env})", document=document)
    from flagctl.ops.loading import check_environment, load, readable
    from flagctl.ops.plan import read_live
    from flagctl.ops.target import open_target

    loaded = load(options.root)
    environment = check_environment(readable(loaded), name.removeprefix(REMOTE))
    live = read_live(open_target(options.root, readable(loaded).config, environment), options.now_ms)
    if live is None:
        raise NothingMatchedError(f"nothing is published to '{environment}' yet", hint=f"flagctl publish {environment}")
    return _Compiled(label=f"live in {environment} (number {live[0].seq})", document=live[1])


def _compile(name: str, environment: str, options: DiffOptions) -> _Compiled:
    from flagctl.compiler import compile_environment
    from flagctl.evaluator.document import open_bundle
    from flagctl.ops.loading import check_environment, checked
    from flagctl.ops.sides import load_side

    side = load_side(name, options.root)
    repository = checked(side.loaded, options.now_ms)
    bundle = compile_environment(repository, check_environment(repository, environment))
    return _Compiled(label=side.label, document=open_bundle(bundle.data), loaded=side.loaded)
