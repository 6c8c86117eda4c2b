"""Numbers of a guarded rollout from Prometheus."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.ops.guard_data import (
    CONTROL,
    EVERYBODY_ELSE,
    IN_LINE,
    TREATMENT,
    GuardData,
    GuardDataError,
    arm_names,
    proportion,
    why,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagctl.model.strategy import GuardMetric
    from flagctl.ops.guard_arms import StepArms
    from flagctl.ops.guard_data import Question, Stratum

_MAX_BYTES: Final = 4_000_000
_TIMEOUT: Final = 30.0
_LABELS: Final = ("arm", "variant")
_BUCKET: Final = "bucket"
_WIDTH: Final = 1000
"""Buckets of a whole percent: the label counts percents, so that it has a hundred values."""

_NEITHER: Final = ""


class _Span(NamedTuple):
    """A time to ask about, and the step whose buckets tell the arms apart; without one, labels name the arms."""

    since_ms: int
    until_ms: int
    step: StepArms | None


_Series = tuple["Mapping[str, str]", float]


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
        """Ask two queries for each metric and step that is compared, and one for how fresh they are."""
        recent = _Span(question.now_ms - max(60_000, question.guard.max_age_ms), question.now_ms, None)
        metrics: dict[str, tuple[Stratum, ...]] = {}
        fresh = bool(question.guard.metrics)
        controls = set()
        for metric in question.guard.metrics:
            if metric.events is None or metric.units is None:
                raise GuardDataError(f"the metric {metric.metric} has no `prometheus` queries")
            # a rate over a long window looks alive long after its target is gone
            latest = self._series(metric.units, question, recent)
            by_bucket = bool(latest) and all(_BUCKET in labels for labels, _ in latest)
            spans = _spans(question, by_bucket=by_bucket)
            metrics[metric.metric] = tuple(self._stratum(metric, question, span) for span in spans)
            counts = _summed(latest, spans[-1].step)
            fresh = fresh and all(counts.get(name, 0) > 0 for name in arm_names(question, counts))
            controls.add(IN_LINE if by_bucket else EVERYBODY_ELSE)
        if len(controls) > 1:
            raise GuardDataError("some metrics have the label `bucket`, and others have not")
        control = controls.pop() if controls else EVERYBODY_ELSE
        return GuardData(as_of_ms=question.now_ms if fresh else None, metrics=metrics, control=control)

    def _stratum(self, metric: GuardMetric, question: Question, span: _Span) -> Stratum:
        units = _summed(self._series(metric.units or "", question, span), span.step)
        events = _summed(self._series(metric.events or "", question, span), span.step)
        try:
            control, treatment = (
                # increase() extrapolates, so a few more events than units may come out of exact counts
                proportion(round(units[name]), min(events.get(name, 0.0), round(units[name])))
                for name in arm_names(question, units)
            )
        except (KeyError, ValueError) as error:
            raise GuardDataError(f"the metric {metric.metric} has no numbers for {error}") from error
        return control, treatment

    def _series(self, query: str, question: Question, span: _Span) -> list[_Series]:
        window = max(60, (span.until_ms - span.since_ms) // 1000)
        text = query.replace("{window}", f"{window}s").replace("{environment}", question.environment or "")
        result = []
        for series in self._ask(text.replace("{flag}", question.flag), span.until_ms):
            labels, (_, value) = series["metric"], series["value"]
            number = float(value)
            known = _BUCKET in labels or any(label in labels for label in _LABELS)
            if not known or not math.isfinite(number) or number < 0:
                raise GuardDataError(
                    f"a result of {text[:80]} has no label `bucket`, `arm` or `variant`, or no usable value"
                )
            result.append((labels, number))
        return result

    def _ask(self, query: str, at_ms: int) -> list[dict[str, Any]]:
        from urllib.error import URLError
        from urllib.parse import urlencode, urlsplit
        from urllib.request import Request, urlopen

        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise GuardDataError("the address of Prometheus begins with http:// or https://")
        body = urlencode({"query": query, "time": f"{at_ms / 1000:.3f}"}).encode()
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
            raise GuardDataError(f"Prometheus gave no numbers: {why(error)}") from error


def _spans(question: Question, *, by_bucket: bool) -> list[_Span]:
    if not by_bucket:
        return [_Span(question.since_ms, question.now_ms, None)]
    if question.arms is None:
        raise GuardDataError("numbers come by `bucket`, but nobody is in line for the feature")
    return [_Span(step.since_ms, step.until_ms, step) for step in question.arms.steps]


def _summed(series: Sequence[_Series], step: StepArms | None) -> dict[str, float]:
    """Return numbers by arm."""
    result: dict[str, float] = {} if step is None else {CONTROL: 0.0, TREATMENT: 0.0}
    for labels, number in series:
        name = _name(labels) if step is None else _side(labels, step)
        if name != _NEITHER:
            result[name] = result.get(name, 0.0) + number
    return result


def _name(labels: Mapping[str, str]) -> str:
    return next((labels[label] for label in _LABELS if label in labels), _NEITHER)


def _side(labels: Mapping[str, str], step: StepArms) -> str:
    """Return the arm that a whole percent of the units belongs to, if all of it does."""
    try:
        first = int(labels.get(_BUCKET, "")) * _WIDTH
    except ValueError as error:
        raise GuardDataError("the label `bucket` counts percents, from 0 to 99") from error
    for name, (begin, end) in ((CONTROL, step.control), (TREATMENT, step.treatment)):
        if begin <= first and first + _WIDTH <= end:
            return name
    return _NEITHER
