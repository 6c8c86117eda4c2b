"""Two bundles as sides of a comparison: what is live, and what would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flagctl.evaluator.document import Document
    from flagctl.model import Repository
    from flagctl.ops.target import Target
    from flagctl.review import RepositoryDiff
    from flagctl.review.side import BundleSide
    from flagctl.source import LoadedRepository


def bundle_sides(
    target: Target, live: Document | None, proposed: tuple[Document, LoadedRepository]
) -> tuple[BundleSide, BundleSide, RepositoryDiff]:
    """Return both sides, reduced to flags that differ or depend on something that does, and their difference.

    Args:
        target: Environment and project.
        live: The current bundle, or None before the first publication.
        proposed: The bundle that would be current, and the files it was compiled from.
    """
    from flagctl.evaluator.document import open_bundle
    from flagctl.review.side import BundleSide, concerned_flags

    document = open_bundle(nothing(target)) if live is None else live
    planned, loaded = proposed
    keys = concerned_flags(document, planned)
    before, after = BundleSide(document, None, keys), BundleSide(planned, loaded, keys)
    return before, after, difference(before, after)


def difference(before: BundleSide, after: BundleSide) -> RepositoryDiff:
    """Return what changes between two bundles of one environment."""
    from dataclasses import replace

    from flagctl.review import diff_sides

    diff = diff_sides(before, after)
    told = (c for c in diff.changes if _is_told(c.code, c.key, before.repository, after.repository))
    return replace(diff, changes=tuple(told))


def _is_told(code: str, key: str, old: Repository, new: Repository) -> bool:
    """Whether a change is one: a bundle does not say how an experiment that is not running splits."""
    from flagctl.model import ExperimentStatus

    if code not in {
        "experiment-variants-changed",
        "experiment-traffic-changed",
        "experiment-slots-changed",
        "experiment-metrics-changed",
    }:
        return True
    both = (old.experiments.get(key), new.experiments.get(key))
    return all(experiment is not None and experiment.status is ExperimentStatus.RUNNING for experiment in both)


def nothing(target: Target) -> bytes:
    """Return the bundle of an environment without flags."""
    from flagctl.compiler import compile_environment
    from flagctl.model import Environment, Repository, RepositoryConfig

    name = target.environment
    config = RepositoryConfig(
        path="flagctl.yaml", version=1, project=target.project, environments={name: Environment(name=name)}
    )
    return compile_environment(Repository(config=config), name).data
