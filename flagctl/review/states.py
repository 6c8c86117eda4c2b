"""Differences of one flag in one environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.model import UNSET, FixedPercentage, Rollout, Rule
from flagctl.review import words
from flagctl.review.changes import Category, Change
from flagctl.review.meaning import json_meaning, meaning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flagctl.diagnostics import Route
    from flagctl.model import Flag, FlagState
    from flagctl.review.side import Side


def diff_states(old: Flag, new: Flag, environment: str, old_side: Side, new_side: Side) -> Iterator[Change]:
    """Yield how `new` differs from `old` in one environment (the changes name no environment: the caller does)."""
    return _StateDiff(old, new, environment, old_side, new_side).changes()


class _StateDiff:
    def __init__(self, old: Flag, new: Flag, environment: str, old_side: Side, new_side: Side) -> None:
        self.old, self.new = old, new
        self.one: FlagState = old.in_environment(environment)
        self.other: FlagState = new.in_environment(environment)
        self.environment = environment
        self.old_side, self.new_side = old_side, new_side

    def changes(self) -> Iterator[Change]:
        yield from self._enabled()
        yield from self._values()
        yield from self._simple()
        yield from self._default()
        yield from self._prerequisites()
        yield from self._targets()
        yield from self._rules()

    def _route(self, flag: Flag, name: str) -> Route:
        override = flag.environments.get(self.environment)
        if override is not None and name in override.given:
            return (*override.route, name)
        return (name,)

    def _change(
        self,
        code: str,
        message: str,
        routes: tuple[Route | None, Route | None],
        *,
        category: Category = Category.SUBJECT,
        rule: str | None = None,
    ) -> Change:
        before, after = routes
        return Change(
            code=code,
            category=category,
            kind="flag",
            key=self.new.key,
            message=message,
            rule=rule,
            before=None if before is None else self.old_side.place(self.old.path, before),
            after=None if after is None else self.new_side.place(self.new.path, after),
        )

    def _named(self, name: str) -> tuple[Route, Route]:
        return self._route(self.old, name), self._route(self.new, name)

    def _enabled(self) -> Iterator[Change]:
        if self.one.enabled != self.other.enabled:
            message = "disabled → enabled" if self.other.enabled else "enabled → disabled"
            yield self._change("enabled-changed", message, self._named("enabled"))

    def _values(self) -> Iterator[Change]:
        if self.old.is_value_flag and self.new.is_value_flag:
            one, other = self.one.variants[0].value, self.other.variants[0].value
            if json_meaning(one) != json_meaning(other):
                message = f"value {words.value(one)} → {words.value(other)}"
                yield self._change("value-changed", message, self._named("value"))

    def _simple(self) -> Iterator[Change]:
        if self.one.off != self.other.off:
            message = f"off {self.one.off or 'caller default'} → {self.other.off or 'caller default'}"
            yield self._change("off-changed", message, self._named("off"))
        if meaning(self.one.schedule) != meaning(self.other.schedule):
            message = f"schedule {words.schedule(self.one.schedule)} → {words.schedule(self.other.schedule)}"
            yield self._change("schedule-changed", message, self._named("schedule"))

    def _default(self) -> Iterator[Change]:
        one, other = self.one.default, self.other.default
        routes = self._named("default")
        if isinstance(one, Rollout) and isinstance(other, Rollout):
            yield from self._split(
                one, other, (self._bucketing(self.old, one), self._bucketing(self.new, other)), routes
            )
        elif meaning(one) != meaning(other):
            yield self._change("default-changed", f"default {_default(one)} → {_default(other)}", routes)

    def _prerequisites(self) -> Iterator[Change]:
        one, other = self.one.prerequisites, self.other.prerequisites
        if meaning(one) == meaning(other):
            return
        olds, news = {p.flag: p for p in one}, {p.flag: p for p in other}
        for key in sorted({*olds, *news}):
            before, after = olds.get(key), news.get(key)
            routes = (before.route if before else None, after.route if after else None)
            if before is None and after is not None:
                message = f"prerequisite {key} ({', '.join(after.variants)}) added"
                yield self._change("prerequisite-added", message, routes)
            elif after is None:
                yield self._change("prerequisite-removed", f"prerequisite {key} removed", routes)
            elif before is not None and set(before.variants) != set(after.variants):
                message = f"prerequisite {key}: {', '.join(before.variants)} → {', '.join(after.variants)}"
                yield self._change("prerequisite-changed", message, routes)
        if [p.flag for p in one if p.flag in news] != [p.flag for p in other if p.flag in olds]:
            # which one is named in the answer's rule id changes, the answer does not
            message = "order of prerequisites changed"
            yield self._change("prerequisites-reordered", message, self._named("prerequisites"))

    def _targets(self) -> Iterator[Change]:
        olds = {unit: target for target in self.one.targets for unit in target.units}
        news = {unit: target for target in self.other.targets for unit in target.units}
        routes = self._named("targets")
        by_text: dict[tuple[str, str], int] = {}
        for unit in {*olds, *news}:
            before = olds[unit].variant if unit in olds else "none"
            after = news[unit].variant if unit in news else "none"
            if before != after:
                by_text[before, after] = by_text.get((before, after), 0) + 1
        for (before, after), count in sorted(by_text.items()):
            noun = "target" if count == 1 else "targets"
            yield self._change("targets-changed", f"{count} {noun}: {before} → {after}", routes)
        one, other = self.old.unit_of(), self.new.unit_of()
        if one != other and (olds or news):
            message = f"targets compared with {'.'.join(one)} → {'.'.join(other)}"
            yield self._change("targets-unit-changed", message, (("bucket_by",), ("bucket_by",)))

    def _rules(self) -> Iterator[Change]:
        olds = {rule.id: rule for rule in self.one.rules}
        news = {rule.id: rule for rule in self.other.rules}
        for key, rule in olds.items():
            if key not in news:
                message = f"rule {key} removed: {words.conditions(rule.when)}: {words.outcome(rule)}"
                yield self._change("rule-removed", message, (rule.route, None), rule=key)
        for key, rule in news.items():
            if key not in olds:
                message = f"rule {key} added: {words.conditions(rule.when)}: {words.outcome(rule)}"
                yield self._change("rule-added", message, (None, rule.route), rule=key)
            else:
                yield from self._rule(olds[key], rule)
        kept_before = [key for key in olds if key in news]
        kept_after = [key for key in news if key in olds]
        for key in _moved(kept_before, kept_after):
            message = f"rule {key} moved: place {list(olds).index(key) + 1} → {list(news).index(key) + 1}"
            yield self._change("rule-moved", message, (olds[key].route, news[key].route), rule=key)

    def _rule(self, one: Rule, other: Rule) -> Iterator[Change]:
        routes = (one.route, other.route)
        if meaning(one.when) != meaning(other.when):
            message = f"rule {other.id}: condition {words.conditions(one.when)} → {words.conditions(other.when)}"
            yield self._change("condition-changed", message, _inside(routes, "when"), rule=other.id)
        if meaning(one.schedule) != meaning(other.schedule):
            message = f"rule {other.id}: schedule {words.schedule(one.schedule)} → {words.schedule(other.schedule)}"
            yield self._change("schedule-changed", message, _inside(routes, "schedule"), rule=other.id)
        if one.description != other.description:
            message = f"rule {other.id}: description changed"
            yield self._change("description-changed", message, routes, category=Category.DOCS, rule=other.id)
        yield from self._outcome(one, other)

    def _outcome(self, one: Rule, other: Rule) -> Iterator[Change]:
        routes = (one.route, other.route)
        bucketing = (self._bucketing(self.old, one.rollout, one), self._bucketing(self.new, other.rollout, other))
        if one.rollout is not None and other.rollout is not None:
            yield from self._split(one.rollout, other.rollout, bucketing, _inside(routes, "rollout"), rule=other.id)
            return
        if _given(one) != _given(other):
            message = f"rule {other.id}: {words.outcome(one)} → {words.outcome(other)}"
            yield self._change("outcome-changed", message, routes, rule=other.id)
        elif meaning(one.percentage) != meaning(other.percentage):
            message = f"rule {other.id}: {words.percentage(one.percentage)} → {words.percentage(other.percentage)}"
            # a rule without a percentage needs no unit and answers another reason, so this is more than a share
            yield self._change("percentage-changed", message, _inside(routes, "percentage"), rule=other.id)
        if _buckets(one.percentage) and _buckets(other.percentage) and bucketing[0] != bucketing[1]:
            yield from self._rebucketed(bucketing, routes, other.id)
        # a published bundle does not know strategies, so one side without says nothing
        if one.strategy is not None and other.strategy is not None and other.id == other.strategy.rule:
            change = words.strategy_change(one.strategy, other.strategy)
            if change is not None:
                message = f"rule {other.id}: {change}"
                yield self._change("strategy-changed", message, routes, category=Category.STRUCTURE, rule=other.id)

    def _split(
        self,
        one: Rollout,
        other: Rollout,
        bucketing: tuple[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]],
        routes: tuple[Route, Route],
        *,
        rule: str | None = None,
    ) -> Iterator[Change]:
        where = f"rule {rule}: " if rule else "default: "
        if one.ranges() != other.ranges():
            same_order = [a.variant for a in one.arms] == [a.variant for a in other.arms]
            same_shares = sorted(_shares(one).items()) == sorted(_shares(other).items())
            message = f"{where}{words.rollout(one)} → {words.rollout(other)}"
            category = Category.RESHUFFLE if same_shares or not same_order else Category.SUBJECT
            yield self._change("rollout-changed", message, routes, category=category, rule=rule)
        if bucketing[0] != bucketing[1]:
            yield from self._rebucketed(bucketing, routes, rule)

    def _rebucketed(
        self,
        bucketing: tuple[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]],
        routes: tuple[Route, Route],
        rule: str | None,
    ) -> Iterator[Change]:
        (old_salt, old_unit), (new_salt, new_unit) = bucketing
        where = f"rule {rule}: " if rule else "default: "
        if old_salt != new_salt:
            message = f"{where}salt {old_salt} → {new_salt}"
            yield self._change("salt-changed", message, routes, category=Category.RESHUFFLE, rule=rule)
        if old_unit != new_unit:
            message = f"{where}bucket by {'.'.join(old_unit)} → {'.'.join(new_unit)}"
            yield self._change("unit-changed", message, routes, category=Category.RESHUFFLE, rule=rule)

    @staticmethod
    def _bucketing(flag: Flag, rollout: Rollout | None, rule: Rule | None = None) -> tuple[str, tuple[str, ...]]:
        return flag.salt_of(rule, rollout), flag.unit_of(rule, rollout)


def _given(rule: Rule) -> Any:
    if rule.value is not UNSET:
        return ("value", json_meaning(rule.value))
    return (rule.serve, rule.experiment, rule.rollout is not None)


def _buckets(percentage: Any) -> bool:
    """Whether a percentage ever looks at a bucket: nothing and everything do not."""
    return percentage is not None and not (
        isinstance(percentage, FixedPercentage) and percentage.thousandths in {0, 100_000}
    )


def _shares(rollout: Rollout) -> dict[str, int]:
    result: dict[str, int] = {}
    for start, end, variant in rollout.ranges():
        result[variant] = result.get(variant, 0) + end - start
    return result


def _default(item: str | Rollout | None) -> str:
    if item is None:
        return "caller default"
    return words.rollout(item) if isinstance(item, Rollout) else item


def _inside(routes: tuple[Route, Route], name: str) -> tuple[Route, Route]:
    return (*routes[0], name), (*routes[1], name)


def _moved(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return the fewest items whose move explains the new order: all but a longest common subsequence."""
    if before == after:
        return []
    from difflib import SequenceMatcher  # noqa: PLC0415  only when something moved

    kept: set[str] = set()
    for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        kept.update(before[block.a : block.a + block.size])
    return [item for item in after if item not in kept]
