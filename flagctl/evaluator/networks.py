"""IP addresses and networks as integers; an IPv4-mapped IPv6 address counts as IPv4.

The grammar is that of the `ipaddress` module without zone ids; own code because a condition parses an address on
every evaluation, and `ipaddress` takes several microseconds for one.
"""

from __future__ import annotations

import re
from typing import Final

_OCTET: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}")
_GROUP: Final = re.compile(r"[0-9A-Fa-f]{1,4}")
_PREFIX: Final = re.compile(r"0|[1-9][0-9]{0,2}")
_LONGEST: Final = 45
"""Characters of the longest address there is."""
_MAPPED: Final = 0xFFFF


def parse_address(text: str) -> tuple[int, int] | None:
    """Return (IP version, address as an integer), or None if the text is no IPv4 or IPv6 address.

    >>> parse_address("::ffff:10.0.0.1")
    (4, 167772161)
    """
    if len(text) > _LONGEST:
        return None
    match = _IPV4.fullmatch(text)
    if match is not None:
        return 4, _ipv4(match)
    address = _ipv6(text)
    if address is None:
        return None
    if address >> 32 == _MAPPED:
        return 4, address & 0xFFFF_FFFF
    return 6, address


def parse_network(text: str) -> tuple[int, int, int] | None:
    """Return (IP version, first address, prefix length) of a network in CIDR notation, or None if it is none.

    Host bits must be clear. An address without a length is the network of that address alone. IPv4-mapped networks
    of /96 and longer are returned as IPv4.

    >>> parse_network("10.0.0.0/8")
    (4, 167772160, 8)
    """
    address_text, slash, length_text = text.partition("/")
    address = parse_address(address_text)
    if address is None:
        return None
    version, first = address
    width = 32 if version == 4 else 128
    length = width
    if slash:
        if _PREFIX.fullmatch(length_text) is None:
            return None
        length = int(length_text)
        if version == 4 and ":" in address_text:
            if length < 96:
                return None  # the mapped range's own sixteen ones are host bits then
            length -= 96
    if length > width or first & ((1 << (width - length)) - 1):
        return None
    return version, first, length


def _ipv4(match: re.Match[str]) -> int:
    return int(match[1]) << 24 | int(match[2]) << 16 | int(match[3]) << 8 | int(match[4])


def _ipv6(text: str) -> int | None:
    head, gap, tail = text.partition("::")
    before = _groups(head, ends=not gap)
    after = _groups(tail, ends=True)
    if before is None or after is None:
        return None
    missing = 8 - len(before) - len(after)
    if missing < 1 if gap else missing != 0:
        return None
    address = 0
    for group in (*before, *[0] * missing, *after):
        address = address << 16 | group
    return address


def _groups(text: str, *, ends: bool) -> list[int] | None:
    """Return the 16-bit groups of a part of an IPv6 address; only the part that `ends` it may close with an IPv4."""
    if not text:
        return []
    parts = text.split(":")
    groups: list[int] = []
    for index, part in enumerate(parts):
        if _GROUP.fullmatch(part) is not None:
            groups.append(int(part, 16))
            continue
        match = _IPV4.fullmatch(part) if ends and index == len(parts) - 1 else None
        if match is None:
            return None
        address = _ipv4(match)
        groups += (address >> 16, address & 0xFFFF)
    return groups
