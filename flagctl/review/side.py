"""One side of a comparison: flag files, or a compiled bundle."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from flagctl.errors import FindingsError
from flagctl.review.changes import Place

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from flagctl.diagnostics import Route
    from flagctl.evaluator.document import Document
    from flagctl.model import Experiment, Flag, Repository, Segment
    from flagctl.source import LoadedRepository


class Side:
    """A loaded repository whose places can be looked up.

    Raises:
        FindingsError: If its configuration could not be read at all.
    """

    def __init__(self, loaded: LoadedRepository) -> None:
        if loaded.repository is None:
            raise FindingsError("flagctl.yaml is not valid on one side of the comparison", hint="run: flagctl validate")
        self.repository: Repository = loaded.repository
        self._documents = loaded.documents

    def text(self, path: str) -> str | None:
        """Return the text of the file `path`, or None."""
        document = self._documents.get(path)
        return None if document is None else document.text

    def place(self, path: str, route: Route) -> Place:
        """Return where `route` (or the nearest thing around it) stands in the file `path`."""
        document = self._documents.get(path)
        span = document.span(route, "key") if document is not None else None
        return Place(path=path, line=span.line if span else 1)


class BundleSide(Side):
    """A compiled bundle. With the flag files it was compiled from, places are in these files; else they are entries.

    Args:
        document: The bundle.
        source: What it was compiled from, if that is at hand.
        keys: Look at these flags only; None looks at all.
    """

    def __init__(
        self, document: Document, source: LoadedRepository | None = None, keys: Container[str] | None = None
    ) -> None:
        from flagctl.review.decompile import decompile  # noqa: PLC0415  only where a bundle is compared

        # a layer is nothing of its own in a bundle: it would come and go with the experiments that are looked at
        self.repository = replace(decompile(document, keys), layers={})
        self._document = document
        self._environment = document.header.env
        self._source = source

    def text(self, path: str) -> str | None:
        """Return the entry ``<kind>/<key>``, or None if it has none of its own."""
        kind, _, key = path.partition("/")
        section = f"{kind}s"
        if section not in {"flags", "segments"} or not self._document.has(section, key):
            return None
        return self._document.line(section, key).decode()

    def place(self, path: str, route: Route) -> Place:
        """Return where the entry ``<kind>/<key>`` was written, as nearly as the files say."""
        if self._source is None or self._source.repository is None:
            return Place(path=path, line=1)
        kind, _, key = path.partition("/")
        repository = self._source.repository
        kinds: dict[str, Mapping[str, Flag | Segment | Experiment]] = {
            "flag": repository.flags,
            "segment": repository.segments,
            "experiment": repository.experiments,
        }
        item = kinds.get(kind, {}).get(key)
        if item is None:
            return Place(path=path, line=1)
        if kind == "flag":
            route = self._flag_route(repository.flags[key], route)
        document = self._source.documents.get(item.path)
        span = document.span(route, "key") if document is not None else None
        return Place(path=item.path, line=span.line if span else 1)

    def _flag_route(self, flag: Flag, route: Route) -> Route:
        """Turn a route of the entry into one of the flag's file: rules are found by their ids, overrides by their keys."""
        if route and route[0] == "rules" and len(route) > 1:
            rules = self.repository.flags[flag.key].rules
            rule_id = rules[route[1]].id if isinstance(route[1], int) and route[1] < len(rules) else None
            for rule in flag.in_environment(self._environment).rules:
                if rule.id == rule_id:
                    return (*rule.route, *route[2:])
            return ()
        override = flag.environments.get(self._environment)
        if route and override is not None and route[0] in override.given:
            return (*override.route, *route)
        return route


_REFERENCE = re.compile(rb'"segment":"([^"]+)"|\["([a-z0-9][a-z0-9._-]*)",\[')
"""How entries name a segment of a condition, and the flag of a prerequisite (or a variant whose value is a list)."""


def concerned_flags(old: Document, new: Document) -> frozenset[str]:
    """Return the flags of two bundles that differ, or depend on something that does.

    Found by the entries' bytes: a flag that only looks as if it depended on something does no harm.
    """
    before, after = _entries(old), _entries(new)
    found = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    users: dict[bytes, set[tuple[str, str]]] = {}
    for entries in (before, after):
        for name, line in entries.items():
            for segment, flag in _REFERENCE.findall(line):
                users.setdefault(segment or flag, set()).add(name)
    waiting = set(found)
    while waiting:
        waiting = {user for _, key in waiting for user in users.get(key.encode(), ())} - found
        found |= waiting
    return frozenset(key for section, key in found if section == "flags")


def _entries(document: Document) -> dict[tuple[str, str], bytes]:
    return {(name, key): document.line(name, key) for name in ("flags", "segments") for key in document.keys(name)}
