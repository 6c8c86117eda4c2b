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
"""

from __future__ import annotations

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
MAX_OVERRIDES: Final = 8

KNOWN_FEATURES: Final[frozenset[str]] = frozenset()
"""What `requires` may name and this version understands."""

MIN_VERSION: Final = "0.1.0"
"""The first flagctl that reads manifests as written here."""

_REASON: Final = "malformed-manifest"
_NONCE: Final = re.compile(r"[0-9a-f]{16}")
_ENCODING: Final = re.compile(r"[a-z]{1,16}")
_RULE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


class BundleRef(NamedTuple):
    """Which bundle: digest and size of the plain bytes and of the stored ones (`enc` says how they are packed)."""

    sha256: str
    size: int
    blob_sha256: str
    blob_size: int
    enc: str = "gzip"


class Delta(NamedTuple):
    """A line patch from the bundle with the digest `source`; digest and size of the stored patch."""

    source: str
    sha256: str
    size: int


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
        "deltas": [{"from": delta.source, "sha256": delta.sha256, "size": delta.size} for delta in manifest.deltas],
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
        deltas=tuple(
            Delta(item.text("from", SHA256), item.text("sha256", SHA256), item.integer("size", 1, MAX_BLOB))
            for item in fields.children("deltas", most=MAX_DELTAS)
        ),
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
