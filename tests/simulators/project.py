"""A project with keys, a root of trust and small bundles, all in memory."""

from __future__ import annotations

import hashlib
import time

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from flagctl.bundle.blob import pack
from flagctl.bundle.envelope import Role, seal
from flagctl.bundle.kill import PAYLOAD_TYPE as KILL_PAYLOAD_TYPE
from flagctl.bundle.kill import Kill, KillList, write_kill_list
from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.bundle.manifest import PAYLOAD_TYPE, BundleRef, KillFloor, Manifest, write_manifest
from flagctl.bundle.trust import TrustRoot, read_trust, write_trust
from flagctl.ops.target import Target
from flagctl.signing import LocalSigner

NOW = 1_800_000_000
"""The instant most tests play at."""


def ed25519_signer() -> LocalSigner:
    return LocalSigner(Ed25519PrivateKey.generate())


def ecdsa_signer() -> LocalSigner:
    return LocalSigner(ec.generate_private_key(ec.SECP256R1()))


def bundle_of(*, project: str = "acme", environment: str = "production", **flags: bool) -> bytes:
    """A bundle of boolean flags, each serving the given value to everybody."""
    entries = {
        key.replace("_", "-"): {
            "type": "boolean",
            "variants": [["on", True], ["off", False]],
            "off": 1,
            "default": {"serve": 0 if value else 1},
        }
        for key, value in flags.items()
    }
    return write_bundle(BundleContents(project=project, environment=environment, flags=entries))


class Project:
    """Keys of every role, and version 1 of a root of trust."""

    def __init__(
        self, *, name: str = "acme", publishers: int = 1, threshold: int = 1, make_signer=ed25519_signer
    ) -> None:
        self.name = name
        self.root_signer = make_signer()
        self.publishers = [make_signer() for _ in range(publishers)]
        self.kill_signer = make_signer()
        publish = Role(tuple(signer.public_key for signer in self.publishers), threshold)
        kill = Role((self.kill_signer.public_key,), 1)
        self.content = TrustRoot(
            project=name,
            version=1,
            epoch=1,
            expires=NOW + 400 * 86_400,
            root=Role((self.root_signer.public_key,), 1),
            publish={"production": publish, "staging": publish},
            kill={"production": kill},
        )
        self.trust_data = write_trust(self.content, [self.root_signer])
        self.trust = read_trust(self.trust_data)

    def next_trust(self, *, signers=None, **changes) -> bytes:
        content = self.content._replace(**{"version": self.content.version + 1, **changes})
        return write_trust(content, signers or [self.root_signer])

    def target(self, remote, environment: str = "production") -> Target:
        return Target(remote=remote, environment=environment, trust=self.trust)

    def manifest(self, data: bytes, **changes) -> Manifest:
        """The content of a manifest for a bundle."""
        blob = pack(data)
        manifest = Manifest(
            project=self.name,
            environment="production",
            epoch=1,
            seq=1,
            previous=None,
            issued=NOW - 60,
            expires=NOW + 30 * 86_400,
            trust=1,
            commit="a" * 40,
            ref="refs/heads/main",
            bundle=BundleRef(hashlib.sha256(data).hexdigest(), len(data), hashlib.sha256(blob).hexdigest(), len(blob)),
        )
        return manifest._replace(**changes)

    def sealed(self, manifest: Manifest, *, signers=None, payload_type: str = PAYLOAD_TYPE) -> bytes:
        return seal(payload_type, write_manifest(manifest), self.publishers if signers is None else signers)

    def put(self, remote, data: bytes, **changes) -> Manifest:
        """Put a bundle and its manifest at a remote, without any of the publisher's care."""
        manifest = self.manifest(data, **changes)
        remote.put(f"{manifest.environment}/blobs/{manifest.bundle.blob_sha256}.gz", pack(data))
        remote.put(f"{manifest.environment}/manifest.json", self.sealed(manifest))
        return manifest

    def kill_list(self, *flags: str, **changes) -> KillList:
        """The content of a kill list."""
        kills = tuple(Kill(flag, "it misbehaves", "ada", NOW - 60) for flag in flags)
        kill_list = KillList(
            project=self.name,
            environment="production",
            epoch=1,
            seq=1,
            previous=None,
            issued=NOW - 60,
            trust=1,
            kills=kills,
        )
        return kill_list._replace(**changes)

    def sealed_kills(self, kills: KillList, *, signers=None, payload_type: str = KILL_PAYLOAD_TYPE) -> bytes:
        return seal(payload_type, write_kill_list(kills), [self.kill_signer] if signers is None else signers)

    def put_kills(self, remote, *flags: str, **changes) -> KillFloor:
        """Put a kill list and its copy at a remote, and return what a manifest says to pin it."""
        data = self.sealed_kills(self.kill_list(*flags, **changes))
        floor = KillFloor(changes.get("seq", 1), hashlib.sha256(data).hexdigest())
        remote.put(f"production/kills/{floor.sha256}.json", data)
        remote.put("production/kill.json", data)
        return floor


class Clock:
    """Wall clock and monotonic clock that only move when told."""

    def __init__(self, now: float = NOW) -> None:
        self.now = float(now)
        self.monotonic_now = 1000.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.monotonic_now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic_now += seconds


def eventually(condition, *, seconds: float = 10.0) -> bool:
    """Wait until a condition that a background thread brings about holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return False
