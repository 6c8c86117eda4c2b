"""What a rule yields: a finding whose places are still symbolic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from flagctl.diagnostics import Fix, Route, Severity, Span


class Place(NamedTuple):
    """A place in a file, looked up only when a finding is shown.

    Attributes:
        path: File, relative to the repository's root.
        route: Symbolic place.
        part: Whether the value at `route` is meant, or the key in front of it.
        span: The concrete place where there is no route, as in running text.
    """

    path: str
    route: Route = ()
    part: Literal["key", "value"] = "value"
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem, as a rule sees it.

    Attributes:
        place: Where it is.
        message: One sentence without a final period.
        help: What to do about it.
        related: Other places with a word about each.
        fix: A correction.
        severity: Other than the rule's, for a milder or graver case.
        key: Key of the document concerned.
    """

    place: Place
    message: str
    help: str | None = None
    related: tuple[tuple[Place, str], ...] = ()
    fix: Fix | None = None
    severity: Severity | None = None
    key: str | None = None
