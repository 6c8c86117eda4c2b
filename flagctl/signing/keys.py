"""Key files: private keys as PEM (PKCS #8) with mode 0600, public keys as PEM beside them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from flagctl.bundle.envelope import ECDSA_P256, ED25519, PublicKey, public_key_from_der
from flagctl.errors import ConflictError, UsageError
from flagctl.signing.signer import load_signer

if TYPE_CHECKING:
    from pathlib import Path

PUBLIC_SUFFIX: Final = ".pub"
SCHEMES: Final = (ED25519, ECDSA_P256)
_MAX_KEY_FILE: Final = 64 * 1024


class KeyPair(NamedTuple):
    """A key pair on disk."""

    public_key: PublicKey
    private_path: Path
    public_path: Path


def generate_key_file(path: Path, *, scheme: str = ED25519) -> KeyPair:
    """Make a key pair: the private key in `path` (mode 0600), the public one in `path` plus ``.pub``.

    Raises:
        ConflictError: If either file exists; a key is never overwritten.
        UsageError: If the scheme is unknown or the files cannot be written.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"there is no key scheme '{scheme}'", hint=f"one of: {', '.join(SCHEMES)}")
    key = Ed25519PrivateKey.generate() if scheme == ED25519 else ec.generate_private_key(ec.SECP256R1())
    public = public_key_from_der(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    assert public is not None  # noqa: S101 - both schemes above have a form that is known
    public_path = path.with_name(path.name + PUBLIC_SUFFIX)
    if public_path.exists():
        raise ConflictError(f"{public_path} exists already; a key is never overwritten")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _create(path, private, 0o600)
    _create(public_path, public_key_pem(public), 0o644)
    return KeyPair(public, path, public_path)


def public_key_pem(key: PublicKey) -> bytes:
    """Return a public key as PEM text."""
    return load_der_public_key(key.der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def write_public_key(key: PublicKey, path: Path) -> None:
    """Write a public key as PEM.

    Raises:
        ConflictError: If the file exists.
        UsageError: If it cannot be written.
    """
    _create(path, public_key_pem(key), 0o644)


def read_public_key(path: Path) -> PublicKey:
    """Read the public key of a key file: of a public one, or the public half of a private one.

    Raises:
        UsageError: If the file cannot be read or holds no Ed25519 or P-256 key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_KEY_FILE)
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be read: {error.strerror}") from error
    if b"PRIVATE KEY" in data:
        return load_signer(path).public_key
    try:
        loaded = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"the file {path} holds no public key in PEM form") from error
    key = public_key_from_der(loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    if key is None:
        raise UsageError(f"the key in {path} is neither Ed25519 nor ECDSA P-256")
    return key


def _create(path: Path, data: bytes, mode: int) -> None:
    """Write a new file that has its final mode from its first byte on, and refuse to follow a link put in its place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), mode)
    except FileExistsError as error:
        raise ConflictError(f"{path} exists already; a key is never overwritten") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
