"""A flag in one environment as a bundle has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.compiler.conditions import condition_documents
from flagctl.compiler.outcomes import (
    experiment_document,
    percentage_document,
    schedule_document,
    split_document,
    variant_index,
)
from flagctl.compiler.scope import Place, Scope, path_document
from flagctl.model import TARGETING_KEY, UNSET, Breaker, Flag, FlagState, FlagType, JsonValue, Rollout, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.diagnostics import Route

RESERVED_RULE_IDS: Final = frozenset({"target", "default", "breaker"})
"""Rule names that answers use for themselves, beside those that start with ``prerequisite:``."""


def flag_document(flag: Flag, scope: Scope) -> dict[str, Any]:
    """Return a flag's entry, and note in `scope` what it uses.

    Raises:
        FindingsError: If the flag cannot be compiled for this environment.
    """
    return _FlagCompiler(flag, scope.states[flag.key], scope).document()


def variant_names(flag: Flag) -> set[str]:
    """Return every variant a flag can answer with in any environment, inline values of rules included."""
    names = {variant.name for variant in flag.variants}
    for rules in (flag.rules, *(override.rules for override in flag.environments.values())):
        names.update(rule.id for rule in rules if rule.value is not UNSET)
    return names


class _FlagCompiler:
    """One flag; `indexes` finds a variant's number by its name."""

    def __init__(self, flag: Flag, state: FlagState, scope: Scope) -> None:
        self.flag = flag
        self.state = state
        self.scope = scope
        self.place = Place("flag", flag.key, flag.path)
        self.variants: list[list[Any]] = []
        self.indexes: dict[str, int] = {}

    def document(self) -> dict[str, Any]:
        flag, state, place = self.flag, self.state, self.place
        for variant in state.variants:
            self.add_variant(variant.name, variant.value, variant.route)
        if not self.variants:
            place.refuse((), "a flag needs at least one variant")
        declared = dict(self.indexes)
        rules = self.rules()
        document: dict[str, Any] = {"type": flag.type.value, "variants": self.variants}
        if isinstance(state.default, Rollout):
            document["default"] = {
                "split": split_document(state.default, declared, place),
                **self.draw(flag.salt_of(rollout=state.default), flag.unit_of(rollout=state.default)),
            }
        elif state.default is not None:
            document["default"] = {"serve": variant_index(state.default, declared, place, ("default",))}
        if state.off is not None:
            document["off"] = variant_index(state.off, declared, place, ("off",))
        if not state.enabled:
            document["enabled"] = False
        if state.schedule is not None and (schedule := schedule_document(state.schedule, place, self.scope)):
            document["schedule"] = schedule
        if state.prerequisites:
            document["prerequisites"] = self.prerequisites()
        if state.targets:
            document["targets"] = self.targets(declared)
            if flag.unit_of() != TARGETING_KEY:
                document["unit"] = path_document(flag.unit_of())
        if rules:
            document["rules"] = rules
        if flag.breaker is not None:
            document["breaker"] = self.breaker(flag.breaker)
        if flag.owner is not None:
            document["owner"] = flag.owner
        if flag.tags:
            document["tags"] = list(flag.tags)
        return document

    def add_variant(self, name: str, value: JsonValue, route: Route) -> int:
        """Give a variant the next number."""
        if name in self.indexes:
            self.place.refuse(route, f"the name '{name}' is given to two variants")
        if not _fits(value, self.flag.type):
            self.place.refuse(route, f"the value of '{name}' is not of type {self.flag.type.value}")
        index = self.indexes[name] = len(self.variants)
        self.variants.append([name, value])
        return index

    def draw(self, salt: str, unit: tuple[str, ...]) -> dict[str, Any]:
        """Return salt and unit where they are not what a reader assumes."""
        document: dict[str, Any] = {}
        if salt != self.flag.key:
            document["salt"] = salt
        if unit != TARGETING_KEY:
            document["unit"] = path_document(unit)
        return document

    def breaker(self, breaker: Breaker) -> dict[str, int]:
        """Return the limits on the flag's code path; durations in milliseconds."""
        self.scope.capabilities.add("breakers")
        if self.state.off is None:
            self.place.refuse(breaker.route, "a breaker needs a variant to serve when it trips: 'off'")
        document = {"cool_down": breaker.cool_down_ms, "minimum": breaker.minimum, "window": breaker.window_ms}
        if breaker.error_rate is not None:
            document["error_rate"] = breaker.error_rate
        if breaker.latency_p95_ms is not None:
            document["latency_p95"] = breaker.latency_p95_ms
        return document

    def prerequisites(self) -> list[Any]:
        """Return which flags must answer what."""
        self.scope.capabilities.add("prerequisites")
        result = []
        for prerequisite in self.state.prerequisites:
            needed = self.scope.repository.flags.get(prerequisite.flag)
            if needed is None:
                self.place.refuse(prerequisite.route, f"there is no flag '{prerequisite.flag}'")
            known = variant_names(needed)
            for name in prerequisite.variants:
                if name not in known:
                    self.place.refuse(prerequisite.route, f"flag '{needed.key}' has no variant '{name}'")
            if not prerequisite.variants:
                self.place.refuse(prerequisite.route, "a prerequisite needs at least one variant")
            result.append([needed.key, list(prerequisite.variants)])
        return result

    def targets(self, declared: Mapping[str, int]) -> list[Any]:
        """Return which units get which variant before all rules."""
        seen: set[str] = set()
        result = []
        for target in self.state.targets:
            index = variant_index(target.variant, declared, self.place, target.route)
            for unit in target.units:
                if unit in seen:
                    self.place.refuse(target.route, f"the unit '{unit}' is listed twice")
                seen.add(unit)
            if target.units:
                result.append([index, list(target.units)])
        return result

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules in the order of their evaluation."""
        declared = dict(self.indexes)
        seen: set[str] = set()
        result = []
        for rule in self.state.rules:
            if rule.id in seen or rule.id in RESERVED_RULE_IDS or rule.id.startswith("prerequisite:"):
                why = "used twice" if rule.id in seen else "reserved"
                self.place.refuse((*rule.route, "id"), f"the rule id '{rule.id}' is {why}")
            seen.add(rule.id)
            document: dict[str, Any] = {"id": rule.id}
            if rule.when:
                document["when"] = condition_documents(rule.when, self.place, self.scope)
            if rule.schedule is not None and (schedule := schedule_document(rule.schedule, self.place, self.scope)):
                document["schedule"] = schedule
            result.append(document | self.outcome(rule, declared))
        return result

    def outcome(self, rule: Rule, declared: Mapping[str, int]) -> dict[str, Any]:
        """Return what a rule serves."""
        place, flag = self.place, self.flag
        written = (
            rule.serve is not None,
            rule.value is not UNSET,
            rule.rollout is not None,
            rule.experiment is not None,
        )
        if sum(written) != 1:
            place.refuse(rule.route, "a rule has exactly one of serve, value, rollout and experiment")
        if rule.percentage is not None and (rule.rollout is not None or rule.experiment is not None):
            place.refuse(rule.route, "percentage goes with serve or value")
        if rule.experiment is not None:
            return self.experiment(rule, rule.experiment, declared)
        if rule.rollout is not None:
            draw = self.draw(flag.salt_of(rule, rule.rollout), flag.unit_of(rule, rule.rollout))
            return {"split": split_document(rule.rollout, declared, place), **draw}
        if rule.serve is not None:
            index = variant_index(rule.serve, declared, place, (*rule.route, "serve"))
        else:
            index = self.add_variant(rule.id, rule.value, (*rule.route, "value"))
        if rule.percentage is None:
            return {"serve": index}
        percentage = percentage_document(rule.percentage, place, self.scope)
        return {"serve": index, "percentage": percentage, **self.draw(flag.salt_of(rule), flag.unit_of(rule))}

    def experiment(self, rule: Rule, key: str, declared: Mapping[str, int]) -> dict[str, Any]:
        """Return the outcome of a rule that serves an experiment."""
        route = (*rule.route, "experiment")
        experiment = self.scope.repository.experiments.get(key)
        if experiment is None:
            self.place.refuse(route, f"there is no experiment '{key}'")
        if experiment.flag != self.flag.key:
            self.place.refuse(route, f"experiment '{key}' names the flag '{experiment.flag}', not this one")
        self.scope.experiments[key] = self.flag.key
        self.scope.capabilities.add("experiments")
        document, outcome = experiment_document(experiment, declared, self.scope)
        if "split" in outcome:
            outcome |= self.draw(experiment.key, experiment.bucket_by)
        return {"experiment": document, **outcome}


def _fits(value: JsonValue, flag_type: FlagType) -> bool:
    if flag_type is FlagType.JSON:
        return True
    if flag_type is FlagType.BOOLEAN:
        return isinstance(value, bool)
    if flag_type is FlagType.STRING:
        return isinstance(value, str)
    return isinstance(value, (int, float)) and not isinstance(value, bool)
