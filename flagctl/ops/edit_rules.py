"""Edits of rules: who gets what, and how many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from flagctl.diagnostics import did_you_mean
from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.edit_flags import FlagEdits, check_weights
from flagctl.source.editing import Delete, Insert, Move, Set

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.diagnostics import Route

At = tuple[Literal["before", "after"], str] | int | None
"""Where a rule goes: beside another one, to a place counted from 0, or behind all others."""

DEFAULT = "default"
"""Names the default's rollout, like a rule; no rule may be called so."""


class RuleEdits(FlagEdits):
    """Edits of rules. `env` and `copy_down` are as for flags: what an environment lists takes the place of the whole list."""

    def add_rule(
        self,
        key: str,
        rule: Mapping[str, Any],
        *,
        at: At = None,
        env: str | None = None,
        copy_down: bool = False,
    ) -> None:
        """Add a rule.

        Args:
            key: Of the flag.
            rule: As a file has it; its `id` is new.
            at: ``("before", id)``, ``("after", id)``, a place from 0, or None for behind all others.
            env: Environment.
            copy_down: Begin with a copy of the rules of all environments.

        Raises:
            UsageError: If there is a rule of that id, or none of the named ones.
        """
        path = self.find(key)
        route = self._own(key, "rules", env, copy_down=copy_down)
        present = self.value(path, route) or []
        name = rule.get("id")
        if any(item.get("id") == name for item in present):
            raise UsageError(f"{key} has a rule '{name}' already{_in(env)}", hint="give the new one another id")
        index = self._place(key, present, at)
        if present:
            self.edit(path, Insert(route, index, dict(rule)))
        else:
            self.edit(path, Set(route, [dict(rule)]))
        self.titles.append(f"Add rule {name} to {key}{_in(env)}")

    def remove_rule(self, key: str, rule: str, *, env: str | None = None, copy_down: bool = False) -> None:
        """Remove a rule."""
        path, route = self.rule_route(key, rule, env=env, copy_down=copy_down)
        if len(self.value(path, route[:-1])) == 1 and env is None:
            self.edit(path, Delete(route[:-1]))
        else:
            self.edit(path, Delete(route))
        self.titles.append(f"Remove rule {rule} of {key}{_in(env)}")

    def move_rule(self, key: str, rule: str, at: At, *, env: str | None = None, copy_down: bool = False) -> None:
        """Move a rule: ``("before", id)``, ``("after", id)``, a place from 0, or None for behind all others.

        Raises:
            NothingMatchedError: If there is no such rule.
            UsageError: If there is no such place.
        """
        path, route = self.rule_route(key, rule, env=env, copy_down=copy_down)
        present = self.value(path, route[:-1])
        source = int(route[-1])
        target = self._place(key, [item for index, item in enumerate(present) if index != source], at)
        if target != source:
            self.edit(path, Move(route[:-1], source, target))
        self.titles.append(f"Move rule {rule} of {key}{_in(env)}")

    def set_percentage(
        self, key: str, percentage: Any, *, rule: str | None = None, env: str | None = None, copy_down: bool = False
    ) -> None:
        """Let a rule serve another share of the units.

        Args:
            key: Of the flag.
            percentage: A number from 0 to 100, or a mapping with ``steps`` or ``linear``.
            rule: Id; None is the only rule with a percentage, or the only rule at all.
            env: Environment.
            copy_down: Begin with a copy of the rules of all environments.
        """
        name = rule if rule is not None else self._rule_with_percentage(key, env)
        self.set_in_rule(key, (name, "percentage"), percentage, env=env, copy_down=copy_down)
        self.titles.append(f"Set the percentage of rule {name} of {key}{_in(env)}")

    def set_rollout(
        self,
        key: str,
        weights: Mapping[str, Any],
        *,
        rule: str | None = None,
        env: str | None = None,
        copy_down: bool = False,
    ) -> None:
        """Split units among variants by weights that add up to 100.

        Args:
            key: Of the flag.
            weights: Percent by variant; they take consecutive ranges of buckets in this order.
            rule: Id of a rule; None is the default.
            env: Environment.
            copy_down: Begin with a copy of the rules of all environments.

        Raises:
            UsageError: If the weights don't add up, or name an unknown variant.
        """
        for variant in weights:
            self._known_variant(key, variant)
        check_weights(weights)
        if rule is None or rule == DEFAULT:
            path = self.find(key)
            route: Route = ("default",) if env is None else ("environments", env, "default")
            present = self.value(path, route)
            kept = present if isinstance(present, dict) else {}
            self._set_state(key, "default", {**kept, "rollout": dict(weights)}, env)
        else:
            path, route = self.rule_route(key, rule, env=env, copy_down=copy_down)
            item = dict(self.value(path, route))
            for name in ("serve", "value", "experiment", "percentage"):
                if name in item:
                    self.edit(path, Delete((*route, name)))
            self.edit(path, Set((*route, "rollout"), dict(weights)))
        self.titles.append(f"Set the rollout of {key}{_in(env)}")

    def set_in_rule(
        self, key: str, part: Route, value: Any, *, env: str | None = None, copy_down: bool = False
    ) -> None:
        """Set a part of a rule, named by the rule's id and the route inside of it; None removes it."""
        rule, *inside = part
        path, route = self.rule_route(key, str(rule), env=env, copy_down=copy_down)
        if value is not None:
            self.edit(path, Set((*route, *inside), value))
        elif self.value(path, (*route, *inside)) is not None:
            self.edit(path, Delete((*route, *inside)))

    def rule_route(self, key: str, rule: str, *, env: str | None = None, copy_down: bool = False) -> tuple[str, Route]:
        """Return the file and route of a rule that may be edited.

        Raises:
            NothingMatchedError: If there is none of that id; the hint says where there is one.
            CopyDownError: If the environment shares the rules of all.
        """
        path = self.find(key)
        self.check_environment(env)
        shared = self.value(path, ("rules",)) or []
        own = None if env is None else self.value(path, ("environments", env, "rules"))
        listed = shared if own is None else own
        if not any(item.get("id") == rule for item in listed):
            raise self._no_rule(key, rule, listed, env)
        route = self._own(key, "rules", env, copy_down=copy_down)
        ids = [item.get("id") for item in self.value(path, route)]
        return path, (*route, ids.index(rule))

    def _no_rule(self, key: str, rule: str, listed: list[Any], env: str | None) -> NothingMatchedError:
        path = self.find(key)
        names = [str(item.get("id")) for item in listed]
        elsewhere = [
            name
            for name, part in (self.value(path, ("environments",)) or {}).items()
            if name != env and any(item.get("id") == rule for item in (part or {}).get("rules") or [])
        ]
        close = did_you_mean(rule, names)
        hint = f"did you mean '{close}'?" if close else f"there are: {', '.join(names) or 'none'}"
        if elsewhere:
            hint = f"{elsewhere[0]} has one: --env {elsewhere[0]}"
        return NothingMatchedError(f"{key} has no rule '{rule}'{_in(env)}", hint=hint)

    def _rule_with_percentage(self, key: str, env: str | None) -> str:
        path = self.find(key)
        self.check_environment(env)
        own = None if env is None else self.value(path, ("environments", env, "rules"))
        listed = (self.value(path, ("rules",)) or []) if own is None else own
        gradual = [item for item in listed if "percentage" in item] or listed
        if len(gradual) == 1:
            return str(gradual[0].get("id"))
        names = [str(item.get("id")) for item in gradual]
        if not names:
            raise NothingMatchedError(
                f"{key} has no rules{_in(env)}", hint=f"flagctl add-rule {key} ID --serve VARIANT"
            )
        raise UsageError(f"which rule of {key}? There are: {', '.join(names)}", hint="name it with --rule")

    @staticmethod
    def _place(key: str, items: list[Any], at: At) -> int:
        if at is None:
            return len(items)
        if isinstance(at, int):
            if not 0 <= at <= len(items):
                raise UsageError(f"{key} has no place {at + 1} among its rules")
            return at
        side, named = at
        ids = [item.get("id") for item in items]
        if named not in ids:
            known = ", ".join(map(str, ids)) or "none"
            raise NothingMatchedError(f"{key} has no rule '{named}'", hint=f"there are: {known}")
        return ids.index(named) + (0 if side == "before" else 1)


def _in(env: str | None) -> str:
    return f" in {env}" if env else ""
