"""The shape of a reference, and the settings of the search for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CASINGS: Final = ("camel", "pascal", "snake", "upper-snake", "kebab", "dot")
"""Ways to write a key as an identifier that `references.aliases` may name."""

KEY_WORD: Final = "FLAG_KEY"
"""Stands for the key in `references.patterns`."""

DEFAULT_MAX_BYTES: Final = 1_000_000


class ReferenceKind(Enum):
    """What code does with a key."""

    EVALUATION = "evaluation"
    """Asks for the flag's answer."""
    CONSTANT = "constant"
    """Gives the key a name."""
    TEST = "test"
    """Anything in a test."""
    COMMENT = "comment"
    CONFIG = "config"
    """A file of settings or documentation."""
    OTHER = "other"
    """A string that nothing more is known about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSettings:
    """The section `references` of `flagctl.yaml`.

    Attributes:
        include: Globs of files to look through; empty for all that git tracks.
        exclude: Globs of files and folders to leave out.
        aliases: Casings under which keys are looked for as identifiers, see `CASINGS`.
        literals: Further texts that stand for a key: text to key.
        patterns: Texts with ``FLAG_KEY`` in the key's place, such as ``data-flag=FLAG_KEY``.
        wrappers: Names of functions whose first argument is a key, beside those that are recognised.
        max_bytes: Larger files are skipped.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    literals: tuple[tuple[str, str], ...] = ()
    patterns: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ()
    max_bytes: int = DEFAULT_MAX_BYTES

    @classmethod
    def from_config(cls, data: Mapping[str, Any]) -> ReferenceSettings:
        """Return the settings that the section says."""
        return cls(
            include=tuple(data.get("include") or ()),
            exclude=tuple(data.get("exclude") or ()),
            aliases=tuple(data.get("aliases") or ()),
            literals=tuple((text, key) for text, key in (data.get("literals") or {}).items()),
            patterns=tuple(data.get("patterns") or ()),
            wrappers=tuple(data.get("wrappers") or ()),
            max_bytes=int(data.get("max_kb", DEFAULT_MAX_BYTES // 1000)) * 1000,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReference:
    """One place in code that names a flag.

    Attributes:
        key: The flag, or what code takes for one.
        path: The file, as the caller named it.
        line: From 1.
        column: From 1, in characters.
        kind: What the code does with it.
        text: The line, without its indentation, shortened.
        method: Name of the method or wrapper that evaluates, or None.
        default: Source of the caller's default, or None.
        via: Name that stands for the key there (a constant, alias, typed accessor), or None.
    """

    key: str
    path: str
    line: int
    column: int
    kind: ReferenceKind
    text: str = ""
    method: str | None = None
    default: str | None = None
    via: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the reference as the JSON output has it."""
        return {
            "key": self.key,
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "kind": self.kind.value,
            "method": self.method,
            "default": self.default,
            "via": self.via,
            "text": self.text,
        }
