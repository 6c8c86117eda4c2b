"""From a repository's files to its model.

Everything here is a function of the files' bytes, so that a working tree, a git revision and a test's dictionary load alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Diagnostic, Related, Severity
from flagctl.garbage import without_garbage_collection
from flagctl.model import Repository, RepositoryConfig
from flagctl.source.builder.config import build_config
from flagctl.source.builder.flags import build_flag
from flagctl.source.builder.others import build_experiment, build_layer, build_segment
from flagctl.source.builder.site import Site
from flagctl.source.builder.suites import build_test_suite
from flagctl.source.document import Detail, SourceDocument
from flagctl.source.prune import prune
from flagctl.source.reading import Reading, read_document
from flagctl.source.schemas import KINDS, fast_validator
from flagctl.source.selection import CONFIG_NAME, is_test_file, select_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.diagnostics import Route
    from flagctl.model import Experiment, Flag, Layer, Segment
    from flagctl.model.test_suite import TestSuite

_BUILDERS: Final[dict[str, Callable[[Site, dict[str, Any]], Any]]] = {
    "flag": build_flag,
    "segment": build_segment,
    "experiment": build_experiment,
    "layer": build_layer,
    "test": build_test_suite,
    "config": build_config,
}
MOST_FINDINGS: Final = 100
"""Of one file and stage; a damaged file has thousands, and nobody reads them."""

_UNKNOWN: Final = RepositoryConfig(path=CONFIG_NAME, version=1, project="", environments={})
"""Stands for a configuration that cannot be read."""

_KIND_LINE: Final = re.compile(r"^kind[ \t]*:[ \t]*[\"']?([a-z]+)", re.MULTILINE)
_KEY: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_KEY_LINE: Final = re.compile(r"^key[ \t]*:[ \t]*[\"']?([a-z0-9][a-z0-9._-]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRepository:
    """What `load_tree` made of the files.

    Attributes:
        repository: The model; None if `flagctl.yaml` is missing or unusable. A document with errors is in it as far as it
            could be built, and in `Repository.broken` in any case: what is missing in a broken document is no finding.
        as_read: The same; without a usable `flagctl.yaml` the documents under a configuration that says nothing, so that what
            is wrong in them can be told in the same pass.
        documents: Every file that was read, by path.
        tests: Test files, by path.
        diagnostics: Findings about syntax, shape and conversions, sorted.
        fragments: By kind and key, documents with errors without the smallest parts around these: for checks that
            look at one part at a time, and for nothing else.
    """

    repository: Repository | None
    as_read: Repository
    documents: Mapping[str, SourceDocument] = field(default_factory=dict)
    tests: tuple[TestSuite, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    fragments: Mapping[tuple[str, str], Experiment | Flag | Segment] = field(default_factory=dict)


def load_tree(files: Mapping[str, bytes]) -> LoadedRepository:
    """Load a flag repository from its files; never raises for anything in them.

    Args:
        files: Content by path relative to the repository's root, with forward slashes. What `flagctl.yaml` excludes, and
            what is no YAML, may be among them.
    """
    with without_garbage_collection():
        return _Loader(files).load()


class _Loader:
    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.documents: dict[str, SourceDocument] = {}
        self.diagnostics: list[Diagnostic] = []
        self.built: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        self.broken: set[tuple[str, str]] = set()
        self.tests: list[TestSuite] = []
        self.fragments: dict[tuple[str, str], Experiment | Flag | Segment] = {}

    def load(self) -> LoadedRepository:
        config = self.config()
        paths = select_files(self.files, self.documents[CONFIG_NAME].data if CONFIG_NAME in self.documents else None)
        for path in paths:
            if path != CONFIG_NAME:
                self.file(path, self.files[path])
        return self.loaded(config)

    def loaded(self, config: RepositoryConfig | None) -> LoadedRepository:
        """Put together what was read."""
        self.diagnostics.sort(key=lambda diagnostic: diagnostic.sort_key)
        as_read = self.repository(config or _UNKNOWN)
        return LoadedRepository(
            repository=as_read if config is not None else None,
            as_read=as_read,
            documents=self.documents,
            tests=tuple(self.tests),
            diagnostics=tuple(self.diagnostics),
            fragments=self.fragments,
        )

    def repository(self, config: RepositoryConfig) -> Repository:
        flags: dict[str, Flag] = self.built["flag"]
        segments: dict[str, Segment] = self.built["segment"]
        experiments: dict[str, Experiment] = self.built["experiment"]
        layers: dict[str, Layer] = self.built["layer"]
        return Repository(
            config=config,
            flags=dict(sorted(flags.items())),
            segments=dict(sorted(segments.items())),
            experiments=dict(sorted(experiments.items())),
            layers=dict(sorted(layers.items())),
            broken=frozenset(self.broken),
        )

    def config(self) -> RepositoryConfig | None:
        content = self.files.get(CONFIG_NAME)
        if content is None:
            self.diagnostics.append(
                Diagnostic(
                    code="SCH120",
                    severity=Severity.ERROR,
                    message="flagctl.yaml is missing",
                    path=CONFIG_NAME,
                    help="rename flagctl.yml to flagctl.yaml" if "flagctl.yml" in self.files else "run: flagctl init",
                )
            )
            return None
        reading = self.read(CONFIG_NAME, content)
        if reading.document.data is None:
            return None
        reading.document.kind = "config"
        config: RepositoryConfig | None = self.build(reading, "config")
        return config

    def read(self, path: str, content: bytes) -> Reading:
        reading = read_document(path, content)
        self.documents[path] = reading.document
        self.diagnostics.extend(reading.diagnostics[:MOST_FINDINGS])
        return reading

    def file(self, path: str, content: bytes) -> None:
        """Read and build one file. The common case, a file without any problem, takes the short way."""
        reading = self.read(path, content)
        document = reading.document
        kind = self.identify(document)
        if kind is None or document.data is None:
            self.give_up(document)
            return
        built = self.build(reading, kind)
        if built is None:
            self.give_up(document)
        elif kind == "test":
            self.tests.append(built)
        else:
            self.add(kind, built, document)

    def identify(self, document: SourceDocument) -> str | None:
        """Set kind and key of a document; report a kind that does not fit."""
        data = document.data
        if data is None:
            return None
        key, kind = data.get("key"), data.get("kind")
        document.key = key if isinstance(key, str) else None
        wanted = ("test",) if is_test_file(document.path) else KINDS
        if isinstance(kind, str) and kind in wanted:
            document.kind = kind
            return kind
        self.diagnostics.append(_wrong_kind(document, kind, wanted))
        return None

    def build(self, reading: Reading, kind: str) -> Any:
        """Return the model object of a document, or None; report what is wrong."""
        document = reading.document
        data = document.data or {}
        routes: list[Route] = list(reading.poisoned)
        right = fast_validator(kind)(data)
        if not right:
            from flagctl.source.explain import explain  # noqa: PLC0415  jsonschema costs 76 ms, and most trees are right

            explanation = explain(document, kind, reading.poisoned)
            self.diagnostics.extend(explanation.diagnostics)
            data = explanation.data
            routes.extend(explanation.routes)
        if reading.diagnostics or not right:
            self.mark_broken(document)
        found: list[Diagnostic] = []
        if routes:
            found = self.keep_fragment(kind, document, data, routes)
            if not prune(kind, data, routes):
                self.report(found)
                return None
        site = Site(document)
        built = _BUILDERS[kind](site, data)
        if not site.findings:
            self.report(found)
            return built
        self.mark_broken(document)
        wrong = [finding.route for finding in site.findings]
        self.report([*site.findings, *(found if routes else self.keep_fragment(kind, document, data, wrong))])
        if kind == "config":
            return built
        if not prune(kind, data, wrong):
            return None
        return _BUILDERS[kind](Site(document), data)

    def keep_fragment(
        self, kind: str, document: SourceDocument, data: dict[str, Any], routes: list[Route]
    ) -> list[Diagnostic]:
        """Keep what is right of a document for further checks; return what conversions found wrong in it."""
        from flagctl.source.fragments import build_fragment  # noqa: PLC0415  only when something is wrong

        fragment, findings = build_fragment(kind, document, data, routes)
        if fragment is not None:
            self.fragments.setdefault((kind, fragment.key), fragment)
        return findings

    def report(self, found: list[Diagnostic]) -> None:
        """Report findings, each place once."""
        each = {(finding.code, finding.route): finding for finding in found}
        self.diagnostics.extend(list(each.values())[:MOST_FINDINGS])

    def mark_broken(self, document: SourceDocument) -> None:
        if document.kind in KINDS and document.key is not None:
            self.broken.add((document.kind, document.key))

    def give_up(self, document: SourceDocument) -> None:
        """Note what the document would have been, so that references to it are not reported on top."""
        if is_test_file(document.path):
            return
        kind, key = document.kind, document.key
        if kind is None and (match := _KIND_LINE.search(document.text)) and match[1] in KINDS:
            kind = match[1]
        if key is None and (match := _KEY_LINE.search(document.text)):
            key = match[1]
        keys = set() if key is None else {key}
        if key is None or not _KEY.fullmatch(key):
            keys.add(document.path.rpartition("/")[2].rpartition(".")[0])
        self.broken.update((name, each) for name in KINDS if kind in {None, name} for each in keys)

    def add(self, kind: str, built: Any, document: SourceDocument) -> None:
        first = self.built[kind].setdefault(built.key, built)
        if first is built:
            return
        other = self.documents[first.path]
        finding = document.finding(
            "REF100",
            f"there is a {kind} '{built.key}' already, in {first.path}",
            ("key",),
            Detail(help="rename one of the two, or delete it"),
        )
        related = (Related(path=first.path, span=other.span(("key",)), message="first defined here"),)
        self.diagnostics.append(_with_related(finding, related))


def _with_related(diagnostic: Diagnostic, related: tuple[Related, ...]) -> Diagnostic:
    from dataclasses import replace  # noqa: PLC0415  only for duplicates

    return replace(diagnostic, related=related)


def _wrong_kind(document: SourceDocument, kind: object, wanted: tuple[str, ...]) -> Diagnostic:
    from flagctl.source.words import (  # noqa: PLC0415  only when something is wrong
        close_matches,
        listed,
        quoted,
        shortened,
    )

    data = document.data or {}
    if "kind" not in data:
        advice = f"write kind: {listed(wanted)}; list files that are not flag files under 'exclude' in flagctl.yaml"
        if similar := [key for key in data if close_matches(key, ("kind",))]:
            advice = f"did you mean 'kind' by '{shortened(similar[0])}'?"
        return document.finding("SCH101", "the document does not say its kind", (), Detail(help=advice, part="head"))
    matches = close_matches(kind, wanted) if isinstance(kind, str) else []
    if kind == "test":
        advice = "a test file's name ends in .test.yaml"
    elif wanted == ("test",):
        advice = "files named *.test.yaml have 'kind: test'"
    elif matches:
        advice = f"did you mean '{matches[0]}'?"
    else:
        advice = f"write kind: {listed(wanted)}; list files that are not flag files under 'exclude' in flagctl.yaml"
    message = f"{quoted(kind)} is not the kind of a document here"
    return document.finding("SCH101", message, ("kind",), Detail(help=advice))
