"""The constants of a condition, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.evaluator.operators import NEGATION, OPERATORS, ValueKind
from flagctl.model import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.diagnostics import Route
    from flagctl.lint.context import LintContext
    from flagctl.lint.sites import ConditionSite
    from flagctl.model import AttributeCondition


class Constant(NamedTuple):
    """One constant and where it stands."""

    value: Any
    route: Route


def constants(condition: AttributeCondition) -> Iterator[Constant]:
    """Yield what a condition compares with; the members of a list singly."""
    value = condition.value
    if isinstance(value, list):
        for index, member in enumerate(value):
            yield Constant(member, (*condition.route, "value", index))
    elif value is not UNSET:
        yield Constant(value, (*condition.route, "value"))


def sites_with(context: LintContext, *kinds: ValueKind) -> Iterator[tuple[ConditionSite, Constant]]:
    """Yield every constant of the operators, negated ones included, that compare with one of `kinds`."""
    names = {operator.name for operator in OPERATORS.values() if operator.value in kinds}
    names |= {NEGATION + name for name in names}
    for (_, name), sites in context.conditions.uses.items():
        if name in names:
            for site in sites:
                for constant in constants(site.condition):
                    yield site, constant
