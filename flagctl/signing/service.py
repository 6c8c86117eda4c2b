"""A signer whose private key is in a key management service."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol, final

from flagctl.bundle.envelope import ECDSA_P256, public_key_from_der
from flagctl.errors import UsageError

if TYPE_CHECKING:
    from flagctl.bundle.envelope import PublicKey


class ServiceKey(Protocol):
    """What a service offers for one key."""

    @property
    def name(self) -> str:
        """How the service calls it; not secret."""

    def public_der(self) -> bytes:
        """Return the public key as SubjectPublicKeyInfo in DER."""

    def sign(self, message: bytes) -> bytes:
        """Return an ECDSA signature with SHA-256, in DER, over a message of any length."""


@final
class ServiceSigner:
    """Signs with a key of a service.

    Args:
        key: The key; nothing is asked of the service yet.
    """

    def __init__(self, key: ServiceKey) -> None:
        self._key = key

    @cached_property
    def public_key(self) -> PublicKey:
        """The public key; asked for once.

        Raises:
            RemoteError: If the service cannot be reached or refuses.
            UsageError: If it is no ECDSA P-256 key.
        """
        key = public_key_from_der(self._key.public_der())
        if key is None or key.scheme != ECDSA_P256:
            raise UsageError(
                f"the key {self._key.name} is not ECDSA P-256", hint="make one: SIGN_VERIFY, ECC_NIST_P256"
            )
        return key

    @property
    def keyid(self) -> str:
        """Id of the public key."""
        return self.public_key.keyid

    def sign(self, message: bytes) -> bytes:
        """Return a signature over `message`, in DER.

        Raises:
            RemoteError: If the service cannot be reached or refuses.
        """
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"ServiceSigner({self._key.name!r})"
