"""What `flagctl init` made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import Style, plain
from flagctl.report.table import render_fields

if TYPE_CHECKING:
    from flagctl.ops.init import InitResult

_ABOUT = {
    "flagctl.yaml": "environments, remote, declared attributes",
    "flags/": "three sample flags and their tests",
    "segments/": "a segment that one of them uses",
    "schemas/": "for editors: completion and errors while typing",
    "trust.json": "which keys may publish; applications ship it",
    ".flagctl/keys/": "private keys; git ignores them, keep them safe",
    ".github/workflows/flags.yml": "checks every pull request",
    ".github/workflows/flags-comment.yml": "shows the plans in a comment",
    ".github/workflows/flags-policy.yml": "weighs changes and reviews against the policy",
    ".github/workflows/flags-publish.yml": "makes live what was merged, and renews it daily",
    ".github/workflows/flags-rollouts.yml": "checks guarded rollouts once it is told where numbers are",
    ".github/workflows/flags-stale.yml": "lists every week what can go",
    ".gitlab-ci.yml": "includes flags.gitlab-ci.yml",
    ".gitlab/flags.gitlab-ci.yml": "checks, plans and publishes",
    ".vscode/": "editor settings",
    ".gitignore": None,
}


def render_init(result: InitResult, style: Style) -> str:
    """Return what was made and what to do next."""
    if not result.keys:
        return _render_added(result, style)
    fields = [(shown, about) for name, about in _ABOUT.items() if about and (shown := _created(name, result))]
    lines = [
        f"made the flag repository {style.paint(plain(result.project), 'bold')} in {plain(result.directory)}",
        "",
        render_fields(fields, style, indent="  "),
    ]
    if result.kept:
        lines += ["", f"  kept as they were: {', '.join(map(plain, result.kept))}"]
    lines += ["", "next:", *(f"  {command}" for command in next_commands(result))]
    return "\n".join(lines)


def _render_added(result: InitResult, style: Style) -> str:
    """Return which workflows were added to a flag repository that was there already."""
    name = style.paint(plain(result.project), "bold")
    lines = [
        f"added workflows to the flag repository {name}" if result.created else f"{name} has its workflows already"
    ]
    if result.created:
        fields = [(path, _ABOUT.get(_bare(path)) or "") for path in result.created]
        lines += ["", render_fields(fields, style, indent="  ")]
    if result.kept:
        lines += ["", f"  kept as they were: {', '.join(map(plain, result.kept))}"]
    if result.created:
        lines += ["", "next: give them a key and, for a bucket, roles; docs/ci.md of flagctl says how"]
    return "\n".join(lines)


def _created(name: str, result: InitResult) -> str | None:
    """Return a file or folder with the way up to where it was made, or None if it was not."""
    if name.startswith(".flagctl"):
        return name
    path = next((path for path in result.created if _bare(path).startswith(name)), None)
    return None if path is None else path[: len(path) - len(_bare(path))] + name


def _bare(path: str) -> str:
    """Return a path without the way up to the git repository's folder."""
    while path.startswith("../"):
        path = path.removeprefix("../")
    return path


def next_commands(result: InitResult) -> list[str]:
    """Return commands to try next."""
    folder = str(result.directory)
    enter = [] if folder == "." else [f"cd {folder}"]
    return [
        *enter,
        "flagctl validate && flagctl test",
        "flagctl publish development",
        """flagctl eval new-checkout --env production --context '{"country": "DE"}' --explain""",
    ]
