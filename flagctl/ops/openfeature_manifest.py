"""`flagctl export openfeature-manifest`: the flags as the OpenFeature CLI reads them, for its generators."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flagctl.model import FlagType
from flagctl.ops.codegen import default_of

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.model import Flag, Repository

SCHEMA: Final = "https://raw.githubusercontent.com/open-feature/cli/refs/heads/main/schema/v0/flag-manifest.json"
_KINDS: Final = frozenset({"object", "array", "string", "number", "integer", "boolean"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestResult:
    """A manifest, as text and in a file if one was named."""

    text: str
    out: Path | None
    is_current: bool
    written: bool


def openfeature_manifest(root: Path, now_ms: int, *, out: Path | None = None, check: bool = False) -> ManifestResult:
    """Write the manifest.

    Args:
        root: The flag repository's root.
        now_ms: Instant for rules about time, milliseconds since the epoch.
        out: The file; None for none.
        check: Write nothing; say whether the file is as it would be written.

    Raises:
        InvalidFlagsError: If the flag files have errors.
        UsageError: If the file can't be written.
    """
    from flagctl.errors import UsageError
    from flagctl.ops.loading import checked, load

    text = json.dumps(manifest(checked(load(root), now_ms)), indent=2, ensure_ascii=False) + "\n"
    try:
        present = out.read_text(encoding="utf-8") if out is not None and out.exists() else None
        write = out is not None and not check and present != text
        if write and out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror or error}") from error
    return ManifestResult(text=text, out=out, is_current=present == text, written=write)


def manifest(repository: Repository) -> dict[str, Any]:
    """Return the flags as the OpenFeature CLI's manifest has them."""
    return {"$schema": SCHEMA, "flags": {key: _flag(flag) for key, flag in repository.flags.items()}}


def _flag(flag: Flag) -> dict[str, Any]:
    data: dict[str, Any] = {"flagType": _kind(flag), "defaultValue": default_of(flag)}
    text = flag.description or flag.name
    if text:
        data["description"] = " ".join(text.split())
    if flag.type is FlagType.JSON:
        schema = _subset(flag.value_schema)
        if schema is not None:
            data["schema"] = schema
    return data


def _kind(flag: Flag) -> str:
    if flag.type is FlagType.NUMBER:
        values: list[Any] = [one.value for one in flag.variants]
        values += [one.value for one in flag.environments.values() if "value" in one.given]
        return "integer" if all(isinstance(value, int) for value in values) else "float"
    return {FlagType.BOOLEAN: "boolean", FlagType.STRING: "string", FlagType.JSON: "object"}[flag.type]


def _subset(schema: Any) -> dict[str, Any] | None:
    """Return the part of a JSON schema that the manifest can say, or None if it is too little."""
    if not isinstance(schema, dict) or str(schema.get("type")) not in _KINDS:
        return None
    result: dict[str, Any] = {"type": schema["type"]}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        known = {name: part for name, one in properties.items() if (part := _subset(one)) is not None}
        if known:
            result["properties"] = known
        required = [name for name in schema.get("required") or () if name in known]
        if required:
            result["required"] = required
    items = _subset(schema.get("items"))
    if items is not None:
        result["items"] = items
    if isinstance(schema.get("additionalProperties"), bool):
        result["additionalProperties"] = schema["additionalProperties"]
    return result
