"""Copies of what was accepted: the last known good on disk, and a bundle that was baked into an image.

Both have the layout of a remote and are read with the eyes of a client, so a copy that was torn, edited or swapped is
refused like any other. A copy of one's own is served beyond its expiry, as stale: it is better than no flags at all.

Several processes may share a folder. The manifest is only replaced by a newer one, on condition; bundles are named by
their digest, and old ones stay for an hour so that no process loses the one it is about to point to.
"""

# An app without a cache does not import this module; the one that has a cache is in a hurry when it starts.
# ruff: noqa: PTH105, PTH108, PTH116, PTH118
from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, final
from urllib.parse import quote

from flagctl.bundle.accept import Terms, read_manifest
from flagctl.bundle.accept_kills import read_kill_list
from flagctl.bundle.envelope import MAX_POINTER
from flagctl.bundle.names import blob_key, kill_key, manifest_key, trust_key
from flagctl.client.sync import Pulled, Source, follow_chain, pull
from flagctl.errors import ConflictError, UntrustedError
from flagctl.evaluator.document import plain_bytes
from flagctl.storage.file import FileRemote
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from flagctl.bundle.accept import Trusted
    from flagctl.bundle.manifest import Manifest
    from flagctl.bundle.trust import TrustRoot

_PLAIN: Final = "plain/"
_UNSIGNED: Final = "_unsigned"
_KEEP_SECONDS: Final = 3600.0
_BAD_SUFFIX: Final = ".bad"


def file_url(path: str) -> str:
    """Return the ``file://`` location of a path."""
    return "file://" + quote(os.path.abspath(path))  # noqa: PTH100


@final
class LastKnownGood:
    """The newest accepted state of one environment on disk.

    Args:
        folder: The client's cache folder; each project has a folder of its own in it.
        project: Name of the project, None without a root of trust.
        environment: Name of the environment.
    """

    def __init__(self, folder: str, project: str | None, environment: str) -> None:
        self._root = os.path.join(os.path.abspath(folder), project or _UNSIGNED)  # noqa: PTH100
        self._remote = FileRemote(file_url(self._root))
        self._environment = environment

    def load(self, state: Trusted, now: float) -> Pulled:
        """Read the copy back; a copy that is refused is put aside, so that it is refused once.

        Returns:
            The given state if there is no copy yet.

        Raises:
            RemoteError: If the copy cannot be read, or lacks its bundle.
            UntrustedError: If the copy is refused.
        """
        if not isinstance(self._remote.get(manifest_key(self._environment), max_bytes=MAX_POINTER), Fetched):
            return Pulled(state)
        state, _ = follow_chain(self._remote, state)
        try:
            source = Source(self._remote, Terms(expired=True, accepted_before=True), self._plain)
            pulled = pull(source, state, now=now)
        except UntrustedError as error:
            # Older than a bundle that came with the image: nothing is wrong with it.
            if error.reason != "rollback":
                self._put_aside(manifest_key(self._environment))
            raise
        if isinstance(pulled.kills_problem, UntrustedError) and pulled.kills_problem.reason != "rollback":
            self._put_aside(kill_key(self._environment))
        return pulled

    def save(self, state: Trusted, pulled: Pulled) -> None:
        """Keep an accepted update, unless the copy is as new already.

        Args:
            state: The state that holds the update.
            pulled: The update.

        Raises:
            RemoteError: If the disk is full or read-only.
        """
        manifest = state.manifest
        if manifest is None or pulled.data is None:
            return
        key = manifest_key(self._environment)
        present = self._remote.get(key, max_bytes=MAX_POINTER)
        etag = None
        if isinstance(present, Fetched):
            etag = present.etag
            if self._is_as_new(state, present.data, manifest):
                return
        self._ensure_bundle(state, manifest, pulled.blob)
        try:
            self._remote.put(key, pulled.data, if_match=etag, if_none_match=etag is None)
        except ConflictError:
            return  # another process was faster, with this update or a newer one
        self._remove_old_bundles(manifest)

    def save_kills(self, state: Trusted) -> None:
        """Keep the accepted kill list, unless the copy is as new already.

        Raises:
            RemoteError: If the disk is full or read-only.
        """
        kills = state.kills
        if kills is None or not kills.data:
            return
        key = kill_key(self._environment)
        present = self._remote.get(key, max_bytes=MAX_POINTER)
        etag = None
        if isinstance(present, Fetched):
            etag = present.etag
            try:
                if read_kill_list(state, present.data).seq >= kills.seq:
                    return
            except UntrustedError:
                pass  # torn, or of an epoch that has ended
        try:
            self._remote.put(key, kills.data, if_match=etag, if_none_match=etag is None)
        except ConflictError:
            return  # another process was faster, with this list or a newer one

    def save_trust(self, root: TrustRoot) -> None:
        """Keep a step of the chain of roots.

        Raises:
            RemoteError: If the disk is full or read-only.
        """
        self._remote.put(trust_key(root.version), root.data)

    def _ensure_bundle(self, state: Trusted, manifest: Manifest, blob: bytes | None) -> None:
        """Keep the bundle: as it is stored at the remote if it came from there, else plain."""
        key = blob_key(self._environment, manifest.bundle.blob_sha256)
        if blob is not None:
            self._remote.put(key, blob)
            return
        # A renewed manifest comes without its bundle, and one that a delta led to was never packed.
        plain = self._plain_key(manifest)
        if state.document is not None and not self._remote.list(key) and not self._remote.list(plain):
            self._remote.put(plain, plain_bytes(state.document))

    def _plain_key(self, manifest: Manifest) -> str:
        return f"{self._environment}/{_PLAIN}{manifest.bundle.sha256}.json"

    def _plain(self, manifest: Manifest) -> bytes | None:
        try:
            fetched = self._remote.get(self._plain_key(manifest), max_bytes=manifest.bundle.size)
        except UntrustedError:
            return None  # longer than it should be
        return fetched.data if isinstance(fetched, Fetched) else None

    @staticmethod
    def _is_as_new(state: Trusted, data: bytes, manifest: Manifest) -> bool:
        try:
            present = read_manifest(state, data)
        except UntrustedError:
            return False
        return present.seq >= manifest.seq

    def _put_aside(self, key: str) -> None:
        path = os.path.join(self._root, *key.split("/"))
        try:
            os.replace(path, path + _BAD_SUFFIX)
        except OSError:
            return  # a read-only folder: it will be refused again

    def _remove_old_bundles(self, manifest: Manifest) -> None:
        keep = {blob_key(self._environment, manifest.bundle.blob_sha256), self._plain_key(manifest)}
        kept = [*self._remote.list(f"{self._environment}/blobs/"), *self._remote.list(f"{self._environment}/{_PLAIN}")]
        for key in kept:
            path = os.path.join(self._root, *key.split("/"))
            try:
                if key not in keep and time.time() - os.stat(path).st_mtime > _KEEP_SECONDS:
                    os.unlink(path)
            except OSError:
                continue  # another process has removed it


def load_bootstrap(folder: str, state: Trusted, now: float) -> Pulled:
    """Read a bundle that came with the app: a folder with the layout of a remote.

    Raises:
        RemoteError: If the folder lacks the manifest or the bundle, or cannot be read.
        UntrustedError: If it is refused; ``rollback`` if it is older than what is held.
    """
    remote = FileRemote(file_url(folder))
    state, _ = follow_chain(remote, state)
    return pull(Source(remote, Terms(expired=True)), state, now=now)
