"""The Remote protocol: four operations that a file system, an object store and a test's simulator can offer alike.

Conditional writes are what several publishers are kept in order with: a pointer is only replaced by somebody who has seen
the version it replaces.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Protocol

from flagctl.errors import UsageError

_KEY: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._=-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._=-]*)*")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Fetched(NamedTuple):
    """An object's bytes and the tag of exactly these bytes."""

    data: bytes
    etag: str


class NotModified(NamedTuple):
    """The object is still the one with the given tag."""


NOT_MODIFIED: Final = NotModified()


class RemoteOptions(NamedTuple):
    """Settings of a remote.

    Attributes:
        endpoint_url: Address of an S3-compatible store; None is AWS.
        region: Region of the store; None leaves it to the SDK's configuration.
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds to wait for the next bytes.
        deadline: Seconds that one whole operation may take, however steadily bytes drip in.
        plain_http: Whether ``http://`` may be used to reach this machine.
        project: Name of the project, under which its objects lie in a place that several share.
    """

    endpoint_url: str | None = None
    region: str | None = None
    connect_timeout: float = 2.0
    read_timeout: float = 5.0
    deadline: float = 20.0
    plain_http: bool = False
    project: str | None = None


class Remote(Protocol):
    """A place for objects under keys such as ``production/manifest.json``.

    Every method raises `RemoteError` if the place cannot be reached, refuses access or takes too long.
    """

    @property
    def url(self) -> str:
        """Where it is, without secrets."""

    def get(self, key: str, *, etag: str | None = None, max_bytes: int) -> Fetched | NotModified | None:
        """Read an object.

        Args:
            key: Which object.
            etag: Tag of the version that the caller has; the same version is answered with `NotModified`.
            max_bytes: A longer object is an error and is not read to its end.

        Returns:
            The object, `NotModified`, or None if there is none.

        Raises:
            UntrustedError: ``too-large``.
        """

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_none_match: bool = False) -> str:
        """Write an object, as a whole or not at all.

        Args:
            key: Which object.
            data: Its new content.
            if_match: Only if the object has this tag.
            if_none_match: Only if there is no such object.

        Returns:
            The new version's tag.

        Raises:
            ConflictError: If the condition does not hold.
        """

    def list(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`, sorted."""


def open_remote(url: str, *, options: RemoteOptions | None = None) -> Remote:
    """Open a remote; nothing is read or connected yet.

    Args:
        url: ``file:///absolute/path``, ``s3://bucket/prefix``, ``https://host/path`` for reading, or ``redis://host:port/db`` for
            what an agent keeps there.
        options: Timeouts and the address of the store.

    Raises:
        UsageError: If the location has no scheme, an unknown one, or is incomplete.
    """
    options = options or RemoteOptions()
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else None
    if scheme == "file":
        from flagctl.storage.file import FileRemote  # noqa: PLC0415 - each kind of remote is imported when it is used

        return FileRemote(url)
    if scheme == "s3":
        from flagctl.storage.s3 import S3Remote  # noqa: PLC0415

        return S3Remote(url, options)
    if scheme is None:
        raise UsageError(f"the location '{url}' has no scheme", hint=_hint_without_scheme(url))
    if scheme in {"http", "https"}:
        from flagctl.storage.https import HttpsRemote  # noqa: PLC0415

        return HttpsRemote(url, options)
    if scheme in {"redis", "rediss"}:
        from flagctl.storage.redis import RedisRemote  # noqa: PLC0415

        return RedisRemote(url, options.project, timeout=min(options.read_timeout, options.deadline))
    raise UsageError(
        f"the location '{url}' has an unknown scheme",
        hint="use file:///absolute/path, s3://bucket/prefix, https://host/path or redis://host:port/db",
    )


def check_key(key: str) -> str:
    """Return `key` if it is a plain relative path without ``..``; remotes check before they build a path or request.

    Raises:
        UsageError: If it is not.
    """
    if len(key) > 1000 or _KEY.fullmatch(key) is None:
        raise UsageError(f"'{key[:100]}' is not the key of an object")
    return key


def _hint_without_scheme(url: str) -> str:
    if url.startswith("/"):
        return f"write file://{url} for a folder"
    if half := re.match(r"(?i)(file|s3|https?|rediss?):/*", url):
        scheme, rest = half[1].lower(), url[half.end() :]
        return f"two slashes follow the colon: {scheme}://{'/' if scheme == 'file' else ''}{rest}"
    if re.match(r"[A-Za-z]:[\\/]", url):
        return "write file:///C:/folder for a folder"
    if url.startswith((".", "~")) or "/" not in url:
        return "write file:///absolute/path for a folder, s3://bucket/prefix for a bucket; for one bundle file: flagctl.load"
    return f"write s3://{url} for a bucket, file:///absolute/path for a folder; for one bundle file: flagctl.load"
