"""Keys in AWS KMS, against moto's KMS: a root of trust, publishing and killing with keys that never leave the service."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from flagctl.client.client import Client
from flagctl.errors import RemoteError, UsageError
from flagctl.ops.keys import generate_key, inspect_key
from flagctl.ops.kill import KillRequest, kill
from flagctl.ops.publish import publish
from flagctl.ops.signers import open_signer
from flagctl.ops.target import Target, read_trust_file
from flagctl.ops.trust import TrustInit, init_trust
from flagctl.signing import load_signer
from flagctl.storage import open_remote
from tests.simulators.project import bundle_of


@pytest.fixture
def service(s3_credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield boto3.session.Session().client("kms")


def make_key(service, alias: str | None = None, spec: str = "ECC_NIST_P256") -> str:
    usage = "ENCRYPT_DECRYPT" if spec == "SYMMETRIC_DEFAULT" else "SIGN_VERIFY"
    metadata = service.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
    if alias is not None:
        service.create_alias(AliasName=f"alias/{alias}", TargetKeyId=metadata["KeyId"])
    return metadata["Arn"]


def test_a_project_is_run_with_keys_in_the_service(service, tmp_path):
    arn = make_key(service, "publish")
    make_key(service, "kill")
    for name in ("publish", "kill"):
        (tmp_path / f"{name}.pub").write_text(inspect_key(f"awskms:alias/{name}").public_key)
    generate_key(tmp_path / "root.key")
    init_trust(
        TrustInit(
            project="acme",
            environments=("production",),
            out=tmp_path / "trust.json",
            root_keys=(str(tmp_path / "root.key"),),
            publish_keys={"*": (tmp_path / "publish.pub",)},
            kill_keys={"*": (tmp_path / "kill.pub",)},
        )
    )
    remote = open_remote(f"file://{tmp_path}/remote")
    target = Target(remote=remote, environment="production", trust=read_trust_file(tmp_path / "trust.json"))
    publish(target, bundle_of(a=True, b=True), [open_signer(f"awskms:{arn}")])
    kill(target, [open_signer("awskms:alias/kill")], KillRequest("a", "test", "ada"))
    with Client(remote.url, environment="production", trust=tmp_path / "trust.json", poll_interval=3600) as app:
        assert app.wait_until_ready(20)
        assert app.evaluate_all() == {"a": False, "b": True}
    with pytest.raises(UsageError, match="needs 1 of the keys"):
        publish(target, bundle_of(c=True), [open_signer("awskms:alias/kill")])


def test_a_root_of_trust_may_be_signed_by_the_service(service, tmp_path):
    make_key(service, "root")
    generate_key(tmp_path / "publish.key")
    init_trust(
        TrustInit(
            project="acme",
            environments=("production",),
            out=tmp_path / "trust.json",
            root_keys=("awskms:alias/root",),
            publish_keys={"*": (tmp_path / "publish.key.pub",)},
        )
    )
    assert read_trust_file(tmp_path / "trust.json").root.keys[0].scheme == "ecdsa-p256"


def test_of_a_message_that_is_longer_than_the_service_takes_it_gets_the_digest(service):
    """The mock signs a digest as if it were a message, so here the answer is made as AWS makes it."""
    import hashlib

    from botocore.stub import Stubber
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from flagctl.bundle.envelope import verify_one
    from flagctl.signing.service import ServiceSigner
    from flagctl.storage.kms import AwsKey

    private = ec.generate_private_key(ec.SECP256R1())
    message = b"x" * 50_000
    digest = hashlib.sha256(message).digest()
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signature = private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    key = AwsKey("alias/kill")
    key._client = service
    with Stubber(service) as stub:
        stub.add_response("get_public_key", {"PublicKey": der}, {"KeyId": "alias/kill"})
        asked = {"KeyId": "alias/kill", "Message": digest, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
        stub.add_response("sign", {"Signature": signature}, asked)
        signer = ServiceSigner(key)
        assert verify_one(signer.public_key, signer.sign(message), message)
    assert "alias/kill" in repr(signer)


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P384"])
def test_a_key_of_another_kind_is_refused(service, spec):
    make_key(service, "other", spec)
    with pytest.raises(UsageError, match="is not ECDSA P-256"):
        _ = open_signer("awskms:alias/other").public_key


def test_a_key_that_does_not_exist_is_told_with_a_hint(service):
    with pytest.raises(RemoteError, match="NotFoundException") as caught:
        _ = open_signer("awskms:alias/none").keyid
    assert "AWS_REGION" in caught.value.hint


def test_without_a_region_the_hint_says_how_to_set_one(s3_credentials):
    with pytest.raises(RemoteError, match="region") as caught:
        _ = open_signer("awskms:alias/none").keyid
    assert "AWS_REGION" in caught.value.hint


@pytest.mark.parametrize("key", ["", "alias/", "a b", "arn:aws:s3:::bucket", "x" * 300])
def test_what_is_no_key_is_refused_before_anything_is_asked(key):
    with pytest.raises(UsageError):
        open_signer(f"awskms:{key}")


def test_local_signers_are_opened_as_before(tmp_path):
    generate_key(tmp_path / "a.key")
    assert open_signer(str(tmp_path / "a.key")).keyid == load_signer(tmp_path / "a.key").keyid
    with pytest.raises(UsageError, match="no local key"):
        load_signer("awskms:alias/x")
