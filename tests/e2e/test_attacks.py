"""What somebody with the bucket, the network or a stolen key may try, against a real store and a real client.

Each attack is made while a client serves good flags. It must be refused under its own reason, leave every answer as it was, and
keep no later good update out. The table in docs/security.md names these tests.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
from collections.abc import Callable

import pytest

from flagctl.bundle.blob import pack
from flagctl.bundle.envelope import Role, seal
from flagctl.bundle.kill import PAYLOAD_TYPE as KILL_PAYLOAD_TYPE
from flagctl.bundle.manifest import PAYLOAD_TYPE, BundleRef, delta_of, write_manifest
from flagctl.client.client import Client
from flagctl.errors import RemoteError, UntrustedError
from flagctl.storage import RemoteOptions, open_remote
from tests.simulators.project import NOW, Clock, Project, bundle_of, ecdsa_signer, ed25519_signer

ONE, TWO, EVIL = bundle_of(a=True, b=True), bundle_of(a=True, b=False), bundle_of(a=False, b=False, evil=True)
MANIFEST, KILLS = "production/manifest.json", "production/kill.json"
DAY = 86_400


class Scene:
    """A project, its real remote, and a client that serves ONE under number 5."""

    def __init__(self, bucket, tmp_path, project: Project) -> None:
        self.bucket, self.project, self.clock = bucket, project, Clock()
        self.remote = open_remote(bucket.url, options=RemoteOptions(endpoint_url=bucket.endpoint_url))
        self.cache = tmp_path / "cache"
        self.clients: list[Client] = []
        self.put(ONE, seq=5)
        self.client = self.new_client(cache_dir=self.cache)
        assert self.client.wait_until_ready(20)
        self.client.refresh()

    def new_client(self, **more) -> Client:
        client = Client(
            self.bucket.url,
            environment="production",
            trust=self.project.trust_data,
            endpoint_url=self.bucket.endpoint_url,
            poll_interval=3600,
            clock=self.clock,
            uniform=lambda: 1.0,
            **more,
        )
        self.clients.append(client)
        return client

    def put(self, data: bytes, **changes) -> None:
        """Publish honestly."""
        manifest = self.project.manifest(data, **changes)
        self.remote.put(f"production/blobs/{manifest.bundle.blob_sha256}.gz", pack(data))
        self.remote.put(MANIFEST, self.project.sealed(manifest))

    def forge(self, data: bytes = EVIL, *, signers=None, payload_type: str = PAYLOAD_TYPE, **changes) -> None:
        """Put a manifest for a bundle into place, however it is signed."""
        manifest = self.project.manifest(data, **{"seq": 6, **changes})
        self.remote.put(f"production/blobs/{manifest.bundle.blob_sha256}.gz", pack(data))
        self.remote.put(MANIFEST, self.project.sealed(manifest, signers=signers, payload_type=payload_type))

    def forge_blob(self, blob: bytes, **changes) -> None:
        """Put a manifest into place, signed with the stolen key, that names these stored bytes."""
        reference = BundleRef(hashlib.sha256(EVIL).hexdigest(), len(EVIL), hashlib.sha256(blob).hexdigest(), len(blob))
        manifest = self.project.manifest(EVIL, seq=6, bundle=reference._replace(**changes))
        self.remote.put(f"production/blobs/{manifest.bundle.blob_sha256}.gz", blob)
        self.remote.put(MANIFEST, self.project.sealed(manifest))

    def answers(self) -> dict[str, object]:
        return self.client.evaluate_all({"targeting_key": "u"})

    def close(self) -> None:
        for client in self.clients:
            client.close()


@pytest.fixture(scope="module")
def project():
    return Project(publishers=2, threshold=2)


@pytest.fixture
def scene(s3_bucket, tmp_path, project):
    made = Scene(s3_bucket, tmp_path, project)
    yield made
    made.close()


class Confused:
    """Signs as another algorithm would, under a key that the root of trust lists."""

    def __init__(self, key, how: str) -> None:
        self.keyid, self.public_key, self._how = key.keyid, key.public_key, how
        self._other = ecdsa_signer()

    def sign(self, message: bytes) -> bytes:
        if self._how == "mac":
            return hmac.new(self.public_key.raw, message, hashlib.sha512).digest()  # the public key as a secret
        if self._how == "ecdsa":
            return self._other.sign(message)
        return b"" if self._how == "none" else bytes(64)


def replayed(scene: Scene) -> None:
    scene.put(EVIL, seq=4)


def two_of_a_number(scene: Scene) -> None:
    scene.forge(seq=5)


def swapped_signature(scene: Scene) -> None:
    good = json.loads(scene.project.sealed(scene.project.manifest(EVIL, seq=6)))
    other = json.loads(scene.project.sealed(scene.project.manifest(TWO, seq=6)))
    scene.remote.put(MANIFEST, json.dumps({**good, "signatures": other["signatures"]}).encode())


def kill_list_as_manifest(scene: Scene) -> None:
    scene.remote.put(MANIFEST, scene.project.sealed_kills(scene.project.kill_list("a", seq=6)))


def kill_list_as_manifest_by_publishers(scene: Scene) -> None:
    scene.forge(payload_type=KILL_PAYLOAD_TYPE)


def oversized(scene: Scene) -> None:
    scene.remote.put(MANIFEST, b" " * 70_000 + scene.project.sealed(scene.project.manifest(EVIL, seq=6)))


def oversized_blob(scene: Scene) -> None:
    scene.forge()
    manifest = scene.project.manifest(EVIL, seq=6)
    scene.remote.put(f"production/blobs/{manifest.bundle.blob_sha256}.gz", pack(EVIL) + bytes(10_000_000))


def swapped_blob(scene: Scene) -> None:
    scene.forge()
    good = pack(EVIL)
    manifest = scene.project.manifest(EVIL, seq=6)
    scene.remote.put(f"production/blobs/{manifest.bundle.blob_sha256}.gz", good[:-1] + bytes([good[-1] ^ 1]))


def bundle_of_another_environment(scene: Scene) -> None:
    scene.forge(bundle_of(environment="staging", a=False))


def deep(scene: Scene) -> None:
    scene.remote.put(MANIFEST, b'{"payload":' + b"[" * 30_000 + b"]" * 30_000 + b"}")


ATTACKS: dict[str, tuple[str, Callable[[Scene], None]]] = {
    "replayed manifest": ("rollback", replayed),
    "equivocation": ("equivocation", two_of_a_number),
    "another environment's manifest": ("wrong-environment", lambda s: s.forge(environment="staging")),
    "another environment's bundle": ("wrong-bundle", bundle_of_another_environment),
    "another project's manifest": ("wrong-project", lambda s: s.forge(project="other")),
    "foreign epoch": ("wrong-epoch", lambda s: s.forge(epoch=2)),
    "expired manifest": ("expired", lambda s: s.forge(expires=NOW - 1, issued=NOW - 9)),
    "unknown key": ("unknown-key", lambda s: s.forge(signers=[ed25519_signer(), ed25519_signer()])),
    "kill key signs a manifest": ("unknown-key", lambda s: s.forge(signers=[s.project.kill_signer])),
    "missing signature": ("missing-signature", lambda s: s.forge(signers=[])),
    "duplicate signature": ("duplicate-signature", lambda s: s.forge(signers=[s.project.publishers[0]] * 2)),
    "threshold not met": ("threshold-not-met", lambda s: s.forge(signers=s.project.publishers[:1])),
    "one key and a stranger": (
        "threshold-not-met",
        lambda s: s.forge(signers=[s.project.publishers[0], ed25519_signer()]),
    ),
    "signature of another document": ("bad-signature", swapped_signature),
    "public key as a secret": (
        "bad-signature",
        lambda s: s.forge(signers=[Confused(key, "mac") for key in s.project.publishers]),
    ),
    "signature of another algorithm": (
        "bad-signature",
        lambda s: s.forge(signers=[Confused(key, "ecdsa") for key in s.project.publishers]),
    ),
    "algorithm none": (
        "bad-signature",
        lambda s: s.forge(signers=[Confused(key, "none") for key in s.project.publishers]),
    ),
    "signature of zeros": (
        "bad-signature",
        lambda s: s.forge(signers=[Confused(key, "zeros") for key in s.project.publishers]),
    ),
    "kill list in the manifest's place": ("unknown-key", kill_list_as_manifest),
    "kill list signed by publishers": ("wrong-payload-type", kill_list_as_manifest_by_publishers),
    "oversized manifest": ("too-large", oversized),
    "oversized bundle": ("too-large", oversized_blob),
    "deep nesting": ("malformed-envelope", deep),
    "torn manifest": (
        "malformed-envelope",
        lambda s: s.remote.put(MANIFEST, s.remote.get(MANIFEST, max_bytes=10**5).data[:-9]),
    ),
    "altered bundle": ("wrong-blob-digest", swapped_blob),
    "gzip bomb": ("wrong-bundle-size", lambda s: s.forge_blob(gzip.compress(bytes(50_000_000), 9, mtime=0))),
    "another bundle under a signed digest": ("wrong-bundle-digest", lambda s: s.forge_blob(pack(EVIL[:-1] + b" "))),
    "no bundle at all": ("malformed-bundle", lambda s: s.forge(b"[]")),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_on_the_manifest_is_refused_changes_no_answer_and_sticks_to_nothing(scene, name):
    reason, attack = ATTACKS[name]
    before = scene.answers()
    attack(scene)
    for count in (1, 2):  # the next pass looks again
        with pytest.raises(UntrustedError) as caught:
            scene.client.refresh()
        assert caught.value.reason == reason
        assert scene.client.status().rejected[reason] == count
    assert scene.answers() == before
    assert (scene.client.status().seq, scene.client.status().state) == (5, "ready")
    offline = scene.new_client(cache_dir=scene.cache)  # nothing of it is on disk either
    assert offline.evaluate_all({"targeting_key": "u"}) == before
    scene.put(TWO, seq=7)
    assert scene.client.refresh()
    assert scene.answers() == {"a": True, "b": False}


def kills(scene: Scene, *flags: str, signers=None, payload_type: str = KILL_PAYLOAD_TYPE, **changes) -> None:
    content = scene.project.kill_list(*flags, **{"seq": 4, **changes})
    scene.remote.put(KILLS, scene.project.sealed_kills(content, signers=signers, payload_type=payload_type))


KILL_ATTACKS: dict[str, tuple[str, Callable[[Scene], object]]] = {
    "older kill list": ("rollback", lambda s: kills(s, seq=2)),
    "two kill lists of a number": ("equivocation", lambda s: kills(s, "a", "b", seq=3)),
    "kill list of another environment": ("wrong-environment", lambda s: kills(s, "b", environment="staging")),
    "kill list of another project": ("wrong-project", lambda s: kills(s, "b", project="other")),
    "kill list of a foreign epoch": ("wrong-epoch", lambda s: kills(s, "b", epoch=2)),
    "kill list by a publishing key": ("unknown-key", lambda s: kills(s, "b", signers=s.project.publishers)),
    "kill list without a signature": ("missing-signature", lambda s: kills(s, "b", signers=[])),
    "kill list signed twice by one key": (
        "duplicate-signature",
        lambda s: kills(s, "b", signers=[s.project.kill_signer] * 2),
    ),
    "manifest in the kill list's place": (
        "unknown-key",
        lambda s: s.remote.put(KILLS, s.remote.get(MANIFEST, max_bytes=10**5).data),
    ),
    "manifest signed by the kill key": (
        "wrong-payload-type",
        lambda s: s.remote.put(
            KILLS, seal(PAYLOAD_TYPE, write_manifest(s.project.manifest(EVIL, seq=9)), [s.project.kill_signer])
        ),
    ),
    "oversized kill list": ("too-large", lambda s: s.remote.put(KILLS, b" " * 70_000)),
    "torn kill list": ("malformed-envelope", lambda s: s.remote.put(KILLS, b'{"payload":"e30=')),
}


@pytest.mark.parametrize("name", KILL_ATTACKS)
def test_an_attack_on_the_kill_list_forces_nothing_off_and_brings_nothing_back(scene, name):
    reason, attack = KILL_ATTACKS[name]
    kills(scene, "a", seq=3)
    scene.client.refresh()
    assert scene.answers() == {"a": False, "b": True}
    attack(scene)
    scene.client.refresh()  # trouble with the kill list holds no flags up
    assert scene.client.status().rejected[reason] == 1
    assert scene.client.status().kills_error is not None
    assert scene.answers() == {"a": False, "b": True}
    scene.put(TWO, seq=6)
    scene.client.refresh()
    assert scene.answers() == {"a": False, "b": False}
    kills(scene, seq=5)
    scene.client.refresh()
    assert scene.answers() == {"a": True, "b": False}
    assert scene.client.status().kills_error is None


def delete(scene: Scene, key: str) -> None:
    from tests.simulators import seaweed

    client = seaweed.client_of(scene.bucket.endpoint_url)
    client.delete_object(Bucket=scene.bucket.name, Key=f"acme/flags/{key}")
    client.close()


def test_deleting_the_kill_list_brings_nothing_back_to_running_or_new_applications(scene):
    floor = scene.project.put_kills(scene.remote, "a", seq=3)
    scene.put(ONE, seq=6, kill_floor=floor)
    scene.client.refresh()
    delete(scene, KILLS)
    scene.client.refresh()
    assert scene.answers() == {"a": False, "b": True}
    fresh = scene.new_client()
    assert fresh.wait_until_ready(20)
    assert fresh.evaluate_all() == {"a": False, "b": True}


def test_kills_that_are_withheld_reach_new_applications_with_the_next_publication(scene):
    """Until then whoever controls the remote can withhold them from those; docs/security.md says so."""
    kills(scene, "a", seq=3)
    scene.client.refresh()
    current = scene.remote.get(KILLS, max_bytes=10**5).data
    delete(scene, KILLS)
    assert scene.answers() == {"a": False, "b": True}
    fresh = scene.new_client()
    assert fresh.wait_until_ready(20)
    assert fresh.evaluate_all() == {"a": True, "b": True}  # the window that is left
    digest = hashlib.sha256(current).hexdigest()
    scene.remote.put(f"production/kills/{digest}.json", current)
    from flagctl.bundle.manifest import KillFloor

    scene.put(ONE, seq=6, kill_floor=KillFloor(3, digest))  # what each publication and the daily renewal do
    fresh.refresh()
    assert fresh.evaluate_all() == {"a": False, "b": True}


def test_without_the_pinned_kill_list_a_new_application_takes_nothing_over(scene):
    floor = scene.project.put_kills(scene.remote, "a", seq=3)
    scene.put(ONE, seq=6, kill_floor=floor)
    delete(scene, KILLS)
    delete(scene, f"production/kills/{floor.sha256}.json")
    fresh = scene.new_client()
    with pytest.raises(RemoteError, match="pins is missing"):
        fresh.refresh()
    assert fresh.status().state == "not-ready"


ROOT_ATTACKS: dict[str, tuple[str, Callable[[Project], bytes]]] = {
    "root that skips a step": ("wrong-trust-version", lambda p: p.next_trust(version=3)),
    "root by a stranger": ("unknown-key", lambda p: p.next_trust(signers=[ed25519_signer()])),
    "root by the publishing keys": ("unknown-key", lambda p: p.next_trust(signers=p.publishers)),
    "root without its own threshold": (
        "threshold-not-met",
        lambda p: p.next_trust(root=Role((p.root_signer.public_key, ed25519_signer().public_key), 2)),
    ),
    "root of another project": ("wrong-project", lambda p: p.next_trust(project="other")),
    "root that is no root": ("wrong-payload-type", lambda p: p.sealed(p.manifest(EVIL), signers=[p.root_signer])),
    "torn root": ("malformed-envelope", lambda p: p.next_trust()[:-20]),
}


@pytest.mark.parametrize("name", ROOT_ATTACKS)
def test_an_attack_on_the_root_of_trust_is_refused_and_stops_nothing_else(scene, name):
    reason, made = ROOT_ATTACKS[name]
    scene.remote.put("trust/2.json", made(scene.project))
    scene.put(TWO, seq=6)
    assert scene.client.refresh()
    status = scene.client.status()
    assert (status.trust_version, status.rejected) == (1, {reason: 1})
    assert scene.answers() == {"a": True, "b": False}


def test_a_root_that_falls_back_to_an_ended_epoch_is_refused(scene):
    scene.remote.put("trust/2.json", scene.project.next_trust(epoch=3))
    scene.put(ONE, seq=1, epoch=3)
    scene.client.refresh()
    assert scene.client.status().trust_version == 2
    scene.remote.put("trust/3.json", scene.project.next_trust(version=3, epoch=2))
    scene.client.refresh()
    status = scene.client.status()
    assert (status.trust_version, status.rejected) == (2, {"wrong-trust-epoch": 1})


def test_a_stolen_publishing_key_is_worth_nothing_after_the_epoch_was_raised(scene):
    thief, honest = scene.project.publishers, [ed25519_signer()]
    scene.forge(seq=2**53 - 2, signers=thief)  # about as far as numbers go
    scene.client.refresh()
    role = Role((honest[0].public_key,), 1)
    scene.remote.put("trust/2.json", scene.project.next_trust(epoch=2, publish={"production": role}))
    for epoch, reason in ((1, "unknown-key"), (2, "unknown-key")):
        scene.forge(seq=2**53 - 1, epoch=epoch, signers=thief)
        with pytest.raises(UntrustedError) as caught:
            scene.client.refresh()
        assert caught.value.reason == reason
    scene.forge(TWO, seq=1, epoch=2, signers=honest)
    assert scene.client.refresh()
    assert scene.answers() == {"a": True, "b": False}


def test_an_expired_root_of_trust_warns_and_stops_no_answer_and_no_update(scene):
    scene.clock.pass_by(500 * DAY)
    now = int(scene.clock())
    scene.put(TWO, seq=6, issued=now, expires=now + DAY)
    scene.client.refresh()
    assert scene.client.status().trust_expired is True
    assert scene.answers() == {"a": True, "b": False}


def test_a_delta_that_was_poisoned_costs_a_whole_bundle_and_nothing_else(scene):
    from flagctl.bundle.delta import compare, write_delta
    from flagctl.evaluator.document import open_bundle

    honest = compare(open_bundle(ONE), open_bundle(TWO))
    lie = write_delta(compare(open_bundle(ONE), open_bundle(EVIL))._replace(result=honest.result))
    bomb = gzip.compress(bytes(10**7), mtime=0)
    good = write_delta(honest)
    for seq, stored, named in ((6, lie, good), (8, lie, lie), (10, bomb, bomb), (12, b"", good)):
        delta = delta_of(honest.source, named)
        scene.remote.put(f"production/deltas/{delta.source}-{honest.result}.gz", stored)
        scene.put(TWO, seq=seq, deltas=(delta,))
        scene.client.refresh()
        assert scene.answers() == {"a": True, "b": False}
        assert scene.client.status().rejected == {}
        scene.put(ONE, seq=seq + 1)
        scene.client.refresh()
        assert scene.answers() == {"a": True, "b": True}
