"""One side of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.errors import FindingsError
from flagctl.review.changes import Place

if TYPE_CHECKING:
    from flagctl.diagnostics import Route
    from flagctl.model import Repository
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
