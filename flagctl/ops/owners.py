"""`flagctl owners`: CODEOWNERS kept in step with the `owner` of each flag file.

GitHub and GitLab take the last line that matches a file. So flagctl's lines are one block, in a fixed order, and a line for a
folder is only used where everything in it has one owner. What stands before the block can be overruled by it, what stands
after it overrules it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.model import Owner, Repository
    from flagctl.source import LoadedRepository

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks, in this order; the first one is made if there is none."""
BEGIN = "# BEGIN flagctl owners: written by `flagctl owners --write`; edit the owner in the flag files instead"
END = "# END flagctl owners"
_BEGIN = "# BEGIN flagctl owners"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersOptions:
    """What to do.

    Attributes:
        root: The flag repository's root.
        path: Of the file; None is the one that GitHub reads, of the git repository around `root`, or of `root` itself.
        write: Whether to write it.
    """

    root: Path
    path: Path | None = None
    write: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersResult:
    """Who owns what.

    Attributes:
        path: Of CODEOWNERS.
        lines: Pattern and handle of each line of the block, in order.
        missing: Lines that the file lacks.
        surplus: Lines of its block that should not be there.
        unmapped: Owners that `owners` in `flagctl.yaml` has no handle for; their files have no line.
        changed: Whether the file differs, or did before it was written.
        written: Whether the file was written.
    """

    path: str
    lines: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    unmapped: tuple[str, ...]
    changed: bool
    written: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-owners.schema.json`)."""
        return {
            "format_version": "1.0",
            "path": self.path,
            "lines": [{"pattern": pattern, "owner": handle} for pattern, handle in self.lines],
            "missing": list(self.missing),
            "surplus": list(self.surplus),
            "unmapped": list(self.unmapped),
            "changed": self.changed,
            "written": self.written,
        }


def owners(options: OwnersOptions) -> OwnersResult:
    """Compare CODEOWNERS with the owners in the flag files, and bring it up to date if asked to.

    Raises:
        FindingsError: If flag files have errors: half of the owners would be worse than the old ones.
        UsageError: If the file has half a block, or cannot be read or written.
    """
    from flagctl.ops.compile import write_file
    from flagctl.ops.loading import InvalidFlagsError, errors_of, load, readable

    loaded = load(options.root)
    repository = readable(loaded)
    errors = errors_of(loaded.diagnostics)
    if errors:
        raise InvalidFlagsError("the flag files have errors", errors)
    top = _git_root(options.root) or options.root.resolve()
    path = options.path or next((top / place for place in PLACES if (top / place).is_file()), top / PLACES[0])
    prefix = options.root.resolve().relative_to(top).as_posix()
    lines, unmapped = owner_lines(repository, loaded, "" if prefix == "." else prefix + "/")
    text = _read(path)
    wanted = [f"{pattern} {handle}" for pattern, handle in lines]
    block = _block(text, path)
    present = (
        [] if block is None else [line for line in text[block[0] : block[1]].splitlines() if not line.startswith("#")]
    )
    updated = _updated(text, block, wanted)
    write = options.write and updated != text
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, updated.encode())
    return OwnersResult(
        path=str(path),
        lines=tuple(lines),
        missing=tuple(line for line in wanted if line not in present),
        surplus=tuple(line for line in present if line not in wanted),
        unmapped=unmapped,
        changed=updated != text,
        written=write,
    )


def owner_lines(
    repository: Repository, loaded: LoadedRepository, prefix: str
) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Return the lines for all files that have an owner, the more general first, and owners without a handle.

    A test file belongs to its flag's owner. Documents without an owner, and `flagctl.yaml`, belong to the owner at the top of
    `flagctl.yaml`, if there is one.

    Args:
        repository: The flag repository.
        loaded: Its documents.
        prefix: Path of the repository inside the git repository, ``""`` or ending in a slash.
    """
    by_path = _owners_by_path(repository, loaded)
    handles: Mapping[str, Owner] = repository.config.owners
    unmapped = tuple(sorted({owner for owner in by_path.values() if owner and owner not in handles}))
    known = {path: handles[owner].handle for path, owner in by_path.items() if owner in handles}
    folders = _whole_folders(known, by_path)
    lines = [(f"/{_escape(prefix + folder)}/", handle) for folder, handle in sorted(folders.items())]
    covered = [folder + "/" for folder in folders]
    lines += [
        (f"/{_escape(prefix + path)}", handle)
        for path, handle in sorted(known.items())
        if not any(path.startswith(folder) for folder in covered)
    ]
    return lines, unmapped


def _owners_by_path(repository: Repository, loaded: LoadedRepository) -> dict[str, str]:
    """Return the owner of each document, ``""`` for nobody."""
    fallback = repository.config.owner or ""
    found = {repository.config.path: fallback}
    items: Iterable[Any] = (
        *repository.flags.values(),
        *repository.segments.values(),
        *repository.experiments.values(),
        *repository.layers.values(),
    )
    for item in items:
        found[item.path] = item.owner or fallback
    for suite in loaded.tests:
        owners_of_flags = {
            repository.flags[case.flag].owner or fallback for case in suite.cases if case.flag in repository.flags
        }
        found[suite.path] = owners_of_flags.pop() if len(owners_of_flags) == 1 else fallback
    return found


def _whole_folders(known: Mapping[str, str], every: Mapping[str, str]) -> dict[str, str]:
    """Return the outermost folders, below the root, in which all documents have one and the same owner."""
    handles: dict[str, set[str | None]] = {}
    sizes: dict[str, int] = {}
    for path in every:
        for parent in PurePosixPath(path).parents[:-1]:
            handles.setdefault(parent.as_posix(), set()).add(known.get(path))
            sizes[parent.as_posix()] = sizes.get(parent.as_posix(), 0) + 1
    whole: dict[str, str] = {}
    for folder in sorted(handles, key=lambda name: name.count("/")):
        only = next(iter(handles[folder])) if len(handles[folder]) == 1 else None
        inside = any(folder.startswith(outer + "/") for outer in whole)
        if only is not None and sizes[folder] > 1 and not inside:
            whole[folder] = only
    return whole


def _escape(path: str) -> str:
    """Return a path as a pattern that means itself."""
    return re.sub(r"([\\*?\[\]#! ])", r"\\\1", path)


def _git_root(root: Path) -> Path | None:
    for folder in (root.resolve(), *root.resolve().parents):
        if (folder / ".git").exists():
            return folder
    return None


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8") from error


def _block(text: str, path: Path) -> tuple[int, int] | None:
    """Return where flagctl's block begins and ends, its markers included."""
    starts = [match.start() for match in re.finditer(rf"^{re.escape(_BEGIN)}", text, re.MULTILINE)]
    ends = [match.end() for match in re.finditer(rf"^{re.escape(END)}[^\n]*(\n|\Z)", text, re.MULTILINE)]
    if not starts and not ends:
        return None
    if len(starts) != 1 or len(ends) != 1 or starts[0] >= ends[0]:
        raise UsageError(
            f"the markers of flagctl's block in {path} do not come in one pair",
            hint=f"leave one line '{_BEGIN}' and, below it, one line '{END}'",
        )
    return starts[0], ends[0]


def _updated(text: str, block: tuple[int, int] | None, wanted: list[str]) -> str:
    written = "\n".join([BEGIN, *wanted, END]) + "\n"
    if block is not None:
        return text[: block[0]] + written + text[block[1] :]
    if not wanted:
        return text
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    return text + gap + written
