"""What test files name: flags, environments, variants and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flagctl.lint.finding import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.diagnostics import Route
    from flagctl.lint.context import LintContext


class Expected(NamedTuple):
    """A name that a test case expects in the answer of a flag."""

    flag: str
    name: str
    place: Place


def tested_flags(context: LintContext) -> Iterator[tuple[str, Place]]:
    """Yield each flag that is tested, and where; a file's own flag once."""
    for suite in context.tests:
        seen: set[Route] = set()
        for case in suite.cases:
            route = _own_or_shared(context, suite.path, case.route, "flag")
            if route not in seen:
                seen.add(route)
                yield case.flag, Place(suite.path, route)


def tested_environments(context: LintContext) -> Iterator[tuple[str, Place]]:
    """Yield each environment that is tested in, and where; a file's own ones once."""
    for suite in context.tests:
        seen: set[Route] = set()
        for case in suite.cases:
            for index, name in enumerate(case.environments or ()):
                route = _own_or_shared(context, suite.path, case.route, "environment", "environments")
                if route[-1] == "environments":
                    route = (*route, index)
                if route not in seen:
                    seen.add(route)
                    yield name, Place(suite.path, route)


def expected_variants(context: LintContext) -> Iterator[Expected]:
    """Yield each variant that is expected."""
    for suite in context.tests:
        for case in suite.cases:
            if isinstance(case.expect.variant, str):
                yield Expected(case.flag, case.expect.variant, Place(suite.path, (*case.expect.route, "variant")))


def expected_rules(context: LintContext) -> Iterator[Expected]:
    """Yield each rule that is expected."""
    for suite in context.tests:
        for case in suite.cases:
            if isinstance(case.expect.rule, str):
                yield Expected(case.flag, case.expect.rule, Place(suite.path, (*case.expect.route, "rule")))


def _own_or_shared(context: LintContext, path: str, route: Route, *keys: str) -> Route:
    """Return where a case says something: in itself, else at the top of its file."""
    document = context.documents.get(path)
    data: object = document.data if document is not None else None
    for step in route:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
    own: Mapping[str, object] = data if isinstance(data, dict) else {}
    for key in keys:
        if key in own:
            return (*route, key)
    shared = document.data if document is not None and document.data else {}
    return (next((key for key in keys if key in shared), keys[0]),)
