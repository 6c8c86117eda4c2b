"""Edits of a flag's variants: their names and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import did_you_mean
from flagctl.errors import UsageError
from flagctl.ops.edit_draft import BaseDraft
from flagctl.source.editing import Delete, Rename, Set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.diagnostics import Route
    from flagctl.source.editing import Edit


class VariantEdits(BaseDraft):
    """Edits of variants, which are the same in all environments."""

    def set_variant(self, key: str, name: str, value: Any) -> None:
        """Give a variant another value."""
        self._known_variant(key, name)
        path = self._with_variants(key)
        self.edit(path, Set(("variants", name), value))
        self.titles.append(f"Set variant {name} of {key}")

    def add_variant(self, key: str, name: str, value: Any) -> None:
        """Add a variant behind the others.

        Raises:
            UsageError: If there is one of that name.
        """
        if name in self.variants(key):
            raise UsageError(f"{key} has a variant '{name}' already", hint=f"flagctl set-variant {key} {name} VALUE")
        path = self._with_variants(key)
        self.edit(path, Set(("variants", name), value))
        self.titles.append(f"Add variant {name} to {key}")

    def remove_variant(self, key: str, name: str) -> None:
        """Remove a variant; whoever still serves it makes the edit invalid."""
        self._known_variant(key, name)
        path = self._with_variants(key)
        self.edit(path, Delete(("variants", name)))
        self.titles.append(f"Remove variant {name} of {key}")

    def rename_variant(self, key: str, old: str, new: str) -> None:
        """Give a variant another name, everywhere in the flag's file; nobody gets another value by it.

        Others that name it, such as prerequisites of other flags, experiments and tests, make the edit invalid.

        Raises:
            UsageError: If there is none of the old name, or one of the new name.
        """
        self._known_variant(key, old)
        if not new:
            raise UsageError("a variant needs a name")
        if new in self.variants(key):
            raise UsageError(f"{key} has a variant '{new}' already")
        path = self._with_variants(key)
        data = self.data(path)
        edits = [*_renamed(data, (), old, new)]
        for env, part in (data.get("environments") or {}).items():
            if isinstance(part, dict):
                edits += _renamed(part, ("environments", env), old, new)
        self.edit(path, *edits, Rename(("variants", old), new))
        self.titles.append(f"Rename variant {old} of {key} to {new}")

    def variants(self, key: str) -> list[str]:
        """Return the names of a flag's variants, also of those that go without saying."""
        data = self.data(self.find(key))
        if isinstance(data.get("variants"), dict):
            return list(data["variants"])
        return ["default"] if "value" in data else ["on", "off"] if data.get("type") == "boolean" else []

    def _with_variants(self, key: str) -> str:
        path = self.find(key)
        data = self.data(path)
        if "value" in data:
            raise UsageError(f"{key} has one value, no variants", hint=f"flagctl set-value {key} VALUE")
        if "variants" not in data:
            self.edit(path, Set(("variants",), {"on": True, "off": False}))
        return path

    def _known_variant(self, key: str, name: str) -> None:
        known = self.variants(key)
        if name not in known:
            close = did_you_mean(name, known)
            raise UsageError(
                f"{key} has no variant '{name}'",
                hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(known)}",
            )


def _renamed(state: Mapping[str, Any], route: Route, old: str, new: str) -> Iterator[Edit]:
    """Yield the edits that let one part of a flag say another name for a variant."""
    for name in ("default", "off"):
        if state.get(name) == old:
            yield Set((*route, name), new)
    default = state.get("default")
    if isinstance(default, dict) and old in (default.get("rollout") or {}):
        yield Rename((*route, "default", "rollout", old), new)
    if old in (state.get("targets") or {}):
        yield Rename((*route, "targets", old), new)
    colours = (state.get("strategy") or {}).get("blue_green") or {}
    for name, colour in colours.items():
        if colour == old:
            yield Set((*route, "strategy", "blue_green", name), new)
    for index, rule in enumerate(state.get("rules") or ()):
        if rule.get("serve") == old:
            yield Set((*route, "rules", index, "serve"), new)
        if old in (rule.get("rollout") or {}):
            yield Rename((*route, "rules", index, "rollout", old), new)
