"""Keys in AWS KMS: asks the service for a public key and for signatures. Here because this package alone talks to AWS."""

from __future__ import annotations

import hashlib
import re
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.errors import RemoteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_ARN: Final = re.compile(r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):[0-9]{12}:(?:key|alias)/[A-Za-z0-9/_-]+")
_KEY: Final = re.compile(r"(?:alias/)?[A-Za-z0-9_-][A-Za-z0-9/_-]{0,255}")
_ALGORITHM: Final = "ECDSA_SHA_256"
_MAX_MESSAGE: Final = 4096
_HINTS: Final = {
    "AccessDeniedException": "the credentials lack kms:GetPublicKey or kms:Sign on this key",
    "NotFoundException": "check the key's id, and the region: AWS_REGION, or the key's full ARN",
    "InvalidKeyUsageException": "the key must be for signing: SIGN_VERIFY, ECC_NIST_P256",
    "UnsupportedOperationException": "the key must be an asymmetric one: SIGN_VERIFY, ECC_NIST_P256",
}


@final
class AwsKey:
    """A key pair whose private half never leaves the service.

    Args:
        key: Id, alias (``alias/name``) or ARN.

    Raises:
        UsageError: If it is none of these, or boto3 is not installed.
    """

    def __init__(self, key: str) -> None:
        match = _ARN.fullmatch(key)
        if match is None and (_KEY.fullmatch(key) is None or key == "alias/"):
            raise UsageError(
                f"'{key[:100]}' is no key of AWS KMS", hint="write awskms:alias/NAME, awskms:ID or awskms:ARN"
            )
        if find_spec("boto3") is None:
            raise UsageError("keys in AWS KMS need boto3", hint='pip install "flagctl[s3]"')
        self.name = key
        self._region = match["region"] if match else None
        self._lock = threading.Lock()
        self._client: Any = None

    def public_der(self) -> bytes:
        """Return the public key as SubjectPublicKeyInfo in DER.

        Raises:
            RemoteError: If the service cannot be reached or refuses.
        """
        answer = self._call(lambda client: client.get_public_key(KeyId=self.name))
        return bytes(answer["PublicKey"])

    def sign(self, message: bytes) -> bytes:
        """Return an ECDSA signature with SHA-256, in DER, over a message of any length.

        Raises:
            RemoteError: If the service cannot be reached or refuses.
        """
        # The service takes no longer message; its digest gives the same kind of signature.
        kind = "RAW" if len(message) <= _MAX_MESSAGE else "DIGEST"
        sent = message if kind == "RAW" else hashlib.sha256(message).digest()
        answer = self._call(
            lambda client: client.sign(KeyId=self.name, Message=sent, MessageType=kind, SigningAlgorithm=_ALGORITHM)
        )
        return bytes(answer["Signature"])

    def _call(self, operation: Callable[[Any], Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only whoever signs with KMS pays

        try:
            with self._lock:
                if self._client is None:
                    self._client = _make_client(self._region)
            return operation(self._client)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "an error"))
            raise RemoteError(f"the key {self.name}: AWS KMS answered {code}", hint=_HINTS.get(code)) from error
        except BotoCoreError as error:
            raise RemoteError(
                f"the key {self.name} cannot be reached: {' '.join(str(error).split())[:200]}",
                hint="set AWS_REGION, and AWS_PROFILE or run under a role",
            ) from error


def _make_client(region: str | None) -> Any:
    import boto3  # noqa: PLC0415 - it takes a good tenth of a second
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"total_max_attempts": 3, "mode": "standard"},
        user_agent_extra="flagctl",
    )
    return boto3.session.Session(region_name=region).client("kms", config=config)
