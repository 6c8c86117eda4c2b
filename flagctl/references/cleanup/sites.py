"""From what the syntax trees tell to what the clean-up replaces."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flagctl.references.classify import Lines
from flagctl.references.cleanup.replace import Place, Spot
from flagctl.references.python_methods import Answer, argument

if TYPE_CHECKING:
    from flagctl.references.python_project import Evaluation, Project


@dataclass(slots=True)
class Found:
    """The calls of one file.

    Attributes:
        spots: Those that may be replaced.
        lines: Line of each spot, by its number.
        problems: Lines of those that may not be, and why.
        names: Names that stand for the key in the file.
    """

    spots: dict[Place, Spot] = field(default_factory=dict)
    lines: dict[int, int] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()


def spots_of(project: Project, path: str, text: str, key: str, value: Any) -> Found:
    """Return the calls of a file that ask for a flag.

    Args:
        project: All Python files.
        path: The file.
        text: Its text.
        key: The flag.
        value: What it answers from now on.
    """
    found = Found()
    if path not in project.modules:
        return found
    lines = Lines(text.encode())
    names = set()
    for one in project.evaluations(path):
        if one.key != key:
            continue
        if one.via is not None and one.key_node is not None:
            names.add(one.via)
        problem = _problem(one, value)
        if problem is not None:
            found.problems[one.call.lineno] = problem
            continue
        number = len(found.spots)
        served = argument(one.call, 2, "default") is not None
        found.spots[_place(lines, one.call)] = Spot(number, one.method.answer, served)
        found.lines[number] = one.call.lineno
    module = project.modules[path]
    names |= {name for name, (constant, _) in module.constants.items() if constant == key}
    names |= project.names_in_overrides(path, key)
    found.names = frozenset(names)
    return found


def _problem(one: Evaluation, value: Any) -> str | None:
    name = one.method.name
    if one.wrapper is not None and not one.wrapper.is_plain:
        return f"{one.wrapper.last} does more than to ask for the flag"
    if one.method.answer is Answer.DECORATOR and isinstance(value, bool):
        return None
    if one.method.boolean and not isinstance(value, bool):
        return f"{name} asks a flag that is not boolean"
    expected: dict[str, tuple[type, ...]] = {
        "get_string": (str,),
        "get_integer": (int, float),
        "get_float": (int, float),
        "get_object": (dict, list),
    }
    for beginning, kinds in expected.items():
        if name.startswith(beginning) and (not isinstance(value, kinds) or isinstance(value, bool)):
            return f"{name} asks a flag of another type"
    return _default_problem(one, value)


def _default_problem(one: Evaluation, value: Any) -> str | None:
    if one.wrapper is not None or one.method.default is None or one.method.answer is not Answer.VALUE:
        return None
    node = argument(one.call, one.method.default, one.method.default_name)
    if not isinstance(node, ast.Constant) or node.value is None:
        return None
    numbers = isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if numbers and isinstance(value, int | float) and not isinstance(value, bool):
        return None
    return None if type(node.value) is type(value) else "its default is of another type, so that is what it gives"


def _place(lines: Lines, node: ast.expr) -> Place:
    def column(line: int, offset: int) -> int:
        return len(lines.text(line).encode()[:offset].decode("utf-8", "replace"))

    end_line, end = node.end_lineno or node.lineno, node.end_col_offset or 0
    return Place(node.lineno, column(node.lineno, node.col_offset), end_line, column(end_line, end))
