"""The search from beginning to end: files go in, references come out."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from flagctl.references.classify import Lines, classify, is_test, shortened
from flagctl.references.model import CodeReference, ReferenceKind, ReferenceSettings
from flagctl.references.python_methods import METHOD_WORDS, Answer
from flagctl.references.python_module import Module, parse
from flagctl.references.python_project import Project
from flagctl.references.scan import Scanner, asks, has_word, may_ask

if TYPE_CHECKING:
    from flagctl.references.python_project import Evaluation

_ROUNDS = 3


class Search:
    """Looks for keys in files.

    Args:
        keys: What to look for.
        known: All keys that exist; calls that ask for another one are reported as unknown.
        settings: How.
        thorough: Whether to look into calls of files, too, that name none of the keys: for unknown keys and for wrappers.

    Attributes:
        project: After `finish`: the Python files that were parsed.
        python: All Python files.
    """

    def __init__(
        self, keys: frozenset[str], known: frozenset[str], settings: ReferenceSettings, *, thorough: bool = True
    ) -> None:
        self._thorough = thorough
        self._keys = keys
        self._known = known | keys
        self._settings = settings
        self._scanner = Scanner(keys, settings)
        self.python: dict[str, bytes] = {}
        self._parsed: dict[str, Module] = {}
        self._hits: dict[str, bytes] = {}
        self._asking: dict[str, bytes] = {}
        self._words = METHOD_WORDS | {name.encode() for name in settings.wrappers}
        self.project: Project | None = None

    def add(self, path: str, data: bytes) -> None:
        """Look through a file, as far as it can be done without the others."""
        if self._scanner.may_have(data):
            self._hits[path] = data
        if path.endswith((".py", ".pyi")):
            self.python[path] = data
            if path in self._hits or (self._thorough and any(word in data for word in self._words)):
                self._parse(path)
        elif self._thorough and may_ask(data):
            self._asking[path] = data

    def finish(self) -> tuple[list[CodeReference], list[CodeReference]]:
        """Return references of known keys, and calls that ask for unknown ones; both by file and place."""
        self._follow_names()
        found: dict[tuple[str, int, int], CodeReference] = {}
        unknown: dict[tuple[str, int, int], CodeReference] = {}
        for path in self._parsed:
            self._evaluations(path, found, unknown)
        for path, data in self._hits.items():
            self._texts(path, data, found)
        for path, data in self._asking.items():
            self._unknown_texts(path, data, unknown)
        return [found[place] for place in sorted(found)], [unknown[place] for place in sorted(unknown)]

    def _parse(self, path: str) -> None:
        module = parse(path, self.python[path])
        if module is not None:
            self._parsed[path] = module

    def _follow_names(self) -> None:
        """Parse files, too, that use names which others gave to keys or to functions that ask for flags."""
        looked_for: frozenset[bytes] = frozenset()
        for _ in range(_ROUNDS):
            self.project = Project(self._parsed.values(), self._known, self._settings.wrappers)
            words = self.project.exported_words() - looked_for
            if not words:
                return
            looked_for |= words
            before = len(self._parsed)
            for path, data in self.python.items():
                if path not in self._parsed and has_word(data, words):
                    self._parse(path)
            if len(self._parsed) == before:
                return
        self.project = Project(self._parsed.values(), self._known, self._settings.wrappers)

    def _evaluations(
        self,
        path: str,
        found: dict[tuple[str, int, int], CodeReference],
        unknown: dict[tuple[str, int, int], CodeReference],
    ) -> None:
        if self.project is None:
            return
        evaluations = [one for one in self.project.evaluations(path) if one.key in self._keys or one.is_evident]
        if not evaluations:
            return
        lines = Lines(self.python[path])
        for one in evaluations:
            node: ast.AST = one.key_node or one.call
            line, column = _place(lines, node)
            reference = _reference(one, lines, line, column)
            if one.key in self._keys:
                found[path, line, column] = reference
            elif one.key not in self._known and one.is_evident and one.method.answer is not Answer.VARIANT:
                unknown[path, line, column] = reference

    def _texts(self, path: str, data: bytes, found: dict[tuple[str, int, int], CodeReference]) -> None:
        lines = Lines(data)
        module = self._parsed.get(path)
        named = _constants(module, lines, self._keys) if module else {}
        strings = _strings(module, lines) if module else set()
        for hit in self._scanner.hits(data):
            line, column = lines.place(hit.start)
            if (path, line, column) in found:
                continue
            text = lines.text(line)
            kind, method = classify(path, text, column)
            via = hit.via
            if module is not None:
                method = None
                if line in module.docstrings or (hit.via is None and not _is_string(strings, line, column)):
                    kind = ReferenceKind.COMMENT
                elif is_test(path):
                    kind = ReferenceKind.TEST
                elif (line, column) in named:
                    kind, via = ReferenceKind.CONSTANT, named[line, column]
                else:
                    kind = ReferenceKind.OTHER
            found[path, line, column] = CodeReference(
                key=hit.key,
                path=path,
                line=line,
                column=column,
                kind=kind,
                text=shortened(text),
                method=method,
                via=via,
            )

    def _unknown_texts(self, path: str, data: bytes, unknown: dict[tuple[str, int, int], CodeReference]) -> None:
        lines: Lines | None = None
        for ask in asks(data):
            if ask.key in self._known:
                continue
            lines = lines or Lines(data)
            line, column = lines.place(ask.start)
            text = lines.text(line)
            kind, _ = classify(path, text, column)
            if kind in {ReferenceKind.COMMENT, ReferenceKind.CONFIG}:
                continue
            unknown[path, line, column] = CodeReference(
                key=ask.key, path=path, line=line, column=column, kind=kind, text=shortened(text), method=ask.method
            )


def _reference(one: Evaluation, lines: Lines, line: int, column: int) -> CodeReference:
    method = one.wrapper.last if one.wrapper is not None else one.method.name
    return CodeReference(
        key=one.key,
        path=one.path,
        line=line,
        column=column,
        kind=ReferenceKind.TEST if is_test(one.path) else ReferenceKind.EVALUATION,
        text=shortened(lines.text(line)),
        method=method,
        default=one.default,
        via=one.via,
    )


def _place(lines: Lines, node: ast.AST) -> tuple[int, int]:
    line, offset = node.lineno, node.col_offset  # type: ignore[attr-defined]  # of expressions
    return line, len(lines.text(line).encode()[:offset].decode("utf-8", "replace")) + 1


def _constants(module: Module, lines: Lines, keys: frozenset[str]) -> dict[tuple[int, int], str]:
    named = {}
    for name, (text, statement) in module.constants.items():
        value = getattr(statement, "value", None)
        if text in keys and isinstance(value, ast.Constant):
            named[_place(lines, value)] = name
    return named


def _strings(module: Module, lines: Lines) -> set[tuple[int, int]]:
    """Return the places of all strings, and the lines within those of several lines, with column 0."""
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            found.add(_place(lines, node))
            last = node.end_lineno or node.lineno
            found.update((line, 0) for line in range(node.lineno + (last == node.lineno), last + 1))
    return found


def _is_string(strings: set[tuple[int, int]], line: int, column: int) -> bool:
    if (line, 0) in strings:
        return True
    # a prefix such as r or f may stand between the string's place and its quote
    return any((line, column - back) in strings for back in (0, 1, 2))
