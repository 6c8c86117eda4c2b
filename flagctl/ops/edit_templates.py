"""New documents from templates: those that come with flagctl, and a repository's own in `templates/`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flagctl.diagnostics import did_you_mean
from flagctl.errors import NothingMatchedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_FLAG: Final = "kind: flag\nkey: ${key}\nname: ${name}\ndescription: ${description}\nowner: ${owner}\n"

BUILT_IN: Final[dict[str, tuple[str, str]]] = {
    "release": (
        "a feature that comes gradually and whose flag goes again",
        _FLAG + 'tags: [release]\ntype: boolean\nlifecycle: {temporary: true, expires: ${expires}}\ndefault: "off"\n',
    ),
    "kill-switch": (
        "something that can be switched off quickly, for good",
        _FLAG + 'tags: [kill-switch]\ntype: boolean\nenabled: true\noff: "off"\ndefault: "on"\n',
    ),
    "experiment": (
        "two variants to compare, with the draft of an experiment",
        _FLAG
        + "tags: [experiment]\ntype: string\nlifecycle: {temporary: true, expires: ${expires}}\n"
        + "variants: {control: control, treatment: treatment}\noff: control\ndefault: control\n"
        + "rules:\n  - id: experiment\n    experiment: ${key}-test\n"
        + "---\n"
        + "kind: experiment\nkey: ${key}-test\nname: ${name}\nflag: ${key}\nowner: ${owner}\n"
        + "hypothesis: ${description}\nstatus: draft\ntraffic: 100\n"
        + "variants: {control: 50, treatment: 50}\ncontrol: control\n"
        + "metrics:\n  primary: {event: ${metric}, kind: conversion}\n",
    ),
    "config": (
        "a setting: one value, and another one where it needs to be",
        _FLAG + "tags: [config]\ntype: ${type}\nvalue: ${value}\n",
    ),
    "permission": (
        "who may use something, for good",
        _FLAG + 'tags: [permission]\ntype: boolean\noff: "off"\ndefault: "off"\n',
    ),
}
"""What comes with flagctl: what it is for, and its documents, separated by a line of three dashes."""

_PLACEHOLDER: Final = re.compile(r"\$\{([a-z_]+)\}")
_WHOLE_VALUE: Final = re.compile(
    r"(?P<lead>(?::|-)[ \t]+)\$\{(?P<name>[a-z_]+)\}(?P<tail>[ \t]*(?:#.*)?)$", re.MULTILINE
)
_RAW: Final = frozenset({"key", "value", "type"})


def template_names(root: Path) -> dict[str, str]:
    """Return the names of all templates with what they are for; a repository's own come first, and win."""
    own = {path.stem: f"templates/{path.name}" for path in sorted((root / "templates").glob("*.yaml"))}
    return {**own, **{name: text for name, (text, _) in BUILT_IN.items() if name not in own}}


def template_text(root: Path, name: str) -> str:
    """Return a template.

    Raises:
        NothingMatchedError: If there is none of that name.
        UsageError: If it can't be read.
    """
    known = template_names(root)
    place = root / "templates" / f"{name}.yaml"
    if name in known and place.is_file():
        try:
            return place.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{place} cannot be read: {error}") from error
    if name not in BUILT_IN:
        close = did_you_mean(name, known)
        raise NothingMatchedError(
            f"there is no template '{name}'",
            hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(known)}",
        )
    return BUILT_IN[name][1]


def check_names(text: str, given: Iterable[str]) -> None:
    """Go on only if a template asks for every value that somebody gave by name.

    Raises:
        UsageError: If it does not.
    """
    wanted = sorted(set(_PLACEHOLDER.findall(text)))
    for name in given:
        if name not in wanted:
            close = did_you_mean(name, wanted)
            raise UsageError(
                f"the template does not ask for '{name}'",
                hint=f"did you mean '{close}'?" if close else f"it asks for: {', '.join(wanted) or 'nothing'}",
            )


def filled(text: str, values: Mapping[str, str]) -> list[str]:
    """Return a template's documents with its placeholders filled in.

    Raises:
        UsageError: If a placeholder has no value.
    """
    from flagctl.source.editing.scalars import scalar_text

    missing = sorted({name for name in _PLACEHOLDER.findall(text) if name not in values})
    if missing:
        raise UsageError(
            f"the template needs {', '.join(missing)}", hint=" ".join(f"--var {name}=VALUE" for name in missing)
        )

    def whole(match: re.Match[str]) -> str:
        value = values[match["name"]]
        shown = value if match["name"] in _RAW else scalar_text(value)
        return f"{match['lead']}{shown}{match['tail']}"

    def inside(match: re.Match[str]) -> str:
        value = values[match[1]]
        return value if match[1] in _RAW else scalar_text(value, flow=True) if match[1] == "expires" else value

    text = _PLACEHOLDER.sub(inside, _WHOLE_VALUE.sub(whole, text))
    documents = [part.strip("\n") + "\n" for part in re.split(r"^---[ \t]*$", text, flags=re.MULTILINE)]
    return [document for document in documents if document.strip()]
