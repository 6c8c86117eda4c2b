"""Flags and experiments as rows of tables, with who made them and who changed them last."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.model import Experiment, Flag, Repository
    from flagctl.source import LoadedRepository
    from flagctl.vcs import CommitInfo
    from flagctl.vcs.log import LoggedCommit

_NAMESPACE = uuid.UUID("6a0b7f0e-52c5-5f0e-9d43-0f1a4bb0a3c1")
"""Of the ids: version 5 UUIDs of project, kind and key, so that every run and every database has the same."""


@dataclass(slots=True)
class Life:
    """The commits that made a file and changed it last.

    Attributes:
        created: The first one, None if no commit has the file.
        updated: The last one.
    """

    created: CommitInfo | None = None
    updated: CommitInfo | None = None


def lives(paths: Iterable[str], commits: Iterable[LoggedCommit]) -> dict[str, Life]:
    """Return the commits that made files and changed them last; a file that moved keeps its history.

    Args:
        paths: Of today.
        commits: Newest first.
    """
    found = {path: Life() for path in paths}
    today = {path: path for path in found}
    newest: dict[str, str | None] = {}
    open_: set[str] = set()
    for commit in commits:
        gone = {_stem(one.path): one.path for one in commit.changes if one.after is None}
        # Where files of this commit were before: that they are gone from there is the same move, and ends nothing.
        origins: set[str] = set()
        for change in commit.changes:
            path = today.get(change.path)
            if path is None or change.path in origins:
                continue
            if change.after is None:
                # Here an earlier life of the path ended.
                del today[change.path]
                continue
            life = found[path]
            if path not in newest:
                newest[path] = change.after
                open_.add(path)
            # A merge shows the change that it brought once more: the older commit with the same outcome made it.
            if path in open_ and change.after == newest[path]:
                life.updated = commit.info
            else:
                open_.discard(path)
            if change.before is None:
                life.created = commit.info
                moved = gone.get(_stem(change.path))
                if moved is not None and moved != change.path:
                    del today[change.path]
                    today[moved] = path
                    origins.add(moved)
                    gone.pop(_stem(change.path))
    return found


def _stem(path: str) -> str:
    return path.rpartition("/")[2]


def flag_rows(loaded: LoadedRepository, repository: Repository, known: Mapping[str, Life]) -> list[dict[str, Any]]:
    """Return a row of ``feature_flags`` for each flag."""
    rows = []
    for flag in repository.flags.values():
        written = _written(loaded, flag.path)
        life = known.get(flag.path, Life())
        rows.append(
            {
                "id": _id(repository, "flag", flag.key),
                "key": flag.key,
                "name": flag.name,
                "description": flag.description,
                "type": flag.type.value,
                "enabled": flag.enabled,
                "default_value": _default(flag, written),
                "rules": _json(written.get("rules", [])),
                "metadata": _json(_metadata(flag, written)),
                "created_at": _instant(life.created),
                "created_by": _person(life.created),
                "updated_at": _instant(life.updated),
                "updated_by": _person(life.updated),
            }
        )
    return rows


def experiment_rows(loaded: LoadedRepository, repository: Repository) -> list[dict[str, Any]]:
    """Return a row of ``experiments`` for each experiment."""
    rows = []
    for experiment in repository.experiments.values():
        written = _written(loaded, experiment.path)
        rows.append(
            {
                "id": _id(repository, "experiment", experiment.key),
                "key": experiment.key,
                "flag": experiment.flag,
                "name": experiment.name,
                "variants": _json([arm.variant for arm in experiment.variants.arms]),
                "allocation": _json(_allocation(experiment)),
                "metrics": _json(written.get("metrics", {})),
                "status": experiment.status.value,
                "winner": experiment.winner,
                "started_at": _microseconds(experiment.started_at_ms),
                "ended_at": _microseconds(experiment.ended_at_ms),
                "metadata": _json(
                    {name: written[name] for name in ("owner", "hypothesis", "layer") if name in written}
                ),
            }
        )
    return rows


def _written(loaded: LoadedRepository, path: str) -> Mapping[str, Any]:
    document = loaded.documents.get(path)
    return document.data if document is not None and isinstance(document.data, dict) else {}


def _default(flag: Flag, written: Mapping[str, Any]) -> str:
    """Return the value that is served where no rule holds; a rollout as it is written."""
    for variant in flag.variants:
        if variant.name == flag.default:
            return _json(variant.value)
    return _json(written.get("default"))


def _metadata(flag: Flag, written: Mapping[str, Any]) -> dict[str, Any]:
    wanted = ("owner", "tags", "lifecycle", "variants", "environments", "bucket_by", "targets", "prerequisites")
    return {"path": flag.path} | {name: written[name] for name in wanted if name in written}


def _allocation(experiment: Experiment) -> dict[str, float]:
    """Return variant to percent of the units."""
    shares = {}
    for arm in experiment.variants.arms:
        size = arm.weight if arm.ranges is None else sum(high - low for low, high in arm.ranges)
        shares[arm.variant] = (size or 0) / 1000
    return shares


def _id(repository: Repository, kind: str, key: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{repository.config.project}/{kind}/{key}"))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _instant(commit: CommitInfo | None) -> int | None:
    return None if commit is None else commit.time_ms * 1000


def _microseconds(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds * 1000


def _person(commit: CommitInfo | None) -> str | None:
    return None if commit is None else f"{commit.author} <{commit.email}>"
