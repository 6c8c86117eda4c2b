"""What a metric is today: past events read as if all units had been in one variant since they were first seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flagctl.model import Decision, Rollout, RolloutArm

if TYPE_CHECKING:
    from flagctl.model import Experiment, Metric
    from flagctl.warehouse.pipeline import Engine

_ALL = "all"


def baseline_experiment(experiment: Experiment, metric: Metric) -> Experiment:
    """Return an experiment with one variant and one metric."""
    return replace(
        experiment,
        variants=Rollout(arms=(RolloutArm(variant=_ALL, weight=100_000),)),
        control=_ALL,
        primary=metric,
        secondary=(),
        guardrails=(),
        breakdowns=(),
        started_at_ms=None,
        decision=Decision(maturity="complete"),
    )


class BaselineEngine:
    """An engine whose exposures are made of everything that was seen of units.

    Args:
        engine: With the real events.
        experiment: Whose units they are.
        until: Instant in microseconds up to which events count.
        lookback: How long before it units are looked for, in microseconds.
        environment: Only what was seen in this one; None for all.
    """

    def __init__(
        self, engine: Engine, experiment: Experiment, until: int, lookback: int, environment: str | None = None
    ) -> None:
        self._engine = engine
        self._experiment = experiment
        self._window = (until - lookback, until)
        self._environment = environment
        self._exposures: Any = None
        self.name = engine.name

    @property
    def nearby(self) -> None:
        """Past events are added up by the engine: that is done once, before anything is planned."""
        return

    def table(self, name: str) -> Any:
        """Return ``events`` as they are, and ``exposures`` as if every unit had been exposed when it was first seen.

        Whoever was marked as a bot in an exposure is one.
        """
        if name != "exposures":
            return self._engine.table(name)
        if self._exposures is None:
            self._exposures = self._engine.materialise("first_seen", self._first_seen())
        return self._exposures

    def _first_seen(self) -> Any:
        import ibis  # noqa: PLC0415 - slow to import

        columns = ("unit_id", "unit_type", "ts", "environment")
        exposures, events = self._engine.table("exposures"), self._engine.table("events")
        marked = exposures.is_bot.fill_null(False).cast("int64")
        seen = exposures.select(*columns, bot=marked).union(events.select(*columns, bot=ibis.literal(0).cast("int64")))
        if self._environment is not None:
            seen = seen.filter(seen.environment.isnull() | (seen.environment == self._environment))
        unit_type = ".".join(self._experiment.bucket_by)
        seen = seen.filter(
            seen.ts >= self._window[0],
            seen.ts < self._window[1],
            seen.unit_type.isnull() | (seen.unit_type == unit_type),
        )
        first = seen.group_by("unit_id").aggregate(ts=seen.ts.min(), bot=seen.bot.max())
        return first.mutate(
            event_id=ibis.null("string"),
            experiment=ibis.literal(self._experiment.key),
            variant=ibis.literal(_ALL),
            unit_type=ibis.literal(unit_type),
            sdk=ibis.null("string"),
            attrs=ibis.null("map<string, string>"),
            environment=ibis.literal(self._environment, type="string"),
            is_bot=first.bot > 0,
        ).drop("bot")

    def numbered(self, name: str, expression: Any) -> Any:
        """Compute a table of one row for each unit once, with a number for it."""
        return self._engine.numbered(name, expression)

    def materialise(self, name: str, expression: Any) -> Any:
        """Compute a table once."""
        return self._engine.materialise(name, expression)

    def rows(self, expression: Any) -> list[dict[str, Any]]:
        """Return the rows of a small result."""
        return self._engine.rows(expression)

    def arrays(self, expression: Any) -> dict[str, Any]:
        """Return the columns of a result that may be long."""
        return self._engine.arrays(expression)
