"""Named groups of units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flagctl.model.conditions import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment file. `exclude` wins, then `include` and the units of the list `members`, then `when`.

    `when` is None if absent: only listed units match. `members` is None if absent.

    Units are compared with the string form of the targeting key, whatever the flag's `bucket_by`.
    """

    key: str
    path: str
    name: str | None = None
    description: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    members: str | None = None
    when: tuple[Condition, ...] | None = None
