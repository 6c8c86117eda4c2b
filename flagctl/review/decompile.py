"""From a compiled bundle back to the model, so that what is live can be compared like any other side.

Names, owners' comments and formatting are not in a bundle; what decides answers is, and comes back with the same meaning:
compiling the result gives the same entries (a property test holds it to that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.model import (
    FULL,
    UNSET,
    AllOf,
    AnyOf,
    AttributeCondition,
    Breaker,
    Condition,
    Environment,
    Experiment,
    ExperimentStatus,
    FixedPercentage,
    Flag,
    FlagType,
    Layer,
    LinearPercentage,
    Not,
    Percentage,
    Prerequisite,
    Repository,
    RepositoryConfig,
    Rollout,
    RolloutArm,
    Rule,
    Schedule,
    Segment,
    SegmentCondition,
    Step,
    SteppedPercentage,
    Target,
    Variant,
)
from flagctl.review import words

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from flagctl.diagnostics import Route
    from flagctl.evaluator.document import Document

_INSTANTS = frozenset({"before", "after", "not_before", "not_after"})


def decompile(document: Document, keys: Container[str] | None = None) -> Repository:
    """Return the repository that a bundle was compiled from, as far as it is in there.

    Every document's `path` is ``<kind>/<key>``; the only environment is the bundle's.

    Args:
        document: The bundle.
        keys: Only these flags, with the experiments of their rules; None for all.

    Raises:
        MalformedEntryError: If an entry cannot be decoded; an accepted bundle has none.
    """
    experiments: dict[str, Experiment] = {}
    flags = {}
    for key in document.flag_keys():
        if keys is not None and key not in keys:
            continue
        flags[key] = _Flag(key, document.flag(key), experiments).flag()
    segments = {key: _segment(key, document.segment(key)) for key in document.keys("segments")}
    name = document.header.env
    config = RepositoryConfig(
        path="bundle",
        version=1,
        project=document.header.project,
        environments={name: Environment(name=name)},
    )
    layers = {e.layer: Layer(key=e.layer, path=f"layer/{e.layer}") for e in experiments.values() if e.layer is not None}
    return Repository(
        config=config,
        flags=flags,
        segments=segments,
        experiments=dict(sorted(experiments.items())),
        layers=dict(sorted(layers.items())),
    )


def _path(value: str | list[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return (value,) if isinstance(value, str) else tuple(value)


def _schedule(entry: dict[str, int] | None) -> Schedule | None:
    return None if entry is None else Schedule(from_ms=entry.get("from"), until_ms=entry.get("until"))


def _breaker(entry: dict[str, int] | None) -> Breaker | None:
    if entry is None:
        return None
    return Breaker(
        error_rate=entry.get("error_rate"),
        latency_p95_ms=entry.get("latency_p95"),
        minimum=entry["minimum"],
        window_ms=entry["window"],
        cool_down_ms=entry["cool_down"],
    )


def _percentage(entry: Any) -> Percentage:
    if isinstance(entry, int):
        return FixedPercentage(thousandths=entry)
    if "steps" in entry:
        return SteppedPercentage(steps=tuple(Step(from_ms=start, thousandths=p) for start, p in entry["steps"]))
    from_ms, to_ms, start, end = entry["linear"]
    return LinearPercentage(from_ms=from_ms, to_ms=to_ms, start=start, end=end)


def _ranges(split: list[list[int]]) -> Iterator[tuple[int, int, int]]:
    start = 0
    for end, index in split:
        yield start, end, index
        start = end


class _Flag:
    """One flag entry being turned back."""

    def __init__(self, key: str, entry: dict[str, Any], experiments: dict[str, Experiment]) -> None:
        self.key = key
        self.entry = entry
        self.experiments = experiments
        self.names = [name for name, _ in entry["variants"]]
        self.values = [value for _, value in entry["variants"]]
        self.inline = {rule["id"] for rule in entry.get("rules", ()) if self._is_inline(rule)}

    def _is_inline(self, rule: dict[str, Any]) -> bool:
        return "experiment" not in rule and "serve" in rule and self.names[rule["serve"]] == rule["id"]

    def flag(self) -> Flag:
        entry = self.entry
        variants = tuple(
            Variant(name=name, value=value) for name, value in entry["variants"] if name not in self.inline
        )
        off = entry.get("off")
        return Flag(
            key=self.key,
            path=f"flag/{self.key}",
            type=FlagType(entry["type"]),
            variants=variants,
            is_value_flag=[variant.name for variant in variants] == ["default"],
            owner=entry.get("owner"),
            tags=tuple(entry.get("tags", ())),
            enabled=entry.get("enabled", True),
            off=None if off is None else self.names[off],
            default=self._default(),
            prerequisites=tuple(
                Prerequisite(flag=flag, variants=tuple(names)) for flag, names in entry.get("prerequisites", ())
            ),
            targets=tuple(
                Target(variant=self.names[index], units=tuple(units)) for index, units in entry.get("targets", ())
            ),
            rules=tuple(self._rule(rule, ("rules", index)) for index, rule in enumerate(entry.get("rules", ()))),
            schedule=_schedule(entry.get("schedule")),
            bucket_by=_path(entry.get("unit")),
            breaker=_breaker(entry.get("breaker")),
        )

    def _default(self) -> str | Rollout | None:
        default = self.entry.get("default")
        if default is None:
            return None
        return self._rollout(default) if "split" in default else self.names[default["serve"]]

    def _rollout(self, outcome: dict[str, Any]) -> Rollout:
        by_variant: dict[str, list[tuple[int, int]]] = {}
        for start, end, index in _ranges(outcome["split"]):
            by_variant.setdefault(self.names[index], []).append((start, end))
        in_order = all(len(ranges) == 1 for ranges in by_variant.values())
        arms = tuple(
            RolloutArm(variant=name, weight=ranges[0][1] - ranges[0][0])
            if in_order
            else RolloutArm(variant=name, ranges=tuple(ranges))
            for name, ranges in by_variant.items()
        )
        unit = _path(outcome.get("unit")) or ("targeting_key",)
        return Rollout(arms=arms, salt=outcome.get("salt", self.key), bucket_by=unit)

    def _rule(self, entry: dict[str, Any], route: Route) -> Rule:
        when = tuple(_condition(c, (*route, "when", i)) for i, c in enumerate(entry.get("when", ())))
        identity: dict[str, Any] = {
            "id": entry["id"],
            "when": when,
            "schedule": _schedule(entry.get("schedule")),
            "route": route,
        }
        if "experiment" in entry:
            self._experiment(entry)
            return Rule(**identity, experiment=entry["experiment"]["key"])
        if "split" in entry:
            return Rule(**identity, rollout=self._rollout(entry))
        index = entry["serve"]
        inline = entry["id"] in self.inline
        share = entry.get("percentage")
        unit = _path(entry.get("unit")) or ("targeting_key",)
        bucketing: dict[str, Any] = {} if share is None else {"salt": entry.get("salt", self.key), "bucket_by": unit}
        return Rule(
            **identity,
            **bucketing,
            serve=None if inline else self.names[index],
            value=self.values[index] if inline else UNSET,
            percentage=None if share is None else _percentage(share),
        )

    def _experiment(self, entry: dict[str, Any]) -> None:
        about = entry["experiment"]
        key = about["key"]
        status = ExperimentStatus(about["status"])
        winner = self.names[entry["serve"]] if status is ExperimentStatus.COMPLETED and "serve" in entry else None
        if status is not ExperimentStatus.RUNNING:
            # the bundle does not say what nobody gets; any complete rollout stands for it
            unknown = Rollout(arms=(RolloutArm(variant=self.names[0], weight=FULL),))
            self.experiments[key] = Experiment(
                key=key, path=f"experiment/{key}", flag=self.key, status=status, variants=unknown, winner=winner
            )
            return
        layer = str(about["salt"]).removesuffix("/allocation")
        slots = tuple((start, end) for start, end in about["slots"])
        own = layer == key and (slots in {(), ((0, sum(end for _, end in slots)),)})
        self.experiments[key] = Experiment(
            key=key,
            path=f"experiment/{key}",
            flag=self.key,
            status=status,
            variants=self._rollout({"split": entry["split"], "salt": entry.get("salt", self.key)}),
            bucket_by=_path(entry.get("unit")) or ("targeting_key",),
            traffic=sum(end for _, end in slots) if own else None,
            layer=None if own else layer,
            slots=() if own else slots,
        )


def _segment(key: str, entry: dict[str, Any]) -> Segment:
    when = entry.get("when")
    return Segment(
        key=key,
        path=f"segment/{key}",
        include=tuple(entry.get("include", ())),
        members=entry.get("list"),
        exclude=tuple(entry.get("exclude", ())),
        when=None if when is None else tuple(_condition(c, ("when", i)) for i, c in enumerate(when)),
    )


def _condition(entry: dict[str, Any], route: Route) -> Condition:
    if "segment" in entry:
        return SegmentCondition(segment=entry["segment"], route=route)
    if "not" in entry:
        return Not(condition=_condition(entry["not"], (*route, "not")), route=route)
    for name, kind in (("all", AllOf), ("any", AnyOf)):
        if name in entry:
            parts = tuple(_condition(part, (*route, name, i)) for i, part in enumerate(entry[name]))
            return kind(conditions=parts, route=route)
    value = entry.get("value", UNSET)
    if entry["operator"] in _INSTANTS:
        value = _instant(value)
    return AttributeCondition(
        attribute=_path(entry["attribute"]) or (),
        operator=entry["operator"],
        value=value,
        ignore_case=entry.get("ignore_case", False),
        route=route,
    )


def _instant(microseconds: int) -> str | int | float:
    """Return an instant as a flag file has it: text, or epoch seconds where the calendar ends."""
    seconds, rest = divmod(microseconds, 1_000_000)
    try:
        text = words.instant(seconds * 1000)
    except OverflowError:
        return microseconds / 1_000_000 if rest else seconds
    return text.replace("Z", f".{rest:06d}Z") if rest else text
