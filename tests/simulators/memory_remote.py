"""A remote in memory that keeps the Remote protocol's promises, and breaks them on request."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from flagctl.errors import ConflictError, RemoteError, UntrustedError
from flagctl.storage.remote import NOT_MODIFIED, Fetched


class PowerCutError(BaseException):
    """The publishing process dies: nothing of it runs on, so nothing may catch this."""


class MemoryRemote:
    """Objects in a dictionary; `before` and `after` are called around each operation and may raise."""

    url = "memory://remote"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.operations: list[tuple[str, str]] = []
        self.before: Callable[[str, str, int], None] = lambda *_: None
        self.after: Callable[[str, str, int], None] = lambda *_: None
        self._lock = threading.Lock()

    def get(self, key, *, etag=None, max_bytes):
        number = self._enter("get", key)
        with self._lock:
            data = self.objects.get(key)
        self.after("get", key, number)
        if data is None:
            return None
        if len(data) > max_bytes:
            raise UntrustedError(f"{key} is too large", reason="too-large")
        return NOT_MODIFIED if _tag(data) == etag else Fetched(data, _tag(data))

    def put(self, key, data, *, if_match=None, if_none_match=False):
        number = self._enter("put", key)
        with self._lock:
            present = self.objects.get(key)
            if if_none_match and present is not None:
                raise ConflictError("exists")
            if if_match is not None and (present is None or _tag(present) != if_match):
                raise ConflictError("changed")
            self.objects[key] = data
        self.after("put", key, number)
        return _tag(data)

    def list(self, prefix):
        number = self._enter("list", prefix)
        with self._lock:
            keys = sorted(key for key in self.objects if key.startswith(prefix))
        self.after("list", prefix, number)
        return keys

    def _enter(self, operation: str, key: str) -> int:
        with self._lock:
            self.operations.append((operation, key))
            number = len(self.operations)
        self.before(operation, key, number)
        return number


def dies_at(remote: MemoryRemote, number: int, *, after: bool) -> None:
    """Make the process die before or after the effect of the n-th operation from now on."""
    last = len(remote.operations) + number

    def die(_operation: str, _key: str, now: int) -> None:
        if now >= last:
            raise PowerCutError

    setattr(remote, "after" if after else "before", die)


def fails_once(
    remote: MemoryRemote, operation: str, suffix: str, *, after: bool, error: Exception | None = None
) -> None:
    """Make one operation on a key with the suffix fail, before or after it has its effect."""
    left = [error or RemoteError("the connection was lost")]

    def fail(happening: str, key: str, _number: int) -> None:
        if left and happening == operation and key.endswith(suffix):
            raise left.pop()

    setattr(remote, "after" if after else "before", fail)


def _tag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
