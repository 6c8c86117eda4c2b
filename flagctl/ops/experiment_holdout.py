"""`flagctl experiment holdout`: what all experiments of a layer have brought together."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.experiment_analyze import DAY_MS, need_warehouse, open_events
from flagctl.ops.loading import load, readable

if TYPE_CHECKING:
    from flagctl.experiments.estimates import Estimate
    from flagctl.model import Experiment, Layer, Repository
    from flagctl.ops.experiment_analyze import AnalyzeOptions

_DEFAULT_DAYS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutOptions:
    """What to compare.

    Attributes:
        events: Where events are and what reads them; its `key` is the layer's, its `now_ms` the end of the span.
        since_ms: Start of the span; None is the earliest start of the layer's experiments, else 28 days before the end.
        names: Events to compare; empty for those of the primary metrics of the layer's experiments.
        alpha: One minus the confidence, before it is split over rows.
    """

    events: AnalyzeOptions
    since_ms: int | None = None
    names: tuple[str, ...] = ()
    alpha: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutRow:
    """One event compared.

    Attributes:
        event: Its name.
        of: ``units`` that did it, ``events``, or the sum of ``values``.
        estimate: The rest compared with the holdout, per slot.
        corrected_p_value: Over all rows.
    """

    event: str
    of: str
    estimate: Estimate
    corrected_p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "event": self.event,
            "of": self.of,
            "estimate": self.estimate.to_dict(),
            "corrected_p_value": self.corrected_p_value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutResult:
    """A layer's holdout against the rest.

    Attributes:
        layer: Key.
        experiments: Keys of its experiments that are not drafts.
        source: Where the events came from.
        since_ms: Start of the span.
        until_ms: End of it.
        share: Of the slots that are held out.
        units: Units that were seen, in the holdout and in the rest.
        units_p_value: Of "the holdout has its share of them"; a small one means that experiments drive units away or draw them.
        rows: What was compared.
    """

    layer: str
    experiments: tuple[str, ...]
    source: str
    since_ms: int
    until_ms: int
    share: float
    units: tuple[int, int]
    units_p_value: float | None
    rows: tuple[HoldoutRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-experiment-holdout.schema.json`)."""
        return {
            "layer": self.layer,
            "experiments": list(self.experiments),
            "source": self.source,
            "since_ms": self.since_ms,
            "until_ms": self.until_ms,
            "share": self.share,
            "units": {"holdout": self.units[0], "rest": self.units[1]},
            "units_p_value": self.units_p_value,
            "rows": [one.to_dict() for one in self.rows],
        }


def holdout(options: HoldoutOptions) -> HoldoutResult:
    """Compare a layer's holdout with the rest over a span of time.

    Raises:
        NothingMatchedError: If there is no such layer, or there are no events.
        UsageError: If the layer holds nothing out, no event is named, or packages are missing.
        RemoteError: If the store cannot be read.
        FindingsError: If the flag files have errors.
    """
    return compare_holdout(readable(load(options.events.root, revision=options.events.revision)), options)


def compare_holdout(repository: Repository, options: HoldoutOptions) -> HoldoutResult:
    """As `holdout`, of a repository that was read already."""
    reading = options.events
    layer, experiments = _layer(repository, reading.key)
    names = options.names or tuple(
        dict.fromkeys(name for one in experiments if one.primary is not None for name in one.primary.events)
    )
    if not names:
        raise UsageError(
            f"no experiment of layer '{layer.key}' has a primary metric", hint="name an event: --event order"
        )
    starts = [one.started_at_ms for one in experiments if one.started_at_ms is not None]
    since = options.since_ms
    if since is None:
        since = min(starts, default=reading.now_ms - _DEFAULT_DAYS * DAY_MS)
    bucket_by = experiments[0].bucket_by if experiments else ("targeting_key",)
    rows = _read(reading, ".".join(bucket_by), names, since)
    if not rows:
        raise NothingMatchedError(
            f"nobody did {', '.join(names)} in that time", hint="--event names another event, --since an earlier start"
        )
    return _compare(options, layer, tuple(one.key for one in experiments), since, rows)


def _layer(repository: Repository, key: str) -> tuple[Layer, list[Experiment]]:
    from flagctl.model import ExperimentStatus

    layer = repository.layers.get(key)
    if layer is None:
        from flagctl.diagnostics.suggest import did_you_mean

        near = did_you_mean(key, repository.layers)
        known = ", ".join(repository.layers) or "none"
        raise NothingMatchedError(
            f"there is no layer '{key}'", hint=f"did you mean '{near}'?" if near else f"layers: {known}"
        )
    if not layer.holdout:
        raise UsageError(f"layer '{key}' holds no slots out", hint="holdout: [[95000, 100000]] in its file keeps 5 %")
    found = [one for one in repository.experiments.values() if one.layer == key]
    return layer, [one for one in found if one.status is not ExperimentStatus.DRAFT]


def _read(reading: AnalyzeOptions, unit_type: str, names: tuple[str, ...], since: int) -> list[dict[str, Any]]:
    need_warehouse()
    from datetime import UTC, datetime

    from flagctl.model import Experiment, ExperimentStatus, Rollout
    from flagctl.warehouse.run import AggregateOptions, Run
    from flagctl.warehouse.units import totals

    days = tuple(
        datetime.fromtimestamp(instant / 1000, UTC).date().isoformat()
        for instant in (since - DAY_MS, reading.now_ms + DAY_MS)
    )
    nobody = Experiment(key=reading.key, path="", flag="", status=ExperimentStatus.DRAFT, variants=Rollout(arms=()))
    with closing(open_events(reading, (days[0], days[1]))) as engine:
        wanted = AggregateOptions(as_of_ms=reading.now_ms, environment=reading.environment, progress=reading.progress)
        return totals(Run(engine, nobody, wanted), unit_type, names, since * 1000)


def _compare(
    options: HoldoutOptions, layer: Layer, experiments: tuple[str, ...], since: int, rows: list[dict[str, Any]]
) -> HoldoutResult:
    from flagctl.evaluator.buckets import bucket
    from flagctl.experiments.holdout import add_up, compare_slots, mask, share_p_value
    from flagctl.experiments.multiplicity import corrected

    salt = f"{layer.key}/allocation"
    units = sorted({str(row["unit_id"]) for row in rows})
    places = {unit: bucket(salt, unit) for unit in units}
    found = [
        (event, of, one)
        for (event, of), totals in add_up(rows, places).items()
        if (one := compare_slots(totals, layer.holdout, alpha=options.alpha)) is not None
    ]
    adjusted = corrected([1.0 if one.p_value is None else one.p_value for _, _, one in found], "holm")
    inside = mask(layer.holdout)
    held = sum(bool(inside[place]) for place in places.values())
    share = float(inside.mean())
    return HoldoutResult(
        layer=layer.key,
        experiments=experiments,
        source=options.events.events,
        since_ms=since,
        until_ms=options.events.now_ms,
        share=share,
        units=(held, len(units) - held),
        units_p_value=share_p_value(held, len(units), share),
        rows=tuple(
            HoldoutRow(event=event, of=of, estimate=one, corrected_p_value=p)
            for (event, of, one), p in zip(found, adjusted, strict=True)
        ),
    )
