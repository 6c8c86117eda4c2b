"""`flagctl experiment analyze` and `guard`: events to a verdict, by the rule that was agreed on."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flagctl.errors import FlagctlError, NothingMatchedError, RemoteError, UsageError
from flagctl.ops.loading import load, readable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flagctl.experiments.analysis import Results
    from flagctl.experiments.data import DataFinding, ExperimentData
    from flagctl.experiments.guardrail import GuardrailResult
    from flagctl.experiments.verdict import Verdict
    from flagctl.model import Experiment, Repository

DAY_MS = 86_400_000
_ENGINES = frozenset({"_duckdb", "duckdb", "pyarrow", "py4j", "pyspark"})
"""Packages whose errors come from the data or the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeOptions:
    """What to analyse.

    Attributes:
        root: The flag repository's root.
        key: Of the experiment.
        events: Folder or ``s3://`` location that sinks wrote to.
        now_ms: Instant up to which events count, milliseconds since the epoch.
        environment: Only events of this environment; None for all.
        revision: Git revision to read the experiment from; None is the work tree.
        engine: ``duckdb`` or ``spark``.
        master: Of Spark, such as ``local[2]``.
        memory_limit: Of DuckDB, such as ``4GB``.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.
        details: Whether days, ages and parts are computed.
        progress: Called with what is done next.
    """

    root: Path
    key: str
    events: str
    now_ms: int
    environment: str | None = None
    revision: str | None = None
    engine: str = "duckdb"
    master: str | None = None
    memory_limit: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    details: bool = True
    progress: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeResult:
    """An experiment with its data, what was computed of them, and the verdict.

    Attributes:
        data: Counts and moments.
        results: Estimates and checks.
        verdict: What the agreed rule says.
        source: Where the events came from.
        engine: What computed.
    """

    data: ExperimentData
    results: Results
    verdict: Verdict
    source: str
    engine: str

    @property
    def experiment(self) -> Experiment:
        """The experiment as it is in its file."""
        return self.data.experiment

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-experiment-analyze.schema.json`)."""
        experiment, data = self.experiment, self.data
        return {
            "experiment": experiment.key,
            "flag": experiment.flag,
            "status": experiment.status.value,
            "hypothesis": experiment.hypothesis,
            "registration": experiment.registration,
            "amendments": [
                {"at_ms": one.at_ms, "reason": one.reason, "registration": one.registration}
                for one in experiment.amendments
            ],
            "source": self.source,
            "engine": self.engine,
            "started_ms": data.started_ms,
            "as_of_ms": data.as_of_ms,
            "freshest_ms": data.freshest_ms,
            "verdict": self.verdict.to_dict(),
            "stage": self.results.stage.to_dict(),
            "units": dict(data.units),
            "switchers": data.switchers,
            "excluded": dict(data.excluded),
            "immature": data.immature,
            "findings": [one.to_dict() for one in data.findings],
            "srm": self.results.srm.to_dict(),
            "metrics": [one.to_dict() for one in self.results.metrics],
            "guardrails": [one.to_dict() for one in self.results.guardrails],
            "parts": [one.to_dict() for one in self.results.parts],
            "differences": [one.to_dict() for one in self.results.differences],
            "trends": [one.to_dict() for one in self.results.trends],
            "stratified": [one.to_dict() for one in self.results.stratified],
            "false_positive_risks": [
                {"success_rate": rate, "risk": risk} for rate, risk in self.results.false_positive_risks
            ],
            "distributions": [
                {
                    "metric": key,
                    "variant": one.variant,
                    "n": one.n,
                    "zeros": one.zeros,
                    "quantiles": [list(pair) for pair in one.quantiles],
                }
                for key, found in data.distributions.items()
                for one in found
            ],
            "days": [{"date": day.date, "units": dict(day.units)} for day in data.days],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardResult:
    """Guardrails of a running experiment or rollout, for what acts on them.

    Attributes:
        experiment: Key.
        state: ``harmed``, ``no_data``, ``open`` or ``safe``: the gravest of all; ``no_data`` also if the data cannot be trusted.
        results: One for each guardrail and variant.
        problems: Why the data cannot be trusted.
        as_of_ms: Instant up to which events counted.
        freshest_ms: Instant of the newest event, None without any.
    """

    experiment: str
    state: str
    results: tuple[GuardrailResult, ...]
    problems: tuple[str, ...]
    as_of_ms: int
    freshest_ms: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-experiment-guard.schema.json`)."""
        return {
            "experiment": self.experiment,
            "state": self.state,
            "guardrails": [one.to_dict() for one in self.results],
            "problems": list(self.problems),
            "as_of_ms": self.as_of_ms,
            "freshest_ms": self.freshest_ms,
        }


def analyze(options: AnalyzeOptions) -> AnalyzeResult:
    """Read the events of an experiment and decide.

    Raises:
        NothingMatchedError: If there is no such experiment, or there are no events.
        UsageError: If the engine's packages are missing, or the location is of an unknown kind.
        RemoteError: If the store cannot be read.
        FindingsError: If the flag files have errors.
    """
    return analyze_experiment(
        find_experiment(readable(load(options.root, revision=options.revision)), options.key), options
    )


def analyze_experiment(experiment: Experiment, options: AnalyzeOptions) -> AnalyzeResult:
    """As `analyze`, of an experiment that was read already."""
    data = read_until_look(experiment, options)
    return _decided(replace(data, findings=(*_changed(experiment), *data.findings)), options)


def _changed(experiment: Experiment) -> tuple[DataFinding, ...]:
    """Return that a file is no longer what was registered: otherwise whoever analyzes could pick the metric that moved."""
    from flagctl.experiments.data import DataFinding
    from flagctl.model import agreed_registration, registration_of

    agreed = agreed_registration(experiment)
    if agreed is None or registration_of(experiment) == agreed:
        return ()
    message = (
        f"its units, variants, metrics or decision rule are no longer what was registered ({agreed[:15]}):"
        f" take the change back, or record it with flagctl experiment amend {experiment.key}"
    )
    return (DataFinding(code="changed", message=message, count=0, blocks=True),)


def _decided(data: ExperimentData, options: AnalyzeOptions) -> AnalyzeResult:
    """Compute and decide; what was asked for may lie after the look that the data end at."""
    from flagctl.experiments.analysis import compute
    from flagctl.experiments.verdict import decide

    if options.progress is not None:
        options.progress("computing")
    results = compute(data)
    verdict = decide(data, results, later=max(0, (options.now_ms - data.as_of_ms) // DAY_MS))
    return AnalyzeResult(data=data, results=results, verdict=verdict, source=options.events, engine=options.engine)


def read_until_look(experiment: Experiment, options: AnalyzeOptions) -> ExperimentData:
    """Return the data that may count for the verdict: a rule with planned looks reads nothing that came after the latest one.

    Raises as `analyze`.
    """
    from flagctl.experiments.looks import deciding_instant, method_in_force

    until = deciding_instant(experiment, options.now_ms)
    data = read_data(experiment, replace(options, now_ms=until))
    again = deciding_instant(experiment, until, started_ms=data.started_ms, days=data.days)
    if again < until:
        # Only the events told when it began, or when the planned number of units was reached.
        data = read_data(experiment, replace(options, now_ms=again))
    late = (options.now_ms - again) // DAY_MS
    if late < 1:
        return data
    from flagctl.experiments.data import DataFinding

    looks = (
        "its last window was over"
        if method_in_force(experiment) == "sequential"
        else "the latest planned look, or after the end,"
    )
    days = f"1 day after {looks} does" if late == 1 else f"{late} days after {looks} do"
    finding = DataFinding(code="after-the-look", message=f"{days} not count", count=0)
    return replace(data, findings=(*data.findings, finding))


def guard(options: AnalyzeOptions) -> GuardResult:
    """Judge the guardrails of an experiment, on everything up to now; raises as `analyze`.

    A file that is no longer what was registered is a problem here, too: otherwise whoever lets a rollout go on could widen a margin.
    """
    from flagctl.experiments.guardrail import overall
    from flagctl.experiments.verdict import Outcome

    experiment = find_experiment(readable(load(options.root, revision=options.revision)), options.key)
    data = read_data(experiment, options)
    result = _decided(replace(data, findings=(*_changed(experiment), *data.findings)), options)
    invalid = result.verdict.reasons if result.verdict.outcome is Outcome.INVALID else ()
    return GuardResult(
        experiment=result.experiment.key,
        state="no_data" if invalid else overall(result.results.guardrails),
        results=result.results.guardrails,
        problems=tuple(invalid),
        as_of_ms=result.data.as_of_ms,
        freshest_ms=result.data.freshest_ms,
    )


def find_experiment(repository: Repository, key: str) -> Experiment:
    """Return an experiment by its key.

    Raises:
        NothingMatchedError: If there is none.
    """
    experiment = repository.experiments.get(key)
    if experiment is not None:
        return experiment
    from flagctl.diagnostics.suggest import did_you_mean

    near = did_you_mean(key, repository.experiments)
    hint = f"did you mean '{near}'?" if near else "flagctl list --kind experiment shows all"
    raise NothingMatchedError(f"there is no experiment '{key}'", hint=hint)


def read_data(experiment: Experiment, options: AnalyzeOptions) -> ExperimentData:
    """Return the counts and moments of an experiment; raises as `analyze`."""
    need_warehouse()
    try:
        return _read_data(experiment, options, careful=False)
    except FlagctlError:
        raise
    except Exception:  # noqa: BLE001 - of whichever engine
        # A file may be broken where its footer is right. Reading all of it first finds out which one, and says so.
        return _read_carefully(experiment, options)


def _read_carefully(experiment: Experiment, options: AnalyzeOptions) -> ExperimentData:
    try:
        return _read_data(experiment, options, careful=True)
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in _ENGINES:
            raise
        raise RemoteError(
            f"{options.events} cannot be read: {str(error).splitlines()[0][:200]}",
            hint="files may have been removed or replaced meanwhile: run it again",
        ) from error


def _read_data(experiment: Experiment, options: AnalyzeOptions, *, careful: bool) -> ExperimentData:
    from flagctl.warehouse.aggregate import AggregateOptions, aggregate

    with closing(open_events(options, days_of(experiment, options.now_ms), careful=careful)) as engine:
        return aggregate(
            engine,
            experiment,
            AggregateOptions(
                as_of_ms=options.now_ms,
                environment=options.environment,
                details=options.details,
                progress=options.progress,
            ),
            engine.findings,
        )


def open_events(options: AnalyzeOptions, days: tuple[str, str], *, careful: bool = True) -> Any:
    """Return an engine with the events of some days; the caller closes it.

    Args:
        options: Where events are and what reads them.
        days: First and last day, ``YYYY-MM-DD``.
        careful: Whether all that is required is read at once, though a file's footer says that nothing is missing.

    Raises:
        NothingMatchedError: If there are no events.
        UsageError: If the engine is unknown or its packages are missing.
        RemoteError: If the store cannot be read.
    """
    need_warehouse()
    from flagctl.warehouse.listing import list_events

    if options.progress is not None:
        options.progress("reading events")
    listing = list_events(
        options.events,
        ("exposures", "conversions", "measurements"),
        days=days,
        endpoint_url=options.endpoint_url,
        region=options.region,
    )
    engine = _engine(options, careful=careful)
    try:
        engine.load(listing)
    except BaseException:
        engine.close()
        raise
    return engine


def _engine(options: AnalyzeOptions, *, careful: bool) -> Any:
    if options.engine == "duckdb":
        from flagctl.warehouse.duck import DuckEngine

        return DuckEngine(memory_limit=options.memory_limit, trusting=not careful)
    if options.engine == "spark":
        from flagctl.warehouse.spark import SparkEngine

        return SparkEngine(options.master, memory_limit=options.memory_limit)
    raise UsageError(f"there is no engine '{options.engine}'", hint="--engine duckdb or --engine spark")


def days_of(experiment: Experiment, now_ms: int) -> tuple[str, str]:
    """Return the first and the last day whose files can hold something that counts."""
    from flagctl.warehouse.listing import days_around

    before = max((metric.cuped_ms or 0 for metric in experiment.metrics), default=0)
    return days_around(None if experiment.started_at_ms is None else experiment.started_at_ms - before, now_ms)


def need_warehouse() -> None:
    """Check that the packages for analyses are installed.

    Raises:
        UsageError: If one is missing; the hint says how to get them.
    """
    from importlib.util import find_spec

    missing = [name for name in ("ibis", "duckdb", "scipy", "pyarrow") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"analyses need packages that are not installed: {', '.join(missing)}",
            hint='pip install "flagctl[experiments]"',
        )
