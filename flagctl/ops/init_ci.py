"""`flagctl init --ci`: workflows that check, plan and publish, for GitHub and GitLab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SYSTEMS: Final = ("github", "gitlab")
CHECKS: Final = {".github/workflows/flags.yml": "github/flags.yml"}
"""What a new repository gets unasked: by file, its template."""
_FILES: Final[Mapping[str, Mapping[str, str]]] = {
    "github": {
        **CHECKS,
        ".github/workflows/flags-comment.yml": "github/flags-comment.yml",
        ".github/workflows/flags-policy.yml": "github/flags-policy.yml",
        ".github/workflows/flags-publish.yml": "github/flags-publish.yml",
        ".github/workflows/flags-rollouts.yml": "github/flags-rollouts.yml",
        ".github/workflows/flags-stale.yml": "github/flags-stale.yml",
    },
    "gitlab": {".gitlab/flags.gitlab-ci.yml": "gitlab/flags.gitlab-ci.yml", ".gitlab-ci.yml": "gitlab/.gitlab-ci.yml"},
}
_FOLDER: Final = Path(__file__).resolve().parent / "templates"


def check_system(name: str) -> str:
    """Return the name of a CI system.

    Raises:
        UsageError: If there are no workflows for it.
    """
    if name not in SYSTEMS:
        raise UsageError(f"there are no workflows for '{name}'", hint=f"there are for: {', '.join(SYSTEMS)}")
    return name


def ci_files(system: str) -> Mapping[str, str]:
    """Return the templates of a CI system, by the path of the file relative to the git repository."""
    return _FILES[system]


def template(name: str) -> str:
    """Return the text of a template; words in angle quotes («root») are to be filled in."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def ci_words(directory: Path, top: Path, environments: Iterable[str]) -> dict[str, str]:
    """Return what is filled into the templates, as YAML.

    Args:
        directory: The flag repository's root.
        top: The git repository's folder.
        environments: Names, in the order of publication.
    """
    import flagctl

    return {
        "root": json.dumps(directory.resolve().relative_to(top).as_posix()),
        "branch": json.dumps(_branch(top)),
        "environments": json.dumps(list(environments)),
        "version": flagctl.__version__,
    }


def git_folder(directory: Path) -> Path:
    """Return the folder of the git repository around `directory`, or `directory` itself outside of git."""
    folder = directory.resolve()
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)


def _branch(top: Path) -> str:
    from flagctl.vcs import GitRepository

    try:
        history = GitRepository(top)
    except UsageError:
        return "main"
    name = history.default_branch() or history.ref() or "main"
    return name.removeprefix("origin/").removeprefix("refs/heads/")


def include_warning(top: Path) -> str | None:
    """Return what is to be done by hand where GitLab's own file was there already, or None."""
    present = top / ".gitlab-ci.yml"
    if not present.exists() or "flags.gitlab-ci.yml" in present.read_text(encoding="utf-8", errors="replace"):
        return None
    return "add to .gitlab-ci.yml: include: [{local: .gitlab/flags.gitlab-ci.yml}]"
