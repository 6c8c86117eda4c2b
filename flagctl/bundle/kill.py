"""The kill list: flags that are forced to their `off` variant, whatever the bundle says.

It is signed by a role of its own, which can do nothing but this, so its key may lie closer to hand than the one that publishes.
Its payload is one canonical JSON object::

    {"env": "production", "epoch": 1, "issued": "2026-12-21T09:00:00Z",
     "kills": [{"actor": "ada", "flag": "payments-v2", "reason": "payments time out", "time": "2026-12-21T09:00:00Z",
                "until": "2026-12-21T13:00:00Z"}],
     "nonce": "9f0c…", "previous": "…", "project": "acme-shop", "requires": {"features": [], "min_version": "0.1.0"},
     "seq": 7, "trust": 1, "type": "flagctl.kill", "v": 1}

The whole list is replaced each time; ``seq`` rises with every list of an epoch. ``until`` reminds people: a flag stays off
until a later list leaves it out. A list does not expire, because an outage must not bring a flag back.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final, NamedTuple

from flagctl.bundle.canonical import canonical_json
from flagctl.bundle.fields import LINE, NAME, SHA256, Fields, format_instant, parse_object
from flagctl.bundle.manifest import MIN_VERSION, KillFloor, check_kind
from flagctl.errors import UntrustedError

PAYLOAD_TYPE: Final = "application/vnd.flagctl.kill.v1+json"
TYPE: Final = "flagctl.kill"

MAX_KILLS: Final = 256
"""Most flags of one list."""
MAX_KILL_LIST: Final = 45 * 1024
"""Most bytes of a payload: with its signatures and in base64 the envelope stays below the limit for pointers."""

KNOWN_FEATURES: Final[frozenset[str]] = frozenset()
"""What `requires` of a kill list may name and this version understands."""

_REASON: Final = "malformed-kills"
_WHAT: Final = "the kill list"
_NONCE: Final = re.compile(r"[0-9a-f]{16}")


class Kill(NamedTuple):
    """One flag that is forced off.

    Attributes:
        flag: Key of the flag.
        reason: Why, one line.
        actor: Who did it, as they say.
        time: When, seconds since 1970.
        until: When somebody should look at it again, seconds since 1970; None if nothing was said.
    """

    flag: str
    reason: str
    actor: str
    time: int
    until: int | None = None


class KillList(NamedTuple):
    """A kill list's content.

    Attributes:
        project: Project.
        environment: Environment.
        epoch: Epoch of the root of trust it was made under.
        seq: Rises by one with every list of an epoch.
        previous: SHA-256 of the previous payload, None for the first.
        issued: Seconds since 1970.
        trust: Version of the root of trust it was made under.
        kills: The flags, ascending.
        nonce: 16 random hexadecimal digits, or None.
        digest: SHA-256 of the payload; empty until it was parsed from one.
        data: The envelope it came in, for keeping and for pinning; empty until it was read from one.
    """

    project: str
    environment: str
    epoch: int
    seq: int
    previous: str | None
    issued: int
    trust: int
    kills: tuple[Kill, ...] = ()
    nonce: str | None = None
    digest: str = ""
    data: bytes = b""

    @property
    def flags(self) -> frozenset[str]:
        """Keys of the flags that are forced off."""
        return frozenset(kill.flag for kill in self.kills)

    @property
    def floor(self) -> KillFloor:
        """What a manifest says to pin this list: its number and the digest of its envelope."""
        return KillFloor(self.seq, hashlib.sha256(self.data).hexdigest())


def write_kill_list(kills: KillList) -> bytes:
    """Return a kill list's payload.

    Raises:
        ValueError: If it holds more than readers accept.
    """
    document: dict[str, Any] = {
        "type": TYPE,
        "v": 1,
        "project": kills.project,
        "env": kills.environment,
        "epoch": kills.epoch,
        "seq": kills.seq,
        "previous": kills.previous,
        "issued": format_instant(kills.issued),
        "trust": kills.trust,
        "kills": [_kill_document(kill) for kill in sorted(kills.kills)],
        "requires": {"features": [], "min_version": MIN_VERSION},
    }
    if kills.nonce is not None:
        document["nonce"] = kills.nonce
    payload = canonical_json(document)
    if len(payload) > MAX_KILL_LIST or len(kills.kills) > MAX_KILLS:
        raise ValueError(
            f"a kill list of {len(kills.kills)} flags and {len(payload)} bytes is larger than readers accept"
        )
    return payload


def parse_kill_list(payload: bytes) -> KillList:
    """Parse a payload whose signatures were checked.

    Raises:
        UntrustedError: ``malformed-kills``, ``wrong-type``, ``unsupported-version`` or ``requires-newer``.
    """
    if len(payload) > MAX_KILL_LIST:
        raise UntrustedError(f"{_WHAT} is larger than {MAX_KILL_LIST} bytes", reason=_REASON)
    fields = parse_object(payload, what=_WHAT, reason=_REASON)
    check_kind(fields, what="kill list", kind=TYPE, known=KNOWN_FEATURES)
    kills = tuple(_kill(item) for item in fields.children("kills", most=MAX_KILLS))
    if len({kill.flag for kill in kills}) != len(kills):
        fields.refuse("names a flag twice")
    return KillList(
        project=fields.text("project", NAME),
        environment=fields.text("env", NAME),
        epoch=fields.integer("epoch"),
        seq=fields.integer("seq"),
        previous=fields.optional_text("previous", SHA256),
        issued=fields.instant("issued"),
        trust=fields.integer("trust"),
        kills=tuple(sorted(kills)),
        nonce=fields.optional_text("nonce", _NONCE),
        digest=hashlib.sha256(payload).hexdigest(),
    )


def _kill(fields: Fields) -> Kill:
    return Kill(
        flag=fields.text("flag", NAME),
        reason=fields.text("reason", LINE),
        actor=fields.text("actor", LINE),
        time=fields.instant("time"),
        until=None if fields.is_null("until") else fields.instant("until"),
    )


def _kill_document(kill: Kill) -> dict[str, Any]:
    document: dict[str, Any] = {
        "flag": kill.flag,
        "reason": kill.reason,
        "actor": kill.actor,
        "time": format_instant(kill.time),
    }
    if kill.until is not None:
        document["until"] = format_instant(kill.until)
    return document
