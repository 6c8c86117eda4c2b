"""One Python file: what its names stand for, and the calls that may evaluate a flag."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Import:
    """What an imported name is: a module, or a name in a module; `level` counts the dots of a relative import."""

    module: str
    name: str | None
    level: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """Names bound in a function: those that are one text for ever, and all others."""

    constants: Mapping[str, str]
    bound: frozenset[str]


@dataclass(frozen=True, slots=True)
class Site:
    """A call with where it stands: innermost scope last, and the names of the classes around it."""

    call: ast.Call
    scopes: tuple[Scope, ...]
    classes: tuple[str, ...]
    function: Function | None


@dataclass(slots=True)
class Module:
    """A parsed file.

    Attributes:
        path: The file.
        tree: Its syntax tree.
        constants: ``NAME`` and ``Class.NAME`` that are one text for ever, at the top of the module, with the assignment.
        imports: By local name.
        functions: ``name`` and ``Class.name`` with their definition.
        sites: All calls.
        docstrings: Lines that belong to documentation.
    """

    path: str
    tree: ast.Module
    constants: dict[str, tuple[str, ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    docstrings: set[int] = field(default_factory=set)

    @property
    def mentions_flags(self) -> bool:
        """Whether it imports flagctl or OpenFeature."""
        return any(one.module.split(".")[0] in {"flagctl", "openfeature"} for one in self.imports.values())


def parse(path: str, data: bytes) -> Module | None:
    """Return a file's facts; None if it is no Python of this version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other people's escape sequences
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    module = Module(path, tree)
    try:
        _Reader(module).visit(tree)
    except RecursionError:
        return None
    return module


class _Reader(ast.NodeVisitor):
    def __init__(self, module: Module) -> None:
        self._module = module
        self._scopes: tuple[Scope, ...] = ()
        self._classes: tuple[str, ...] = ()
        self._function: Function | None = None
        self._read_constants(module.tree.body, "")

    def visit_Import(self, node: ast.Import) -> None:
        for one in node.names:
            if one.asname:
                self._module.imports[one.asname] = Import(one.name, None)
            else:
                self._module.imports[one.name.split(".")[0]] = Import(one.name.split(".")[0], None)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for one in node.names:
            self._module.imports[one.asname or one.name] = Import(node.module or "", one.name, node.level)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._note_docstring(node)
        if self._function is None:
            self._read_constants(node.body, f"{node.name}.")
        outer, self._classes = self._classes, (*self._classes, node.name)
        self.generic_visit(node)
        self._classes = outer

    def visit_Module(self, node: ast.Module) -> None:
        self._note_docstring(node)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._enter(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._enter(node)

    def visit_Call(self, node: ast.Call) -> None:
        self._module.sites.append(Site(node, self._scopes, self._classes, self._function))
        self.generic_visit(node)

    def _enter(self, node: Function) -> None:
        self._note_docstring(node)
        if self._function is None:
            prefix = ".".join((*self._classes, ""))
            self._module.functions[prefix + node.name] = node
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(part)
        scopes, function, classes = self._scopes, self._function, self._classes
        self._scopes = (*scopes, _scope(node))
        self._function = node
        for statement in node.body:
            self.visit(statement)
        self._scopes, self._function, self._classes = scopes, function, classes

    def _read_constants(self, body: list[ast.stmt], prefix: str) -> None:
        seen: dict[str, int] = {}
        for statement in body:
            for name, value in _assigned(statement):
                seen[name] = seen.get(name, 0) + 1
                if value is not None and seen[name] == 1:
                    self._module.constants[prefix + name] = (value, statement)
                else:
                    self._module.constants.pop(prefix + name, None)

    def _note_docstring(self, node: ast.Module | ast.ClassDef | Function) -> None:
        if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
            text = node.body[0]
            if isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
                self._module.docstrings.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))


def _assigned(statement: ast.stmt) -> list[tuple[str, str | None]]:
    if isinstance(statement, ast.Assign):
        text = _text(statement.value)
        return [(target.id, text) for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [(statement.target.id, _text(statement.value))]
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        return [(statement.target.id, None)]
    return []


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _scope(function: Function) -> Scope:
    parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    bound = {one.arg for one in parameters}
    bound |= {one.arg for one in (function.args.vararg, function.args.kwarg) if one is not None}
    stores: dict[str, int] = {}
    constants: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            stores[node.id] = stores.get(node.id, 0) + 1
        elif isinstance(node, ast.Global | ast.Nonlocal):
            bound.update(node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            constants.update({name: text for name, text in _assigned(node) if text is not None})
    own = {name: text for name, text in constants.items() if stores.get(name) == 1 and name not in bound}
    return Scope(own, frozenset(bound | set(stores)))
