"""What shells offer after a Tab.

A Tab must not wait: names come from file names and one small file, nothing is parsed, and every failure is an empty list.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_SHARED_FOLDERS = frozenset({"segments", "experiments", "layers"})
_ENVIRONMENT = re.compile(r"^  ([a-z0-9][a-z0-9._-]*):", re.MULTILINE)


def complete_flags(incomplete: str) -> list[str]:
    """Return keys of flags: a flag's key is its file's name."""
    root = _root()
    if root is None:
        return []
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SHARED_FOLDERS]
        for name in files:
            stem, dot, suffix = name.rpartition(".")
            if dot and suffix in {"yaml", "yml"} and not stem.endswith(".test") and stem != "flagctl":
                found.append(stem)
        del folder
    return sorted(name for name in found if name.startswith(incomplete))


def complete_environments(incomplete: str) -> list[str]:
    """Return names of environments, read off the lines below `environments:`."""
    root = _root()
    try:
        text = (root / "flagctl.yaml").read_text(encoding="utf-8") if root else ""
    except (OSError, UnicodeDecodeError):
        return []
    section = re.search(r"^environments:[^\n]*\n((?:[ #\n][^\n]*\n?|\n)*)", text, re.MULTILINE)
    names = _ENVIRONMENT.findall(section[1]) if section else []
    return [name for name in names if name.startswith(incomplete)]


def complete_codes(incomplete: str) -> list[str]:
    """Return codes of rules."""
    from flagctl.lint import all_rules

    return [code for code in all_rules() if code.startswith(incomplete.upper())]


def complete_schemas(incomplete: str) -> list[str]:
    """Return names of schemas."""
    from flagctl.ops.rules import schema_names

    return [name for name in schema_names() if name.startswith(incomplete)]


def _root() -> Path | None:
    """Return the flag repository's root, looked for as `flagctl.source.find_root` does, but without importing it."""
    folder = Path.cwd()
    for place in (folder, *folder.parents):
        for candidate in (place, place / "flags"):
            if (candidate / "flagctl.yaml").is_file():
                return candidate
        if (place / ".git").exists():
            break
    return None
