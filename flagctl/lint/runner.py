"""Run the rules over a loaded repository."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Diagnostic, Related, Severity
from flagctl.garbage import without_garbage_collection
from flagctl.lint.context import LintContext
from flagctl.lint.edits import span_of
from flagctl.lint.policy import LintOptions, Policy
from flagctl.lint.registry import LOCAL, SOURCE_PREFIXES, load_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flagctl.lint.finding import Finding
    from flagctl.lint.registry import RuleModule
    from flagctl.model import Repository
    from flagctl.source import LoadedRepository

_ABOUT_DECLARED: Final = {"REF105": "context", "TGT102": "context", "REF106": "environments"}
"""Codes that say that `flagctl.yaml` does not declare something, and the part of it that would."""

_LAST = "SUP"
"""Rules about suppressions see what all others found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintResult:
    """What a run found.

    Attributes:
        diagnostics: Findings that count, sorted by place; those of reading the files are among them.
        suppressed: Findings that a comment silenced, sorted likewise.
    """

    diagnostics: tuple[Diagnostic, ...]
    suppressed: tuple[Diagnostic, ...] = ()

    def count(self, severity: Severity) -> int:
        """Return how many findings of a severity count."""
        return sum(diagnostic.severity is severity for diagnostic in self.diagnostics)

    @property
    def has_errors(self) -> bool:
        """Whether the flags must not be published."""
        return any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON output has it."""
        return {
            "diagnostics": [diagnostic.to_dict() for diagnostic in self.diagnostics],
            "suppressed": [diagnostic.to_dict() for diagnostic in self.suppressed],
            "summary": {severity.value: self.count(severity) for severity in Severity},
        }


def lint(loaded: LoadedRepository, options: LintOptions) -> LintResult:
    """Return everything that is wrong with a repository.

    Args:
        loaded: As `flagctl.source.load_tree` returns it.
        options: What to look at.

    Raises:
        UsageError: If an option names no known rule.
    """
    repository = loaded.as_read
    policy = Policy(repository.config.lint, options)
    context = LintContext(repository, documents=loaded.documents, tests=loaded.tests, now_ms=options.now_ms)
    partial, broken = _with_fragments(context, loaded)
    active = policy.active - _undecidable(repository, loaded)
    rules = {code: rule for code, rule in load_rules().items() if code in active}
    with without_garbage_collection():
        found = [*loaded.diagnostics]
        for code, rule in rules.items():
            if code in LOCAL and broken:
                found.extend(one for one in _run(rule, context, policy) if one.path not in broken)
                found.extend(one for one in _run(rule, partial, policy) if one.path in broken)
            elif not code.startswith(_LAST):
                found.extend(_run(rule, context, policy))
        found = [one for one in found if one.code in policy.active or one.code.startswith(SOURCE_PREFIXES)]
        kept: list[Diagnostic] = []
        suppressed: list[Diagnostic] = []
        for diagnostic in found:
            (suppressed if context.suppressions.silences(diagnostic) else kept).append(diagnostic)
        context.suppressions.checked = frozenset(rules)
        context.suppressions.unread = frozenset(one.path for one in loaded.diagnostics)
        for code, rule in rules.items():
            if code.startswith(_LAST):
                kept.extend(_run(rule, context, policy))
    if loaded.repository is None:  # which warnings are wanted here is not known
        kept = [one for one in kept if one.severity is Severity.ERROR]
    return LintResult(diagnostics=_sorted(kept), suppressed=_sorted(suppressed))


def _undecidable(repository: Repository, loaded: LoadedRepository) -> frozenset[str]:
    """Return the codes that depend on a part of the configuration that could not be read."""
    wrong = {one.route[:1] for one in loaded.diagnostics if one.path == repository.config.path}
    unread = loaded.repository is None or () in wrong
    return frozenset(code for code, part in _ABOUT_DECLARED.items() if unread or (part,) in wrong)


def _with_fragments(context: LintContext, loaded: LoadedRepository) -> tuple[LintContext, frozenset[str]]:
    """Return the context in which broken documents are there in fragments, and the paths of these."""
    if not loaded.fragments:
        return context, frozenset()
    repository = context.repository
    groups: dict[str, dict[str, Any]] = {
        "flag": dict(repository.flags),
        "segment": dict(repository.segments),
        "experiment": dict(repository.experiments),
    }
    paths = set()
    for (kind, key), fragment in loaded.fragments.items():
        built = groups[kind].get(key)
        if built is None or built.path == fragment.path:
            groups[kind][key] = fragment
            paths.add(fragment.path)
    whole = replace(repository, flags=groups["flag"], segments=groups["segment"], experiments=groups["experiment"])
    partial = LintContext(whole, documents=context.documents, tests=(), now_ms=context.now_ms)
    return partial, frozenset(paths)


def _run(rule: RuleModule, context: LintContext, policy: Policy) -> Iterator[Diagnostic]:
    seen = set()
    for finding in rule.check(context):
        identity = (finding.place, finding.message)
        if identity not in seen:
            seen.add(identity)
            yield _diagnostic(finding, rule, context, policy)


def _diagnostic(finding: Finding, rule: RuleModule, context: LintContext, policy: Policy) -> Diagnostic:
    place = finding.place
    return Diagnostic(
        code=rule.INFO.code,
        severity=policy.severity(rule.INFO.code, finding.severity),
        message=finding.message,
        path=place.path,
        span=span_of(context, place),
        route=place.route,
        help=finding.help,
        related=tuple(
            Related(path=other.path, span=span_of(context, other), message=message)
            for other, message in finding.related
        ),
        fix=finding.fix,
        key=finding.key,
    )


def _sorted(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(found, key=lambda diagnostic: diagnostic.sort_key))
