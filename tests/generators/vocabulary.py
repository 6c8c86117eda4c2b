"""Attributes that generated flags read, and constants they compare them with.

The pools are small on purpose: contexts draw from the same pools, so that conditions are near their edges most of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flagctl.model import Attribute, AttributeType

if TYPE_CHECKING:
    from random import Random

BASE_MS = 1_796_083_200_000
"""2026-12-01T00:00:00Z, the instant that generated schedules lie around."""
HOUR_MS = 3_600_000

STRINGS = (
    "DE", "de", "FR", "US", "straße", "STRASSE", "ß", "ss", "İstanbul", "i̇stanbul", "日本語", "😀", "é", "e\u0301",
    "1", "1.0", "true", "null", "on", "a", "A", "ab", "abc", "b", "K", "\u212a", "ſ", "s", "line\nbreak", "tab\t",
    'quote"', "back\\slash", "\u2028", "\x7f", " ", "user-1", "- dash", "key: value", "#", "ﬁn", "Ǆ", "ǆ", "Σ", "ς",
)  # fmt: skip
EMAILS = (
    "ann@acme.com", "ANN@ACME.COM", "bob@acme.com.evil.org", "@acme.com", "x@partner.example", "bob@STRASSE.example",
    "bob@straße.example",
)  # fmt: skip
EMAIL_PARTS = ("@acme.com", "ann", "ANN", "bob@", "acme", "@straße.example", ".org")
NUMBERS = (0, 1, -1, 2, 5, 10, 99, 100, 100.5, 0.1, 0.5, -2.25, 1e15, 2**53, -(2**53), 1e-9, 3.0)
UNITS = (
    *tuple(f"user-{n}" for n in range(60)),
    "42",
    "-7",
    "日本語-ユーザー",
    "😀",
    "00000000-0000-0000-0000-000000000000",
)
VERSIONS = (
    "1.2.3", "v1.2.3", "1.2", "1", "v2", "1.2.3-rc.1", "1.2-rc.1", "1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-alpha.beta",
    "1.2.3-beta.2", "1.2.3-beta.11", "1.2.3+build.5", "1.2.3-rc.1+b", "10.0.0", "2.0.0", "1.10.0", "1.9.9", "0.0.0",
    "1.2.3--", "1.0.0-0", "1.0.0-a-b", "999999999999999999999.0.0",
)  # fmt: skip
NOT_VERSIONS = (
    "01.2.3",
    "1.2.3.4",
    "1.2.3-01",
    "1.",
    "",
    "V1",
    "1.2.3-",
    "1.2.3+",
    " 1.2.3",
    "1.2.3\n",
    "x",
    "١.٢.٣",
    "1..2",
)
INSTANTS = (
    "2026-11-20T00:00:00Z", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00.000001Z", "2026-12-01t01:00:00+01:00",
    "2026-12-01T00:00:00.5Z", "1969-12-31T23:59:59.9Z", "1970-01-01T00:00:00z", "2016-12-31T23:59:60Z",
    "2026-11-30T16:00:00-08:00", "9999-12-31T23:59:59Z", "2024-02-29T12:00:00Z",
)  # fmt: skip
NOT_INSTANTS = (
    "2026-12-01", "2026-12-01T00:00:00", "2026-12-01 00:00:00Z", "2026-12-01T00:00Z", "2026-13-01T00:00:00Z", "0", "",
    "2025-02-29T00:00:00Z", "2026-12-01T24:00:00Z", "2026-12-01T00:00:61Z", "2026-12-01T00:00:00,5Z", "20261201T000000Z",
    "2026-12-01T00:00:00.Z", "2026-12-01T00:00:00+0100", "2026-12-01T00:00:00+24:00", "2026-12-01T00:00:00Z\n",
    "٢٠٢٦-12-01T00:00:00Z", "2026-12-01T00:00:00+01:60", "-2026-12-01T00:00:00Z", "2026-W49-2T00:00:00Z",
)  # fmt: skip
EPOCH_SECONDS = (0, 1_796_083_200, 1_796_083_200.5, -1, 1_796_083_200.000001, 0.25)
NETWORKS = (
    "10.0.0.0/8", "192.168.1.0/24", "192.168.1.7/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "::1/128", "::ffff:10.1.0.0/112",
    "fe80::/10", "203.0.113.128/25",
)  # fmt: skip
ADDRESSES = (
    "10.0.0.1", "10.255.255.255", "11.0.0.0", "192.168.1.7", "192.168.1.8", "2001:db8::1", "2001:DB8:0:0:0:0:0:1", "::1",
    "::ffff:10.1.2.3", "::ffff:a01:203", "fe80::1", "203.0.113.127", "203.0.113.128", "::", "0.0.0.0", "::10.0.0.1",  # noqa: S104 - nothing binds to it
)  # fmt: skip
NOT_ADDRESSES = (
    "10.0.0",
    "010.0.0.1",
    "10.0.0.1 ",
    "fe80::1%eth0",
    "10.0.0.1/32",
    "",
    "1.2.3.256",
    ":::",
    "12345::",
    "0x7f.0.0.1",
)
PATTERNS = {
    "^[a-z]+@acme\\.com$": ("ann@acme.com", "ann@acme.com\n", "Ann@acme.com"),
    "(?i)^ann": ("ANN@ACME.COM", "xann", "ann", "Ann"),
    "a|b": ("a", "xbx", "c"),
    "^$": ("", "\n", "a"),
    "[^a]$": ("ab", "\n", "a", "\ud800"),
    "x{2,3}y?$": ("xx", "xxxy", "x", "xy", "xxxxx"),
    "\\d{3}": ("123", "12", "٣٣٣", "a1234"),
    "\\w\\s\\w": ("a b", "a\tb", "a\u00a0b", "_ _", "é é"),
    "日本|語$": ("日本語", "語", "本"),
    "(?:foo|ba[rz])+": ("foobar", "ba", "baz"),
    ".": ("\n", "x", "😀", ""),
    "(?i)k|s": ("K", "\u212a", "ſ", "S"),
    "[\\D]": ("1", "a", ""),
    "": ("", "anything"),
    "a.c": ("abc", "a\nc", "a😀c", "ac"),
    "[b-y😀]": ("😀", "b", "z"),
}
MEMBERS = ("admin", "beta", "1", 1, 1.5, True, False, "DE", "straße", 0)
"""Members of lists; as constants, no two of one type class are equal."""


@dataclass(frozen=True)
class Word:
    """An attribute, what type it is declared with (None: not declared), and where its constants come from."""

    path: tuple[str, ...]
    type: AttributeType | None
    strings: tuple[str, ...] = STRINGS
    enum: tuple[str, ...] | None = None
    required: bool = False


COUNTRIES = ("DE", "FR", "US", "JP")
PLANS = ("free", "pro", "enterprise")
WORDS = (
    Word(("targeting_key",), AttributeType.STRING, UNITS[:20]),
    Word(("country",), AttributeType.STRING, COUNTRIES, COUNTRIES),
    Word(("plan",), AttributeType.STRING, PLANS, PLANS, required=True),
    Word(("email",), AttributeType.STRING, EMAIL_PARTS + EMAILS),
    Word(("title",), AttributeType.STRING),
    Word(("seats",), AttributeType.NUMBER),
    Word(("score",), AttributeType.NUMBER),
    Word(("beta",), AttributeType.BOOLEAN),
    Word(("app_version",), AttributeType.SEMVER, VERSIONS),
    Word(("signed_up_at",), AttributeType.DATETIME, INSTANTS),
    Word(("ip",), AttributeType.IP, ADDRESSES),
    Word(("groups",), AttributeType.LIST),
    Word(("device", "os"), None, ("ios", "android", "iOS")),
    Word(("device", "specs", "ram"), AttributeType.NUMBER),
    Word(("device.os",), None, ("ios", "literal")),
    Word(("a.b", "c"), None),
    Word(("account_id",), None, UNITS[:10]),
    Word(("company", "id"), None, UNITS[:10]),
    Word(("anything",), None),
    Word(("other",), None),
)
UNIT_PATHS = (("account_id",), ("company", "id"), ("device.os",), ("email",), ("device", "specs", "ram"))


def declared_attributes() -> dict[tuple[str, ...], Attribute]:
    """Return the vocabulary as `flagctl.yaml` declares it; what is not declared stays open."""
    return {
        word.path: Attribute(path=word.path, type=word.type, enum=word.enum, required=word.required)
        for word in WORDS
        if word.type is not None
    }


def sample(rng: Random, pool: tuple[object, ...], most: int) -> list[object]:
    """Draw one to `most` different members of a pool."""
    return rng.sample(pool, rng.randint(1, min(most, len(pool))))
