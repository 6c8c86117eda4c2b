"""A place that notes what was read from it, for whoever wants to keep or repair it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from flagctl.storage.remote import NotModified, Remote


class Noting:
    """Passes everything on to a remote.

    Args:
        remote: The place.

    Attributes:
        objects: What was read, by key.
        tags: Tags of what lies there, by key; also of what was as before.
    """

    __slots__ = ("_remote", "objects", "tags")

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self.objects: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}

    @property
    def url(self) -> str:
        """As the remote's."""
        return self._remote.url

    def get(self, key: str, *, etag: str | None = None, max_bytes: int) -> Fetched | NotModified | None:
        """Read an object; see `Remote.get`."""
        found = self._remote.get(key, etag=etag, max_bytes=max_bytes)
        if isinstance(found, Fetched):
            self.objects[key] = found.data
            self.tags[key] = found.etag
        elif found is not None and etag is not None:
            self.tags[key] = etag
        return found

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_none_match: bool = False) -> str:
        """Write an object; see `Remote.put`."""
        return self._remote.put(key, data, if_match=if_match, if_none_match=if_none_match)

    def list(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`; see `Remote.list`."""
        return self._remote.list(prefix)
