"""One finding for all environments in which a place has the same problem."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flagctl.lint.context import LintContext
    from flagctl.lint.finding import Finding
    from flagctl.lint.sites import StateSite

WHERE: Final = "\0"
"""Stands in a message for the environments, as in " in environment 'production'"; for nothing if it is all of them."""


def merged(context: LintContext, found: Iterable[tuple[StateSite, Finding]]) -> Iterator[Finding]:
    """Yield one finding for each place.

    Args:
        context: Of the run.
        found: Findings with the state they were made in; their messages contain :data:`WHERE`. Of different messages about one
            place, which only environments that differ a lot can give, the first one stands.
    """
    first: dict[object, tuple[Finding, list[str]]] = {}
    for site, finding in found:
        other, environments = first.setdefault(finding.place, (finding, []))
        if other.message == finding.message:
            environments.extend(site.environments)
    for finding, environments in first.values():
        # In the order of the configuration, whatever the order of overrides.
        names = [name for name in context.environments if name in environments]
        yield replace(finding, message=finding.message.replace(WHERE, context.where(names)))
