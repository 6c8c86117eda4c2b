"""`flagctl refs`: where code names flags, and what it asks for that does not exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import did_you_mean
from flagctl.errors import NothingMatchedError
from flagctl.ops.code import read_code
from flagctl.ops.loading import load, readable
from flagctl.references import ReferenceKind

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.ops.code import Skipped
    from flagctl.references import CodeReference


@dataclass(frozen=True, slots=True, kw_only=True)
class RefsOptions:
    """What to look for and where.

    Attributes:
        root: The flag repository's root.
        keys: Of flags and experiments; empty for all. A key that is no flag any more may still be in code.
        code: Folders in git repositories; empty for the one that the flags are in.
        kinds: Only references of these kinds; empty for all.
    """

    root: Path
    keys: tuple[str, ...] = ()
    code: tuple[Path, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A call that asks for a key that nobody made, and the key that is probably meant."""

    reference: CodeReference
    near: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**self.reference.to_dict(), "did_you_mean": self.near}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefsResult:
    """References.

    Attributes:
        references: By file and place.
        unknown: Calls that ask for a key that nobody made.
        without: Flags that were looked for and are nowhere.
        skipped: Files that were not looked through.
        files: How many files were.
        lines: How many lines they have.
        seconds: How long it took.
    """

    references: tuple[CodeReference, ...]
    unknown: tuple[Unknown, ...]
    without: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    files: int
    lines: int
    seconds: float

    @property
    def suspicious(self) -> tuple[Unknown, ...]:
        """Calls for unknown keys but those in tests, which make up keys of their own."""
        return tuple(one for one in self.unknown if one.reference.kind is not ReferenceKind.TEST)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-refs.schema.json`)."""
        return {
            "references": [one.to_dict() for one in self.references],
            "unknown": [one.to_dict() for one in self.unknown],
            "without_references": list(self.without),
            "skipped": [one.to_dict() for one in self.skipped],
            "files": self.files,
            "lines": self.lines,
        }


def refs(options: RefsOptions) -> RefsResult:
    """Look for flags in code.

    Raises:
        UsageError: If a folder is in no git repository.
        NothingMatchedError: If a key is no flag and nowhere in the code.
        FindingsError: If `flagctl.yaml` is unusable.
    """
    loaded = load(options.root)
    repository = readable(loaded)
    known = {*repository.flags, *repository.experiments}
    wanted = options.keys or tuple(known)
    code = read_code(options.root, loaded, keys=wanted, code=options.code)
    found = code.by_key()
    for key in options.keys:
        if key not in known and key not in found:
            near = did_you_mean(key, known)
            raise NothingMatchedError(
                f"'{key}' is no flag, and no code names it", hint=f"did you mean '{near}'?" if near else None
            )
    return RefsResult(
        references=tuple(one for one in code.references if not options.kinds or one.kind.value in options.kinds),
        unknown=()
        if options.keys
        else tuple(Unknown(reference=one, near=did_you_mean(one.key, known)) for one in code.unknown),
        without=tuple(sorted(key for key in wanted if key not in found and key in repository.flags)),
        skipped=tuple(code.skipped),
        files=code.files,
        lines=code.lines,
        seconds=code.seconds,
    )
