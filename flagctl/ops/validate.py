"""`flagctl validate`: everything that is wrong with the flag files, in one pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import Severity
from flagctl.errors import NothingMatchedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.diagnostics import Diagnostic
    from flagctl.lint import LintOptions, LintResult
    from flagctl.ops.fix import AppliedFix
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

    def lint_options(self) -> LintOptions:
        """Return the part that rules are run with."""
        from flagctl.lint import LintOptions

        return LintOptions(now_ms=self.now_ms, select=self.select, ignore=self.ignore, pedantic=self.pedantic)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult:
    """What was found.

    Attributes:
        diagnostics: Findings, sorted by place.
        files: Number of files the findings are about.
        flags: Number of flags that could be read.
        documents: The files as read, by path, to show lines of.
        suppressed: Number of findings that comments silenced.
        applied: Corrections that were made.
    """

    diagnostics: tuple[Diagnostic, ...]
    files: int
    flags: int
    documents: Mapping[str, SourceDocument]
    suppressed: int = 0
    applied: tuple[AppliedFix, ...] = ()

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
        """Return the JSON output (`schemas/diagnostics.schema.json`)."""
        return {
            "diagnostics": [diagnostic.to_dict() for diagnostic in self.diagnostics],
            "applied": [fix.to_dict() for fix in self.applied],
            "summary": {
                "files": self.files,
                "flags": self.flags,
                "errors": self.count(Severity.ERROR),
                "warnings": self.count(Severity.WARNING),
                "infos": self.count(Severity.INFO),
                "fixable": sum(diagnostic.fix is not None for diagnostic in self.diagnostics),
                "suppressed": self.suppressed,
            },
        }


def validate(options: ValidateOptions) -> ValidateResult:
    """Check a flag repository.

    Raises:
        NothingMatchedError: If a path matches no file of the repository, or the repository has no flag files at all.
        UsageError: If a selected code does not exist.
    """
    from flagctl.lint import lint
    from flagctl.source import load_tree

    loaded = load_tree(_files(options))
    return _result(loaded, lint(loaded, options.lint_options()), options)


def validate_and_fix(options: ValidateOptions, *, unsafe: bool) -> ValidateResult:
    """Correct what can be corrected in the files, then check what is left.

    Args:
        options: What to check; findings in other files are not corrected either.
        unsafe: Whether to apply corrections that need a look.

    Raises:
        NothingMatchedError: As :func:`validate`.
        UsageError: As :func:`validate`; also if a file cannot be written.
    """
    from flagctl.ops.fix import fix_files
    from flagctl.source import load_tree

    files = _files(options)
    selected = select_paths(files, options.paths, options.root) if options.paths else None
    fixed = fix_files(files, options.lint_options(), unsafe=unsafe, paths=selected)
    for path, content in fixed.files.items():
        _rewrite(options.root / path, content)
    loaded = load_tree({**files, **fixed.files})
    return replace(_result(loaded, fixed.result, options), applied=fixed.applied)


def _files(options: ValidateOptions) -> dict[str, bytes]:
    from flagctl.source import read_tree

    files = dict(read_tree(options.root))
    if options.stdin is not None:
        files[_relative(options.stdin[0], options.root)] = options.stdin[1]
    return files


def _result(loaded: LoadedRepository, found: LintResult, options: ValidateOptions) -> ValidateResult:
    selected = select_paths(loaded.documents, options.paths, options.root)
    if not any(path != "flagctl.yaml" for path in loaded.documents) and not found.diagnostics:
        raise NothingMatchedError(
            f"{options.root} has no flag files", hint="README.md of flagctl shows a first flag; so does flagctl init"
        )
    chosen = [diagnostic for diagnostic in found.diagnostics if not options.paths or diagnostic.path in selected]
    return ValidateResult(
        diagnostics=tuple(chosen),
        files=len(selected),
        flags=len(loaded.repository.flags) if loaded.repository else 0,
        documents=loaded.documents,
        suppressed=sum(not options.paths or diagnostic.path in selected for diagnostic in found.suppressed),
    )


def _rewrite(path: Path, content: bytes) -> None:
    """Replace a file's content as a whole; a link stays a link, and the mode stays what it was."""
    from flagctl.ops.compile import write_file

    target = path.resolve()
    mode = target.stat().st_mode & 0o7777
    write_file(target, content)
    target.chmod(mode)


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
