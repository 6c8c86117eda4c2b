"""`flagctl validate`: everything that is wrong with the flag files, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import Severity
from flagctl.errors import NothingMatchedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.diagnostics import Diagnostic
    from flagctl.source import LoadedRepository, SourceDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateOptions:
    """What to check, and how strictly.

    Attributes:
        root: The flag repository's root.
        now_ms: Instant that rules about time use, milliseconds since the epoch.
        paths: Report only findings in these files, folders or glob patterns; empty reports all. Files are always checked
            together, because rules cross files.
        select: Codes or beginnings of codes to report; empty reports what is on by default.
        ignore: Codes or beginnings of codes not to report.
        pedantic: Report rules that are off by default, too.
        stdin: ``(path, content)`` of a file that is being edited and takes the place of the one on disk.
    """

    root: Path
    now_ms: int
    paths: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    pedantic: bool = False
    stdin: tuple[str, bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult:
    """What was found.

    Attributes:
        diagnostics: Findings, sorted by place.
        files: Number of files the findings are about.
        flags: Number of flags that could be read.
        documents: The files as read, by path, to show lines of.
    """

    diagnostics: tuple[Diagnostic, ...]
    files: int
    flags: int
    documents: Mapping[str, SourceDocument]

    def count(self, severity: Severity) -> int:
        """Return how many findings are of this severity."""
        return sum(diagnostic.severity is severity for diagnostic in self.diagnostics)

    def fails(self, threshold: Severity | None) -> bool:
        """Return whether a finding is at least as bad as `threshold`; None never fails."""
        order = (Severity.INFO, Severity.WARNING, Severity.ERROR)
        return threshold is not None and any(
            order.index(diagnostic.severity) >= order.index(threshold) for diagnostic in self.diagnostics
        )

    def source(self, path: str) -> str | None:
        """Return the text of a file, or None."""
        document = self.documents.get(path)
        return None if document is None else document.text

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-validate.schema.json`)."""
        return {
            "diagnostics": [diagnostic.to_dict() for diagnostic in self.diagnostics],
            "summary": {
                "files": self.files,
                "flags": self.flags,
                "errors": self.count(Severity.ERROR),
                "warnings": self.count(Severity.WARNING),
                "infos": self.count(Severity.INFO),
                "fixable": sum(diagnostic.fix is not None for diagnostic in self.diagnostics),
            },
        }


def validate(options: ValidateOptions) -> ValidateResult:
    """Check a flag repository.

    Raises:
        NothingMatchedError: If a path matches no file of the repository, or the repository has no flag files at all.
        UsageError: If a selected code does not exist.
    """
    from flagctl.source import load_tree, read_tree

    files = dict(read_tree(options.root))
    if options.stdin is not None:
        files[_relative(options.stdin[0], options.root)] = options.stdin[1]
    return validate_loaded(load_tree(files), options)


def validate_loaded(loaded: LoadedRepository, options: ValidateOptions) -> ValidateResult:
    """Check what was read already; see :func:`validate`."""
    from flagctl.lint import LintOptions, lint

    selected = select_paths(loaded.documents, options.paths, options.root)
    result = lint(
        loaded,
        LintOptions(now_ms=options.now_ms, select=options.select, ignore=options.ignore, pedantic=options.pedantic),
    )
    if not any(path != "flagctl.yaml" for path in loaded.documents):
        raise NothingMatchedError(
            f"{options.root} has no flag files", hint="a first one: see `flagctl init`, or README.md of the project"
        )
    chosen = [diagnostic for diagnostic in result.diagnostics if not options.paths or diagnostic.path in selected]
    return ValidateResult(
        diagnostics=tuple(chosen),
        files=len(selected),
        flags=len(loaded.repository.flags) if loaded.repository else 0,
        documents=loaded.documents,
    )


def select_paths(documents: Iterable[str], patterns: tuple[str, ...], root: Path) -> frozenset[str]:
    """Return the paths that any of `patterns` names: a file, a folder, or a glob; all without patterns.

    Patterns are relative to the working folder or to the repository's root, or absolute.

    Raises:
        NothingMatchedError: If a pattern matches nothing: a typo must not be green.
    """
    paths = list(documents)
    if not patterns:
        return frozenset(paths)
    chosen: set[str] = set()
    for pattern in patterns:
        names = {_relative(pattern, root), PurePosixPath(pattern).as_posix().removeprefix("./").rstrip("/")}
        found = {path for path in paths for name in names if _matches(path, name)}
        if not found:
            raise NothingMatchedError(
                f"'{pattern}' matches no file of the flag repository",
                hint=f"the repository is {root}; it holds {len(paths)} YAML files",
            )
        chosen |= found
    return frozenset(chosen)


def _matches(path: str, name: str) -> bool:
    return name in {".", ""} or path == name or path.startswith(name + "/") or fnmatchcase(path, name)


def _relative(path: str, root: Path) -> str:
    """Return a path as documents have it: relative to the root, with forward slashes."""
    absolute = Path(path) if Path(path).is_absolute() else Path.cwd() / path
    try:
        return absolute.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return PurePosixPath(path).as_posix()


def severity_of(name: str) -> Severity | None:
    """Return what `--fail-on` names; None for ``never``.

    Raises:
        UsageError: If it is something else.
    """
    if name == "never":
        return None
    if name in {"error", "warning"}:
        return Severity(name)
    raise UsageError(f"'{name}' is no threshold", hint="there are: error, warning, never")
