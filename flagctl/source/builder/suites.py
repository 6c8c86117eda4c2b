"""Test files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.model.json_value import UNSET
from flagctl.model.test_suite import Expectation, TestCase, TestSuite
from flagctl.source.builder.site import PRUNED, Site
from flagctl.source.document import Detail

if TYPE_CHECKING:
    from flagctl.diagnostics import Route

Data = dict[str, Any]


def build_test_suite(site: Site, data: Data) -> TestSuite:
    """Build a test file without the cases that are wrong."""
    shared = _Shared(site, data)
    cases = []
    for position, item in enumerate(data["cases"]):
        if item is PRUNED:
            continue
        before = site.count
        case = shared.case(item, ("cases", position))
        if site.count == before:
            cases.append(case)
    return TestSuite(
        path=site.document.path,
        cases=tuple(cases),
        context=data.get("context", {}),
        description=data.get("description"),
    )


class _Shared:
    """What the file says for all its cases."""

    def __init__(self, site: Site, data: Data) -> None:
        self.site = site
        self.flag: str | None = data.get("flag")
        self.environments = _environments(data)
        self.at_ms = site.instant(data.get("at"), ("at",))

    def case(self, item: Data, route: Route) -> TestCase:
        flag = item.get("flag", self.flag)
        if flag is None:
            self.site.report(
                "SCH103",
                "neither the case nor the file names a flag",
                route,
                Detail(help="write 'flag: KEY' at the top of the file", part="head"),
            )
        environments = _environments(item)
        at_ms = self.site.instant(item.get("at"), (*route, "at"))
        return TestCase(
            name=item["name"],
            flag=flag or "",
            expect=_expectation(item["expect"], (*route, "expect")),
            environments=self.environments if environments is None else environments,
            at_ms=self.at_ms if at_ms is None else at_ms,
            context=item.get("context", {}),
            contexts=tuple(item.get("contexts", ())),
            matrix={name: tuple(values) for name, values in item.get("matrix", {}).items()},
            default=item.get("default", UNSET),
            route=route,
        )


def _environments(data: Data) -> tuple[str, ...] | None:
    if "environment" in data:
        return (data["environment"],)
    return tuple(data["environments"]) if "environments" in data else None


def _expectation(data: Data, route: Route) -> Expectation:
    get = data.get
    return Expectation(
        variant=get("variant", UNSET),
        value=get("value", UNSET),
        reason=get("reason", UNSET),
        rule=get("rule", UNSET),
        error_code=get("error_code", UNSET),
        route=route,
    )
