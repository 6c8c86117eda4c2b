"""A flag repository that stays loaded: after an edit only the files that changed are read again.

Every file is loaded on its own and kept with its content; putting ten thousand of them together takes some hundredths of a
second, reading them all takes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.garbage import without_garbage_collection
from flagctl.source.loading import LoadedRepository, _Loader
from flagctl.source.schemas import KINDS
from flagctl.source.selection import CONFIG_NAME, select_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.diagnostics import Diagnostic
    from flagctl.model import Experiment, Flag, Segment
    from flagctl.model.test_suite import TestSuite
    from flagctl.source.document import SourceDocument


class _Part(NamedTuple):
    """What one file says."""

    content: bytes
    document: SourceDocument
    built: tuple[str, Any] | None
    diagnostics: tuple[Diagnostic, ...]
    broken: frozenset[tuple[str, str]]
    tests: tuple[TestSuite, ...]
    fragments: Mapping[tuple[str, str], Experiment | Flag | Segment]


class IncrementalLoader:
    """Loads as `load_tree` does, and remembers."""

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}

    def load(self, files: Mapping[str, bytes], only: Iterable[str] | None = None) -> LoadedRepository:
        """Load a flag repository; never raises for anything in it.

        Args:
            files: As for `load_tree`.
            only: Load just these files (and `flagctl.yaml`), as if there were no others.
        """
        with without_garbage_collection():
            return self._load(files if only is None else {p: files[p] for p in {CONFIG_NAME, *only} if p in files})

    def _load(self, files: Mapping[str, bytes]) -> LoadedRepository:
        whole = _Loader(files)
        config = whole.config()
        data = whole.documents[CONFIG_NAME].data if CONFIG_NAME in whole.documents else None
        for path in select_files(files, data):
            if path != CONFIG_NAME:
                self._add(whole, path, files[path])
        return whole.loaded(config)

    def _add(self, whole: _Loader, path: str, content: bytes) -> None:
        part = self._parts.get(path)
        if part is None or part.content != content:
            part = self._parts[path] = _load_part(path, content)
        whole.documents[path] = part.document
        whole.diagnostics.extend(part.diagnostics)
        whole.broken |= part.broken
        whole.tests.extend(part.tests)
        for name, fragment in part.fragments.items():
            whole.fragments.setdefault(name, fragment)
        if part.built is not None:
            whole.add(*part.built, part.document)


def _load_part(path: str, content: bytes) -> _Part:
    loader = _Loader({path: content})
    loader.file(path, content)
    built = next(((kind, item) for kind in KINDS for item in loader.built[kind].values()), None)
    return _Part(
        content=content,
        document=loader.documents[path],
        built=built,
        diagnostics=tuple(loader.diagnostics),
        broken=frozenset(loader.broken),
        tests=tuple(loader.tests),
        fragments=loader.fragments,
    )
