"""The shape of a semantic difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Category(Enum):
    """What a change may break, from harmless to grave."""

    DOCS = "docs"
    """Names and descriptions."""
    OWNERSHIP = "ownership"
    """Owners, tags, lifecycle."""
    STRUCTURE = "structure"
    """Something new, or of no effect on answers so far."""
    SUBJECT = "subject"
    """Somebody's answer may change."""
    RESHUFFLE = "reshuffle"
    """Buckets move: units switch variant although the shares may stay."""
    CODE = "code"
    """Calling code may break: a key, type or variant is gone."""

    @property
    def rank(self) -> int:
        """Position in the order of gravity."""
        return list(Category).index(self)

    @property
    def changes_answers(self) -> bool:
        """Whether some context may get another answer."""
        return self in {Category.SUBJECT, Category.RESHUFFLE, Category.CODE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is written: a path relative to the repository's root, and a line from 1."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of meaning.

    Attributes:
        code: Stable kebab-case kind, such as ``percentage-changed``.
        category: What it may break.
        kind: ``flag``, ``segment``, ``experiment``, ``layer`` or ``config``.
        key: Of that document.
        message: What changed, in one line.
        environments: Where it holds; empty for what no environment changes (names, owners).
        rule: Id of the rule, if it is about one.
        before: Where it was written; None for what is new.
        after: Where it is written; None for what is gone.
    """

    code: str
    category: Category
    kind: str
    key: str
    message: str
    environments: tuple[str, ...] = ()
    rule: str | None = None
    before: Place | None = None
    after: Place | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the change as the JSON output has it."""
        return {
            "code": self.code,
            "category": self.category.value,
            "kind": self.kind,
            "key": self.key,
            "message": self.message,
            "environments": list(self.environments),
            "rule": self.rule,
            "before": None if self.before is None else {"path": self.before.path, "line": self.before.line},
            "after": None if self.after is None else {"path": self.after.path, "line": self.after.line},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryDiff:
    """All changes between two repositories.

    Attributes:
        changes: Sorted by kind, key and place.
        reached: Flags whose answers may change because of something they depend on: flag key to the dependencies that changed, as
            ``segment beta`` or ``flag payments-v2``.
    """

    changes: tuple[Change, ...]
    reached: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def added(self) -> tuple[str, ...]:
        """Keys of new flags."""
        return tuple(c.key for c in self.changes if c.code == "flag-added")

    @property
    def removed(self) -> tuple[str, ...]:
        """Keys of flags that are gone."""
        return tuple(c.key for c in self.changes if c.code == "flag-removed")

    @property
    def changed(self) -> tuple[str, ...]:
        """Keys of flags that are on both sides and differ, sorted."""
        gone_or_new = {*self.added, *self.removed}
        return tuple(sorted({c.key for c in self.changes if c.kind == "flag"} - gone_or_new))

    @property
    def worst(self) -> Category | None:
        """The gravest category, or None without changes."""
        return max((c.category for c in self.changes), key=lambda category: category.rank, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as the JSON output has it."""
        return {
            "changes": [change.to_dict() for change in self.changes],
            "reached": {key: list(reasons) for key, reasons in self.reached.items()},
            "summary": {
                "added": len(self.added),
                "changed": len(self.changed),
                "removed": len(self.removed),
                "worst": self.worst.value if self.worst else None,
            },
        }
