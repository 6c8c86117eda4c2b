"""The sections `policy` and `owners` of `flagctl.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.model import ApprovalPolicy, Breaking, EnvironmentPolicy, FreezeWindow, Owner, Policy

if TYPE_CHECKING:
    from flagctl.diagnostics import Route
    from flagctl.source.builder.site import Site

Data = dict[str, Any]


def build_policy(site: Site, data: Data) -> Policy:
    """Build the section `policy`."""
    freeze = []
    for position, item in enumerate(data.get("freeze") or ()):
        before = site.count
        window = _freeze(site, item, ("policy", "freeze", position))
        if site.count == before:
            freeze.append(window)
    return Policy(
        environments={
            name: _environment(site, part, ("policy", "environments", name))
            for name, part in (data.get("environments") or {}).items()
        },
        freeze=tuple(freeze),
    )


def _freeze(site: Site, data: Data, route: Route) -> FreezeWindow:
    from_ms = site.instant(data["from"], (*route, "from")) or 0
    until_ms = site.instant(data["until"], (*route, "until")) or 0
    if from_ms and until_ms and from_ms >= until_ms:
        site.report("SCH110", "the window is empty: 'until' must be later than 'from'", (*route, "until"))
    return FreezeWindow(
        from_ms=from_ms,
        until_ms=until_ms,
        reason=data["reason"],
        environments=tuple(data["environments"]) if "environments" in data else None,
        route=route,
    )


def _environment(site: Site, data: Data, route: Route) -> EnvironmentPolicy:
    approvals = data.get("approvals")

    def thousandths(name: str) -> int | None:
        return None if name not in data else site.thousandths(data[name], (*route, name))

    return EnvironmentPolicy(
        approvals=None
        if approvals is None
        else ApprovalPolicy(
            required=int(approvals.get("required", 1)), from_owners=approvals.get("from_owners", False)
        ),
        separation_of_duties=data.get("separation_of_duties", False),
        max_percentage_step=thousandths("max_percentage_step"),
        max_switching=thousandths("max_switching"),
        max_flags=int(data["blast_radius"]["flags"]) if "blast_radius" in data else None,
        tests_required=data.get("tests_required", False),
        locked_experiments=data.get("locked_experiments", False),
        breaking=Breaking(data["breaking"]) if "breaking" in data else None,
        route=route,
    )


def build_owners(data: Data) -> dict[str, Owner]:
    """Build the section `owners`."""
    return {name: _owner(name, part) for name, part in data.items()}


def _owner(name: str, data: str | Data) -> Owner:
    route = ("owners", name)
    if isinstance(data, str):
        return Owner(name=name, handle=data, route=route)
    members = tuple(member.removeprefix("@") for member in data.get("members", ()))
    return Owner(name=name, handle=data["handle"], members=members, route=route)
