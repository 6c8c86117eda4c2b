"""What the form beside the text of the editor shows: fields, rules, targets and conditions of a flag or segment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Severity
from flagctl.server.ui import fields
from flagctl.server.ui.conditions import MOST, Holder, views
from flagctl.server.ui.fields import Field, Scope
from flagctl.server.ui.growth import growth_of
from flagctl.server.ui.windows import windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flagctl.diagnostics import Diagnostic
    from flagctl.model import Repository
    from flagctl.server.ui.conditions import ConditionView
    from flagctl.server.ui.growth import Growth

_MOST_TAGS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule as the form shows it.

    Attributes:
        id: Of the rule.
        gets: What it serves where that is no field, in few words.
        over_time: Whether its percentage changes with time.
        conditions: When it holds; None if the form can't edit them, because the rule has no name of its own.
        growth: How its percentage changes with time, if the form can show that.
        may_grow: Whether it could change with time.
    """

    id: str
    gets: str
    over_time: bool
    conditions: tuple[ConditionView, ...] | None
    growth: Growth | None
    may_grow: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What the form is about: a flag as its text says, in one environment or in all, or a segment.

    Attributes:
        kind: ``flag`` or ``segment``.
        key: Of the flag or segment.
        type: Of its values; empty for a segment.
        environment: Empty for what holds where nothing else is said.
        sections: Fields of each part of the form.
        fields: All of them by name.
        variants: Names of the variants.
        implied: Whether the variants go without saying.
        rules: In order.
        targets: Units by variant.
        own: Lists that the environment has of its own.
        members: Units that a segment lists, by the name of the list.
        conditions: Of a segment.
        apart: Name of the list that is published apart from the segment, empty if there is none.
    """

    kind: str
    key: str
    type: str = ""
    environment: str = ""
    sections: Mapping[str, tuple[Field, ...]]
    fields: Mapping[str, Field]
    variants: tuple[str, ...] = ()
    implied: bool = False
    rules: tuple[RuleView, ...] = ()
    targets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    own: frozenset[str] = frozenset()
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conditions: tuple[ConditionView, ...] = ()
    apart: str = ""

    def marks(self, findings: Iterable[Diagnostic], troubles: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong with each field, by its name; warnings stand with the findings alone."""
        found: dict[str, list[str]] = {}
        for one in findings:
            if one.severity is not Severity.ERROR:
                continue
            for each in self.fields.values():
                if any(route and one.route[: len(route)] == route for route in each.routes):
                    found.setdefault(each.name, []).append(told(one))
        return {name: "; ".join(messages) for name, messages in found.items()} | dict(troubles)


def told(found: Diagnostic) -> str:
    """Return a finding as it stands at its field."""
    return found.message + (f" ({found.help})" if found.help else "")


def panel_of(path: str, text: str, environment: str, model: Repository) -> Panel | None:
    """Return what the text says, or None if it is neither flag nor segment, or can't be read now."""
    scope = Scope.of(path, text, environment)
    if scope is None:
        return None
    return _flag(scope, model) if scope.kind == "flag" else _segment(scope)


def _flag(scope: Scope, model: Repository) -> Panel:
    def variants_of(key: str) -> tuple[str, ...]:
        other = model.flags.get(key)
        return tuple(one.name for one in other.variants) if other is not None else ()

    rules = tuple(_rules(scope))
    sections = {
        "about": tuple(fields.about(scope)),
        "switches": tuple(fields.switches(scope, tuple(model.config.environments))),
        "variants": tuple(fields.variants(scope)),
        "serving": tuple(fields.serving(scope)),
        "windows": tuple(windows(scope)),
        "needs": tuple(fields.needs(scope, variants_of)),
        "conditions": _fields(view for rule in rules for view in rule.conditions or ()),
        "growth": tuple(one for rule in rules if rule.growth is not None for one in rule.growth.fields()),
    }
    targets = scope.value("targets")
    return Panel(
        kind="flag",
        key=scope.data["key"],
        type=str(scope.data.get("type", "")),
        environment=scope.environment,
        sections=sections,
        fields=_by_name(sections),
        variants=scope.variants(),
        implied=not isinstance(scope.data.get("variants"), dict) and "value" not in scope.data,
        rules=rules,
        targets=tuple((str(name), _texts(units)) for name, units in targets.items())
        if isinstance(targets, dict)
        else (),
        own=frozenset({"rules", "targets", "prerequisites"} & set(scope.part)),
    )


def _segment(scope: Scope) -> Panel:
    conditions = views(scope.data.get("when"), Holder("", ("when",)))
    sections = {"about": tuple(fields.about(scope)), "conditions": _fields(conditions)}
    members = scope.data.get("members")
    return Panel(
        kind="segment",
        key=scope.data["key"],
        sections=sections,
        fields=_by_name(sections),
        members={name: _texts(scope.data.get(name)) for name in ("include", "exclude")},
        conditions=conditions,
        apart=str(members.get("list", "")) if isinstance(members, dict) else "",
    )


def _rules(scope: Scope) -> Iterator[RuleView]:
    seen: set[str] = set()
    spare = MOST
    for at, item in scope.mappings("rules"):
        name = item.get("id")
        conditions, growth = None, None
        if isinstance(name, str) and name and name not in seen:
            route = (*scope.route("rules"), at)
            conditions = views(item.get("when"), Holder(name, (*route, "when"), spare))
            growth = growth_of(item, name, route)
            spare -= len(_fields(conditions))
            seen.add(name)
        yield RuleView(
            id=str(item.get("id", "")),
            gets=str(item.get("experiment") or item.get("value", "")),
            over_time=isinstance(item.get("percentage"), dict) or "strategy" in item,
            conditions=conditions,
            growth=growth,
            may_grow=conditions is not None and bool({"serve", "value"} & set(item)),
        )


def _fields(conditions: Iterable[ConditionView]) -> tuple[Field, ...]:
    return tuple(one for view in conditions for one in view.fields())


def _by_name(sections: Mapping[str, tuple[Field, ...]]) -> dict[str, Field]:
    return {one.name: one for section in sections.values() for one in section}


def _texts(units: Any) -> tuple[str, ...]:
    return tuple(map(str, units)) if isinstance(units, list) else ()


def suggestions(model: Repository, tags: str) -> dict[str, list[str]]:
    """Return names that fields may have; tags stand behind those that are there already."""
    flags = model.flags.values()
    counts: dict[str, int] = {}
    for flag in flags:
        for tag in flag.tags:
            counts[tag] = counts.get(tag, 0) + 1
    given = [tag.strip() for tag in tags.split(",") if tag.strip()]
    usual = sorted(counts, key=lambda tag: (-counts[tag], tag))[:_MOST_TAGS]
    return {
        "owners": sorted({flag.owner for flag in flags if flag.owner}),
        "segments": sorted(model.segments),
        "attributes": [".".join(one.path) for one in model.config.context.attributes.values()],
        "tags": [", ".join([*given, tag]) for tag in sorted(usual) if tag not in given],
    }
