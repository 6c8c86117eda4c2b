"""Edits of a flag's own properties: on and off, defaults, variants, targets, prerequisites, and what is for people."""

from __future__ import annotations

import copy
import re
from datetime import date
from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.lint.words import listed
from flagctl.ops.edit_variants import VariantEdits
from flagctl.source.editing import Delete, Insert, Set

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flagctl.diagnostics import Route

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


class CopyDownError(UsageError):
    """An environment has no list of its own, and it is not said whether it begins with a copy.

    Attributes:
        name: The key in question, such as ``rules``.
        environment: The environment.
    """

    def __init__(self, key: str, name: str, environment: str, count: int) -> None:
        entries = f"{count} {name}" if count > 1 else f"one of the {name}"
        super().__init__(
            f"{environment} has no {name} of its own: {key} gives it those of all environments ({entries})",
            hint=f"--copy-down begins with a copy of them; from then on they change in {environment} only by themselves",
        )
        self.name = name
        self.environment = environment


class FlagEdits(VariantEdits):
    """Edits of flags. `env` names the environment whose part is edited; None edits what holds where nothing else is said."""

    # --- on and off ---

    def set_enabled(self, key: str, enabled: bool, *, env: str | None = None) -> None:
        """Switch a flag on or off."""
        self._set_state(key, "enabled", enabled, env)
        self.titles.append(f"{'Enable' if enabled else 'Disable'} {key}{_in(env)}")

    def set_default(self, key: str, default: Any, *, env: str | None = None) -> None:
        """Say what is served when no rule matches: a variant's name, or ``{"rollout": ...}``."""
        if isinstance(default, str):
            self._known_variant(key, default)
        self._set_state(key, "default", default, env)
        self.titles.append(f"Set the default of {key}{_in(env)}")

    def set_off(self, key: str, variant: str, *, env: str | None = None) -> None:
        """Say what is served while the flag is off."""
        self._known_variant(key, variant)
        self._set_state(key, "off", variant, env)
        self.titles.append(f"Set the off variant of {key}{_in(env)}")

    def set_value(self, key: str, value: Any, *, env: str | None = None) -> None:
        """Give a flag without variants another value."""
        path = self.find(key)
        if "value" not in self.data(path):
            raise UsageError(f"{key} has variants, not one value", hint=f"flagctl set-variant {key} NAME VALUE")
        self._set_state(key, "value", value, env)
        self.titles.append(f"Set the value of {key}{_in(env)}")

    def set_schedule(
        self,
        key: str,
        *,
        start: str | None = None,
        end: str | None = None,
        rule: str | None = None,
        env: str | None = None,
    ) -> None:
        """Say between which instants a flag is enabled, or a rule matches; without any, always."""
        window = {name: instant for name, instant in (("from", start), ("until", end)) if instant is not None}
        if rule is not None:
            self.set_in_rule(key, (rule, "schedule"), window or None, env=env)  # type: ignore[attr-defined]
        elif window:
            self._set_state(key, "schedule", window, env)
        else:
            self._unset_state(key, "schedule", env)
        self.titles.append(f"Set the schedule of {key}{_in(env)}")

    def inherit(self, key: str, name: str, env: str) -> None:
        """Let an environment have again what the flag says for all: remove its own `name`, such as ``rules``."""
        path = self.find(key)
        self.check_environment(env)
        if self.value(path, ("environments", env, name), _NOTHING) is _NOTHING:
            raise NothingMatchedError(f"{key} has no {name} of its own in {env}")
        self.remove(path, ("environments", env, name))
        self.titles.append(f"Let {env} inherit {name} of {key}")

    # --- for people ---

    def set_about(self, key: str, name: str, value: Any, *, kind: str = "flag") -> None:
        """Set `name`, `description`, `owner` or the like of a document; None removes it."""
        path = self.find(key, kind)
        if value is None:
            if name in self.data(path):
                self.edit(path, Delete((name,)))
        else:
            self.edit(path, Set((name,), value))
        self.titles.append(f"Set the {name} of {key}")

    def add_tags(self, key: str, tags: Iterable[str], *, kind: str = "flag") -> None:
        """Add tags that are not there yet."""
        path = self.find(key, kind)
        for tag in tags:
            present = self.value(path, ("tags",)) or []
            if tag not in present:
                self.edit(path, Insert(("tags",), len(present), tag) if present else Set(("tags",), [tag]))
        self.titles.append(f"Tag {key}")

    def remove_tags(self, key: str, tags: Iterable[str], *, kind: str = "flag") -> None:
        """Remove tags.

        Raises:
            NothingMatchedError: If one is not there.
        """
        path = self.find(key, kind)
        for tag in tags:
            present = self.value(path, ("tags",)) or []
            if tag not in present:
                raise NothingMatchedError(f"{key} has no tag '{tag}'", hint=f"it has: {', '.join(present) or 'none'}")
            self.remove(path, ("tags", present.index(tag)))
        self.titles.append(f"Remove tags of {key}")

    def set_expiry(self, key: str, expires: str | None) -> None:
        """Say from which date on a flag should be gone (``YYYY-MM-DD``); None makes it permanent.

        Raises:
            UsageError: If it is no date.
        """
        path = self.find(key)
        if expires is None:
            if "lifecycle" in self.data(path):
                self.edit(path, Delete(("lifecycle",)))
        else:
            if not _DATE.match(expires) or not _is_date(expires):
                raise UsageError(f"'{expires}' is no date", hint="write it like 2027-03-31")
            present = self.value(path, ("lifecycle",)) or {}
            self.edit(path, Set(("lifecycle",), {**present, "temporary": True, "expires": expires}))
        self.titles.append(f"Set the expiry of {key}")

    # --- targets and prerequisites ---

    def add_targets(
        self, key: str, variant: str, units: Sequence[str], *, env: str | None = None, copy_down: bool = False
    ) -> None:
        """Serve a variant to single units; those that had another one lose it."""
        self._known_variant(key, variant)
        path = self.find(key)
        route = self._own(key, "targets", env, copy_down=copy_down)
        for unit in units:
            for other, there in (self.value(path, route) or {}).items():
                for index, item in enumerate(there):
                    if str(item) == unit and other != variant:
                        self.remove(path, (*route, other, index))
                        self.note(f"{unit} had {other}")
            present = self.value(path, (*route, variant)) or []
            if unit not in map(str, present):
                self.edit(path, *_append((*route, variant), present, unit))
        self.titles.append(f"Target {variant} of {key}{_in(env)} at {', '.join(units)}")

    def remove_targets(
        self, key: str, units: Sequence[str], *, env: str | None = None, copy_down: bool = False
    ) -> None:
        """Take single units out of the targets.

        Raises:
            NothingMatchedError: If one is not there.
        """
        path = self.find(key)
        route = self._own(key, "targets", env, copy_down=copy_down)
        for unit in units:
            places = [
                (*route, variant, index)
                for variant, there in (self.value(path, route) or {}).items()
                for index, item in enumerate(there)
                if str(item) == unit
            ]
            if not places:
                raise NothingMatchedError(f"{unit} is no target of {key}{_in(env)}")
            self.remove(path, places[0])
        self.titles.append(f"Remove targets of {key}{_in(env)}")

    def add_prerequisite(
        self, key: str, flag: str, variants: Sequence[str], *, env: str | None = None, copy_down: bool = False
    ) -> None:
        """Let a flag depend on variants of another one; one it depends on already gets these variants."""
        for variant in variants:
            self._known_variant(flag, variant)
        path = self.find(key)
        route = self._own(key, "prerequisites", env, copy_down=copy_down)
        present = self.value(path, route) or []
        for index, item in enumerate(present):
            if item.get("flag") == flag:
                self.edit(path, Set((*route, index, "variants"), list(variants)))
                break
        else:
            self.edit(path, *_append(route, present, {"flag": flag, "variants": list(variants)}))
        self.titles.append(f"Let {key} need {flag}{_in(env)}")

    def remove_prerequisite(self, key: str, flag: str, *, env: str | None = None, copy_down: bool = False) -> None:
        """Let a flag no longer depend on another one.

        Raises:
            NothingMatchedError: If it does not.
        """
        path = self.find(key)
        route = self._own(key, "prerequisites", env, copy_down=copy_down)
        for index, item in enumerate(self.value(path, route) or []):
            if item.get("flag") == flag:
                self.remove(path, (*route, index))
                self.titles.append(f"Let {key} no longer need {flag}{_in(env)}")
                return
        raise NothingMatchedError(f"{key} does not need {flag}{_in(env)}")

    def remove(self, path: str, route: Route) -> None:
        """Remove an entry, and what is left empty around it; an environment's empty list stays, because it means none."""
        self.edit(path, Delete(route))
        parent = route[:-1]
        if not parent or self.value(path, parent):
            return
        if parent[0] == "environments" and len(parent) == 3:
            return
        self.remove(path, parent)

    # --- helpers ---

    def _set_state(self, key: str, name: str, value: Any, env: str | None) -> None:
        path = self.find(key)
        self.check_environment(env)
        route: Route = (name,) if env is None else ("environments", env, name)
        self.edit(path, Set(route, value))
        if env is None:
            self._note_overrides(key, path, name)

    def _unset_state(self, key: str, name: str, env: str | None) -> None:
        path = self.find(key)
        route: Route = (name,) if env is None else ("environments", env, name)
        if self.value(path, route, _NOTHING) is not _NOTHING:
            self.remove(path, route)

    def _note_overrides(self, key: str, path: str, name: str) -> None:
        own = [
            env
            for env, part in (self.value(path, ("environments",)) or {}).items()
            if isinstance(part, dict) and name in part
        ]
        if own:
            verb, rest = (
                ("has", "its own and stays as it is") if len(own) == 1 else ("have", "their own and stay as they are")
            )
            self.note(f"{key}: {listed(own)} {verb} '{name}' of {rest}")

    def _own(self, key: str, name: str, env: str | None, *, copy_down: bool) -> Route:
        """Return the route of a list or mapping that may be edited; an environment without one gets it.

        Raises:
            CopyDownError: If the environment has none, others share one, and no copy is wanted.
        """
        path = self.find(key)
        self.check_environment(env)
        if env is None:
            self._note_overrides(key, path, name)
            return (name,)
        route = ("environments", env, name)
        if self.value(path, route, _NOTHING) is _NOTHING:
            shared = self.value(path, (name,))
            if shared and not copy_down:
                raise CopyDownError(key, name, env, len(shared))
            if shared:
                self.edit(path, Set(route, copy.deepcopy(shared)))
                self.note(f"{key}: {env} now has {name} of its own, a copy of those of all environments")
        return route


_NOTHING = object()


def _append(route: Route, present: Sequence[Any], value: Any) -> tuple[Insert | Set]:
    return (Insert(route, len(present), value),) if present else (Set(route, [value]),)


def _in(env: str | None) -> str:
    return f" in {env}" if env else ""


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_weights(weights: Mapping[str, Any]) -> None:
    """Go on only if a rollout's weights add up to 100.

    Raises:
        UsageError: If they don't.
    """
    if any(isinstance(weight, dict) for weight in weights.values()):
        return
    total = sum(round(float(weight) * 1000) for weight in weights.values())
    if total != 100_000:
        raise UsageError(f"the weights add up to {total / 1000:g} %, not to 100 %")
