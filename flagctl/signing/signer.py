"""The Signer protocol and signers that hold a private key in memory."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Protocol, final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from flagctl.bundle.envelope import PublicKey, public_key_from_der
from flagctl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT_PREFIX = "env:"
_KMS_PREFIX = "awskms:"
_PEM_MARK = "-----BEGIN"
_MAX_KEY_FILE = 64 * 1024
_PLACES_HINT = (
    "a key is named by the path of its file, env:NAME or awskms:ID; "
    "a new one is only for a first set-up: flagctl keys generate FILE"
)
_FORM_HINT = (
    "is it the right one? Keys are as `flagctl keys generate` writes them: Ed25519 or ECDSA P-256, PEM, PKCS #8"
)


class MissingKeyError(UsageError):
    """There is nothing where a private key was said to be."""


class Signer(Protocol):
    """Something that signs with one private key, wherever that key is."""

    @property
    def keyid(self) -> str:
        """Id of the public key: SHA-256 of its DER form, in hexadecimal."""

    @property
    def public_key(self) -> PublicKey:
        """The public key."""

    def sign(self, message: bytes) -> bytes:
        """Return a signature over `message`: raw for Ed25519, DER for ECDSA.

        Raises:
            FlagctlError: If the key cannot be reached.
        """


@final
class LocalSigner:
    """A signer whose private key is in this process's memory.

    Args:
        private_key: An Ed25519 or P-256 key.

    Raises:
        UsageError: If the key is of any other kind.
    """

    __slots__ = ("_key", "_public")

    def __init__(self, private_key: object) -> None:
        if not isinstance(private_key, (Ed25519PrivateKey, ec.EllipticCurvePrivateKey)):
            raise UsageError("the private key is neither Ed25519 nor ECDSA P-256", hint=_FORM_HINT)
        der = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        public = public_key_from_der(der)
        if public is None:
            raise UsageError("the private key is neither Ed25519 nor ECDSA P-256", hint=_FORM_HINT)
        self._key = private_key
        self._public = public

    @property
    def keyid(self) -> str:
        """Id of the public key."""
        return self._public.keyid

    @property
    def public_key(self) -> PublicKey:
        """The public key."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Return a signature over `message`."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))

    def __repr__(self) -> str:
        return f"LocalSigner(keyid={self.keyid[:16]}…)"

    def __reduce__(self) -> str:
        raise TypeError("a signer holds a private key and is not copied or written anywhere")


def load_signer(spec: str | Path) -> Signer:
    """Open a signer.

    Args:
        spec: Path of a private key file (PEM, PKCS #8, mode 0600), or ``env:NAME`` for the PEM text in that
            environment variable.

    Raises:
        MissingKeyError: If there is no such file, or the variable is empty.
        UsageError: If others may read its file, or it is not an Ed25519 or P-256 key. The message never shows what the
            file or variable holds.
    """
    text = os.fspath(spec)
    if _PEM_MARK in text:
        raise UsageError(
            "a private key was given as a value, where the path of its file is expected",
            hint="treat this key as known to others: process lists and shell histories keep command lines; make a new one",
        )
    if text.startswith(ENVIRONMENT_PREFIX):
        return _from_environment(text.removeprefix(ENVIRONMENT_PREFIX))
    if text.startswith(_KMS_PREFIX):
        raise UsageError("a key in AWS KMS is no local key", hint="commands take it: --key awskms:alias/NAME")
    return _from_file(text)


def _from_environment(name: str) -> Signer:
    value = os.environ.get(name)
    if not value:
        raise MissingKeyError(
            f"the environment variable {name} is not set, or empty", hint="it should hold a private key as PEM text"
        )
    # Continuous integration systems often keep a secret on one line, with the line ends written as \n.
    return _parse(value.replace("\\n", "\n").encode(), f"the environment variable {name}")


def _from_file(path: str) -> Signer:
    try:
        # Without waiting: a named pipe would keep a publisher waiting for its other end.
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        raise MissingKeyError(f"there is no key file {path}", hint=_PLACES_HINT) from error
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be read: {error.strerror}") from error
    try:
        # Checked on the open file, so that it cannot be swapped between the check and the reading.
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(f"{path} is not a file")
        if os.name == "posix" and mode & 0o077:
            raise UsageError(
                f"the key file {path} has mode {stat.S_IMODE(mode):04o}: other users of this machine may read it",
                hint=f"chmod 600 {path}, and make a new key if others may have read it already",
            )
        data = os.read(descriptor, _MAX_KEY_FILE)
    finally:
        os.close(descriptor)
    return _parse(data, f"the key file {path}")


def _parse(data: bytes, what: str) -> Signer:
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise UsageError(f"{what} holds a key behind a passphrase, which is not supported") from None
    except (ValueError, UnsupportedAlgorithm):
        # Without the cause: its text may quote what was read.
        raise UsageError(f"{what} holds no private key in PEM form (PKCS #8)", hint=_FORM_HINT) from None
    return LocalSigner(key)
