"""Remotes in S3 and stores that speak its protocol. The only importer of boto3.

- One attempt per operation: whoever calls knows better when to try again (the SDK would try three times, a minute each).
- Conditional writes need a store that honours ``If-Match`` and ``If-None-Match`` on PUT; AWS S3, MinIO and SeaweedFS do.
- The SDK's checksums are on, in both directions.
- Credentials come from the SDK's own chain: environment, shared files, instance or container roles, OIDC.
"""

from __future__ import annotations

import re
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.errors import ConflictError, FlagctlError, RemoteError, UntrustedError, UsageError
from flagctl.storage.deadline import Deadline
from flagctl.storage.remote import NOT_MODIFIED, Fetched, NotModified, RemoteOptions, check_key

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

_LOCATION: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>.*))?")
_CHUNK: Final = 64 * 1024
_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_CONFLICTS: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "OperationAborted", "409", "412"})
_HINTS: Final = {
    "NoSuchBucket": "check the bucket's name in flagctl.yaml, and the account of the credentials",
    "AccessDenied": "the credentials lack s3:GetObject, s3:PutObject or s3:ListBucket on this prefix; without "
    "s3:ListBucket a missing object is answered with this error too",
    "403": "the credentials lack the permission for this object",
    "InvalidAccessKeyId": "the store does not know the access key: check AWS_ACCESS_KEY_ID, AWS_PROFILE and endpoint_url",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY, and that this machine's clock is right",
    "ExpiredToken": "the session has ended; log in again: aws sso login",
    "RequestTimeTooSkewed": "set this machine's clock",
    "PermanentRedirect": "the bucket is in another region; set region in flagctl.yaml or AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set region in flagctl.yaml or AWS_REGION",
    "SlowDown": "the store is throttling; try again later",
    "NotImplemented": "this store does not support conditional writes (If-Match, If-None-Match), which publishing needs",
}


_CONTENT_TYPES: Final = {"json": "application/json", "parquet": "application/vnd.apache.parquet"}


@final
class S3Remote:
    """A remote under a prefix of a bucket.

    Args:
        url: ``s3://bucket/prefix``.
        options: Timeouts, region and the address of the store.

    Raises:
        UsageError: If the location names no valid bucket, or boto3 is not installed.
    """

    def __init__(self, url: str, options: RemoteOptions) -> None:
        match = _LOCATION.fullmatch(url)
        if match is None:
            raise UsageError(f"the location '{url}' names no valid bucket", hint="write s3://bucket/prefix")
        if find_spec("boto3") is None:
            raise UsageError("s3:// locations need boto3", hint='pip install "flagctl[s3]"')
        self._bucket = match["bucket"]
        prefix = (match["prefix"] or "").strip("/")
        self._prefix = f"{check_key(prefix)}/" if prefix else ""
        self._url = url
        self._options = options
        self._lock = threading.Lock()
        self._client: S3Client | None = None
        self._deadline = Deadline(options.deadline, f"the store of {url}")

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    def __repr__(self) -> str:
        return f"S3Remote({self._url!r})"

    def get(self, key: str, *, etag: str | None = None, max_bytes: int) -> Fetched | NotModified | None:
        """Read an object; see `Remote.get`."""
        return self._deadline.run(lambda: self._get(key, etag, max_bytes))

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_none_match: bool = False) -> str:
        """Write an object; see `Remote.put`."""
        return self._deadline.run(lambda: self._put(key, data, if_match, if_none_match=if_none_match))

    def _get(self, key: str, etag: str | None, max_bytes: int) -> Fetched | NotModified | None:
        condition: dict[str, Any] = {} if etag is None else {"IfNoneMatch": etag}
        try:
            answer = self._opened().get_object(Bucket=self._bucket, Key=self._key(key), **condition)
            body = answer["Body"]
            try:
                if answer.get("ContentLength", 0) > max_bytes:
                    raise _too_large(key, max_bytes)
                data = b"".join(_chunks(body, key, max_bytes))
                return Fetched(data, answer["ETag"])
            finally:
                body.close()
        except FlagctlError:
            raise
        except Exception as error:
            code = _code(error)
            if code == "304":
                return NOT_MODIFIED
            if code in _MISSING:
                return None
            raise self._translate(error, key) from error

    def _put(self, key: str, data: bytes, if_match: str | None, *, if_none_match: bool) -> str:
        condition: dict[str, Any] = {}
        if if_match is not None:
            condition["IfMatch"] = if_match
        if if_none_match:
            condition["IfNoneMatch"] = "*"
        ending = key.rpartition(".")[2]
        content_type = _CONTENT_TYPES.get(ending, "application/gzip")
        try:
            answer = self._opened().put_object(
                Bucket=self._bucket, Key=self._key(key), Body=data, ContentType=content_type, **condition
            )
            return answer["ETag"]
        except Exception as error:
            code = _code(error)
            # AWS answers 404 where the object of an If-Match has gone; others answer 412.
            if condition and (code in _CONFLICTS or code in _MISSING):
                raise ConflictError(f"{self._place(key)} has changed meanwhile") from error
            raise self._translate(error, key) from error

    def _list(self, prefix: str) -> list[str]:
        start = len(self._prefix)
        keys: list[str] = []
        try:
            pages = self._opened().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                keys += [item["Key"][start:] for item in page.get("Contents", ())]
        except Exception as error:
            raise self._translate(error, prefix) from error
        return sorted(keys)

    def _opened(self) -> S3Client:
        """Return the SDK's client, made on first use: making one takes a good tenth of a second."""
        with self._lock:
            if self._client is None:
                self._client = _make_client(self._options)
            return self._client

    def _key(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _place(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def _translate(self, error: Exception, key: str) -> Exception:
        """Return the error to raise for one of the SDK's; what is not the SDK's stays as it is."""
        from botocore.exceptions import (  # noqa: PLC0415
            BotoCoreError,
            ClientError,
            FlexibleChecksumError,
            NoCredentialsError,
            PartialCredentialsError,
            ProfileNotFound,
            TokenRetrievalError,
        )
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        place = self._place(key)
        if isinstance(error, ClientError):
            code = _code(error)
            return RemoteError(f"{place}: the store answered {code}", hint=_HINTS.get(code))
        if isinstance(error, (NoCredentialsError, PartialCredentialsError, ProfileNotFound, TokenRetrievalError)):
            return RemoteError(
                f"there are no usable credentials for {place}: {_sentence(error)}",
                hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run under a role",
            )
        if isinstance(error, FlexibleChecksumError):
            return RemoteError(f"{place} arrived damaged: the store's checksum does not fit")
        if isinstance(error, (BotoCoreError, HTTPError, OSError)):
            return RemoteError(f"{place} cannot be reached: {_sentence(error)}", hint=_endpoint_hint(self._options))
        if isinstance(error, (ValueError, LookupError, TypeError, AttributeError)):
            # The SDK's parsers raise such things for answers that were damaged on the way.
            return RemoteError(f"{place}: the store's answer cannot be read ({type(error).__name__})")
        return error

    def list(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`; see `Remote.list`."""
        return self._deadline.run(lambda: self._list(prefix))


def _make_client(options: RemoteOptions) -> S3Client:
    import boto3  # noqa: PLC0415 - it takes a good tenth of a second, and the first request is soon enough
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        retries={"total_max_attempts": 1, "mode": "standard"},
        request_checksum_calculation="when_supported",
        response_checksum_validation="when_supported",
        # Virtual host names need a DNS entry per bucket, which stores other than AWS rarely have.
        s3={"addressing_style": "path" if options.endpoint_url else "auto"},
        user_agent_extra="flagctl",
    )
    # A session of its own: the module's default session is shared and not safe to use from several threads.
    session = boto3.session.Session(region_name=options.region)
    region = session.region_name or "us-east-1"
    client: S3Client = session.client("s3", endpoint_url=options.endpoint_url, region_name=region, config=config)
    return client


def _chunks(body: Any, key: str, max_bytes: int) -> list[bytes]:
    chunks: list[bytes] = []
    length = 0
    while chunk := body.read(_CHUNK):
        length += len(chunk)
        if length > max_bytes:
            raise _too_large(key, max_bytes)
        chunks.append(chunk)
    return chunks


def _too_large(key: str, max_bytes: int) -> UntrustedError:
    return UntrustedError(f"{key} is larger than {max_bytes} bytes", reason="too-large")


def _code(error: Exception) -> str:
    """Return the store's error code, or the HTTP status where the answer had no body; empty for other errors."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    code = str(response.get("Error", {}).get("Code", ""))
    return code or str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__


def _endpoint_hint(options: RemoteOptions) -> str | None:
    return f"is {options.endpoint_url} the right endpoint_url?" if options.endpoint_url else None
