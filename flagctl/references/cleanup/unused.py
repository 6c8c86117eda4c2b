"""What nobody uses any more: imports, local variables, private functions. Only what was used before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import libcst as cst
from libcst.metadata import Assignment, FunctionScope, GlobalScope, MetadataWrapper, ParentNodeProvider, ScopeProvider

from flagctl.references.cleanup import shape
from flagctl.references.cleanup.fold import Folder
from flagctl.references.cleanup.marks import Guard, Marks

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS: Final = 6


@dataclass(slots=True)
class Leftovers:
    """What is unused and stays, because removing it could matter.

    Attributes:
        names: By name, why it stays.
    """

    names: dict[str, str] = field(default_factory=dict)


_GONE: Final = Marks()
_GONE_NAME: Final = _GONE.make(Guard(None, binds=False), -1).value


def gone_line() -> cst.Expr:
    """Return what stands for a removed statement until `sweep`, which takes care of the lines above it."""
    return cst.Expr(cst.Name(_GONE_NAME))


def gone_block(node: cst.FunctionDef | cst.ClassDef) -> cst.SimpleStatementLine:
    """Return what stands for a removed definition until `sweep`."""
    return cst.SimpleStatementLine([gone_line()], leading_lines=node.leading_lines)


def sweep(module: cst.Module) -> cst.Module:
    """Take out the statements that were marked as gone."""
    return module.visit(Folder(_GONE))


Key = tuple[str, str, str]
"""Kind (``import``, ``local``, ``definition``, ``decorated``), name of the function around it, name."""


def unused_names(module: cst.Module) -> dict[Key, list[cst.CSTNode]]:
    """Return what is bound in a file and never read in it, with the nodes that bind it."""
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    scopes = wrapper.resolve(ScopeProvider)
    parents = wrapper.resolve(ParentNodeProvider)
    exported = _exported(module)
    found: dict[Key, list[cst.CSTNode]] = {}
    seen: set[int] = set()
    for scope in scopes.values():
        if not isinstance(scope, FunctionScope | GlobalScope) or id(scope) in seen:
            continue
        seen.add(id(scope))
        where = getattr(scope, "name", None) or "" if isinstance(scope, FunctionScope) else ""
        for name in {one.name for one in scope.assignments}:
            bound = [one for one in scope[name] if one.scope is scope]
            if not bound or any(one.references for one in bound) or (not where and name.split(".")[0] in exported):
                continue
            kinds = {_kind(one, scope, parents) for one in bound}
            if len(kinds) == 1 and None not in kinds:
                key = (str(kinds.pop()), where, name)
                found.setdefault(key, []).extend(one.node for one in bound if isinstance(one, Assignment))
    return found


def remove_unused(
    before: cst.Module, after: cst.Module, is_used_elsewhere: Callable[[str], bool]
) -> tuple[cst.Module, Leftovers]:
    """Take out what a change has made useless.

    Args:
        before: The file before the change.
        after: After it.
        is_used_elsewhere: Whether another file imports a name of this one.
    """
    known = {key[1:] for key in unused_names(before)}
    leftovers = Leftovers()
    for _ in range(_ROUNDS):
        after = MetadataWrapper(after).module  # a copy in which no node stands twice
        unused = unused_names(after)
        fresh = {key: nodes for key, nodes in unused.items() if key[1:] not in known}
        gone: set[cst.CSTNode] = set()
        imports: dict[cst.CSTNode, set[str]] = {}
        for (kind, where, name), nodes in fresh.items():
            if not where and is_used_elsewhere(name):
                continue
            if kind == "decorated":
                continue
            if kind == "definition" and not name.startswith("_"):
                leftovers.names.setdefault(name, "nothing uses it any more")
                continue
            if kind == "import":
                for node in nodes:
                    imports.setdefault(node, set()).add(name)
            else:
                gone.update(nodes)
        for (kind, _, name), nodes in unused.items():
            # `import a.b` binds `a`, too, which nobody may ever have read by itself
            if kind == "import" and all(any(one.startswith(f"{name}.") for one in imports.get(n, ())) for n in nodes):
                for node in nodes:
                    imports[node].add(name)
        if not gone and not imports:
            break
        remover = _Remover(gone, imports)
        changed = sweep(after.visit(remover))
        for name in remover.kept:
            leftovers.names[name] = "its value is not used any more, but computing it may matter"
        if changed.deep_equals(after):
            break
        after = changed
    return after, leftovers


def _kind(one: Any, scope: Any, parents: Any) -> str | None:
    node = one.node if isinstance(one, Assignment) else None
    if isinstance(node, cst.Import | cst.ImportFrom):
        return "import"
    if isinstance(node, cst.FunctionDef | cst.ClassDef) and isinstance(scope, GlobalScope):
        return "decorated" if node.decorators else "definition"
    if isinstance(node, cst.Name) and isinstance(parents.get(node), cst.AssignTarget | cst.AnnAssign):
        if isinstance(scope, GlobalScope) and not one.name.startswith("_"):
            return None
        return "local"
    return None


def _exported(module: cst.Module) -> frozenset[str]:
    """Return the names in ``__all__``."""
    for statement in module.body:
        for one in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(one, cst.Assign) and any(
                isinstance(target.target, cst.Name) and target.target.value == "__all__" for target in one.targets
            ):
                strings = cst.Module([]).code_for_node(one.value)
                return frozenset(part.strip(" \"'()[]\n\t") for part in strings.split(","))
    return frozenset()


class _Remover(cst.CSTTransformer):
    """Removes bindings; blank lines and comments that belong to nothing else stay with what follows."""

    def __init__(self, gone: set[cst.CSTNode], imports: dict[cst.CSTNode, set[str]]) -> None:
        super().__init__()
        self.gone = gone
        self.imports = imports
        self.kept: set[str] = set()

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> Any:
        return self._without(original_node, updated_node, updated_node.names)

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> Any:
        if isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        return self._without(original_node, updated_node, updated_node.names)

    def _without(self, original: cst.CSTNode, node: Any, aliases: Any) -> Any:
        unused = self.imports.get(original, set())
        kept = [one for one in aliases if not _bound(one) <= unused]
        if len(kept) == len(aliases):
            return node
        if not kept:
            return gone_line()
        kept[-1] = kept[-1].with_changes(comma=aliases[-1].comma)
        return node.with_changes(names=kept)

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> Any:
        return gone_block(updated_node) if original_node in self.gone else updated_node

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> Any:
        return gone_block(updated_node) if original_node in self.gone else updated_node

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> Any:
        if len(original_node.targets) != 1 or original_node.targets[0].target not in self.gone:
            return updated_node
        if shape.is_pure(original_node.value):
            return gone_line()
        self.kept.add(cst.Module([]).code_for_node(original_node.targets[0].target))
        return updated_node

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> Any:
        if original_node.target not in self.gone:
            return updated_node
        if original_node.value is None or shape.is_pure(original_node.value):
            return gone_line()
        self.kept.add(cst.Module([]).code_for_node(original_node.target))
        return updated_node


def _bound(alias: cst.ImportAlias) -> set[str]:
    """Return the names under which libcst knows what an import binds: for ``a.b`` both ``a`` and ``a.b``."""
    if alias.evaluated_alias is not None:
        return {alias.evaluated_alias}
    parts = alias.evaluated_name.split(".")
    return {".".join(parts[: count + 1]) for count in range(len(parts))}


def remove_definitions(module: cst.Module, names: frozenset[str]) -> cst.Module:
    """Return a file without the constants and functions of these names: ``NAME`` or ``Class.NAME``."""
    return sweep(module.visit(_Definitions(names)))


class _Definitions(cst.CSTTransformer):
    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self.names = names
        self._around: list[str] = []

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self._around.append(node.name.value)

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> Any:
        self._around.pop()
        return updated_node

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._around.append(node.name.value)

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> Any:
        self._around.pop()
        return gone_block(updated_node) if self._named(original_node.name.value) in self.names else updated_node

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> Any:
        target = original_node.targets[0].target
        if len(original_node.targets) == 1 and isinstance(target, cst.Name) and self._named(target.value) in self.names:
            return gone_line()
        return updated_node

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> Any:
        target = original_node.target
        if isinstance(target, cst.Name) and self._named(target.value) in self.names:
            return gone_line()
        return updated_node

    def _named(self, name: str) -> str:
        return ".".join((*self._around, name))
