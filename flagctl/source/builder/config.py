"""`flagctl.yaml`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

from flagctl.model import Attribute, AttributeType, ContextSchema, Environment, RemoteConfig, RepositoryConfig
from flagctl.source.builder.policy import build_owners, build_policy
from flagctl.source.builder.site import attribute_path
from flagctl.source.document import Detail

if TYPE_CHECKING:
    from flagctl.diagnostics import Route
    from flagctl.source.builder.site import Site

_CLAUSE: Final = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*([0-9]+(?:\.[0-9]+)*)\s*\Z")


def build_config(site: Site, data: dict[str, Any]) -> RepositoryConfig:
    """Build the configuration."""
    remote = _remote(data.get("remote"), ("remote",), None)
    _check_version(site, data.get("required_version"))
    return RepositoryConfig(
        path=site.document.path,
        version=int(data["version"]),
        project=data["project"],
        environments={name: _environment(name, part or {}, remote) for name, part in data["environments"].items()},
        context=_context(data.get("context") or {}),
        lint=data.get("lint") or {},
        owner=data.get("owner"),
        owners=build_owners(data.get("owners") or {}),
        policy=build_policy(site, data.get("policy") or {}),
        references=data.get("references") or {},
    )


def _remote(data: dict[str, Any] | None, route: Route, outer: RemoteConfig | None) -> RemoteConfig | None:
    if data is None:
        return outer
    return RemoteConfig(
        url=data["url"],
        endpoint_url=data.get("endpoint_url"),
        region=data.get("region"),
        trust=data.get("trust") or (outer.trust if outer else None),
        l2=data.get("l2"),
        route=route,
    )


def _environment(name: str, data: dict[str, Any], remote: RemoteConfig | None) -> Environment:
    route = ("environments", name)
    return Environment(
        name=name,
        protected=data.get("protected", False),
        description=data.get("description"),
        remote=_remote(data.get("remote"), (*route, "remote"), remote),
        route=route,
    )


def _context(data: dict[str, Any]) -> ContextSchema:
    attributes = {}
    for name, part in data.get("attributes", {}).items():
        path = attribute_path(name)
        enum = part.get("enum")
        attributes[path] = Attribute(
            path=path,
            type=AttributeType(part["type"]),
            enum=None if enum is None else tuple(enum),
            required=part.get("required", False),
            pii=part.get("pii", False),
            description=part.get("description"),
            route=("context", "attributes", name),
        )
    return ContextSchema(attributes=attributes, additional=data.get("additional", "allow") == "allow")


def _check_version(site: Site, required: str | None) -> None:
    if required is None:
        return
    route: Route = ("required_version",)
    version = _version()
    installed = _numbers(version)
    for clause in required.split(","):
        match = _CLAUSE.match(clause)
        if match is None:
            site.report(
                "SCH118",
                f"'{required[:60]}' is not a range of versions",
                route,
                Detail(help='write it like ">=0.3" or ">=0.3, <2"'),
            )
            return
        if not _holds(installed, match[1], _numbers(match[2])):
            site.report(
                "SCH118",
                f"this repository needs flagctl {required}, and this is {version}",
                route,
                Detail(help=f'install a fitting version: pip install "flagctl[cli]{required.replace(" ", "")}"'),
            )
            return


def _version() -> str:
    # The package itself stands above this one; an import of it here would turn the layers upside down.
    version: str = sys.modules["flagctl"].__version__
    return version


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    numbers = [int(part) for part in match.group().split(".")] if match else [0]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _holds(installed: tuple[int, ...], operator: str, wanted: tuple[int, ...]) -> bool:
    return {
        ">=": installed >= wanted,
        "<=": installed <= wanted,
        "==": installed == wanted,
        "!=": installed != wanted,
        ">": installed > wanted,
        "<": installed < wanted,
    }[operator]
