"""Load only some flags of a revision, with everything they depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.model import SegmentCondition, walk_conditions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.model import EnvironmentOverride, Flag, Repository
    from flagctl.source import LoadedRepository
    from flagctl.vcs import GitRepository

_CONFIG = "flagctl.yaml"


def load_closure(vcs: GitRepository, revision: str, keys: Iterable[str]) -> LoadedRepository:
    """Load the documents with these keys at a revision and, transitively, what they refer to.

    Files are found by their names, which must be their keys; a key without a file is left out.

    Raises:
        UsageError: If the revision does not exist.
    """
    from flagctl.source import load_tree

    by_key: dict[str, list[str]] = {}
    for path in vcs.yaml_paths(revision):
        by_key.setdefault(path.rpartition("/")[2].rpartition(".")[0], []).append(path)
    files: dict[str, bytes] = {}
    wanted, seen = set(keys), set[str]()
    paths = [_CONFIG]
    while True:
        paths += [path for key in sorted(wanted - seen) for path in by_key.get(key, ())]
        seen |= wanted
        files.update(vcs.read_paths(revision, paths))
        loaded = load_tree(files)
        wanted = _references(loaded.repository) if loaded.repository else set()
        if wanted <= seen:
            return loaded
        paths = []


def _references(repository: Repository) -> set[str]:
    found: set[str] = set()
    for segment in repository.segments.values():
        found.update(c.segment for c in walk_conditions(segment.when or ()) if isinstance(c, SegmentCondition))
    for flag in repository.flags.values():
        parts: tuple[Flag | EnvironmentOverride, ...] = (flag, *flag.environments.values())
        for part in parts:
            found.update(prerequisite.flag for prerequisite in part.prerequisites)
            for rule in part.rules:
                if rule.experiment is not None:
                    found.add(rule.experiment)
                found.update(c.segment for c in walk_conditions(rule.when) if isinstance(c, SegmentCondition))
    for experiment in repository.experiments.values():
        if experiment.layer is not None:
            found.add(experiment.layer)
    return found
