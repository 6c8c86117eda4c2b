"""Remotes: where signed objects are kept. A remote is never trusted; readers check everything they get from one."""

from flagctl.storage.remote import NOT_MODIFIED, Fetched, NotModified, Remote, RemoteOptions, open_remote

__all__ = ["NOT_MODIFIED", "Fetched", "NotModified", "Remote", "RemoteOptions", "open_remote"]
