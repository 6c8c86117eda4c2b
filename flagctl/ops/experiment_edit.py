"""The life of an experiment as edits of its file: create, start, stop, amend."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError
from flagctl.ops.experiment_analyze import DAY_MS
from flagctl.source.editing import Delete, Insert, Set, exists

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.model import Experiment
    from flagctl.ops.edit import Draft

DEFAULT_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExperiment:
    """What a new experiment begins with.

    Attributes:
        key: Of the experiment.
        flag: Whose variants are compared.
        owner: Who answers questions; None is the flag's.
        hypothesis: What is expected to happen.
        variants: Variant to share in percent; empty splits the flag's variants evenly.
        control: The variant others are compared with; None is the flag's default, if it is among them.
        primary: Primary metric as ``event`` or ``event:kind``.
        traffic: Share of eligible units in percent; None takes all, or `slots` of `layer`.
        layer: Layer to take free slots of.
        slots: How many of the layer's slots, in percent.
        days: Until the planned end.
        minimum_effect: Smallest relative difference worth having, in percent.
    """

    key: str
    flag: str
    owner: str | None = None
    hypothesis: str | None = None
    variants: Mapping[str, float] | None = None
    control: str | None = None
    primary: str | None = None
    traffic: float | None = None
    layer: str | None = None
    slots: float | None = None
    days: int | None = DEFAULT_DAYS
    minimum_effect: float | None = None


def create_experiment(draft: Draft, new: NewExperiment) -> None:
    """Write the file of a new experiment, as a draft.

    Raises:
        NothingMatchedError: If there is no such flag.
        UsageError: If the flag has fewer than two variants, or the layer has no room.
    """
    flag = draft.data(draft.find(new.flag))
    names = _variants_of(flag)
    shares = dict(new.variants) if new.variants else _even(names)
    if len(shares) < 2:
        raise UsageError(f"an experiment compares two variants or more; '{new.flag}' has {len(names)}")
    control = new.control or (flag["default"] if flag.get("default") in shares else next(iter(shares)))
    data: dict[str, Any] = {
        "kind": "experiment",
        "key": new.key,
        "flag": new.flag,
        "owner": new.owner or flag.get("owner") or draft.value("flagctl.yaml", ("owner",)),
        "hypothesis": new.hypothesis or "",
        "status": "draft",
        "variants": shares,
        "control": control,
    }
    if new.layer is not None:
        data |= {"layer": new.layer, "slots": _free_slots(draft, new.layer, new.slots or 100.0)}
    elif new.traffic is not None:
        data["traffic"] = new.traffic
    if new.primary is not None:
        event, _, kind = new.primary.partition(":")
        primary: dict[str, Any] = {"event": event, "kind": kind or "conversion"}
        if new.minimum_effect is not None:
            effect = float(new.minimum_effect)
            primary["minimum_effect"] = int(effect) if effect.is_integer() else effect
        data["metrics"] = {"primary": primary}
    if new.days is not None:
        data["decision"] = {"planned_days": new.days}
    draft.create_document({name: value for name, value in data.items() if value not in (None, "")})
    rules = _rules_of(flag)
    if not any(rule.get("experiment") == new.key for rule in rules):
        taken = {rule.get("id") for rule in rules}
        ids = (new.key, *(f"{new.key}-{number}" for number in range(2, len(taken) + 3)))
        free = next(one for one in ids if one not in taken)
        draft.note(f"no rule of '{new.flag}' serves it yet: flagctl add-rule {new.flag} {free} --experiment {new.key}")


def _rules_of(flag: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the rules of a flag's file, also those that an environment has instead."""
    parts = (flag, *(flag.get("environments") or {}).values())
    return [rule for part in parts if part for rule in part.get("rules") or () if isinstance(rule, dict)]


def start_experiment(draft: Draft, key: str, *, days: int | None = None, units: int | None = None) -> None:
    """Let an experiment run: status, start, planned end, and the digest of what was agreed on.

    Raises:
        UsageError: If it is not a draft, or something is missing that must be agreed on before the start.
    """
    path = draft.find(key, "experiment")
    data = draft.data(path)
    if data.get("status") != "draft":
        raise UsageError(
            f"experiment '{key}' is {data.get('status')}, not a draft",
            hint="it runs already"
            if data.get("status") == "running"
            else "a finished one is not started again: make a new one",
        )
    if days is not None:
        draft.edit(path, Set(("decision", "planned_days"), days))
    if units is not None:
        draft.edit(path, Set(("decision", "planned_units"), units))
    _check_complete(key, draft.data(path))
    draft.edit(path, Set(("status",), "running"), Set(("started_at",), _instant(draft.now_ms)))
    _check_end(model_of(draft, path, key))
    _register(draft, path, key)
    draft.titles.append(f"Start experiment {key}")


def stop_experiment(draft: Draft, key: str, *, winner: str | None) -> None:
    """Complete an experiment; with a winner, everybody who reaches its rule gets that.

    Raises:
        UsageError: If it does not run, or the winner is none of its variants.
    """
    path = draft.find(key, "experiment")
    data = draft.data(path)
    if data.get("status") != "running":
        hint = f"flagctl experiment start {key}" if data.get("status") == "draft" else "it has ended already"
        raise UsageError(f"experiment '{key}' is {data.get('status')}, not running", hint=hint)
    if winner is not None and winner not in data.get("variants", {}):
        raise UsageError(
            f"'{winner}' is none of its variants", hint=f"there are: {', '.join(data.get('variants', {}))}"
        )
    edits: list[Any] = [Set(("status",), "completed"), Set(("ended_at",), _instant(draft.now_ms))]
    if winner is not None:
        edits.append(Set(("winner",), winner))
    elif exists(data, ("winner",)):
        edits.append(Delete(("winner",)))
    draft.edit(path, *edits)
    draft.titles.append(f"Stop experiment {key}" + (f": {winner} won" if winner else " without a winner"))


def amend_experiment(draft: Draft, key: str, reason: str) -> None:
    """Record that what was agreed on has changed while the experiment runs.

    Raises:
        UsageError: If it does not run, was never registered, or is what was registered.
    """
    path = draft.find(key, "experiment")
    data = draft.data(path)
    if data.get("status") != "running":
        raise UsageError(f"experiment '{key}' is {data.get('status')}: only what runs is amended")
    if "registration" not in data:
        raise UsageError(
            f"experiment '{key}' was never registered", hint="flagctl experiment start writes the registration"
        )
    from flagctl.model import registration_of

    amendments = data.get("amendments") or []
    last = amendments[-1]["registration"] if amendments else data["registration"]
    digest = registration_of(model_of(draft, path, key))
    if digest == last:
        raise UsageError(f"experiment '{key}' is what was agreed on; there is nothing to amend")
    entry = {"at": _instant(draft.now_ms), "reason": reason, "registration": digest}
    if amendments:
        draft.edit(path, Insert(("amendments",), len(amendments), entry))
    else:
        draft.edit(path, Set(("amendments",), [entry]))
    draft.note("every report shows the amendment, and reads the result by the sequential rule")
    draft.titles.append(f"Amend experiment {key}: {reason}")


def set_holdout(draft: Draft, layer: str, percent: float) -> None:
    """Hold out a share of a layer: while it grows nobody leaves it, and while it shrinks those who came last go first.

    Raises:
        NothingMatchedError: If there is no such layer.
        UsageError: If the layer has no room.
    """
    path = draft.find(layer, "layer")
    held = sorted((int(start), int(end)) for start, end in draft.data(path).get("holdout") or ())
    missing = round(percent * 1000) - sum(end - start for start, end in held)
    if missing > 0:
        # From the end, so that the slots in front stay in one piece for experiments.
        for start, end in reversed(_free(draft, layer, held)):
            size = min(end - start, missing)
            if size:
                held.append((end - size, end))
                missing -= size
        if missing > 0:
            raise UsageError(f"layer '{layer}' has only {percent - missing / 1000:g} % that no experiment takes")
    while missing < 0:
        start, end = held.pop(0)
        size = min(end - start, -missing)
        missing += size
        if size < end - start:
            held.insert(0, (start + size, end))
    joined: list[list[int]] = []
    for start, end in sorted(held):
        if joined and joined[-1][1] == start:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    if joined:
        draft.edit(path, Set(("holdout",), joined))
    elif exists(draft.data(path), ("holdout",)):
        draft.edit(path, Delete(("holdout",)))
    draft.titles.append(f"Hold out {percent:g} % of layer {layer}")


def model_of(draft: Draft, path: str, key: str) -> Experiment:
    """Return the experiment that a draft's file would be.

    Raises:
        UsageError: If the file would not be a valid experiment.
    """
    from flagctl.source import load_tree

    loaded = load_tree({"flagctl.yaml": draft.content("flagctl.yaml") or b"", path: draft.content(path) or b""})
    repository = loaded.repository
    if repository is None or key not in repository.experiments:
        problem = next((one.message for one in loaded.diagnostics), "it cannot be read")
        raise UsageError(f"{path}: {problem}", hint="flagctl validate shows everything")
    return repository.experiments[key]


def _register(draft: Draft, path: str, key: str) -> None:
    from flagctl.model import registration_of

    draft.edit(path, Set(("registration",), registration_of(model_of(draft, path, key))))


def _check_complete(key: str, data: Mapping[str, Any]) -> None:
    decision = data.get("decision") or {}
    missing = [name for name in ("hypothesis", "control") if not data.get(name)]
    if not (data.get("metrics") or {}).get("primary"):
        missing.append("metrics.primary")
    planned = "planned_days" in decision or "planned_units" in decision
    if not planned and decision.get("method") != "sequential":
        missing.append("decision.planned_days")
    if missing:
        raise UsageError(
            f"experiment '{key}' cannot start without {', '.join(missing)}",
            hint="what is measured and when it ends is agreed on before the first result is seen;"
            " with `decision: {method: sequential}` no end is needed",
        )


def _check_end(experiment: Experiment) -> None:
    """Refuse a planned end at which nothing can be decided, whatever comes."""
    decision, primary = experiment.decision, experiment.primary
    days = decision.planned_days
    if days is None or primary is None:
        return
    least, why = decision.minimum_days, f"nothing is decided before {decision.minimum_days} days (minimum_days)"
    window = -(-primary.window_ms // DAY_MS)
    if decision.maturity == "complete" and window + 1 > least:
        least = window + 1
        why = f"units count towards {primary.key} when their window of {window} {'day' if window == 1 else 'days'} is over"
    if days < least:
        raise UsageError(
            f"experiment '{experiment.key}' would end after {days} {'day' if days == 1 else 'days'}, but {why}",
            hint=f"--days {least}, better whole weeks more",
        )


def _variants_of(flag: Mapping[str, Any]) -> list[str]:
    variants = flag.get("variants")
    if isinstance(variants, dict):
        return list(variants)
    return ["on", "off"] if flag.get("type") == "boolean" else []


def _even(names: list[str]) -> dict[str, float]:
    """Return even shares in thousandths of a percent that add up to 100."""
    if not names:
        return {}
    each = 100_000 // len(names)
    shares = [each] * len(names)
    shares[0] += 100_000 - each * len(names)
    return {
        name: share // 1000 if share % 1000 == 0 else share / 1000 for name, share in zip(names, shares, strict=True)
    }


def free_ranges(used: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges of 100 000 slots that nothing has.

    >>> free_ranges([(20_000, 50_000), (0, 10_000)])
    [(10000, 20000), (50000, 100000)]
    """
    free, reached = [], 0
    for start, end in sorted(used):
        if start > reached:
            free.append((reached, start))
        reached = max(reached, end)
    if reached < 100_000:
        free.append((reached, 100_000))
    return free


def _free_slots(draft: Draft, layer: str, percent: float) -> list[list[int]]:
    path = draft.find(layer, "layer")
    held = [(int(start), int(end)) for start, end in draft.data(path).get("holdout") or ()]
    wanted = round(percent * 1000)
    taken = []
    for start, end in _free(draft, layer, held):
        size = min(end - start, wanted)
        if size > 0:
            taken.append([start, start + size])
            wanted -= size
    if wanted > 0:
        left = (round(percent * 1000) - wanted) / 1000
        raise UsageError(f"layer '{layer}' has only {left:g} % of its slots free", hint=f"--slots {left:g}")
    return taken


def _free(draft: Draft, layer: str, held: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the slots of a layer that neither its holdout nor an experiment has that is not completed."""
    repository = draft.workspace.loaded().repository
    used = list(held)
    for experiment in repository.experiments.values() if repository is not None else ():
        if experiment.layer == layer and experiment.status.value != "completed":
            used += experiment.slots
    return free_ranges(used)


def _instant(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
