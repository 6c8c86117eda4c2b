"""`flagctl test`: run the cases of `*.test.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.model import UNSET
from flagctl.ops.coverage import Coverage, Tally
from flagctl.ops.loading import check_environment, checked, load
from flagctl.ops.places import Places, SourcePlace
from flagctl.ops.validate import select_paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from flagctl.evaluator import EvaluationDetails, FlagSet
    from flagctl.evaluator.document import Document
    from flagctl.evaluator.trace_steps import Trace
    from flagctl.model import Repository
    from flagctl.model.test_suite import Expectation, TestCase, TestSuite
    from flagctl.source import LoadedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOptions:
    """Which tests to run.

    Attributes:
        root: The flag repository's root.
        now_ms: Instant of cases that have none, and of rules about time; milliseconds since the epoch.
        paths: Only tests in these files, folders or globs; empty runs all.
        run: Regular expression that ``file: case name`` or the flag's key must contain.
        environments: Run in these only; empty runs in all that a case names.
        coverage: Whether to count which rules and variants the tests reach.
        threshold: Percentage of rules and variants that must be reached, or None.
    """

    __test__ = False

    root: Path
    now_ms: int
    paths: tuple[str, ...] = ()
    run: str | None = None
    environments: tuple[str, ...] = ()
    coverage: bool = False
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A part of an answer that is not as expected."""

    part: str
    expected: Any
    got: Any

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"part": self.part, "expected": self.expected, "got": self.got}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFailure:
    """An evaluation that did not answer as expected.

    Attributes:
        context: Evaluation context.
        mismatches: What differs.
        trace: Why the answer is what it is.
        decided_at: The line of the flag that decided.
        places: Finds lines of the trace's steps.
    """

    __test__ = False

    context: Mapping[str, Any]
    mismatches: tuple[Mismatch, ...]
    trace: Trace
    decided_at: SourcePlace | None
    places: Places

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "context": dict(self.context),
            "mismatches": [mismatch.to_dict() for mismatch in self.mismatches],
            "answer": self.trace.to_dict()["details"],
            "decided_at": self.decided_at.to_dict() if self.decided_at else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """A case in one environment.

    Attributes:
        place: Where the case is written.
        name: Its name.
        flag: The flag.
        environment: The environment.
        at_ms: Instant of the evaluations.
        evaluations: How many contexts were tried.
        failures: Those that failed.
    """

    place: SourcePlace
    name: str
    flag: str
    environment: str
    at_ms: int
    evaluations: int
    failures: tuple[TestFailure, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every evaluation answered as expected."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "path": self.place.path,
            "line": self.place.line,
            "name": self.name,
            "flag": self.flag,
            "environment": self.environment,
            "at_ms": self.at_ms,
            "evaluations": self.evaluations,
            "passed": self.passed,
            "failures": [failure.to_dict() for failure in self.failures],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """What the tests said.

    Attributes:
        cases: Every case in every environment, in the order of files.
        coverage: Which rules and variants were reached, if asked for.
        threshold: Percentage that had to be reached, or None.
    """

    __test__ = False

    cases: tuple[CaseResult, ...]
    coverage: Coverage | None = None
    threshold: float | None = None

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """Cases that failed."""
        return tuple(case for case in self.cases if not case.passed)

    @property
    def evaluations(self) -> int:
        """Number of evaluations."""
        return sum(case.evaluations for case in self.cases)

    @property
    def is_below_threshold(self) -> bool:
        """Whether too few rules and variants were reached."""
        return self.threshold is not None and self.coverage is not None and self.coverage.percent < self.threshold

    @property
    def passed(self) -> bool:
        """Whether all is well."""
        return not self.failed and not self.is_below_threshold

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-test.schema.json`)."""
        return {
            "cases": [case.to_dict() for case in self.cases],
            "coverage": self.coverage.to_dict() if self.coverage else None,
            "summary": {
                "cases": len(self.cases),
                "evaluations": self.evaluations,
                "failed": len(self.failed),
                "passed": self.passed,
                "threshold": self.threshold,
            },
        }


def run_tests(options: TestOptions) -> TestResult:
    """Run the tests of a flag repository.

    Raises:
        NothingMatchedError: If no test ran.
        UsageError: If the regular expression or an environment is wrong.
        FindingsError: If the flag files have errors.
    """
    loaded = load(options.root)
    repository = checked(loaded, options.now_ms)
    for name in options.environments:
        check_environment(repository, name)
    runner = _Runner(loaded, repository, options)
    results = tuple(result for suite, case in _selected(loaded, options) for result in runner.run(suite, case))
    if not results:
        raise NothingMatchedError(
            "no test ran", hint="test cases live in *.test.yaml beside the flags; is a filter too narrow?"
        )
    return TestResult(
        cases=results,
        coverage=_coverage(runner.tally, results, options) if options.coverage else None,
        threshold=options.threshold,
    )


def _coverage(tally: Tally, results: tuple[CaseResult, ...], options: TestOptions) -> Coverage:
    """Return the coverage of all flags; if only some tests were run, that of the flags they are about."""
    if options.paths or options.run is not None:
        return tally.coverage({result.flag for result in results})
    return tally.coverage()


def _selected(loaded: LoadedRepository, options: TestOptions) -> Iterator[tuple[TestSuite, TestCase]]:
    try:
        wanted = re.compile(options.run) if options.run else None
    except re.error as error:
        raise UsageError(f"'{options.run}' is not a regular expression: {error}") from error
    paths = select_paths(loaded.documents, options.paths, options.root)
    for suite in loaded.tests:
        if suite.path not in paths:
            continue
        for case in suite.cases:
            if wanted is None or wanted.search(f"{suite.path}: {case.name}") or wanted.search(case.flag):
                yield suite, case


class _Runner:
    """Runs cases; each environment is compiled once, when it is first needed."""

    def __init__(self, loaded: LoadedRepository, repository: Repository, options: TestOptions) -> None:
        self._loaded = loaded
        self._repository = repository
        self._options = options
        self._compiled: dict[str, tuple[FlagSet, Document, Places]] = {}
        self.tally = Tally(repository)

    def run(self, suite: TestSuite, case: TestCase) -> Iterator[CaseResult]:
        """Yield the case's result in each of its environments."""
        names = case.environments or tuple(self._repository.config.environments)
        place = self._case_place(suite, case)
        for name in names:
            if self._options.environments and name not in self._options.environments:
                continue
            yield self._run(suite, case, check_environment(self._repository, name), place)

    def _run(self, suite: TestSuite, case: TestCase, environment: str, place: SourcePlace) -> CaseResult:
        flags, document, places = self._environment(environment)
        at_ms = self._options.now_ms if case.at_ms is None else case.at_ms
        default = None if case.default is UNSET else case.default
        failures, count = [], 0
        for context in contexts_of(suite, case):
            count += 1
            details = flags.evaluate(case.flag, context, default, now=at_ms / 1000)
            self.tally.note(case.flag, details)
            mismatches = tuple(_compare(case.expect, details))
            if mismatches:
                failures.append(_failure(document, places, case, (context, at_ms, default, mismatches)))
        return CaseResult(
            place=place,
            name=case.name,
            flag=case.flag,
            environment=environment,
            at_ms=at_ms,
            evaluations=count,
            failures=tuple(failures),
        )

    def _environment(self, name: str) -> tuple[FlagSet, Document, Places]:
        from flagctl.compiler import compile_environment
        from flagctl.evaluator import load as load_bundle
        from flagctl.evaluator.document import open_bundle

        if name not in self._compiled:
            data = compile_environment(self._repository, name).data
            self._compiled[name] = (load_bundle(data), open_bundle(data), Places(self._loaded, name))
        return self._compiled[name]

    def _case_place(self, suite: TestSuite, case: TestCase) -> SourcePlace:
        span = self._loaded.documents[suite.path].span(case.route)
        return SourcePlace(path=suite.path, line=span.line if span else 1, column=span.column if span else 1)


def contexts_of(suite: TestSuite, case: TestCase) -> Iterator[dict[str, Any]]:
    """Yield every evaluation context of a case: its contexts, each with every combination of its matrix."""
    names = list(case.matrix)
    for part in case.contexts or ({},):
        for values in product(*case.matrix.values()):
            yield {**suite.context, **case.context, **part, **dict(zip(names, values, strict=True))}


def _failure(
    document: Document, places: Places, case: TestCase, tried: tuple[dict[str, Any], int, Any, tuple[Mismatch, ...]]
) -> TestFailure:
    from flagctl.evaluator.trace import ExplainOptions, explain

    context, at_ms, default, mismatches = tried
    trace = explain(document, case.flag, context, at_ms, ExplainOptions(default=default))
    return TestFailure(
        context=context,
        mismatches=mismatches,
        trace=trace,
        decided_at=places.of_flag(case.flag, trace.decided_by) if trace.decided_by else None,
        places=places,
    )


def _compare(expect: Expectation, details: EvaluationDetails) -> Iterator[Mismatch]:
    got = {
        "variant": details.variant,
        "value": details.value,
        "reason": str(details.reason),
        "rule": details.rule,
        "error_code": None if details.error_code is None else str(details.error_code),
    }
    for part, answer in got.items():
        expected = getattr(expect, part)
        if expected is not UNSET and not same_json(expected, answer):
            yield Mismatch(part=part, expected=expected, got=answer)


def same_json(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal: ``true`` is not 1, but 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)
