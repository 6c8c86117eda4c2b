from __future__ import annotations

import copy
import os
import pickle
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from flagctl.bundle.envelope import verify_one
from flagctl.errors import ConflictError, UsageError
from flagctl.signing import MissingKeyError, generate_key_file, load_signer, read_public_key, write_public_key


def pem(key, encryption=None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def key_file(path, data: bytes):
    path.write_bytes(data)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("scheme", ["ed25519", "ecdsa-p256"])
def test_a_generated_key_signs(tmp_path, scheme):
    pair = generate_key_file(tmp_path / "keys" / "publish.key", scheme=scheme)
    signer = load_signer(pair.private_path)
    assert signer.public_key == pair.public_key == read_public_key(pair.public_path)
    assert signer.public_key.scheme == scheme
    assert verify_one(signer.public_key, signer.sign(b"message"), b"message")


def test_a_private_key_is_its_owners_alone_from_the_first_byte_on(tmp_path, monkeypatch):
    modes = []
    real = os.open

    def spy(path, flags, mode=0o777, **more):
        modes.append((os.path.basename(path), flags, mode))  # noqa: PTH119
        return real(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", spy)
    pair = generate_key_file(tmp_path / "publish.key")
    name, flags, mode = modes[0]
    assert (name, mode) == ("publish.key", 0o600)
    assert flags & os.O_EXCL
    assert stat.S_IMODE(pair.private_path.stat().st_mode) == 0o600


def test_no_key_is_ever_overwritten(tmp_path):
    pair = generate_key_file(tmp_path / "publish.key")
    before = pair.private_path.read_bytes()
    with pytest.raises(ConflictError):
        generate_key_file(tmp_path / "publish.key")
    pair.public_path.unlink()
    with pytest.raises(ConflictError):
        generate_key_file(tmp_path / "publish.key")
    (tmp_path / "other.key.pub").write_text("x")
    with pytest.raises(ConflictError):
        generate_key_file(tmp_path / "other.key")
    with pytest.raises(ConflictError):
        write_public_key(pair.public_key, tmp_path / "other.key.pub")
    assert pair.private_path.read_bytes() == before
    (tmp_path / "link.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConflictError):
        generate_key_file(tmp_path / "link.key")
    assert not (tmp_path / "elsewhere").exists()


def test_an_unknown_scheme_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no key scheme"):
        generate_key_file(tmp_path / "publish.key", scheme="rsa")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_may_read_is_refused(tmp_path, mode):
    path = generate_key_file(tmp_path / "publish.key").private_path
    path.chmod(mode)
    with pytest.raises(UsageError, match=f"{mode:04o}") as caught:
        load_signer(path)
    assert "chmod 600" in (caught.value.hint or "")
    path.chmod(0o400)
    load_signer(path)


def test_a_key_comes_from_an_environment_variable(monkeypatch):
    key = Ed25519PrivateKey.generate()
    text = pem(key).decode()
    for value in (text, text.replace("\n", "\\n")):
        monkeypatch.setenv("FLAGS_KEY", value)
        assert load_signer("env:FLAGS_KEY").sign(b"x") == key.sign(b"x")
    for value in ("", "garbage"):
        monkeypatch.setenv("FLAGS_KEY", value)
        with pytest.raises(UsageError, match="FLAGS_KEY"):
            load_signer("env:FLAGS_KEY")
    with pytest.raises(UsageError, match="not set"):
        load_signer("env:NO_SUCH_VARIABLE")


def test_a_key_given_as_a_value_is_refused_and_not_repeated():
    text = pem(Ed25519PrivateKey.generate()).decode()
    with pytest.raises(UsageError, match="given as a value") as caught:
        load_signer(text)
    assert text.splitlines()[1] not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no private key"),
        (b"garbage", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", "no private key"),
        (pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"pass")), "passphrase"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "neither Ed25519 nor ECDSA P-256"),
        (pem(rsa.generate_private_key(65537, 2048)), "neither Ed25519 nor ECDSA P-256"),
    ],
)
def test_what_is_no_usable_private_key_is_refused_without_showing_it(tmp_path, data, words):
    path = key_file(tmp_path / "bad.key", data)
    with pytest.raises(UsageError, match=words) as caught:
        load_signer(path)
    error = caught.value
    assert error.__cause__ is None
    assert "c2VjcmV0" not in f"{error.message}{error.hint}"


def test_a_missing_key_file_says_how_keys_are_named_before_how_to_make_one(tmp_path):
    with pytest.raises(MissingKeyError, match="no key file") as caught:
        load_signer(tmp_path / "none.key")
    hint = caught.value.hint or ""
    assert hint.index("env:NAME") < hint.index("first set-up") < hint.index("flagctl keys generate")
    with pytest.raises(MissingKeyError, match="not set"):
        load_signer("env:FLAGCTL_NO_SUCH_VARIABLE")
    with pytest.raises(UsageError):
        load_signer(tmp_path)
    with pytest.raises(UsageError, match="KMS"):
        load_signer("awskms:///alias/flags")


def test_a_signer_shows_and_hands_out_no_secret(tmp_path):
    signer = load_signer(generate_key_file(tmp_path / "publish.key").private_path)
    assert repr(signer) == f"LocalSigner(keyid={signer.keyid[:16]}…)"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(signer)


def test_the_public_half_is_read_from_either_file(tmp_path):
    pair = generate_key_file(tmp_path / "publish.key")
    assert read_public_key(pair.private_path) == read_public_key(pair.public_path)
    write_public_key(pair.public_key, tmp_path / "copy.pub")
    assert (tmp_path / "copy.pub").read_bytes() == pair.public_path.read_bytes()
    (tmp_path / "bad.pub").write_text("garbage")
    with pytest.raises(UsageError, match="no public key"):
        read_public_key(tmp_path / "bad.pub")
    with pytest.raises(UsageError, match="cannot be read"):
        read_public_key(tmp_path / "none.pub")
