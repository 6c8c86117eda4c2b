"""Packing and unpacking of stored bundles, with every size and digest checked before the bytes are worked on."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Final

from flagctl.errors import UntrustedError

if TYPE_CHECKING:
    from flagctl.bundle.manifest import BundleRef

GZIP: Final = "gzip"
_GZIP_WINDOW: Final = 31
"""zlib's number for "the largest window, in a gzip wrapper"; it writes no name and no time."""


def pack(data: bytes) -> bytes:
    """Return the stored form of a bundle: gzip without a time, so that the same bundle gives the same bytes here."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(data) + packer.flush()


def unpack(reference: BundleRef, blob: bytes) -> bytes:
    """Return a stored bundle's plain bytes.

    Args:
        reference: Digests and sizes from a verified manifest.
        blob: Bytes as received.

    Raises:
        UntrustedError: ``wrong-blob-size``, ``wrong-blob-digest``, ``unknown-encoding``, ``bad-compression``,
            ``wrong-bundle-size`` or ``wrong-bundle-digest``.
    """
    if len(blob) != reference.blob_size:
        raise UntrustedError(
            f"the stored bundle has {len(blob)} bytes, the manifest says {reference.blob_size}",
            reason="wrong-blob-size",
        )
    if hashlib.sha256(blob).hexdigest() != reference.blob_sha256:
        raise UntrustedError("the stored bundle is not the one in the manifest", reason="wrong-blob-digest")
    if reference.enc != GZIP:
        raise UntrustedError(f"the bundle is packed with '{reference.enc}'", reason="unknown-encoding")
    data = inflate(blob, reference.size)
    if len(data) != reference.size:
        raise UntrustedError(
            f"the unpacked bundle does not have the {reference.size} bytes that the manifest says",
            reason="wrong-bundle-size",
        )
    if hashlib.sha256(data).hexdigest() != reference.sha256:
        raise UntrustedError("the unpacked bundle is not the one in the manifest", reason="wrong-bundle-digest")
    return data


def inflate(blob: bytes, size: int) -> bytes:
    """Unpack at most one byte more than `size`, however much the bytes would unpack to.

    Raises:
        UntrustedError: ``bad-compression``.
    """
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        data = unpacker.decompress(blob, size + 1)
    except zlib.error as error:
        raise UntrustedError("the stored bundle cannot be unpacked", reason="bad-compression") from error
    if len(data) <= size and (not unpacker.eof or unpacker.unused_data):
        raise UntrustedError("the stored bundle is not one complete gzip member", reason="bad-compression")
    return data
