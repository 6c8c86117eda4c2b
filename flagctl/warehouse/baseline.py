"""What a metric is today: past events read as if all units had been in one variant since they were first seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flagctl.model import Decision, Rollout, RolloutArm
from flagctl.warehouse.pipeline import SKEW_US

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
    """An engine whose exposures are those of an experiment that ran already or, without one, made of what was seen of units.

    Args:
        engine: With the real events.
        experiment: Whose units they are.
        window: First and last instant in microseconds between which units are looked for.
        environment: Only what was seen in this one; None for all.

    Attributes:
        exposed: Whether there were exposures of the experiment, some of them so old that their units' values are complete.
    """

    def __init__(
        self, engine: Engine, experiment: Experiment, window: tuple[int, int], environment: str | None = None
    ) -> None:
        self._engine = engine
        self._experiment = experiment
        self._window = window
        self._environment = environment
        exposures = self._of_units(engine.table("exposures"))
        own = exposures.filter(exposures.experiment == experiment.key)
        waits = max((metric.window_ms for metric in experiment.metrics), default=0) * 1000
        self.exposed = bool(engine.rows(own.filter(own.ts <= window[1] - waits).select("unit_id").limit(1)))
        self._seen = own if self.exposed else exposures
        self._exposures: Any = None
        self.name = engine.name

    @property
    def nearby(self) -> None:
        """Past events are added up by the engine: that is done once, before anything is planned."""
        return

    def table(self, name: str) -> Any:
        """Return ``events`` as they are, and ``exposures`` as if every unit had been exposed when it was first seen.

        Whoever was marked as a bot in an exposure is one. The event by which a unit was seen happened before: otherwise
        everybody who is known by an order alone would have ordered.
        """
        if name != "exposures":
            return self._engine.table(name)
        if self._exposures is None:
            self._exposures = self._engine.materialise("first_seen", self._first_seen())
        return self._exposures

    def _of_units(self, table: Any) -> Any:
        """Return the rows of the experiment's kind of units, in the window and the environment."""
        kept = [table.ts >= self._window[0], table.ts < self._window[1]]
        kept.append(table.unit_type.isnull() | (table.unit_type == ".".join(self._experiment.bucket_by)))
        if self._environment is not None:
            kept.append(table.environment.isnull() | (table.environment == self._environment))
        return table.filter(kept)

    def _first_seen(self) -> Any:
        import ibis  # noqa: PLC0415 - slow to import

        shown = self._seen
        seen = shown.select("unit_id", "ts", bot=shown.is_bot.fill_null(False).cast("int64"))
        if not self.exposed:
            events = self._of_units(self._engine.table("events"))
            seen = seen.union(events.select("unit_id", ts=events.ts + SKEW_US + 1, bot=ibis.literal(0).cast("int64")))
        first = seen.group_by("unit_id").aggregate(ts=seen.ts.min(), bot=seen.bot.max())
        return first.mutate(
            event_id=ibis.null("string"),
            experiment=ibis.literal(self._experiment.key),
            variant=ibis.literal(_ALL),
            unit_type=ibis.literal(".".join(self._experiment.bucket_by)),
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
