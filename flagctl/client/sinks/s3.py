"""Batches of events to S3, or to whatever else `flagctl.storage` writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from flagctl.client.sinks.blobs import FORMATS, BlobSink, Sizes, encode_jsonl
from flagctl.errors import UsageError
from flagctl.storage.remote import RemoteOptions, open_remote

if TYPE_CHECKING:
    from collections.abc import Collection

    from flagctl.client.sinks.blobs import Encode
    from flagctl.storage.remote import Remote


@final
class S3Sink(BlobSink):
    """Uploads events as objects, one for each kind, day and stretch of time.

    An upload that fails is tried again with growing pauses; what waits for the store is bounded by `sizes.spool_bytes`.

    Args:
        url: ``s3://bucket/prefix`` (or ``file:///folder``); objects are ``<prefix>/<kind>/dt=YYYY-MM-DD/<unique>``.
        format: ``jsonl.gz`` or ``parquet``.
        sizes: When an object is uploaded.
        accepts: Kinds of events; all without it.
        name: Names the sink.
        options: Timeouts and the address of the store.

    Raises:
        UsageError: The location can't be written to, or a library is missing.
    """

    def __init__(  # noqa: PLR0913 - all optional but the first
        self,
        url: str,
        *,
        format: str = "jsonl.gz",  # noqa: A002 - the word users know
        sizes: Sizes | None = None,
        accepts: Collection[str] | None = None,
        name: str = "s3",
        options: RemoteOptions | None = None,
    ) -> None:
        if format not in FORMATS:
            raise UsageError(f"there is no format '{format}'", hint=f"there are: {', '.join(FORMATS)}")
        if not url.startswith(("s3://", "file://")):
            raise UsageError(f"events can't be uploaded to '{url}'", hint="write s3://bucket/prefix")
        encode: Encode = encode_jsonl
        if format == "parquet":
            from flagctl.client.sinks.parquet import check_installed, encode_parquet  # noqa: PLC0415 - only if used

            check_installed()
            encode = encode_parquet
        self._url = url
        self._options = options
        self._remote: Remote = open_remote(url, options=options)
        super().__init__(
            name, ending=f".{format}", encode=encode, store=self._put, sizes=sizes or Sizes(), accepts=accepts
        )

    def open(self) -> None:
        """Begin with nothing, and with a connection of its own."""
        super().open()
        self._remote = open_remote(self._url, options=self._options)

    def _put(self, key: str, data: bytes) -> None:
        self._remote.put(key, data)

    def close(self) -> None:
        """Upload everything, and let go of the connection."""
        try:
            super().close()
        finally:
            close = getattr(self._remote, "close", None)
            if close is not None:
                close()
