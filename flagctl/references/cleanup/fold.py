"""Folding of statements: the branch that is never taken goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import libcst as cst

from flagctl.references.cleanup import shape
from flagctl.references.cleanup.fold_expressions import ExpressionFolder
from flagctl.references.cleanup.marks import Details, Guard, Marks, literal

if TYPE_CHECKING:
    from collections.abc import Sequence


class Folder(ExpressionFolder):
    """One pass over a file; repeated until nothing changes.

    Args:
        marks: The marks of the file.

    Attributes:
        broken: Places that can't be folded without changing what a function is, with the reason.
    """

    def __init__(self, marks: Marks) -> None:
        super().__init__(marks)
        self.broken: dict[int, str] = {}
        self._elifs: set[cst.If] = set()

    def visit_If(self, node: cst.If) -> None:
        """Remember which ones are an ``elif``."""
        if isinstance(node.orelse, cst.If):
            self._elifs.add(node.orelse)

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> Any:
        """Decide an ``elif``; the others are decided with their block."""
        updated_node = self._with_test(original_node, updated_node)
        mark = self._decided(updated_node.test)
        if original_node not in self._elifs or mark is None:
            return updated_node
        self.changed = True
        if mark:
            return cst.Else(body=updated_node.body, leading_lines=updated_node.leading_lines)
        return cst.RemoveFromParent() if updated_node.orelse is None else updated_node.orelse

    def leave_While(self, original_node: cst.While, updated_node: cst.While) -> Any:
        """Simplify the test."""
        return self._with_test(original_node, updated_node)

    def leave_Assert(self, original_node: cst.Assert, updated_node: cst.Assert) -> Any:
        """Simplify the test."""
        return self._with_test(original_node, updated_node)

    def leave_Finally(self, original_node: cst.Finally, updated_node: cst.Finally) -> Any:
        """Drop what does nothing any more; a ``try`` without an ``except`` needs it."""
        around = self._above[-2]
        emptied = _does_something(original_node.body) and not _does_something(updated_node.body)
        if emptied and isinstance(around, cst.Try | cst.TryStar) and around.handlers:
            return cst.RemoveFromParent()
        return updated_node

    def leave_CompIf(self, original_node: cst.CompIf, updated_node: cst.CompIf) -> Any:
        """Simplify the test; a condition that always holds goes."""
        updated_node = self._with_test(original_node, updated_node)
        if self._decided(updated_node.test):
            self.changed = True
            return cst.RemoveFromParent()
        return updated_node

    def leave_IndentedBlock(self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock) -> Any:
        """Decide the statements of a block."""
        body, footer = self._body(updated_node.body, updated_node.footer)
        return updated_node.with_changes(body=body, footer=footer)

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        """Decide the statements of the file."""
        body, footer = self._body(updated_node.body, updated_node.footer)
        return updated_node.with_changes(body=body, footer=footer)

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> Any:
        """See that a function is still of the same nature."""
        if self.changed:
            before, after = shape.nature(original_node), shape.nature(updated_node)
            if before != after:
                what = "a generator" if before[0] != after[0] else "without its global or nonlocal names"
                reason = (
                    f"{original_node.name.value} would be {what if before[0] == after[0] else 'no generator any more'}"
                )
                for site in self.marks.within(original_node):
                    self.broken[site] = reason
        return updated_node

    def _body(
        self, statements: Sequence[Any], footer: Sequence[cst.EmptyLine]
    ) -> tuple[list[Any], list[cst.EmptyLine]]:
        result: list[Any] = []
        pending: list[cst.EmptyLine] = []
        for statement in statements:
            parts, tail = self._statement(statement)
            for position, part in enumerate(parts):
                lines = joined_lines(part, pending) if position == 0 or pending else part
                result.append(lines)
                pending = []
            if not parts:
                pending = shape.joined(pending, shape.unattached(getattr(statement, "leading_lines", ())))
            pending += tail
            if parts and parts[-1] is not statement and any(map(shape.terminates, parts)):
                break  # what follows is never reached any more
        else:
            return result, [*pending, *footer] if any(line.comment for line in pending) else list(footer)
        return result, [line for line in pending if line.comment]

    def _statement(self, statement: Any) -> tuple[list[Any], list[cst.EmptyLine]]:
        """Return what a statement becomes, and comments for what follows."""
        if isinstance(statement, cst.If):
            return self._if(statement)
        if isinstance(statement, cst.While) and self._decided(statement.test) is False:
            self.changed = True
            return self._spliced(statement, None if statement.orelse is None else statement.orelse.body)
        if isinstance(statement, cst.With):
            return self._with(statement)
        if isinstance(statement, cst.Match):
            return self._match(statement)
        if isinstance(statement, cst.SimpleStatementLine):
            kept = [one for one in statement.body if not self._is_empty(one)]
            if len(kept) == len(statement.body):
                return [statement], []
            self.changed = True
            return ([statement.with_changes(body=kept)] if kept else []), []
        return [statement], []

    def _is_empty(self, statement: cst.BaseSmallStatement) -> bool:
        if isinstance(statement, cst.Assert):
            return self._decided(statement.test) is True
        return isinstance(statement, cst.Expr) and self.marks.get(statement.value) is not None

    def _if(self, statement: cst.If) -> tuple[list[Any], list[cst.EmptyLine]]:
        decided = self._decided(statement.test)
        if decided is None:
            empty = isinstance(statement.body, cst.IndentedBlock) and not statement.body.body
            if empty and statement.orelse is None and shape.is_pure(statement.test):
                self.changed = True
                return [], []
            return [statement], []
        self.changed = True
        if decided:
            return self._spliced(statement, statement.body)
        if isinstance(statement.orelse, cst.If):
            lines = shape.joined(shape.unattached(statement.leading_lines), statement.orelse.leading_lines)
            return self._if(statement.orelse.with_changes(leading_lines=lines))
        return self._spliced(statement, None if statement.orelse is None else statement.orelse.body)

    @staticmethod
    def _spliced(statement: Any, suite: cst.BaseSuite | None) -> tuple[list[Any], list[cst.EmptyLine]]:
        if suite is None:
            return [], []
        parts: list[Any] = shape.statements_of(suite)
        if len(parts) == 1 and isinstance(parts[0], cst.SimpleStatementLine):
            only = parts[0].body
            if len(only) == 1 and isinstance(only[0], cst.Pass):
                return [], shape.footer_of(suite)
        if parts:
            lines = shape.joined(statement.leading_lines, parts[0].leading_lines)
            parts[0] = parts[0].with_changes(leading_lines=lines)
        return parts, shape.footer_of(suite)

    def _with(self, statement: cst.With) -> tuple[list[Any], list[cst.EmptyLine]]:
        kept, bound = [], []
        for item in statement.items:
            mark = self.marks.get(item.item)
            if mark is None or not isinstance(mark.value, Guard):
                kept.append(item)
            elif item.asname is not None:
                name = item.asname.name
                if not mark.value.binds or not isinstance(name, cst.Name):
                    self.broken[mark.site] = "what 'as' binds is not known"
                    return [statement], []
                bound.append(
                    cst.SimpleStatementLine(
                        [cst.Assign([cst.AssignTarget(cst.Name(name.value))], self._mark(mark.value.value, mark.site))]
                    )
                )
        if len(kept) == len(statement.items):
            return [statement], []
        self.changed = True
        if kept:
            kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            body = [*bound, *shape.statements_of(statement.body)]
            block = cst.IndentedBlock(body, footer=shape.footer_of(statement.body))
            return [statement.with_changes(items=kept, body=block)], []
        parts, tail = self._spliced(statement, statement.body)
        if bound and parts:
            bound[0] = bound[0].with_changes(leading_lines=parts[0].leading_lines)
            parts[0] = parts[0].with_changes(leading_lines=())
        return [*bound, *parts], tail

    def _match(self, statement: cst.Match) -> tuple[list[Any], list[cst.EmptyLine]]:
        mark = self.marks.get(statement.subject)
        if mark is None or isinstance(mark.value, Details):
            return [statement], []
        for case in statement.cases:
            fits = _fits(case.pattern, mark.value)
            guard = True if case.guard is None else self._decided(case.guard)
            if fits is False or guard is False:
                continue
            if fits is None or guard is None:
                self.broken[mark.site] = "a case can't be decided"
                return [statement], []
            self.changed = True
            return self._spliced(statement, case.body)
        self.changed = True
        return [], []


def joined_lines(statement: Any, pending: Sequence[cst.EmptyLine]) -> Any:
    """Return a statement with further lines above it."""
    if not pending or not hasattr(statement, "leading_lines"):
        return statement
    return statement.with_changes(leading_lines=shape.joined(pending, statement.leading_lines))


def _does_something(suite: cst.BaseSuite) -> bool:
    for line in suite.body:
        parts = line.body if isinstance(line, cst.SimpleStatementLine) else (line,)
        if any(not isinstance(one, cst.Pass) for one in parts):
            return True
    return False


def _fits(pattern: cst.MatchPattern, value: Any) -> bool | None:
    if isinstance(pattern, cst.MatchValue):
        known, expected = literal(pattern.value)
        return bool(expected == value) if known else None
    if isinstance(pattern, cst.MatchSingleton):
        known, expected = literal(pattern.value)
        return expected is value if known else None
    if isinstance(pattern, cst.MatchOr):
        answers = [_fits(one.pattern, value) for one in pattern.patterns]
        return True if True in answers else None if None in answers else False
    if isinstance(pattern, cst.MatchAs) and pattern.pattern is None and pattern.name is None:
        return True
    return None
