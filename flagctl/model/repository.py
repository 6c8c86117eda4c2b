"""All of a flag repository's documents together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.model.config import RepositoryConfig
    from flagctl.model.experiment import Experiment, Layer
    from flagctl.model.flag import Flag
    from flagctl.model.segment import Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A flag repository.

    Attributes:
        config: What `flagctl.yaml` says.
        flags: By key, sorted by key; likewise segments, experiments, layers.
        broken: ``(kind, key)`` of documents that could not be built, so that references to them are not reported as
            unknown on top.
    """

    config: RepositoryConfig
    flags: Mapping[str, Flag] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    layers: Mapping[str, Layer] = field(default_factory=dict)
    broken: frozenset[tuple[str, str]] = frozenset()
