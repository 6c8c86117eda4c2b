"""The manifest: the small signed document that says which bundle of an environment is current.

Its payload is one canonical JSON object of at most 4096 bytes (the limit of a message to AWS KMS)::

    {"bundle": {"blob_sha256": "…", "blob_size": 808211, "enc": "gzip", "sha256": "…", "size": 5120331},
     "deltas": [], "env": "production", "epoch": 1, "expires": "2027-01-20T09:00:00Z",
     "git": {"commit": "…", "ref": "refs/heads/main"}, "issued": "2026-12-21T09:00:00Z", "kill_floor": null,
     "nonce": "9f0c…", "previous": "…", "project": "acme-shop", "requires": {"features": [], "min_version": "0.1.0"},
     "seq": 42, "trust": 1, "type": "flagctl.manifest", "v": 1}

``epoch`` and ``seq`` order the manifests of an environment; ``previous`` is the SHA-256 of the payload before this one;
``nonce`` makes any two manifests different, so that a publisher can tell its own write from a twin's. Only a manifest for which
rules of the policy were set aside has ``overrides``, a list of ``{"rule": …, "reason": …, "by": …}``.

A manifest is read by every application whenever something changes, so each of ``deltas`` is a short text,
``"2f6b9a1c04de:Yk3v…:242"``: the first 12 hexadecimal digits of the SHA-256 of the bundle that it leads from, the first 128
bits of the stored delta's SHA-256 (base64url), and its size. Nothing rests on the length of either: what a delta leads to has
to have the digest in ``bundle``. An item of any other form is a short cut for other readers, and ignored.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from typing import Any, Final, NamedTuple

from flagctl.bundle.canonical import canonical_json
from flagctl.bundle.fields import (
    COMMIT,
    FEATURE,
    LINE,
    MAX_INTEGER,
    NAME,
    SHA256,
    VERSION,
    Fields,
    format_instant,
    parse_object,
)
from flagctl.errors import UntrustedError

PAYLOAD_TYPE: Final = "application/vnd.flagctl.manifest.v1+json"
TYPE: Final = "flagctl.manifest"
VERSION_NUMBER: Final = 1

MAX_MANIFEST: Final = 4096
"""Most bytes of a payload."""
MAX_BUNDLE: Final = 256 * 1024 * 1024
"""Most bytes of a plain bundle; some 500 000 flags."""
MAX_BLOB: Final = 64 * 1024 * 1024
"""Most bytes of a stored bundle."""
MAX_DELTAS: Final = 8
FEWEST_DELTAS: Final = 2
LEAN_MANIFEST: Final = 960
"""Bytes up to which a payload has room for deltas. All clients read all of them, so the oldest make way, down to the fewest."""
MAX_OVERRIDES: Final = 8

KNOWN_FEATURES: Final[frozenset[str]] = frozenset()
"""What `requires` may name and this version understands."""

MIN_VERSION: Final = "0.1.0"
"""The first flagctl that reads manifests as written here."""

_REASON: Final = "malformed-manifest"
_NONCE: Final = re.compile(r"[0-9a-f]{16}")
_ENCODING: Final = re.compile(r"[a-z]{1,16}")
_URL_SAFE: Final = str.maketrans("+/", "-_")
_DELTA: Final = re.compile(r"([0-9a-f]{12}):([A-Za-z0-9_-]{22}):([1-9][0-9]{0,6})")
_SOURCE_LENGTH: Final = 12
_DIGEST_LENGTH: Final = 22
_RULE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


class BundleRef(NamedTuple):
    """Which bundle: digest and size of the plain bytes and of the stored ones (`enc` says how they are packed)."""

    sha256: str
    size: int
    blob_sha256: str
    blob_size: int
    enc: str = "gzip"


class Delta(NamedTuple):
    """A line patch that leads to the current bundle.

    Attributes:
        source: How the digest of the bundle that it leads from begins; the delta's name has it too.
        digest: The first 128 bits of the SHA-256 of the stored patch, in base64url.
        size: Bytes of the stored patch.
    """

    source: str
    digest: str
    size: int

    def leads_from(self, sha256: str) -> bool:
        """Return whether it leads from the bundle with this digest."""
        return sha256.startswith(self.source)

    def is_stored_as(self, blob: bytes) -> bool:
        """Return whether these are the bytes of the stored patch."""
        return len(blob) == self.size and _short(hashlib.sha256(blob).digest()) == self.digest


def delta_of(source: str, blob: bytes) -> Delta:
    """Return what a manifest says about a stored patch from the bundle with the digest `source`."""
    return Delta(source[:_SOURCE_LENGTH], _short(hashlib.sha256(blob).digest()), len(blob))


class KillFloor(NamedTuple):
    """The newest kill list when the manifest was made."""

    seq: int
    sha256: str


class Override(NamedTuple):
    """A rule of the policy that was set aside for this manifest: its name, the reason, and who did it if that is known."""

    rule: str
    reason: str
    by: str | None = None


class Manifest(NamedTuple):
    """A manifest's content.

    Attributes:
        project: Project.
        environment: Environment.
        epoch: Epoch of the root of trust it was made under.
        seq: Rises by one with every manifest of an epoch.
        previous: SHA-256 of the previous payload, None for the first.
        issued: Seconds since 1970.
        expires: Seconds since 1970; later than `issued`.
        trust: Version of the root of trust it was made under.
        commit: Git commit of the flags, if they came from git.
        ref: Git ref of the flags.
        bundle: The current bundle.
        deltas: Patches that lead to it.
        kill_floor: The newest kill list, if there is one.
        features: What a reader must understand.
        min_version: The flagctl that is needed for `features`.
        nonce: 16 random hexadecimal digits, or None.
        digest: SHA-256 of the payload; empty until it was parsed from one.
        overrides: Rules of the policy that were set aside; records for people, without effect on readers.
    """

    project: str
    environment: str
    epoch: int
    seq: int
    previous: str | None
    issued: int
    expires: int
    trust: int
    commit: str | None
    ref: str | None
    bundle: BundleRef
    deltas: tuple[Delta, ...] = ()
    kill_floor: KillFloor | None = None
    features: tuple[str, ...] = ()
    min_version: str = MIN_VERSION
    nonce: str | None = None
    digest: str = ""
    overrides: tuple[Override, ...] = ()


def write_manifest(manifest: Manifest) -> bytes:
    """Return a manifest's payload.

    Raises:
        ValueError: If the payload would be larger than 4096 bytes.
    """
    document: dict[str, Any] = {
        "type": TYPE,
        "v": VERSION_NUMBER,
        "project": manifest.project,
        "env": manifest.environment,
        "epoch": manifest.epoch,
        "seq": manifest.seq,
        "previous": manifest.previous,
        "issued": format_instant(manifest.issued),
        "expires": format_instant(manifest.expires),
        "trust": manifest.trust,
        "git": {"commit": manifest.commit, "ref": manifest.ref},
        "bundle": manifest.bundle._asdict(),
        "deltas": [_delta_text(delta) for delta in manifest.deltas],
        "kill_floor": manifest.kill_floor._asdict() if manifest.kill_floor else None,
        "requires": {"features": list(manifest.features), "min_version": manifest.min_version},
    }
    if manifest.nonce is not None:
        document["nonce"] = manifest.nonce
    if manifest.overrides:
        document["overrides"] = [override._asdict() for override in manifest.overrides]
    payload = canonical_json(document)
    if len(payload) > MAX_MANIFEST:
        raise ValueError(f"a manifest of {len(payload)} bytes is larger than {MAX_MANIFEST}")
    return payload


def parse_manifest(payload: bytes) -> Manifest:
    """Parse a payload whose signatures were checked.

    Raises:
        UntrustedError: ``malformed-manifest``, ``wrong-type``, ``unsupported-version`` or ``requires-newer``.
    """
    if len(payload) > MAX_MANIFEST:
        raise UntrustedError(f"the manifest is larger than {MAX_MANIFEST} bytes", reason=_REASON)
    fields = parse_object(payload, what="the manifest", reason=_REASON)
    check_kind(fields, what="manifest", kind=TYPE, known=KNOWN_FEATURES)
    requires = fields.child("requires")
    git = fields.child("git")
    manifest = Manifest(
        project=fields.text("project", NAME),
        environment=fields.text("env", NAME),
        epoch=fields.integer("epoch"),
        seq=fields.integer("seq"),
        previous=fields.optional_text("previous", SHA256),
        issued=fields.instant("issued"),
        expires=fields.instant("expires"),
        trust=fields.integer("trust"),
        commit=git.optional_text("commit", COMMIT),
        ref=git.optional_text("ref", LINE),
        bundle=_bundle(fields.child("bundle")),
        deltas=_deltas(fields.items("deltas", most=MAX_DELTAS)),
        kill_floor=None if fields.is_null("kill_floor") else _kill_floor(fields.child("kill_floor")),
        features=requires.texts("features", FEATURE, most=32),
        min_version=requires.text("min_version", VERSION),
        nonce=fields.optional_text("nonce", _NONCE),
        digest=hashlib.sha256(payload).hexdigest(),
        overrides=tuple(
            Override(item.text("rule", _RULE), item.text("reason", LINE), item.optional_text("by", LINE))
            for item in fields.children("overrides", most=MAX_OVERRIDES)
        ),
    )
    if manifest.expires <= manifest.issued:
        fields.refuse("expires before it was issued")
    return manifest


def without_old_deltas(manifest: Manifest) -> Manifest:
    """Return a manifest that is no longer than it has to be for its newest deltas."""
    while len(manifest.deltas) > FEWEST_DELTAS and len(write_manifest(manifest)) > LEAN_MANIFEST:
        manifest = manifest._replace(deltas=manifest.deltas[:-1])
    return manifest


def check_kind(fields: Fields, *, what: str, kind: str, known: frozenset[str]) -> None:
    """Check ``type``, ``v`` and ``requires`` of a signed document, before anything else in it is read.

    Raises:
        UntrustedError: ``wrong-type``, ``unsupported-version`` or ``requires-newer``.
    """
    if fields.raw("type") != kind:
        raise UntrustedError(f"the document is of another type than a {what}", reason="wrong-type")
    requires = fields.child("requires")
    needed = requires.text("min_version", VERSION)
    if fields.integer("v") != VERSION_NUMBER:
        raise UntrustedError(
            f"the {what} has format {fields.raw('v')}, this flagctl reads format {VERSION_NUMBER}: "
            f"flagctl {needed} or newer is needed",
            reason="unsupported-version",
            hint=f'upgrade: pip install --upgrade "flagctl>={needed}"',
        )
    unknown = sorted(set(requires.texts("features", FEATURE, most=32)) - known)
    if unknown:
        raise UntrustedError(
            f"the {what} uses {', '.join(unknown)}: flagctl {needed} or newer is needed",
            reason="requires-newer",
            hint=f'upgrade: pip install --upgrade "flagctl>={needed}"',
        )


def _bundle(fields: Fields) -> BundleRef:
    return BundleRef(
        sha256=fields.text("sha256", SHA256),
        size=fields.integer("size", 1, MAX_BUNDLE),
        blob_sha256=fields.text("blob_sha256", SHA256),
        blob_size=fields.integer("blob_size", 1, MAX_BLOB),
        enc=fields.text("enc", _ENCODING),
    )


def _kill_floor(fields: Fields) -> KillFloor:
    return KillFloor(fields.integer("seq", 1, MAX_INTEGER), fields.text("sha256", SHA256))


def _deltas(items: list[Any]) -> tuple[Delta, ...]:
    matches = (_DELTA.fullmatch(item) for item in items if isinstance(item, str))
    return tuple(Delta(match[1], match[2], int(match[3])) for match in matches if match is not None)


def _delta_text(delta: Delta) -> str:
    return f"{delta.source}:{delta.digest}:{delta.size}"


def _short(digest: bytes) -> str:
    text = binascii.b2a_base64(digest, newline=False).decode()
    return text.translate(_URL_SAFE)[:_DIGEST_LENGTH]
