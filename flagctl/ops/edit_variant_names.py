"""Who names a flag's variants: its own file, prerequisites of other flags, experiments and tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import FindingsError, UsageError
from flagctl.lint.words import first_of
from flagctl.source.editing import EditError, Rename, Set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flagctl.diagnostics import Route
    from flagctl.ops.edit_draft import BaseDraft
    from flagctl.source.editing import Edit


class RecordedVariantError(FindingsError):
    """A variant that can't get another name, because data were recorded under the one it has.

    Attributes:
        places: ``path:line`` of the experiments that it takes part in.
    """

    def __init__(self, key: str, name: str, places: Sequence[str]) -> None:
        super().__init__(
            f"variant {name} of {key} keeps its name: data are recorded under it by {first_of(places)}",
            hint="wait until the experiment has ended and its file is deleted; or flagctl add-variant another one beside it",
        )
        self.places = tuple(places)


@dataclass(frozen=True, slots=True)
class NewName:
    """Another name for a variant of a flag."""

    key: str
    old: str
    new: str


def edits_in_flag(data: Mapping[str, Any], name: NewName) -> Iterator[Edit]:
    """Yield the edits of a flag's own file, but for the one of `variants`.

    Raises:
        UsageError: If the new name would get a meaning that the old one has not.
    """
    if data.get("type") == "boolean" and "off" not in data:
        # A boolean's variant called off is served while the flag is disabled, without being told to.
        if name.old == "off":
            yield Set(("off",), name.new)
        elif name.new == "off":
            raise UsageError(
                f"a variant called 'off' would be served while {name.key} is disabled; now callers' defaults are",
                hint=f"say what is served then: flagctl update {name.key} --set off={name.old}",
            )
    yield from _in_state(data, (), name)
    for env, part in _mapping(data.get("environments")).items():
        yield from _in_state(_mapping(part), ("environments", env), name)


def edits_elsewhere(draft: BaseDraft, name: NewName) -> list[tuple[str, list[Edit]]]:
    """Return what lets every other document that names the variant say the new name, by path.

    Raises:
        RecordedVariantError: If it takes part in an experiment that has begun.
    """
    word, recorded = name.key.encode(), []
    found: list[tuple[str, list[Edit]]] = []
    for path in draft.paths():
        if word not in (draft.content(path) or b"") or path == "flagctl.yaml":
            continue
        data = _data(draft, path)
        edits = list(_in_document(data, name))
        if edits and data.get("kind") == "experiment" and data.get("status") != "draft":
            recorded.append(_place(draft, path, data))
        if edits:
            found.append((path, edits))
    if recorded:
        raise RecordedVariantError(name.key, name.old, recorded)
    return found


def look_in_code(draft: BaseDraft, name: NewName) -> None:
    """Note where code that asks for the flag has the old name in quotes: it may compare answers with it."""
    from flagctl.errors import FlagctlError
    from flagctl.ops.code import read_code
    from flagctl.references import ReferenceKind

    try:
        code = read_code(draft.workspace.root, draft.workspace.loaded(), keys=(name.key,), thorough=False)
    except FlagctlError:  # without git there is nothing to look through
        return
    quoted = re.compile(rf"""(["'`]){re.escape(name.old)}\1""")
    paths = dict.fromkeys(one.path for one in code.references if one.kind is not ReferenceKind.COMMENT)
    lines = [
        f"{path}:{number}"
        for path in paths
        for number, line in enumerate(code.places[path].read_text("utf-8", "replace").splitlines(), 1)
        if quoted.search(line)
    ]
    if lines:
        draft.note(f"code may compare answers with '{name.old}': look at {first_of(lines)}")


def _in_document(data: Mapping[str, Any], name: NewName) -> Iterator[Edit]:
    kind = data.get("kind")
    if kind == "flag":
        yield from _in_prerequisites(data, name)
    elif kind == "test":
        yield from _in_tests(data, name)
    elif kind == "experiment" and data.get("flag") == name.key:
        yield from _in_experiment(data, name)


def _data(draft: BaseDraft, path: str) -> dict[str, Any]:
    """Return what a file says; one that can't be read has errors already, which are not this edit's."""
    try:
        return draft.data(path)
    except EditError:
        draft.note(f"{path} can't be read; look yourself whether it names the variant")
        return {}


def _place(draft: BaseDraft, path: str, data: Mapping[str, Any]) -> str:
    from flagctl.source import SourceDocument

    span = SourceDocument(path, draft.text(path)).span(("variants",), "key")
    return f"{data.get('status')} experiment {data.get('key')} ({path}:{span.line if span else 1})"


def _in_state(state: Mapping[str, Any], route: Route, name: NewName) -> Iterator[Edit]:
    for key in ("default", "off"):
        if state.get(key) == name.old:
            yield Set((*route, key), name.new)
    yield from _key(_mapping(state.get("default")).get("rollout"), (*route, "default", "rollout"), name)
    yield from _key(state.get("targets"), (*route, "targets"), name)
    for key, colour in _mapping(_mapping(state.get("strategy")).get("blue_green")).items():
        if colour == name.old:
            yield Set((*route, "strategy", "blue_green", key), name.new)
    for index, rule in enumerate(_items(state.get("rules"))):
        if rule.get("serve") == name.old:
            yield Set((*route, "rules", index, "serve"), name.new)
        yield from _key(rule.get("rollout"), (*route, "rules", index, "rollout"), name)


def _in_prerequisites(data: Mapping[str, Any], name: NewName) -> Iterator[Edit]:
    parts: list[tuple[Route, Any]] = [((), data)]
    parts += [(("environments", env), part) for env, part in _mapping(data.get("environments")).items()]
    for route, part in parts:
        for index, needed in enumerate(_items(_mapping(part).get("prerequisites"))):
            variants = needed.get("variants")
            if needed.get("flag") == name.key and isinstance(variants, list):
                for place, variant in enumerate(variants):
                    if variant == name.old:
                        yield Set((*route, "prerequisites", index, "variants", place), name.new)


def _in_tests(data: Mapping[str, Any], name: NewName) -> Iterator[Edit]:
    for index, case in enumerate(_items(data.get("cases"))):
        expected = _mapping(case.get("expect"))
        if case.get("flag", data.get("flag")) == name.key and expected.get("variant") == name.old:
            yield Set(("cases", index, "expect", "variant"), name.new)


def _in_experiment(data: Mapping[str, Any], name: NewName) -> Iterator[Edit]:
    yield from _key(data.get("variants"), ("variants",), name)
    for key in ("control", "winner"):
        if data.get(key) == name.old:
            yield Set((key,), name.new)


def _key(value: Any, route: Route, name: NewName) -> Iterator[Edit]:
    if name.old in _mapping(value):
        yield Rename((*route, name.old), name.new)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [_mapping(item) for item in value] if isinstance(value, list) else []
