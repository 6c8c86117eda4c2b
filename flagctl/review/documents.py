"""Differences of the configuration, segments, experiments and layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flagctl.model import Policy
from flagctl.review import words
from flagctl.review.changes import Category, Change
from flagctl.review.meaning import meaning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.model import Experiment, Layer, Segment
    from flagctl.review.side import Side

_ABOUT = (
    ("name", Category.DOCS),
    ("description", Category.DOCS),
    ("hypothesis", Category.DOCS),
    ("owner", Category.OWNERSHIP),
    ("tags", Category.OWNERSHIP),
)


def diff_config(old: Side, new: Side) -> Iterator[Change]:
    """Yield what changed in `flagctl.yaml`."""
    one, other = old.repository.config, new.repository.config
    for name in sorted({*one.environments, *other.environments}):
        before, after = one.environments.get(name), other.environments.get(name)
        if before is None or after is None:
            verb = "added" if before is None else "removed"
            yield Change(
                code=f"environment-{verb}",
                category=Category.STRUCTURE if before is None else Category.SUBJECT,
                kind="config",
                key=name,
                message=f"environment {name} {verb}",
                before=old.place(one.path, ("environments", name)) if before else None,
                after=new.place(other.path, ("environments", name)) if after else None,
            )
        elif meaning(before) != meaning(after):
            yield Change(
                code="environment-changed",
                category=Category.STRUCTURE,
                kind="config",
                key=name,
                message=f"environment {name}: protection or remote changed",
                before=old.place(one.path, ("environments", name)),
                after=new.place(other.path, ("environments", name)),
            )
    for name in ("policy", "owners", "owner"):
        if _rules(getattr(one, name)) != _rules(getattr(other, name)):
            yield Change(
                code=f"{name}-changed",
                category=Category.OWNERSHIP,
                kind="config",
                key=name,
                message=f"{name} changed",
                before=old.place(one.path, (name,)),
                after=new.place(other.path, (name,)),
            )
    if one.project != other.project:
        yield Change(
            code="project-changed",
            category=Category.CODE,
            kind="config",
            key="project",
            message=f"project {one.project} → {other.project}: everything published so far belongs to the old one",
            before=old.place(one.path, ("project",)),
            after=new.place(other.path, ("project",)),
        )
    if {k: meaning(v) for k, v in one.context.attributes.items()} != {
        k: meaning(v) for k, v in other.context.attributes.items()
    }:
        yield Change(
            code="context-changed",
            category=Category.DOCS,
            kind="config",
            key="context",
            message="declared attributes changed",
            before=old.place(one.path, ("context",)),
            after=new.place(other.path, ("context",)),
        )


def _rules(item: Any) -> Any:
    """Return an image of a part of the configuration that leaves out where it stands."""
    if isinstance(item, Policy):
        environments = {name: meaning(rules) for name, rules in item.environments.items()}
        return environments, frozenset(meaning(window) for window in item.freeze)
    return {name: meaning(owner) for name, owner in item.items()} if isinstance(item, Mapping) else item


def diff_segment(old: Segment, new: Segment, old_side: Side, new_side: Side) -> Iterator[Change]:
    """Yield what changed in a segment."""
    yield from _diff_about(old, new, old_side, new_side)
    for name in ("include", "exclude"):
        before, after = set(getattr(old, name)), set(getattr(new, name))
        if before != after:
            parts = [f"{len(after - before)} added"] if after - before else []
            parts += [f"{len(before - after)} removed"] if before - after else []
            yield _changed((old, new), (name,), f"{name}: " + ", ".join(parts), (old_side, new_side))
    if old.members != new.members:
        message = f"list {old.members or 'none'} → {new.members or 'none'}"
        yield _changed((old, new), ("members",), message, (old_side, new_side))
    if meaning(old.when) != meaning(new.when):
        message = f"condition {_when(old)} → {_when(new)}"
        yield _changed((old, new), ("when",), message, (old_side, new_side))


def _when(segment: Segment) -> str:
    return "listed units only" if segment.when is None else words.conditions(segment.when)


def diff_experiment(old: Experiment, new: Experiment, old_side: Side, new_side: Side) -> Iterator[Change]:
    """Yield what changed in an experiment."""
    yield from _diff_about(old, new, old_side, new_side)
    sides = (old_side, new_side)
    if old.flag != new.flag:
        yield _changed((old, new), ("flag",), f"flag {old.flag} → {new.flag}", sides)
    if old.status is not new.status:
        message = f"status {old.status.value} → {new.status.value}"
        yield _changed((old, new), ("status",), message, sides)
    if old.winner != new.winner:
        message = f"winner {old.winner or 'none'} → {new.winner or 'none'}"
        yield _changed((old, new), ("winner",), message, sides)
    if meaning(old.variants) != meaning(new.variants):
        message = f"variants {words.rollout(old.variants)} → {words.rollout(new.variants)}"
        yield _changed((old, new), ("variants",), message, sides, Category.RESHUFFLE)
    one = (old.allocation_salt, old.allocation_slots, old.bucket_by)
    other = (new.allocation_salt, new.allocation_slots, new.bucket_by)
    if one != other:
        moved = one[0] != other[0] or one[2] != other[2]
        message = f"allocation {_allocation(old)} → {_allocation(new)}"
        route = ("slots",) if new.layer else ("traffic",)
        category = Category.RESHUFFLE if moved else Category.SUBJECT
        yield _changed((old, new), route, message, sides, category)
    measured = ("primary", "secondary", "guardrails", "control")
    if any(meaning(getattr(old, name)) != meaning(getattr(new, name)) for name in measured):
        yield _changed((old, new), ("metrics",), "metrics or control changed", sides, Category.STRUCTURE)
    if meaning(old.decision) != meaning(new.decision):
        yield _changed((old, new), ("decision",), "how the result is read changed", sides, Category.STRUCTURE)
    if (old.breakdowns, old.bot_events_per_day) != (new.breakdowns, new.bot_events_per_day):
        yield _changed(
            (old, new), ("breakdowns",), "breakdowns or the rule for bots changed", sides, Category.STRUCTURE
        )
    if len(new.amendments) != len(old.amendments):
        reason = new.amendments[-1].reason if new.amendments else "none left"
        yield _changed((old, new), ("amendments",), f"amendments changed: {reason}", sides, Category.STRUCTURE)


def _allocation(experiment: Experiment) -> str:
    where = f"layer {experiment.layer}" if experiment.layer else "of its own"
    size = sum(end - start for start, end in experiment.allocation_slots)
    by = ".".join(experiment.bucket_by)
    return f"{words.share(size)} {where}" + ("" if by == "targeting_key" else f" by {by}")


def diff_layer(old: Layer, new: Layer, old_side: Side, new_side: Side) -> Iterator[Change]:
    """Yield what changed in a layer; it has no effect of its own on answers."""
    yield from _diff_about(old, new, old_side, new_side)
    if sorted(old.holdout) != sorted(new.holdout):
        one, other = (sum(end - start for start, end in layer.holdout) for layer in (old, new))
        message = f"holdout {words.share(one)} → {words.share(other)}"
        yield _changed((old, new), ("holdout",), message, (old_side, new_side), Category.STRUCTURE)


def _diff_about(old: Any, new: Any, old_side: Side, new_side: Side) -> Iterator[Change]:
    for name, category in _ABOUT:
        if getattr(old, name, None) != getattr(new, name, None):
            yield _changed((old, new), (name,), f"{name} changed", (old_side, new_side), category)


def _changed(
    pair: tuple[Any, Any],
    route: tuple[str, ...],
    message: str,
    sides: tuple[Side, Side],
    category: Category = Category.SUBJECT,
) -> Change:
    old, new = pair
    kind = type(new).__name__.lower()
    return Change(
        code=f"{kind}-{route[-1]}-changed",
        category=category,
        kind=kind,
        key=new.key,
        message=message,
        before=sides[0].place(old.path, route),
        after=sides[1].place(new.path, route),
    )
