"""Names that hold a mark: where they are read, the mark may stand itself, and then the name can go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst
from libcst.metadata import (
    Assignment,
    ClassScope,
    ComprehensionScope,
    FunctionScope,
    GlobalScope,
    MetadataWrapper,
    ParentNodeProvider,
    Scope,
    ScopeProvider,
)

from flagctl.references.cleanup.marks import Details, Guard, Mark, Marks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DECIDING = (cst.Comparison, cst.ComparisonTarget, cst.BooleanOperation, cst.If, cst.IfExp, cst.While, cst.Assert)


def propagate(module: cst.Module, marks: Marks, is_used_elsewhere: Callable[[str], bool]) -> cst.Module:
    """Return a file with marks in place of names that hold them.

    Args:
        module: The file.
        marks: Its marks.
        is_used_elsewhere: Whether another file imports a name of this one.
    """
    wrapper = MetadataWrapper(module, unsafe_skip_copy=False)
    scopes = wrapper.resolve(ScopeProvider)
    parents = wrapper.resolve(ParentNodeProvider)
    reads: dict[cst.CSTNode, Mark] = {}
    gone: set[cst.CSTNode] = set()
    seen: set[int] = set()
    for scope in scopes.values():
        if scope is None or id(scope) in seen or isinstance(scope, ClassScope | ComprehensionScope):
            continue
        seen.add(id(scope))
        for name in {one.name for one in scope.assignments}:
            _name(name, scope, _Tools(marks, parents, is_used_elsewhere), reads, gone)
    if not reads and not gone:
        return wrapper.module
    return wrapper.module.visit(_Writer(marks, reads, gone))


class _Tools:
    def __init__(
        self, marks: Marks, parents: Mapping[cst.CSTNode, Any], is_used_elsewhere: Callable[[str], bool]
    ) -> None:
        self.marks = marks
        self.parents = parents
        self.is_used_elsewhere = is_used_elsewhere

    def held(self, node: cst.CSTNode) -> tuple[cst.CSTNode, Mark] | None:
        """Return the assignment of a target, and the mark it holds."""
        parent = self.parents.get(node)
        if isinstance(parent, cst.AssignTarget):
            parent = self.parents[parent]
            if not isinstance(parent, cst.Assign) or len(parent.targets) != 1:
                return None
        if not isinstance(parent, cst.Assign | cst.AnnAssign | cst.NamedExpr):
            return None
        mark = self.marks.get(parent.value)
        return None if mark is None or isinstance(mark.value, Guard) else (parent, mark)


def _name(name: str, scope: Scope, tools: _Tools, reads: dict[cst.CSTNode, Mark], gone: set[cst.CSTNode]) -> None:
    if not isinstance(scope, FunctionScope | GlobalScope):
        return
    assignments = list(scope[name])
    if len(assignments) != 1 or not isinstance(assignments[0], Assignment) or assignments[0].scope is not scope:
        return
    held = tools.held(assignments[0].node)
    if held is None:
        return
    statement, mark = held
    uses = [access.node for access in assignments[0].references]
    if any(not isinstance(node, cst.Name) for node in uses):
        return
    chosen = [node for node in uses if _may_stand(node, mark, uses, tools)]
    reads.update(dict.fromkeys(chosen, mark))
    if len(chosen) == len(uses) and not (isinstance(scope, GlobalScope) and tools.is_used_elsewhere(name)):
        gone.add(statement)


def _may_stand(node: cst.CSTNode, mark: Mark, uses: list[Any], tools: _Tools) -> bool:
    parent = tools.parents.get(node)
    if isinstance(parent, cst.Del | cst.AugAssign | cst.NamedExpr) and getattr(parent, "target", None) is node:
        return False
    if isinstance(mark.value, Details):
        return isinstance(parent, cst.Attribute) and parent.attr.value in {"value", "variant"}
    if isinstance(mark.value, bool):
        return True
    if isinstance(mark.value, dict | list):
        return isinstance(parent, cst.Subscript)
    if isinstance(parent, _DECIDING) or (isinstance(parent, cst.Match) and parent.subject is node):
        return True
    if isinstance(parent, cst.UnaryOperation) and isinstance(parent.operator, cst.Not):
        return True
    return len(uses) == 1 and not isinstance(parent, cst.FormattedStringExpression | cst.Attribute)


class _Writer(cst.CSTTransformer):
    def __init__(self, marks: Marks, reads: Mapping[cst.CSTNode, Mark], gone: set[cst.CSTNode]) -> None:
        super().__init__()
        self.marks = marks
        self.reads = reads
        self.gone = gone

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        mark = self.reads.get(original_node)
        return updated_node if mark is None else self.marks.make(mark.value, mark.site)

    def leave_NamedExpr(self, original_node: cst.NamedExpr, updated_node: cst.NamedExpr) -> cst.BaseExpression:
        return updated_node.value if original_node in self.gone else updated_node

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> Any:
        # as an expression of a mark, it goes with the next fold, which takes care of lines and comments
        return cst.Expr(updated_node.value) if original_node in self.gone else updated_node

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> Any:
        if original_node in self.gone and updated_node.value is not None:
            return cst.Expr(updated_node.value)
        return updated_node
