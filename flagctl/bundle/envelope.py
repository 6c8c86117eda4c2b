"""Signed envelopes: DSSE (Dead Simple Signing Envelope) with Ed25519 or ECDSA P-256.

What is signed is the pre-authentication encoding of the payload's type and bytes::

    "DSSEv1" SP length(type) SP type SP length(payload) SP payload

so a signature over a kill list can never pass for one over a manifest. An envelope::

    {"payload": "eyJ0eXBlIjoi…", "payloadType": "application/vnd.flagctl.manifest.v1+json",
     "signatures": [{"keyid": "3b6a…", "sig": "mZ0b…"}]}

Rules:

- Signatures are checked over the payload's bytes as received; the payload is parsed afterwards, once.
- ``keyid`` is a hint for which key to try first. It proves nothing, and a wrong one spoils nothing.
- What counts towards a threshold is the number of *different keys* with a valid signature. Two signatures by one key are
  refused altogether: no honest signer writes them.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from flagctl.bundle.fields import parse_object
from flagctl.errors import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_POINTER: Final = 64 * 1024
"""Most bytes of an envelope that are read at all."""

MAX_SIGNATURES: Final = 16
"""Most signatures in an envelope and most keys in a role: bounds the work of one check."""

ED25519: Final = "ed25519"
ECDSA_P256: Final = "ecdsa-p256"

_PREFIXES: Final = {
    ED25519: bytes.fromhex("302a300506032b6570032100"),
    ECDSA_P256: bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
}
"""SubjectPublicKeyInfo up to the key itself. Both forms have a fixed length, so a key has exactly one encoding and one id."""
_RAW_LENGTHS: Final = {ED25519: 32, ECDSA_P256: 65}
_UNCOMPRESSED_POINT: Final = 4

_MALFORMED: Final = "malformed-envelope"
_PAYLOAD_TYPE: Final = re.compile(r"[a-z0-9.+/-]{1,100}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_KEYID: Final = re.compile(r"[0-9A-Za-z:/+=._-]{0,200}")


class PublicKey(NamedTuple):
    """A public key.

    Attributes:
        scheme: ``ed25519`` or ``ecdsa-p256``.
        raw: The 32 bytes of an Ed25519 key, or the uncompressed point (65 bytes) of a P-256 key.
    """

    scheme: str
    raw: bytes

    @property
    def der(self) -> bytes:
        """The key as SubjectPublicKeyInfo in DER."""
        return _PREFIXES[self.scheme] + self.raw

    @property
    def keyid(self) -> str:
        """SHA-256 of `der`, in hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()


class Role(NamedTuple):
    """Who may sign something: at least `threshold` of these different keys."""

    keys: tuple[PublicKey, ...]
    threshold: int


class Signature(NamedTuple):
    """One signature of an envelope; `keyid` is an unproven hint."""

    keyid: str
    value: bytes


class Envelope(NamedTuple):
    """A parsed envelope; nothing in it is trusted yet."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


class EnvelopeSigner(Protocol):
    """What `seal` needs of a signer; `flagctl.signing.Signer` fits."""

    @property
    def keyid(self) -> str:
        """Id of the public key."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`."""


def public_key_from_der(der: bytes) -> PublicKey | None:
    """Return the key of a SubjectPublicKeyInfo, or None if it is not an Ed25519 or uncompressed P-256 key."""
    for scheme, prefix in _PREFIXES.items():
        raw = der[len(prefix) :]
        if der.startswith(prefix) and len(raw) == _RAW_LENGTHS[scheme]:
            if scheme == ECDSA_P256 and raw[0] != _UNCOMPRESSED_POINT:
                return None
            return PublicKey(scheme, raw)
    return None


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload_type: str, payload: bytes, signers: Iterable[EnvelopeSigner]) -> bytes:
    """Return an envelope, as JSON, with one signature of each signer."""
    message = pre_authentication_encoding(payload_type, payload)
    document = {
        "payload": _encode(payload),
        "payloadType": payload_type,
        "signatures": [{"keyid": signer.keyid, "sig": _encode(signer.sign(message))} for signer in signers],
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def add_signatures(data: bytes, signers: Iterable[EnvelopeSigner]) -> bytes:
    """Return an envelope with further signatures over the same payload, for people who sign one after the other.

    Raises:
        UntrustedError: As `parse_envelope`.
    """
    envelope = parse_envelope(data)
    added = json.loads(seal(envelope.payload_type, envelope.payload, signers))
    present = [{"keyid": item.keyid, "sig": _encode(item.value)} for item in envelope.signatures]
    added["signatures"] = [*present, *added["signatures"]]
    return json.dumps(added, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def valid_signers(envelope: Envelope, keys: Sequence[PublicKey]) -> frozenset[str]:
    """Return the ids of those of the keys that have signed an envelope."""
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    signed = (_signed_by(signature, message, keys) for signature in envelope.signatures)
    return frozenset(key.keyid for key in signed if key is not None)


def parse_envelope(data: bytes, *, what: str = "the envelope") -> Envelope:
    """Parse an envelope without trusting it.

    Args:
        data: Received bytes.
        what: Names the document in messages.

    Raises:
        UntrustedError: ``too-large`` or ``malformed-envelope``.
    """
    if len(data) > MAX_POINTER:
        raise UntrustedError(f"{what} is larger than {MAX_POINTER} bytes", reason="too-large")
    fields = parse_object(data, what=what, reason=_MALFORMED)
    payload_type = fields.text("payloadType", _PAYLOAD_TYPE)
    payload = _decode(fields.text("payload", _BASE64), what)
    signatures = tuple(
        Signature(item.optional_text("keyid", _KEYID) or "", _decode(item.text("sig", _BASE64), what))
        for item in fields.children("signatures", most=MAX_SIGNATURES)
    )
    return Envelope(payload_type, payload, signatures)


def verify_signatures(envelope: Envelope, role: Role, *, what: str = "the envelope") -> frozenset[str]:
    """Check that enough different keys of a role have signed.

    Args:
        envelope: As received.
        role: Keys and threshold.
        what: Names the document in messages.

    Returns:
        Ids of the keys whose signatures are valid.

    Raises:
        UntrustedError: ``missing-signature``, ``duplicate-signature``, ``unknown-key``, ``bad-signature`` or
            ``threshold-not-met``.
    """
    if not envelope.signatures:
        raise UntrustedError(f"{what} carries no signature", reason="missing-signature")
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    valid: set[str] = set()
    for signature in envelope.signatures:
        key = _signed_by(signature, message, role.keys)
        if key is None:
            continue
        if key.keyid in valid:
            raise UntrustedError(f"{what} is signed twice by the key {key.keyid[:16]}", reason="duplicate-signature")
        valid.add(key.keyid)
    if len(valid) >= role.threshold:
        return frozenset(valid)
    if valid:
        raise UntrustedError(
            f"{what} is signed by {len(valid)} of the {role.threshold} keys that are needed", reason="threshold-not-met"
        )
    known = {key.keyid for key in role.keys}
    if any(signature.keyid in known for signature in envelope.signatures):
        raise UntrustedError(f"the signature of {what} does not fit its content", reason="bad-signature")
    raise UntrustedError(
        f"{what} is signed by a key that the trust root does not list for it",
        reason="unknown-key",
        hint="if keys were rotated, update trust.json; see: flagctl trust show",
    )


def _signed_by(signature: Signature, message: bytes, keys: Sequence[PublicKey]) -> PublicKey | None:
    """Return the key that made a signature; the hinted key is tried first because it nearly always is the one."""
    for key in sorted(keys, key=lambda key: key.keyid != signature.keyid):
        if verify_one(key, signature.value, message):
            return key
    return None


def verify_one(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether `signature` (raw for Ed25519, DER for ECDSA) was made over `message` by `key`."""
    # Imported here: evaluating flags needs no cryptography, and the import costs a quarter of the start-up budget.
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415

    try:
        if key.scheme == ED25519:
            from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415

            ed25519.Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, message)
        else:
            from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
            from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.raw)
            point.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _encode(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _decode(text: str, what: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise UntrustedError(f"{what} holds text that is not base64", reason=_MALFORMED) from error
