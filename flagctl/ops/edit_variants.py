"""Edits of a flag's variants: their names and values."""

from __future__ import annotations

from typing import Any

from flagctl.diagnostics import did_you_mean
from flagctl.errors import UsageError
from flagctl.ops.edit_draft import BaseDraft
from flagctl.source.editing import Delete, Rename, Set


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

    def rename_variant(self, key: str, old: str, new: str, *, in_code: bool = False) -> None:
        """Give a variant another name wherever it is named; nobody gets another value by it.

        That is its flag's file, prerequisites of other flags, drafts of experiments, and tests.

        Args:
            key: Of the flag.
            old: The name it has.
            new: The name it gets.
            in_code: Look through code, too, and note where it may compare answers with the old name.

        Raises:
            UsageError: If there is none of the old name, or one of the new name.
            RecordedVariantError: If it takes part in an experiment that has begun, whose data bear the old name.
        """
        from flagctl.ops.edit_variant_names import NewName, edits_elsewhere, edits_in_flag, look_in_code

        self._known_variant(key, old)
        if not new:
            raise UsageError("a variant needs a name")
        if new in self.variants(key):
            raise UsageError(f"{key} has a variant '{new}' already")
        name = NewName(key, old, new)
        elsewhere = edits_elsewhere(self, name)
        own = list(edits_in_flag(self.data(self.find(key)), name))
        self.edit(self._with_variants(key), *own, Rename(("variants", old), new))
        for path, edits in elsewhere:
            self.edit(path, *edits)
        if in_code:
            look_in_code(self, name)
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
