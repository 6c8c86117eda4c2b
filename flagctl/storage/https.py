"""Remotes behind a web server: read-only, such as a CDN in front of a bucket. The standard library is enough.

- TLS is verified, always. Redirects are followed a few times, and only to https.
- ``http://`` is refused but for this machine, and only where it is asked for.
- A query in the location, such as a read token, goes with every request and shows in no message.
- One connection is kept; what a server closed meanwhile is opened anew, once.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import threading
from typing import Final, NamedTuple, NoReturn, final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from flagctl.errors import RemoteError, UntrustedError, UsageError
from flagctl.storage.deadline import Deadline
from flagctl.storage.remote import NOT_MODIFIED, Fetched, NotModified, RemoteOptions, check_key

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_CHUNK: Final = 64 * 1024
_MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MISSING: Final = frozenset({404, 410})
_HINTS: Final = {
    401: "the location may need a token in its query: https://host/path?token=…",
    403: "the server forbids it, or says so about what does not exist",
    429: "the server is throttling; try again later",
}


class _Address(NamedTuple):
    """Where a connection leads."""

    scheme: str
    host: str
    port: int | None


@final
class HttpsRemote:
    """A remote that can only be read.

    Args:
        url: ``https://host/path``, also with a port and a query.
        options: Timeouts; `plain_http` lets ``http://`` reach this machine.

    Raises:
        UsageError: If the location is ``http://`` beyond this machine, names no host, or holds a password.
    """

    def __init__(self, url: str, options: RemoteOptions) -> None:
        parts = _checked(url, options)
        path = parts.path.rstrip("/")
        if unquote(path) == path:
            path = quote(path)
        self._base = parts._replace(path=path, fragment="")
        self._url = parts._replace(query="", fragment="").geturl()
        self._options = options
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._kept: tuple[_Address, http.client.HTTPConnection] | None = None
        self._deadline = Deadline(options.deadline, f"the server of {self._url}")

    @property
    def url(self) -> str:
        """Where it is, without its query."""
        return self._url

    def close(self) -> None:
        """Close the kept connection; the next request opens another one."""
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None:
            kept[1].close()

    def __del__(self) -> None:
        if hasattr(self, "_kept"):
            self.close()

    def __repr__(self) -> str:
        return f"HttpsRemote({self._url!r})"

    def get(self, key: str, *, etag: str | None = None, max_bytes: int) -> Fetched | NotModified | None:
        """Read an object; see `Remote.get`."""
        place = self._base._replace(path=f"{self._base.path}/{check_key(key)}")
        return self._deadline.run(lambda: self._get(place, key, etag, max_bytes))

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_none_match: bool = False) -> NoReturn:  # noqa: ARG002
        """Refuse: there is no way to write.

        Raises:
            UsageError: Always.
        """
        self._refuse()

    def list(self, prefix: str) -> NoReturn:  # noqa: ARG002
        """Refuse: there is no way to list.

        Raises:
            UsageError: Always.
        """
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError(
            f"{self._url} can only be read", hint="publish to the bucket or folder behind it: s3://… or file:///…"
        )

    def _get(self, place: SplitResult, key: str, etag: str | None, max_bytes: int) -> Fetched | NotModified | None:
        for _ in range(_MAX_REDIRECTS + 1):
            connection, answer = self._ask(place, key, etag)
            try:
                if answer.status in _REDIRECTS:
                    place = self._redirected(place, answer, key)
                    continue
                result = self._read(answer, key, etag, max_bytes)
            except (OSError, http.client.HTTPException) as error:
                raise self._unreachable(key, error) from error
            finally:
                if not self._reusable(place, connection, answer):
                    answer.close()  # it has taken the socket over if the server said that it would close
                    connection.close()
            return result
        raise RemoteError(f"{self._url}/{key} redirects too often")

    def _read(
        self, answer: http.client.HTTPResponse, key: str, etag: str | None, max_bytes: int
    ) -> Fetched | NotModified | None:
        if (answer.status == 304 and etag is not None) or answer.status in _MISSING:
            answer.read(_CHUNK)  # to its end, so that the connection can be kept
            return None if answer.status in _MISSING else NOT_MODIFIED
        if answer.status != 200:
            raise RemoteError(f"{self._url}/{key}: the server answered {answer.status}", hint=_HINTS.get(answer.status))
        if answer.length is not None and answer.length > max_bytes:
            raise UntrustedError(f"{key} is larger than {max_bytes} bytes", reason="too-large")
        expected = answer.length
        chunks: list[bytes] = []
        length = 0
        while chunk := answer.read(_CHUNK):
            length += len(chunk)
            if length > max_bytes:
                raise UntrustedError(f"{key} is larger than {max_bytes} bytes", reason="too-large")
            chunks.append(chunk)
        if expected is not None and length != expected:
            raise RemoteError(f"{self._url}/{key} arrived cut off: {length} of {expected} bytes")
        data = b"".join(chunks)
        tag = answer.headers.get("ETag") or hashlib.sha256(data).hexdigest()
        return NOT_MODIFIED if tag == etag else Fetched(data, tag)

    def _ask(
        self, place: SplitResult, key: str, etag: str | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send the request over the kept connection, or over a new one if there is none or it was closed."""
        address = _Address(place.scheme, place.hostname or "", place.port)
        target = (place.path or "/") + (f"?{place.query}" if place.query else "")
        headers = {"Accept-Encoding": "identity", "User-Agent": "flagctl"}
        if etag is not None:
            headers["If-None-Match"] = etag
        kept = self._take(address)
        for connection in (kept, None):
            if connection is None and kept is not None:
                kept.close()
            opened = connection
            try:
                opened = connection or self._open(address)
                opened.request("GET", target, headers=headers)
                return opened, opened.getresponse()
            except (OSError, http.client.HTTPException) as error:
                if connection is None:
                    if opened is not None:
                        opened.close()
                    raise self._unreachable(key, error) from error
        raise AssertionError  # pragma: no cover  the loop ends with an answer or an error

    def _open(self, address: _Address) -> http.client.HTTPConnection:
        options = self._options
        connection: http.client.HTTPConnection
        if address.scheme == "https":
            if self._context is None:
                self._context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                address.host, address.port, timeout=options.connect_timeout, context=self._context
            )
        else:
            connection = http.client.HTTPConnection(address.host, address.port, timeout=options.connect_timeout)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        connection.sock.settimeout(options.read_timeout)
        return connection

    def _take(self, address: _Address) -> http.client.HTTPConnection | None:
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is None or kept[0] != address:
            if kept is not None:
                kept[1].close()
            return None
        return kept[1]

    def _reusable(
        self, place: SplitResult, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
    ) -> bool:
        """Keep a connection whose answer was read to its end; return whether it is kept."""
        if not answer.isclosed() or connection.sock is None:
            return False
        address = _Address(place.scheme, place.hostname or "", place.port)
        if (connection.host, connection.port) != (address.host, address.port or connection.default_port):
            return False
        with self._lock:
            if self._kept is not None:
                return False
            self._kept = (address, connection)
        return True

    def _redirected(self, place: SplitResult, answer: http.client.HTTPResponse, key: str) -> SplitResult:
        target = urlsplit(urljoin(place.geturl(), answer.headers.get("Location") or ""))
        if target.scheme != place.scheme or not target.hostname or "@" in target.netloc:
            raise RemoteError(
                f"{self._url}/{key} redirects to {target.scheme or 'nothing'}://, which is not followed",
                hint="only redirects to https:// are",
            )
        return target

    def _unreachable(self, key: str, error: Exception) -> RemoteError:
        place = f"{self._url}/{key}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return RemoteError(
                f"{place}: the server's certificate is not accepted: {error.verify_message}",
                hint="check the host's name and this machine's clock; for a CA of your own, set SSL_CERT_FILE",
            )
        text = " ".join(str(error).split())[:200] or type(error).__name__
        return RemoteError(f"{place} cannot be reached: {text}")


def _checked(url: str, options: RemoteOptions) -> SplitResult:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host = None
    if not host or not url.isascii() or any(character.isspace() for character in url):
        raise UsageError(f"the location '{url.partition('?')[0]}' names no valid host", hint="write https://host/path")
    if "@" in parts.netloc:
        raise UsageError(
            "a location holds no user name or password", hint="a read token may stand in the query: https://host/path?…"
        )
    if parts.scheme == "http" and (host not in LOOPBACK or not options.plain_http):
        raise UsageError(
            f"http:// is refused for {host}: anybody on the way could hold back what you publish",
            hint="write https://; http:// is for this machine, with insecure=True",
        )
    return parts
