"""`flagctl eval`: one answer, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import did_you_mean
from flagctl.ops.loading import checked, find_flag, load, one_environment, readable
from flagctl.ops.places import Places, SourcePlace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flagctl.evaluator import EvaluationDetails
    from flagctl.evaluator.document import Document
    from flagctl.evaluator.trace_steps import Trace
    from flagctl.model import Repository
    from flagctl.source import LoadedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What to evaluate.

    Attributes:
        root: The flag repository's root.
        key: Of the flag.
        environment: Its name; None is the only one there is.
        context: Evaluation context.
        now_ms: Instant of the evaluation, milliseconds since the epoch.
        check_ms: Instant that rules about time use when the flags are checked first.
        default: The caller's default.
        revision: Git revision to read the flags from; None is the work tree.
    """

    root: Path
    key: str
    environment: str | None
    context: Mapping[str, Any]
    now_ms: int
    check_ms: int
    default: Any = None
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateResult:
    """An answer with its trace.

    Attributes:
        key: The flag's.
        environment: Where.
        now_ms: When.
        revision: Git revision, or None for the work tree.
        details: The answer.
        trace: How it came about.
        decided_at: The line that decided, if one did.
        places: Finds the lines of the trace's steps.
        warnings: What is odd about the context.
    """

    key: str
    environment: str
    now_ms: int
    revision: str | None
    details: EvaluationDetails
    trace: Trace
    decided_at: SourcePlace | None
    places: Places
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-eval.schema.json`); the trace is added by :class:`Explained`."""
        trace = self.trace.to_dict()
        return {
            "key": self.key,
            "environment": self.environment,
            "at_ms": self.now_ms,
            "revision": self.revision,
            **trace["details"],
            "decided_at": self.decided_at.to_dict() if self.decided_at else None,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A result that is to be shown with its trace."""

    result: EvaluateResult

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output with every step; each step of the flag itself has its place."""
        trace = self.result.trace.to_dict()
        trace.pop("details", None)
        _add_places(trace, self.result.key, self.result.places)
        return {**self.result.to_dict(), "trace": trace}


def evaluate(options: EvaluateOptions) -> EvaluateResult:
    """Evaluate a flag.

    Raises:
        NothingMatchedError: If there is no such flag.
        UsageError: If there is no such environment or revision.
        FindingsError: If the flag files have errors.
    """
    from flagctl.compiler import compile_environment
    from flagctl.evaluator.document import open_bundle

    loaded = load(options.root, revision=options.revision)
    repository = checked(loaded, options.check_ms)
    environment = one_environment(repository, options.environment)
    find_flag(repository, options.key)
    return _explained(loaded, open_bundle(compile_environment(repository, environment).data), environment, options)


def evaluate_loaded(loaded: LoadedRepository, options: EvaluateOptions) -> EvaluateResult:
    """As `evaluate`, of a repository that was read already: only the flag and what it depends on are compiled, not checked.

    Raises:
        NothingMatchedError: If there is no such flag.
        UsageError: If there is no such environment.
        FindingsError: If the flag can't be compiled.
    """
    from flagctl.ops.measure import compiled

    repository = readable(loaded)
    environment = one_environment(repository, options.environment)
    find_flag(repository, options.key)
    return _explained(loaded, compiled(repository, [options.key], environment), environment, options)


def _explained(
    loaded: LoadedRepository, document: Document, environment: str, options: EvaluateOptions
) -> EvaluateResult:
    from flagctl.evaluator.trace import ExplainOptions, explain

    trace = explain(document, options.key, options.context, options.now_ms, ExplainOptions(default=options.default))
    places = Places(loaded, environment)
    return EvaluateResult(
        key=options.key,
        environment=environment,
        now_ms=options.now_ms,
        revision=options.revision,
        details=trace.details,
        trace=trace,
        decided_at=places.of_flag(options.key, trace.decided_by) if trace.decided_by else None,
        places=places,
        warnings=tuple(_oddities(readable(loaded), options.context)),
    )


def _oddities(repository: Repository, context: Mapping[str, Any]) -> list[str]:
    """Return what a closed list of attributes says about the context: most wrong answers come from a typo in it."""
    schema = repository.config.context
    if schema.additional:
        return []
    known = {path[0] for path in schema.attributes} | {"targeting_key"}
    result = []
    for name in context:
        if name not in known:
            close = did_you_mean(name, known)
            meant = f"; did you mean '{close}'?" if close else ""
            result.append(f"the context has '{name}', which flagctl.yaml does not declare{meant}")
    return result


def _add_places(step: Any, key: str, places: Places, *, segment: str | None = None) -> None:
    """Write `place` beside every `route` of a trace's plain data."""
    if isinstance(step, list):
        for item in step:
            _add_places(item, key, places, segment=segment)
        return
    if not isinstance(step, dict):
        return
    if isinstance(step.get("route"), list):
        route = tuple(step["route"])
        place = places.of_flag(key, route) if segment is None else places.of_segment(segment, route)
        step["place"] = place.to_dict() if place else None
    for name, part in step.items():
        if name == "segment" and isinstance(part, dict):
            _add_places(part, key, places, segment=part["key"])
        elif name == "trace" and isinstance(part, dict):
            _add_places(part, part["key"], places)
        elif name not in {"value", "constant", "details", "place"}:
            _add_places(part, key, places, segment=segment)
