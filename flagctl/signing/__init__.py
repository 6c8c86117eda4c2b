"""Keys and signers: who signs manifests, kill lists and roots of trust.

A signer is anything with a public key and a `sign` method, so that a key management service fits beside key files and
environment variables. A private key never comes from a command-line value, which other users of the machine could read,
and never shows in a `repr`, a message or a log.
"""

from flagctl.signing.keys import KeyPair, generate_key_file, read_public_key, write_public_key
from flagctl.signing.signer import LocalSigner, MissingKeyError, Signer, load_signer

__all__ = [
    "KeyPair",
    "LocalSigner",
    "MissingKeyError",
    "Signer",
    "generate_key_file",
    "load_signer",
    "read_public_key",
    "write_public_key",
]
