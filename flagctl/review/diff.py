"""Compare two repositories by meaning.

A flag is compared in every environment as that environment sees it, base and override put together; what differs in the
same way in several environments is one change that names them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.review import words
from flagctl.review.changes import Category, Change, RepositoryDiff
from flagctl.review.documents import diff_config, diff_experiment, diff_layer, diff_segment
from flagctl.review.meaning import json_meaning, meaning
from flagctl.review.reach import reached_flags
from flagctl.review.renames import Renames
from flagctl.review.side import Side
from flagctl.review.states import diff_states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from flagctl.model import Experiment, Flag
    from flagctl.source import LoadedRepository


def diff_repositories(before: LoadedRepository, after: LoadedRepository) -> RepositoryDiff:
    """Return the semantic difference between two loaded repositories.

    Documents that could not be built on one side count as missing there; callers check for errors first.
    """
    return diff_sides(Side(before), Side(after))


def diff_sides(old: Side, new: Side) -> RepositoryDiff:
    """Return the semantic difference between two sides of any kind."""
    changes: list[Change] = list(diff_config(old, new))
    renames = Renames(old.repository, new.repository)

    def flags(one: Flag, other: Flag, old_side: Side, new_side: Side) -> Iterator[Change]:
        yield from _diff_about(one, other, old_side, new_side)
        yield from _diff_variants(one, other, (old_side, new_side), renames)
        yield from _diff_in_environments(renames.flag(one), other, old_side, new_side)

    def experiments(one: Experiment, other: Experiment, old_side: Side, new_side: Side) -> Iterator[Change]:
        return diff_experiment(renames.experiment(one), other, old_side, new_side)

    kinds: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any], Callable[..., Iterator[Change]]], ...] = (
        ("flag", old.repository.flags, new.repository.flags, flags),
        ("segment", old.repository.segments, new.repository.segments, diff_segment),
        ("experiment", old.repository.experiments, new.repository.experiments, experiments),
        ("layer", old.repository.layers, new.repository.layers, diff_layer),
    )
    for kind, olds, news, compare in kinds:
        for key in sorted({*olds, *news}):
            if key not in olds:
                yielded = iter([_added(kind, news[key], new)])
            elif key not in news:
                yielded = iter([_removed(kind, olds[key], old)])
            elif (text := old.text(olds[key].path)) is not None and text == new.text(news[key].path):
                continue  # not `==` of the model: in Python 1 equals true
            else:
                yielded = compare(olds[key], news[key], old, new)
            changes.extend(yielded)
    return RepositoryDiff(changes=tuple(changes), reached=reached_flags(changes, old.repository, new.repository))


def _added(kind: str, item: Any, side: Side) -> Change:
    note = f"{item.type.value} flag" if kind == "flag" else kind
    category = Category.STRUCTURE if kind in {"flag", "layer"} else Category.SUBJECT
    environments = tuple(side.repository.config.environments) if kind == "flag" else ()
    return Change(
        code=f"{kind}-added",
        category=category,
        kind=kind,
        key=item.key,
        message=f"new {note}",
        environments=environments,
        after=side.place(item.path, ()),
    )


def _removed(kind: str, item: Any, side: Side) -> Change:
    note = f"{item.type.value} flag" if kind == "flag" else kind
    category = {"flag": Category.CODE, "layer": Category.STRUCTURE}.get(kind, Category.SUBJECT)
    environments = tuple(side.repository.config.environments) if kind == "flag" else ()
    return Change(
        code=f"{kind}-removed",
        category=category,
        kind=kind,
        key=item.key,
        message=f"{note} removed",
        environments=environments,
        before=side.place(item.path, ()),
    )


def _diff_in_environments(old: Flag, new: Flag, old_side: Side, new_side: Side) -> Iterator[Change]:
    # the same change in several environments is one change
    merged: dict[Change, list[str]] = {}
    for environment in new_side.repository.config.environments:
        if environment not in old_side.repository.config.environments:
            continue
        for change in diff_states(old, new, environment, old_side, new_side):
            merged.setdefault(change, []).append(environment)
    for change, environments in merged.items():
        yield _in_environments(change, tuple(environments))


def _in_environments(change: Change, environments: tuple[str, ...]) -> Change:
    from dataclasses import replace  # noqa: PLC0415  only when something changed

    return replace(change, environments=environments)


_ABOUT = (
    ("name", "name", Category.DOCS),
    ("description", "description", Category.DOCS),
    ("owner", "owner", Category.OWNERSHIP),
    ("tags", "tags", Category.OWNERSHIP),
    ("lifecycle", "lifecycle", Category.OWNERSHIP),
    ("value_schema", "value_schema", Category.STRUCTURE),
    ("breaker", "breaker", Category.STRUCTURE),
)


def _diff_about(old: Flag, new: Flag, old_side: Side, new_side: Side) -> Iterator[Change]:
    if old.type is not new.type:
        yield Change(
            code="type-changed",
            category=Category.CODE,
            kind="flag",
            key=new.key,
            message=f"type {old.type.value} → {new.type.value}",
            before=old_side.place(old.path, ("type",)),
            after=new_side.place(new.path, ("type",)),
        )
    for attribute, name, category in _ABOUT:
        one, other = getattr(old, attribute), getattr(new, attribute)
        same = (
            json_meaning(one) == json_meaning(other) if attribute == "value_schema" else meaning(one) == meaning(other)
        )
        if same:
            continue
        message = f"{name} changed"
        if attribute == "owner":
            message = f"owner {one or 'nobody'} → {other or 'nobody'}"
        elif attribute == "lifecycle" and one and other and one.expires != other.expires:
            message = f"expires {one.expires or 'never'} → {other.expires or 'never'}"
        elif attribute == "breaker":
            message = f"breaker {words.breaker(one)} → {words.breaker(other)}"
        yield Change(
            code=f"{name.replace('_', '-')}-changed",
            category=category,
            kind="flag",
            key=new.key,
            message=message,
            before=old_side.place(old.path, (name,)),
            after=new_side.place(new.path, (name,)),
        )


def _diff_variants(old: Flag, new: Flag, sides: tuple[Side, Side], renames: Renames) -> Iterator[Change]:
    olds = {variant.name: variant for variant in old.variants}
    news = {variant.name: variant for variant in new.variants}
    renamed = renames.names.get(new.key, {})
    for name, later in renamed.items():
        touched = renames.touched(new.key, name)
        yield Change(
            code="variant-renamed",
            category=Category.CODE,
            kind="flag",
            key=new.key,
            message=f"variant {name} renamed to {later}" + (f": {', '.join(touched)}" if touched else ""),
            before=sides[0].place(old.path, olds[name].route or ("variants",)),
            after=sides[1].place(new.path, news[later].route or ("variants",)),
        )
    for name in sorted({*olds, *news} - {*renamed, *renamed.values()}):
        one, other = olds.get(name), news.get(name)
        if one and other and (old.is_value_flag or json_meaning(one.value) == json_meaning(other.value)):
            continue  # what a value flag serves is compared per environment
        shown = f"{words.value(one.value)} → {words.value(other.value)}" if one and other else ""
        verb, category = ("changed", Category.SUBJECT) if one and other else ("removed", Category.CODE)
        if one is None:
            verb, category = "added", Category.STRUCTURE
        yield Change(
            code=f"variant-{verb}",
            category=category,
            kind="flag",
            key=new.key,
            message=f"variant {name} {verb}" + (f": {shown}" if shown else ""),
            environments=tuple(sides[1].repository.config.environments) if verb == "changed" else (),
            before=sides[0].place(old.path, one.route or ("variants",)) if one else None,
            after=sides[1].place(new.path, other.route or ("variants",)) if other else None,
        )
