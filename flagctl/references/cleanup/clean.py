"""One file from beginning to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import libcst as cst
from libcst.metadata import MetadataWrapper

from flagctl.references.cleanup.fold import Folder
from flagctl.references.cleanup.marks import Details, Guard, Kept, Marks, as_source
from flagctl.references.cleanup.propagate import propagate
from flagctl.references.cleanup.replace import Place, Replacer, Spot
from flagctl.references.cleanup.unused import remove_unused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ROUNDS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A file without the flag.

    Attributes:
        text: Its new text.
        problems: Places that were left alone: number of the spot, and why.
        loose: Lines of the old text that need a person, and why.
        dead_tests: Tests of the answer that goes, which were removed: name and line.
        leftovers: Names that nothing uses any more and that stay, and why.
    """

    text: str
    problems: Mapping[int, str]
    loose: Mapping[int, str]
    dead_tests: tuple[tuple[str, int], ...]
    leftovers: Mapping[str, str]


def clean(
    text: str,
    kept: Kept,
    spots: Mapping[Place, Spot],
    names: frozenset[str] = frozenset(),
    is_used_elsewhere: Callable[[str], bool] = lambda _: False,
) -> Cleaned:
    """Take a flag out of a file.

    Args:
        text: The file.
        kept: The answer that stays.
        spots: The calls that ask for the flag.
        names: Names that stand for the key in this file.
        is_used_elsewhere: Whether another file imports a name of this one.

    Raises:
        libcst.ParserSyntaxError: If it is no Python.
    """
    before = cst.parse_module(text)
    problems: dict[int, str] = {}
    while True:
        wanted = {place: spot for place, spot in spots.items() if spot.number not in problems}
        marks = Marks()
        replacer = Replacer(marks, kept, wanted, names)
        module = MetadataWrapper(before).visit(replacer)
        module, fresh = _fold(module, marks, is_used_elsewhere)
        fresh |= replacer.problems
        fresh |= _unfinished(module, marks)
        fresh = {number: reason for number, reason in fresh.items() if number not in problems}
        problems |= fresh
        if not fresh:
            break
        if all(number < 0 for number in fresh):
            return Cleaned(
                text=text,
                problems={**problems, **dict.fromkeys(range(len(spots)), "the file is too unusual")},
                loose=replacer.loose,
                dead_tests=(),
                leftovers={},
            )
    module, attributes = _literals(module, marks)
    module, leftovers = remove_unused(before, module, is_used_elsewhere)
    return Cleaned(
        text=module.code if text.startswith("\n") else module.code.lstrip("\n"),
        problems=problems,
        loose=replacer.loose,
        dead_tests=tuple(replacer.dead_tests),
        leftovers={**attributes, **leftovers.names},
    )


def _fold(
    module: cst.Module, marks: Marks, is_used_elsewhere: Callable[[str], bool]
) -> tuple[cst.Module, dict[int, str]]:
    broken: dict[int, str] = {}
    for _ in range(_ROUNDS):
        folder = Folder(marks)
        folded = module.visit(folder)
        broken |= folder.broken
        # a node may stand twice after a rewrite, which metadata refuses; a copy through its text has none
        folded = propagate(cst.parse_module(folded.code), marks, is_used_elsewhere)
        if folded.code == module.code:
            return folded, broken
        module = folded
    return module, broken


def _unfinished(module: cst.Module, marks: Marks) -> dict[int, str]:
    finder = _Unfinished(marks)
    module.visit(finder)
    return finder.found


class _Unfinished(cst.CSTVisitor):
    """Finds marks that no literal can stand for."""

    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self.marks = marks
        self.found: dict[int, str] = {}

    def visit_Name(self, node: cst.Name) -> None:
        mark = self.marks.get(node)
        if mark is None:
            return
        if isinstance(mark.value, Details):
            self.found[mark.site] = "more of the details is used than value and variant"
        elif isinstance(mark.value, Guard):
            self.found[mark.site] = "the guard is used in another way than by `with`"


class _Literals(cst.CSTTransformer):
    def __init__(self, marks: Marks, quote: str) -> None:
        super().__init__()
        self.marks = marks
        self.quote = quote
        self._strings: list[str] = []
        self.attributes: dict[str, str] = {}

    def visit_Assign(self, node: cst.Assign) -> None:
        mark = self.marks.get(node.value)
        for target in node.targets:
            if mark is not None and isinstance(target.target, cst.Attribute):
                name = cst.Module([]).code_for_node(target.target)
                self.attributes[name] = f"is {mark.value!r} for ever, and others may read it"

    def visit_FormattedString(self, node: cst.FormattedString) -> None:
        self._strings.append("'" if '"' in node.start else '"')

    def leave_FormattedString(self, original_node: cst.FormattedString, updated_node: cst.FormattedString) -> Any:
        self._strings.pop()
        return updated_node

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        mark = self.marks.get(updated_node)
        if mark is None:
            return updated_node
        return as_source(mark.value, self._strings[-1] if self._strings else self.quote)

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        """Enclose a number in front of a dot, which would be read as a fraction."""
        if self.marks.get(original_node.value) is None:
            return updated_node
        return updated_node.with_changes(value=_enclosed(updated_node.value))

    def leave_BinaryOperation(
        self, original_node: cst.BinaryOperation, updated_node: cst.BinaryOperation
    ) -> cst.BaseExpression:
        """Enclose a negative number that is raised to a power, which binds more closely than a sign."""
        if not isinstance(updated_node.operator, cst.Power) or isinstance(updated_node.left, cst.Integer | cst.Float):
            return updated_node
        return updated_node.with_changes(left=_enclosed(updated_node.left))


def _enclosed(node: cst.BaseExpression) -> cst.BaseExpression:
    if node.lpar or not isinstance(node, cst.UnaryOperation | cst.Integer | cst.Float):
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _literals(module: cst.Module, marks: Marks) -> tuple[cst.Module, dict[str, str]]:
    """Put the value in place of each mark that is left, and return the attributes that hold one."""
    code = module.code
    writer = _Literals(marks, "'" if code.count("'") > code.count('"') else '"')
    return cst.parse_module(module.visit(writer).code), writer.attributes
