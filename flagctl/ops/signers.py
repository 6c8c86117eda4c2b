"""Open signers, wherever their keys are: in files, in environment variables, or in AWS KMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flagctl.signing import Signer

KMS_PREFIX: Final = "awskms:"


def open_signer(spec: str) -> Signer:
    """Open a signer.

    Args:
        spec: Path of a private key file, ``env:NAME``, or ``awskms:`` with a key's id, alias or ARN.

    Raises:
        UsageError: If there is no such key, or it cannot be used.
    """
    if spec.startswith(KMS_PREFIX):
        from flagctl.signing.service import ServiceSigner
        from flagctl.storage.kms import AwsKey

        return ServiceSigner(AwsKey(spec.removeprefix(KMS_PREFIX)))
    from flagctl.signing import load_signer

    return load_signer(spec)
