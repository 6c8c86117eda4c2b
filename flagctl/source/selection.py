"""Which files belong to a flag repository."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

CONFIG_NAME: Final = "flagctl.yaml"
"""Name of the configuration file, which marks the root."""

SUFFIXES: Final = (".yaml", ".yml")


def is_test_file(path: str) -> bool:
    """Return whether a path is that of a test file."""
    return path.endswith((".test.yaml", ".test.yml"))


def select_files(paths: Iterable[str], config: dict[str, Any] | None) -> list[str]:
    """Return the paths of YAML documents, sorted.

    Files in folders whose name begins with a dot, in folders with a `flagctl.yaml` of their own (another repository), and
    those that the configuration excludes are left out.

    Args:
        paths: Relative to the root, with forward slashes.
        config: Data of `flagctl.yaml`, as far as it could be read.
    """
    candidates = sorted(path for path in paths if path.endswith(SUFFIXES))
    nested = tuple(path[: -len(CONFIG_NAME)] for path in candidates if path.endswith(f"/{CONFIG_NAME}"))
    excluded = exclude_patterns(config)
    return [
        path
        for path in candidates
        if not (path.startswith(".") or "/." in path)
        and not (nested and path.startswith(nested))
        and not any(pattern.match(path) for pattern in excluded)
    ]


def exclude_patterns(config: dict[str, Any] | None) -> list[re.Pattern[str]]:
    """Return the compiled patterns of the key `exclude`; anything that is no pattern there is not excluded."""
    globs = (config or {}).get("exclude")
    if not isinstance(globs, list):
        return []
    return [glob_pattern(glob) for glob in globs if isinstance(glob, str) and glob]


@cache
def glob_pattern(glob: str) -> re.Pattern[str]:
    """Compile a glob: ``*`` and ``?`` stay within a name, ``**`` crosses folders.

    A glob without a slash, but at its end, matches names at any depth. What matches a folder matches everything below.
    """
    anchored = "/" in glob.rstrip("/")
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob.strip("/").removeprefix("./"))
    translated = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    body = "".join(translated.get(part) or re.escape(part) for part in parts)
    prefix = "" if anchored else "(?:.*/)?"
    return re.compile(f"{prefix}{body}(?:/.*)?\\Z", re.DOTALL)
