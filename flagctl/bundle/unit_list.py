"""Pointers to membership lists: which file of hashed units is a list now, signed like a manifest.

A list is too large for a bundle and changes at other times, so no manifest pins it. Instead each list has a small signed
document of its own, under a payload type of its own, by the role that publishes the environment. Its payload is one
canonical JSON object::

    {"count": 5000000, "env": "production", "epoch": 1, "generated": "2026-12-21T09:00:00Z", "issued": "2026-12-21T09:05:00Z",
     "list": "vip-customers", "project": "acme-shop", "requires": {"features": [], "min_version": "0.1.0"}, "seq": 3,
     "sha256": "…", "size": 40000064, "stale_after": 172800, "trust": 1, "type": "flagctl.list", "v": 1}

``seq`` rises with every version of a list within an epoch. ``stale_after`` (seconds, may be absent) says how old the units
may be before answers that rest on them are marked; they go on counting. The file itself is in `flagctl.evaluator.lists`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.bundle.accept import check_place
from flagctl.bundle.canonical import canonical_json
from flagctl.bundle.envelope import parse_envelope, verify_signatures
from flagctl.bundle.fields import NAME, SHA256, format_instant, parse_object
from flagctl.bundle.manifest import MIN_VERSION, check_kind
from flagctl.bundle.newer import check_newer
from flagctl.errors import UntrustedError
from flagctl.evaluator.lists import HASH_SIZE, HEADER_SIZE, MAX_UNITS

if TYPE_CHECKING:
    from flagctl.bundle.accept import Trusted

PAYLOAD_TYPE: Final = "application/vnd.flagctl.list.v1+json"
TYPE: Final = "flagctl.list"

MAX_SIZE: Final = HEADER_SIZE + HASH_SIZE * MAX_UNITS
"""Most bytes of a list's file."""

_REASON: Final = "malformed-list"
_WHAT: Final = "the list"


class ListPointer(NamedTuple):
    """Which file is a list now.

    Attributes:
        project: Project.
        environment: Environment.
        epoch: Epoch of the root of trust it was made under.
        seq: Rises with every version of the list within an epoch.
        issued: Seconds since 1970.
        trust: Version of the root of trust it was made under.
        name: The list.
        units: Units in it.
        generated: When its units were put together, seconds since 1970.
        sha256: Of the file.
        size: Bytes of the file.
        stale_after: Seconds after `generated` from which on it is stale; None: never.
        digest: SHA-256 of the payload; empty until it was parsed from one.
    """

    project: str
    environment: str
    epoch: int
    seq: int
    issued: int
    trust: int
    name: str
    units: int
    generated: int
    sha256: str
    size: int
    stale_after: int | None = None
    digest: str = ""


def list_key(environment: str, name: str) -> str:
    """Return the place of a list's pointer."""
    return f"{environment}/lists/{name}.json"


def list_file_key(environment: str, sha256: str) -> str:
    """Return the place of a list's file, named by its SHA-256."""
    return f"{environment}/list-files/{sha256}"


def write_pointer(pointer: ListPointer) -> bytes:
    """Return a pointer's payload."""
    document: dict[str, Any] = {
        "type": TYPE,
        "v": 1,
        "project": pointer.project,
        "env": pointer.environment,
        "epoch": pointer.epoch,
        "seq": pointer.seq,
        "issued": format_instant(pointer.issued),
        "trust": pointer.trust,
        "list": pointer.name,
        "count": pointer.units,
        "generated": format_instant(pointer.generated),
        "sha256": pointer.sha256,
        "size": pointer.size,
        "requires": {"features": [], "min_version": MIN_VERSION},
    }
    if pointer.stale_after is not None:
        document["stale_after"] = pointer.stale_after
    return canonical_json(document)


def read_pointer(state: Trusted, data: bytes, name: str) -> ListPointer:
    """Check a list's pointer as a reader does that holds none yet.

    Args:
        state: The root of trust, project and environment.
        data: The envelope, as received.
        name: The list.

    Raises:
        UntrustedError: It is not signed by the environment's publishers, or of another project, environment, epoch or
            list; or malformed.
    """
    envelope = parse_envelope(data, what=_WHAT)
    if state.root is not None:
        role = state.root.publish.get(state.environment)
        if role is None:
            raise UntrustedError(f"nobody publishes '{state.environment}'", reason="unknown-environment")
        verify_signatures(envelope, role, what=_WHAT)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise UntrustedError("the envelope does not hold a list", reason="wrong-payload-type")
    pointer = parse_pointer(envelope.payload)
    check_place(state, pointer, _WHAT)
    if pointer.name != name:
        raise UntrustedError(f"it is the list '{pointer.name}', not '{name}'", reason="wrong-list")
    return pointer


def is_newer(held: ListPointer | None, pointer: ListPointer) -> bool:
    """Return whether a pointer is another one than the held one.

    Raises:
        UntrustedError: ``rollback`` if it is older, ``equivocation`` if it is another one of the same number.
    """
    return check_newer(held, pointer, "version", "publishing key")


def check_file(pointer: ListPointer, data: Any) -> None:
    """Compare a list's file with its pointer.

    Raises:
        UntrustedError: ``wrong-list-size`` or ``wrong-list-digest``.
    """
    if len(data) != pointer.size:
        raise UntrustedError("the list's file does not have the size that is signed", reason="wrong-list-size")
    if hashlib.sha256(data).hexdigest() != pointer.sha256:
        raise UntrustedError("the list's file is not the one that is signed", reason="wrong-list-digest")


def parse_pointer(payload: bytes) -> ListPointer:
    """Read a pointer's payload, whoever signed it.

    Raises:
        UntrustedError: It is malformed, or needs a newer flagctl.
    """
    fields = parse_object(payload, what=_WHAT, reason=_REASON)
    check_kind(fields, what="list", kind=TYPE, known=frozenset())
    return ListPointer(
        project=fields.text("project", NAME),
        environment=fields.text("env", NAME),
        epoch=fields.integer("epoch"),
        seq=fields.integer("seq"),
        issued=fields.instant("issued"),
        trust=fields.integer("trust"),
        name=fields.text("list", NAME),
        units=fields.integer("count", 0, MAX_UNITS),
        generated=fields.instant("generated"),
        sha256=fields.text("sha256", SHA256),
        size=fields.integer("size", HEADER_SIZE, MAX_SIZE),
        stale_after=None if fields.is_null("stale_after") else fields.integer("stale_after"),
        digest=hashlib.sha256(payload).hexdigest(),
    )
