"""Loads what remotes load on their first use, before a process forks.

A module that one thread is loading while another one forks can never be loaded in the child: the lock of its loading is
held by a thread that does not exist there. Remotes load their SDKs late, on the client's thread, because that takes tenths of
a second. So a process that forks loads them in the forking thread first, which waits for whoever is at it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

_LOADED_LATE: Final = {
    "flagctl.storage.file": ("fcntl",),
    "flagctl.storage.redis_server": ("redis", "redis.backoff", "redis.exceptions", "redis.retry"),
    "flagctl.storage.s3": ("boto3.session", "botocore.config", "botocore.exceptions", "urllib3.exceptions"),
}
"""What the remote in a module needs."""


def load_before_fork() -> None:
    """Load everything that the kinds of remotes in use have not loaded yet."""
    for user, names in _LOADED_LATE.items():
        if user in sys.modules:
            for name in names:
                try:
                    import_module(name)
                except ImportError:
                    continue  # not installed, or not on this system: whoever needs it says so
