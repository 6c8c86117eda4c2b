"""The root of trust: which keys may sign what, for one project.

An app ships one version of it and follows the chain from there::

    version N  ──signed by──▶  version N + 1 carries the thresholds of N's root role and of its own root role

Rules:

- Exactly one step at a time; the project never changes; the epoch never falls.
- Removing a key that may be in wrong hands raises ``epoch``: manifests and kill lists of the old epoch are then refused,
  and their sequence numbers start again.
- A root that has expired is still used: its expiry is a reminder for people, not a reason to stop evaluation.

The payload::

    {"epoch": 1, "expires": "2031-12-21T00:00:00Z", "keys": {"<key id>": {"public": "<base64 of the DER>", "scheme": "ed25519"}},
     "project": "acme-shop", "requires": {"features": [], "min_version": "0.1.0"},
     "roles": {"kill": {"production": {"keyids": […], "threshold": 1}}, "publish": {"production": {…}}, "root": {…}},
     "type": "flagctl.trust", "v": 1, "version": 1}
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.bundle.canonical import canonical_json
from flagctl.bundle.envelope import (
    MAX_SIGNATURES,
    PublicKey,
    Role,
    parse_envelope,
    public_key_from_der,
    seal,
    verify_signatures,
)
from flagctl.bundle.fields import NAME, SHA256, Fields, format_instant, parse_object
from flagctl.bundle.manifest import MIN_VERSION, check_kind
from flagctl.errors import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.bundle.envelope import EnvelopeSigner

PAYLOAD_TYPE: Final = "application/vnd.flagctl.trust.v1+json"
TYPE: Final = "flagctl.trust"
MAX_KEYS: Final = 128
MAX_ENVIRONMENTS: Final = 64

KNOWN_FEATURES: Final[frozenset[str]] = frozenset()
"""What `requires` of a root may name and this version understands."""

_REASON: Final = "malformed-trust"
_WHAT: Final = "the trust root"
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{1,200}={0,2}")
_SCHEME: Final = re.compile(r"[a-z0-9-]{1,32}")


class TrustRoot(NamedTuple):
    """A verified root of trust.

    Attributes:
        project: The project it belongs to.
        version: 1, 2, ….
        epoch: Equals the epoch of every manifest and kill list that is accepted.
        expires: Seconds since 1970.
        root: Who may make the next version.
        publish: By environment, who may sign manifests.
        kill: By environment, who may sign kill lists.
        data: The envelope it came in, for passing it on.
    """

    project: str
    version: int
    epoch: int
    expires: int
    root: Role
    publish: Mapping[str, Role]
    kill: Mapping[str, Role]
    data: bytes = b""


def write_trust(root: TrustRoot, signers: Iterable[EnvelopeSigner]) -> bytes:
    """Return a signed envelope with the root's content (`data` is not part of it)."""
    roles = [root.root, *root.publish.values(), *root.kill.values()]
    document: dict[str, Any] = {
        "type": TYPE,
        "v": 1,
        "project": root.project,
        "version": root.version,
        "epoch": root.epoch,
        "expires": format_instant(root.expires),
        "keys": {
            key.keyid: {"scheme": key.scheme, "public": binascii.b2a_base64(key.der, newline=False).decode()}
            for role in roles
            for key in role.keys
        },
        "roles": {
            "root": _role_document(root.root),
            "publish": {name: _role_document(role) for name, role in root.publish.items()},
            "kill": {name: _role_document(role) for name, role in root.kill.items()},
        },
        "requires": {"features": [], "min_version": MIN_VERSION},
    }
    return seal(PAYLOAD_TYPE, canonical_json(document), signers)


def read_trust(data: bytes) -> TrustRoot:
    """Read a root that is trusted because of where it comes from: a file of the app, an option of the author.

    It must carry its own threshold of signatures, so that a torn or edited file is noticed.

    Raises:
        UntrustedError: ``malformed-trust``, ``wrong-payload-type`` or a code of `parse_envelope`, `verify_signatures`
            or `check_kind`.
    """
    root = read_draft(data)
    verify_signatures(parse_envelope(data, what=_WHAT), root.root, what=_WHAT)
    return root


def read_draft(data: bytes) -> TrustRoot:
    """Read a root that is being made: nobody may have signed it yet, so nothing may be trusted because of it.

    Raises:
        UntrustedError: As `read_trust`, but for those of `verify_signatures`.
    """
    envelope = parse_envelope(data, what=_WHAT)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise UntrustedError("the envelope does not hold a trust root", reason="wrong-payload-type")
    return _parse(envelope.payload)._replace(data=data)


def next_trust(current: TrustRoot, data: bytes) -> TrustRoot:
    """Take one step along the chain.

    Raises:
        UntrustedError: As `read_trust`; also ``wrong-project``, ``wrong-trust-version``, ``wrong-trust-epoch``, and the codes of
            `verify_signatures` for the current root's own threshold.
    """
    envelope = parse_envelope(data, what=_WHAT)
    verify_signatures(envelope, current.root, what=_WHAT)
    root = read_trust(data)
    if root.project != current.project:
        raise UntrustedError(
            f"the next trust root is of the project '{root.project}', not of '{current.project}'",
            reason="wrong-project",
        )
    if root.version != current.version + 1:
        raise UntrustedError(
            f"the next trust root has version {root.version}, expected {current.version + 1}",
            reason="wrong-trust-version",
        )
    if root.epoch < current.epoch:
        raise UntrustedError(
            f"the next trust root falls back from epoch {current.epoch} to {root.epoch}", reason="wrong-trust-epoch"
        )
    return root


def _parse(payload: bytes) -> TrustRoot:
    fields = parse_object(payload, what=_WHAT, reason=_REASON)
    check_kind(fields, what="trust root", kind=TYPE, known=KNOWN_FEATURES)
    keys = _keys(fields)
    roles = fields.child("roles")
    return TrustRoot(
        project=fields.text("project", NAME),
        version=fields.integer("version"),
        epoch=fields.integer("epoch"),
        expires=fields.instant("expires"),
        root=_role(roles.child("root"), keys),
        publish=_roles(roles.child("publish"), keys),
        kill=_roles(roles.child("kill"), keys),
    )


def _keys(fields: Fields) -> dict[str, PublicKey]:
    table = fields.child("keys")
    names = table.names()
    if not 1 <= len(names) <= MAX_KEYS or not all(SHA256.fullmatch(name) for name in names):
        fields.refuse("has no valid 'keys'")
    return {name: _key(table.child(name), name) for name in names}


def _key(fields: Fields, keyid: str) -> PublicKey:
    scheme = fields.text("scheme", _SCHEME)
    try:
        der = binascii.a2b_base64(fields.text("public", _BASE64), strict_mode=True)
    except ValueError:
        fields.refuse("has no valid 'public'")
    key = public_key_from_der(der)
    if key is None or key.scheme != scheme:
        fields.refuse(f"has a public key that is not a {scheme} key")
    if key.keyid != keyid:
        fields.refuse("has a key under the id of another")
    return key


def _roles(fields: Fields, keys: Mapping[str, PublicKey]) -> dict[str, Role]:
    names = fields.names()
    if len(names) > MAX_ENVIRONMENTS or not all(NAME.fullmatch(name) for name in names):
        fields.refuse("has an invalid environment")
    return {name: _role(fields.child(name), keys) for name in names}


def _role(fields: Fields, keys: Mapping[str, PublicKey]) -> Role:
    keyids = fields.texts("keyids", SHA256, most=MAX_SIGNATURES)
    if not keyids or any(keyid not in keys for keyid in keyids):
        fields.refuse("names no key, or one that is not in 'keys'")
    return Role(tuple(keys[keyid] for keyid in keyids), fields.integer("threshold", 1, len(keyids)))


def _role_document(role: Role) -> dict[str, Any]:
    return {"keyids": [key.keyid for key in role.keys], "threshold": role.threshold}
