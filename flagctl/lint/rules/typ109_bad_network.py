"""TYP109: a constant that is no IP network."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.evaluator.networks import parse_network
from flagctl.evaluator.operators import ValueKind
from flagctl.lint.constants import sites_with
from flagctl.lint.edits import rewrite, scalar
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TYP109",
    name="bad-network",
    severity=Severity.ERROR,
    summary="The constant of `in_network` is not an IP network in CIDR notation.",
    why=(
        "A network is an address and a prefix length, with the bits behind the prefix clear. With bits set it is unclear"
        " whether one address was meant or all of them, and that is a question for its author."
    ),
    bad="""\
kind: flag
key: debug-bar
type: boolean
default: off
rules:
  - {id: office, when: [{attribute: ip, operator: in_network, value: [10.1.2.3/16]}], serve: on}
""",
    good="""\
kind: flag
key: debug-bar
type: boolean
default: off
rules:
  - {id: office, when: [{attribute: ip, operator: in_network, value: [10.1.0.0/16]}], serve: on}
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each constant that is no network."""
    for site, (value, route) in sites_with(context, ValueKind.NETWORKS):
        if not isinstance(value, str) or parse_network(value) is not None:
            continue
        place = Place(site.path, route)
        network = _network(value)
        if network is None:
            message, help_text = f"{shown(value)} is not an IP network", "write one as in 10.0.0.0/8 or 2001:db8::/32"
        else:
            message = f"{shown(value)} has bits set behind its prefix"
            help_text = f"the network is {network}; one single address is /{network.max_prefixlen}"
        yield Finding(
            place=place,
            message=message,
            help=help_text,
            fix=rewrite(context, place, scalar(str(network)), title=f"write {network}")
            if network is not None
            else None,
            key=site.key,
        )


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network that is meant if host bits are the only trouble."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return network if parse_network(str(network)) is not None else None
