"""Where files say which attribute names the unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flagctl.model import TARGETING_KEY, Rollout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.diagnostics import Route
    from flagctl.model import EnvironmentOverride, Flag, Repository


class UnitSite(NamedTuple):
    """A `bucket_by`, where it is written."""

    path: str
    key: str
    attribute: tuple[str, ...]
    route: Route


def unit_sites(repository: Repository) -> Iterator[UnitSite]:
    """Yield every `bucket_by` that is written."""
    for flag in repository.flags.values():
        if flag.bucket_by is not None:
            yield UnitSite(flag.path, flag.key, flag.bucket_by, ("bucket_by",))
        parts: list[tuple[Flag | EnvironmentOverride, Route]] = [(flag, ())]
        parts += [(override, override.route) for override in flag.environments.values()]
        for part, route in parts:
            for rule in part.rules:
                if rule.bucket_by is not None:
                    yield UnitSite(flag.path, flag.key, rule.bucket_by, (*rule.route, "bucket_by"))
            default = part.default
            if isinstance(default, Rollout) and default.bucket_by is not None:
                yield UnitSite(flag.path, flag.key, default.bucket_by, (*route, "default", "bucket_by"))
    for experiment in repository.experiments.values():
        if experiment.bucket_by != TARGETING_KEY:
            yield UnitSite(experiment.path, experiment.key, experiment.bucket_by, ("bucket_by",))
