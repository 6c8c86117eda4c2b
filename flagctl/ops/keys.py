"""Make and look at keys."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.bundle.envelope import ED25519
from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.publish_model import result_document
from flagctl.ops.signers import KMS_PREFIX, open_signer
from flagctl.signing.keys import PUBLIC_SUFFIX, generate_key_file, public_key_pem, read_public_key

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.bundle.envelope import PublicKey

KEY_SUFFIX = ".key"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyResult:
    """A key. `public_key` is PEM text; paths are None where a half is not there."""

    keyid: str
    scheme: str
    public_key: str
    private_path: str | None
    public_path: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values; a private key is never among them."""
        return result_document(self)


def generate_key(path: Path, *, scheme: str = ED25519) -> KeyResult:
    """Make a key pair in `path` (private, mode 0600) and `path` plus ``.pub``.

    Raises:
        ConflictError: If either file exists.
        UsageError: If the scheme is unknown or the files cannot be written.
    """
    pair = generate_key_file(path, scheme=scheme)
    return _result(pair.public_key, pair.private_path, pair.public_path)


def inspect_key(path: Path) -> KeyResult:
    """Return what a private or public key file holds, or the public half of a key in AWS KMS (``awskms:…``).

    Raises:
        UsageError: If the file cannot be read or holds no key.
        RemoteError: If the key service cannot be reached or refuses.
    """
    if str(path).startswith(KMS_PREFIX):
        return _result(open_signer(str(path)).public_key, None, None)
    key = read_public_key(path)
    if path.name.endswith(PUBLIC_SUFFIX):
        private = path.with_name(path.name.removesuffix(PUBLIC_SUFFIX))
        return _result(key, private if private.is_file() else None, path)
    public = path.with_name(path.name + PUBLIC_SUFFIX)
    return _result(key, path, public if public.is_file() else None)


def list_keys(folder: Path) -> tuple[KeyResult, ...]:
    """Return the keys of a folder: one for each ``*.key`` and each ``*.key.pub`` without its private half.

    Raises:
        NothingMatchedError: If the folder has none.
        UsageError: If the folder or one of the files cannot be read.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  a glob takes a folder that can't be read for an empty one
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{folder} is not a folder") from error
    except OSError as error:
        hint = "only its owner can list it" if isinstance(error, PermissionError) else None
        raise UsageError(f"the folder {folder} cannot be read: {error.strerror}", hint=hint) from error
    private = [folder / name for name in names if name.endswith(KEY_SUFFIX)]
    alone = [
        folder / name
        for name in names
        if name.endswith(KEY_SUFFIX + PUBLIC_SUFFIX) and name.removesuffix(PUBLIC_SUFFIX) not in names
    ]
    if not private and not alone:
        raise NothingMatchedError(
            f"{folder} holds no keys", hint=f"make one: flagctl keys generate {folder}/publish{KEY_SUFFIX}"
        )
    return tuple(_listed(path) for path in [*private, *alone])


def _listed(path: Path) -> KeyResult:
    """Return what a key file holds; for a private one that its owner keeps to himself, the public half says the same."""
    try:
        return inspect_key(path)
    except UsageError as error:
        public = path.with_name(path.name + PUBLIC_SUFFIX)
        if not isinstance(error.__cause__, PermissionError):
            raise
        if not public.is_file():
            hint = "only its owner can read it; the public half beside it, FILE.pub, would do"
            raise UsageError(error.message, hint=hint) from error
        return _result(read_public_key(public), path, public)


def _result(key: PublicKey, private: Path | None, public: Path | None) -> KeyResult:
    return KeyResult(
        keyid=key.keyid,
        scheme=key.scheme,
        public_key=public_key_pem(key).decode(),
        private_path=str(private) if private else None,
        public_path=str(public) if public else None,
    )
