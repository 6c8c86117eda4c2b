"""Where the numbers of a guarded rollout come from: a command's JSON, Prometheus, or the event warehouse."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flagctl.ops.guard_data import GuardData, GuardDataError, parse_answer, proportion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flagctl.model.strategy import GuardMetric
    from flagctl.ops.guard_data import Question, Stratum

_MAX_BYTES: Final = 4_000_000
_TIMEOUT: Final = 30.0
_LABELS: Final = ("arm", "variant")


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
        }
        environment = {**os.environ, **{f"FLAGCTL_GUARD_{name}": value for name, value in facts.items()}}
        try:
            done = subprocess.run(  # noqa: S603 - as above
                list(self.words), capture_output=True, timeout=self.timeout, env=environment, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GuardDataError(f"the command gave no numbers: {error}") from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise GuardDataError(f"the command failed with {done.returncode}" + (f": {said[-1][:200]}" if said else ""))
        return parse_answer(done.stdout.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """A file of JSON, as a command would print it."""

    path: Path

    def read(self, question: Question) -> GuardData:  # noqa: ARG002 - a file says what it says
        """Read the file."""
        try:
            return parse_answer(self.path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise GuardDataError(f"{self.path} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSource:
    """A Prometheus server, or one that speaks its HTTP API.

    Attributes:
        url: Of the server, without ``/api/v1/query``.
        token: Sent as bearer token; None for none.
    """

    url: str
    token: str | None = None

    def read(self, question: Question) -> GuardData:
        """Ask two queries for each metric, and one for how fresh they are."""
        window = max(60, (question.now_ms - question.since_ms) // 1000)
        recent = max(60, question.guard.max_age_ms // 1000)
        metrics: dict[str, tuple[Stratum, ...]] = {}
        fresh = bool(question.guard.metrics)
        for metric in question.guard.metrics:
            if metric.events is None or metric.units is None:
                raise GuardDataError(f"the metric {metric.metric} has no `prometheus` queries")
            metrics[metric.metric] = (self._stratum(metric, question, window),)
            # a rate over a long window looks alive long after its target is gone
            latest = self._by_arm(metric.units, question, recent)
            fresh = fresh and all(latest.get(name, 0) > 0 for name in _names(question, latest))
        return GuardData(as_of_ms=question.now_ms if fresh else None, metrics=metrics)

    def _stratum(self, metric: GuardMetric, question: Question, window: int) -> Stratum:
        units = self._by_arm(metric.units or "", question, window)
        events = self._by_arm(metric.events or "", question, window)
        try:
            control, treatment = (
                # increase() extrapolates, so a few more events than units may come out of exact counts
                proportion(round(units[name]), min(events.get(name, 0.0), round(units[name])))
                for name in _names(question, units)
            )
        except (KeyError, ValueError) as error:
            raise GuardDataError(f"the metric {metric.metric} has no numbers for {error}") from error
        return control, treatment

    def _by_arm(self, query: str, question: Question, window: int) -> dict[str, float]:
        text = query.replace("{window}", f"{window}s").replace("{environment}", question.environment or "")
        result: dict[str, float] = {}
        for series in self._ask(text.replace("{flag}", question.flag), question.now_ms):
            labels, (_, value) = series["metric"], series["value"]
            name = next((labels[label] for label in _LABELS if label in labels), None)
            number = float(value)
            if name is None or not math.isfinite(number) or number < 0:
                raise GuardDataError(f"a result of {text[:80]} has no label `arm` or `variant`, or no usable value")
            result[name] = result.get(name, 0.0) + number
        return result

    def _ask(self, query: str, now_ms: int) -> list[dict[str, Any]]:
        from urllib.error import URLError
        from urllib.parse import urlencode, urlsplit
        from urllib.request import Request, urlopen

        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise GuardDataError("the address of Prometheus begins with http:// or https://")
        body = urlencode({"query": query, "time": f"{now_ms / 1000:.3f}"}).encode()
        request = Request(f"{self.url.rstrip('/')}/api/v1/query", data=body)  # noqa: S310 - checked above
        if self.token is not None:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        try:
            with urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310 - checked above
                answer = json.loads(response.read(_MAX_BYTES))
            if answer["status"] != "success" or answer["data"]["resultType"] != "vector":
                raise GuardDataError(f"Prometheus answered no vector to {query[:80]}")
            return list(answer["data"]["result"])
        except (URLError, OSError, ValueError, KeyError, TypeError) as error:
            raise GuardDataError(f"Prometheus gave no numbers: {error}") from error


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
        from flagctl.warehouse.usage import measured, moments_by_variant

        listing = list_events(self.location, KINDS, endpoint_url=self.endpoint_url, region=self.region)
        engine = DuckEngine()
        try:
            engine.load(listing, KINDS)
            window = (question.since_ms * 1000, question.now_ms * 1000)
            table = measured(engine, question.flag, window=window, environment=question.environment)
            moments = moments_by_variant(engine, table)
            newest = engine.rows(engine.table("measurements").aggregate(ts=engine.table("measurements").ts.max()))
        finally:
            engine.close()
        metrics: dict[str, tuple[Stratum, ...]] = {}
        for metric in question.guard.metrics:
            arms = moments.get(metric.measurement or metric.metric, {})
            names = _names(question, arms)
            if all(name in arms for name in names):
                metrics[metric.metric] = (_pair(arms[names[0]], arms[names[1]]),)
        last = newest[0]["ts"] if newest else None
        return GuardData(as_of_ms=None if last is None else int(last) // 1000, metrics=metrics)


def _pair(control: tuple[int, float, float], treatment: tuple[int, float, float]) -> Stratum:
    from flagctl.ops.guard_data import Arm

    one, other = (Arm(units=n, mean=mean, variance=variance) for n, mean, variance in (control, treatment))
    return one, other


def _names(question: Question, known: Any) -> tuple[str, str]:
    """Return what the two arms are called in an answer.

    Raises:
        GuardDataError: If it is not clear who has the feature and who does not.
    """
    if {"control", "treatment"} <= set(known):
        return "control", "treatment"
    if question.control is None:
        raise GuardDataError("nobody knows which variant the others have: give the flag a `default`, or label arms")
    return question.control, question.treatment
