"""Where the numbers of a guarded rollout come from: a command's JSON, a file of it, or the event warehouse."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flagctl.ops.guard_data import IN_LINE, Arm, GuardData, GuardDataError, arm_names, parse_answer, why

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flagctl.ops.guard_arms import Arms
    from flagctl.ops.guard_data import Question, Stratum
    from flagctl.warehouse.duck import DuckEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSource:
    """A command that prints JSON. It gets what it is asked in environment variables that begin with ``FLAGCTL_GUARD_``."""

    words: Sequence[str]
    timeout: float = 120.0

    def read(self, question: Question) -> GuardData:
        """Run the command."""
        import os
        import subprocess

        facts = {
            "FLAG": question.flag,
            "ENVIRONMENT": question.environment or "",
            "TREATMENT": question.treatment,
            "CONTROL": question.control or "",
            "SINCE": str(question.since_ms // 1000),
            "UNTIL": str(question.now_ms // 1000),
            "ARMS": "" if question.arms is None else json.dumps(_plain(question.arms)),
        }
        environment = {**os.environ, **{f"FLAGCTL_GUARD_{name}": value for name, value in facts.items()}}
        try:
            done = subprocess.run(  # noqa: S603 - as above
                list(self.words), capture_output=True, timeout=self.timeout, env=environment, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GuardDataError(f"the command {self.words[0]} gave no numbers: {why(error)}") from error
        printed = done.stdout.decode("utf-8", "replace")
        if done.returncode == 1 and (answer := _verdict_in(printed)) is not None:
            return answer
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise GuardDataError(f"the command failed with {done.returncode}" + (f": {said[-1][:200]}" if said else ""))
        return parse_answer(printed)


def _verdict_in(printed: str) -> GuardData | None:
    """Return the verdict that `flagctl experiment guard` printed: it fails with 1 when it found harm, which is an answer."""
    try:
        answer = parse_answer(printed)
    except GuardDataError:
        return None
    return None if answer.verdict is None else answer


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """A file of JSON, as a command would print it."""

    path: Path

    def read(self, question: Question) -> GuardData:  # noqa: ARG002 - a file says what it says
        """Read the file."""
        try:
            return parse_answer(self.path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise GuardDataError(f"{self.path} cannot be read: {why(error)}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseSource:
    """Events as sinks write them: measurements by variant, or the guardrails of an experiment.

    Attributes:
        root: The flag repository's root.
        location: Folder or ``s3://`` location.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.
    """

    root: Path
    location: str
    endpoint_url: str | None = None
    region: str | None = None

    def read(self, question: Question) -> GuardData:
        """Read the events."""
        from flagctl.errors import FlagctlError, NothingMatchedError, UsageError

        try:
            return self._experiment(question) if question.guard.experiment else self._measurements(question)
        except NothingMatchedError as error:
            raise GuardDataError(str(error)) from error
        except UsageError:
            raise
        except FlagctlError as error:
            raise GuardDataError(str(error)) from error

    def _experiment(self, question: Question) -> GuardData:
        from flagctl.ops.experiment_analyze import AnalyzeOptions, guard

        result = guard(
            AnalyzeOptions(
                root=self.root,
                key=question.guard.experiment or "",
                events=self.location,
                now_ms=question.now_ms,
                environment=question.environment,
                endpoint_url=self.endpoint_url,
                region=self.region,
                details=False,
            )
        )
        return GuardData(as_of_ms=result.freshest_ms, metrics={}, verdict=result.results, problems=result.problems)

    def _measurements(self, question: Question) -> GuardData:
        from flagctl.ops.experiment_analyze import need_warehouse
        from flagctl.ops.performance import KINDS

        need_warehouse()
        from flagctl.warehouse.duck import DuckEngine
        from flagctl.warehouse.listing import list_events

        days = _days_for(question)
        listing = list_events(self.location, KINDS, days=days, endpoint_url=self.endpoint_url, region=self.region)
        engine = DuckEngine()
        try:
            engine.load(listing, KINDS)
            newest = engine.rows(engine.table("measurements").aggregate(ts=engine.table("measurements").ts.max()))
            as_of = None if not newest or newest[0]["ts"] is None else int(newest[0]["ts"]) // 1000
            problems = tuple(f"{one.message} ({one.count:,})" for one in engine.findings if one.blocks)
            data = GuardData(as_of_ms=as_of, metrics={}, problems=problems)
            return self._by_bucket(engine, question, data) or self._by_variant(engine, question, data)
        finally:
            engine.close()

    def _by_bucket(self, engine: DuckEngine, question: Question, data: GuardData) -> GuardData | None:
        """Compare newcomers of each step with those still in line; None if that can't be told by these units' buckets."""
        from flagctl.ops.guard_arms import expected_shares
        from flagctl.warehouse.arms import Compared, Draw, Served, sides_by_bucket

        arms = question.arms
        if arms is None:
            return None
        steps = [Compared(one.since_ms * 1000, one.until_ms * 1000, one.control, one.treatment) for one in arms.steps]
        draw, flag = Draw(arms.salt, ".".join(arms.unit)), Served(question.flag, question.treatment)
        sides = sides_by_bucket(engine, flag, draw, steps, environment=question.environment)
        if not sides.differ():
            return None
        metrics: dict[str, tuple[Stratum, ...]] = {}
        for metric in question.guard.metrics:
            pairs = sides.moments.get(metric.measurement or metric.metric)
            if pairs is not None:
                metrics[metric.metric] = tuple(_pair(*pair) for pair in pairs)
        most = max(metrics.values(), key=lambda strata: sum(a.units + b.units for a, b in strata), default=())
        expected = expected_shares(arms.steps, most) if most else None
        return replace(data, metrics=metrics, expected=expected, control=IN_LINE)

    def _by_variant(self, engine: DuckEngine, question: Question, data: GuardData) -> GuardData:
        from flagctl.warehouse.usage import measured, moments_by_variant

        window = (question.since_ms * 1000, question.now_ms * 1000)
        table = measured(engine, question.flag, window=window, environment=question.environment)
        moments = moments_by_variant(engine, table)
        metrics: dict[str, tuple[Stratum, ...]] = {}
        for metric in question.guard.metrics:
            arms = moments.get(metric.measurement or metric.metric, {})
            names = arm_names(question, arms)
            if all(name in arms for name in names):
                metrics[metric.metric] = (_pair(arms[names[0]], arms[names[1]]),)
        return replace(data, metrics=metrics)


def _days_for(question: Question) -> tuple[str, str]:
    """Return the days whose files can say something: all steps that are compared, and how old the newest numbers are."""
    from flagctl.warehouse.listing import days_around
    from flagctl.warehouse.usage import KNOWN_MS

    begun = [question.since_ms, *(() if question.arms is None else (step.since_ms for step in question.arms.steps))]
    since_ms = min(min(begun) - KNOWN_MS, question.now_ms - question.guard.max_age_ms)
    return days_around(since_ms, question.now_ms)


def _pair(control: tuple[int, float, float], treatment: tuple[int, float, float]) -> Stratum:
    one, other = (Arm(units=n, mean=mean, variance=variance) for n, mean, variance in (control, treatment))
    return one, other


def _plain(arms: Arms) -> dict[str, Any]:
    """Return what a command is told about buckets: instants are seconds since 1970, ranges end before their last number."""
    steps = [
        {
            "since": step.since_ms // 1000,
            "until": step.until_ms // 1000,
            "treatment": list(step.treatment),
            "control": list(step.control),
        }
        for step in arms.steps
    ]
    return {"salt": arms.salt, "unit": ".".join(arms.unit), "steps": steps}
