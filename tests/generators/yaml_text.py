"""The YAML files of a repository, written from the model."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flagctl.model import (
    UNSET,
    AllOf,
    AnyOf,
    AttributeCondition,
    Condition,
    Experiment,
    FixedPercentage,
    Flag,
    FlagType,
    LinearPercentage,
    Metric,
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
    Target,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
NOT_TEXT = {"true", "false", "null", "True", "False", "Null", "TRUE", "FALSE", "NULL"}


def repository_to_files(repository: Repository) -> dict[str, bytes]:
    """Return the bytes of every file, by path relative to the repository's root."""
    documents: dict[str, dict[str, Any]] = {"flagctl.yaml": config_document(repository.config)}
    for flag in repository.flags.values():
        documents[flag.path] = flag_document(flag)
    for segment in repository.segments.values():
        documents[segment.path] = segment_document(segment)
    for experiment in repository.experiments.values():
        documents[experiment.path] = experiment_document(experiment)
    for layer in repository.layers.values():
        documents[layer.path] = given(
            kind="layer", key=layer.key, name=layer.name, description=layer.description, owner=layer.owner
        )
    return {path: yaml_text(document).encode() for path, document in documents.items()}


def yaml_text(document: dict[str, Any]) -> str:
    """Write block style for mappings and short flow style for everything inside lists."""
    return "".join(_block(document, 0))


def _block(mapping: dict[str, Any], depth: int) -> Iterable[str]:
    for key, value in mapping.items():
        prefix = f"{'  ' * depth}{_key(key)}:"
        if isinstance(value, dict) and value and depth < 3:
            yield f"{prefix}\n"
            yield from _block(value, depth + 1)
        elif isinstance(value, list) and value and depth < 3:
            yield f"{prefix}\n"
            for item in value:
                yield f"{'  ' * (depth + 1)}- {_flow(item)}\n"
        else:
            yield f"{prefix} {_flow(value)}\n"


def _key(key: str) -> str:
    return key if PLAIN.fullmatch(key) and key not in NOT_TEXT else _quoted(key)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and value not in NOT_TEXT else _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    """Write a double-quoted scalar; JSON's escapes are YAML's, and what YAML cannot show is escaped."""
    return re.sub(
        "[^ -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]",
        lambda match: f"\\u{ord(match[0]):04x}",
        json.dumps(text, ensure_ascii=False),
    )


# --- documents ---


def given(**parts: Any) -> dict[str, Any]:
    """Leave out what is None or empty."""
    return {key: value for key, value in parts.items() if value is not None and value not in ((), [], {})}


def config_document(config: RepositoryConfig) -> dict[str, Any]:
    attributes = {}
    for attribute in config.context.attributes.values():
        attributes[attribute.name] = {
            "type": attribute.type.value,
            **({"enum": list(attribute.enum)} if attribute.enum else {}),
            **({"required": True} if attribute.required else {}),
        }
    return {
        "version": config.version,
        "project": config.project,
        "environments": {
            name: {"protected": True} if environment.protected else {}
            for name, environment in config.environments.items()
        },
        "context": {"attributes": attributes, "additional": "allow" if config.context.additional else "deny"},
    }


def flag_document(flag: Flag) -> dict[str, Any]:
    document = given(
        kind="flag", key=flag.key, name=flag.name, description=flag.description, owner=flag.owner, tags=list(flag.tags)
    )
    document["type"] = flag.type.value
    if flag.is_value_flag:
        document["value"] = flag.variants[0].value
    elif [(v.name, v.value) for v in flag.variants] != [
        ("on", True),
        ("off", False),
    ] or flag.type is not FlagType.BOOLEAN:
        document["variants"] = {variant.name: variant.value for variant in flag.variants}
    if not flag.enabled:
        document["enabled"] = False
    implied_off = flag.type is FlagType.BOOLEAN and flag.off == "off"
    document |= given(
        off=None if implied_off else flag.off,
        default=None if flag.is_value_flag else default_document(flag.default),
        salt=flag.salt,
        bucket_by=path_document(flag.bucket_by),
    )
    document |= targeting_document(flag.prerequisites, flag.targets, flag.rules, flag.schedule)
    for name, override in flag.environments.items():
        part: dict[str, Any] = {}
        values = targeting_document(override.prerequisites, override.targets, override.rules, override.schedule)
        values |= {"enabled": override.enabled, "off": override.off, "value": override.value}
        values["default"] = default_document(override.default)
        for key in ("enabled", "off", "default", "value", "rules", "targets", "prerequisites", "schedule"):
            if key in override.given:
                part[key] = values.get(key, {} if key == "targets" else [])
        document.setdefault("environments", {})[name] = part
    return document


def targeting_document(
    prerequisites: tuple[Prerequisite, ...],
    targets: tuple[Target, ...],
    rules: tuple[Rule, ...],
    schedule: Schedule | None,
) -> dict[str, Any]:
    return given(
        schedule=schedule_document(schedule),
        prerequisites=[{"flag": p.flag, "variants": list(p.variants)} for p in prerequisites],
        targets={target.variant: list(target.units) for target in targets},
        rules=[rule_document(rule) for rule in rules],
    )


def rule_document(rule: Rule) -> dict[str, Any]:
    document = given(
        id=rule.id,
        description=rule.description,
        priority=rule.priority or None,
        schedule=schedule_document(rule.schedule),
        when=[condition_document(condition) for condition in rule.when],
        serve=rule.serve,
        experiment=rule.experiment,
        rollout=rollout_document(rule.rollout),
        percentage=percentage_document(rule.percentage),
        salt=rule.salt,
        bucket_by=path_document(rule.bucket_by),
    )
    if rule.value is not UNSET:
        document["value"] = rule.value
    return document


def default_document(default: str | Rollout | None) -> Any:
    if not isinstance(default, Rollout):
        return default
    return given(rollout=rollout_document(default), salt=default.salt, bucket_by=path_document(default.bucket_by))


def rollout_document(rollout: Rollout | None) -> dict[str, Any] | None:
    if rollout is None:
        return None
    return {arm.variant: arm_document(arm) for arm in rollout.arms}


def arm_document(arm: RolloutArm) -> Any:
    return percent(arm.weight or 0) if arm.ranges is None else {"buckets": [list(pair) for pair in arm.ranges]}


def percentage_document(percentage: Percentage | None) -> Any:
    if percentage is None:
        return None
    if isinstance(percentage, FixedPercentage):
        return percent(percentage.thousandths)
    if isinstance(percentage, LinearPercentage):
        return {
            "linear": {
                "from": instant(percentage.from_ms),
                "to": instant(percentage.to_ms),
                "start": percent(percentage.start),
                "end": percent(percentage.end),
            }
        }
    return {
        "steps": [{"from": instant(step.from_ms), "percent": percent(step.thousandths)} for step in percentage.steps]
    }


def condition_document(condition: Condition) -> dict[str, Any]:
    match condition:
        case AttributeCondition():
            document: dict[str, Any] = {"attribute": path_document(condition.attribute), "operator": condition.operator}
            if condition.value is not UNSET:
                document["value"] = condition.value
            if condition.ignore_case:
                document["ignore_case"] = True
            return document
        case SegmentCondition():
            return {"segment": condition.segment}
        case AllOf():
            return {"all": [condition_document(part) for part in condition.conditions]}
        case AnyOf():
            return {"any": [condition_document(part) for part in condition.conditions]}
        case Not():
            return {"not": condition_document(condition.condition)}


def segment_document(segment: Segment) -> dict[str, Any]:
    document = given(kind="segment", key=segment.key, name=segment.name, owner=segment.owner)
    document |= given(include=list(segment.include), exclude=list(segment.exclude))
    if segment.when is not None:
        document["when"] = [condition_document(condition) for condition in segment.when]
    return document


def experiment_document(experiment: Experiment) -> dict[str, Any]:
    return given(
        kind="experiment",
        key=experiment.key,
        flag=experiment.flag,
        owner=experiment.owner,
        hypothesis=experiment.hypothesis,
        status=experiment.status.value,
        started_at=None if experiment.started_at_ms is None else instant(experiment.started_at_ms),
        variants=rollout_document(experiment.variants),
        control=experiment.control,
        winner=experiment.winner,
        traffic=None if experiment.traffic is None else percent(experiment.traffic),
        layer=experiment.layer,
        slots=[list(slot) for slot in experiment.slots],
        bucket_by=path_document(experiment.bucket_by) if experiment.bucket_by != ("targeting_key",) else None,
        metrics=given(primary=metric_document(experiment.primary)),
    )


def metric_document(metric: Metric | None) -> dict[str, Any] | None:
    return None if metric is None else given(event=metric.event, kind=metric.kind, direction=metric.direction)


def path_document(path: tuple[str, ...] | None) -> Any:
    """Write a path with dots, or literally if one of its keys has a dot itself."""
    if path is None:
        return None
    return list(path) if any("." in key for key in path) else ".".join(path)


def schedule_document(schedule: Schedule | None) -> dict[str, str] | None:
    if schedule is None:
        return None
    sides = {"from": schedule.from_ms, "until": schedule.until_ms}
    return {side: instant(ms) for side, ms in sides.items() if ms is not None}


def percent(thousandths: int) -> Any:
    """Return a percentage as a file writes it, with at most three decimals."""
    return thousandths // 1000 if thousandths % 1000 == 0 else thousandths / 1000


def instant(ms: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{ms % 1000:03d}Z" if ms % 1000 else f"{text}Z"
