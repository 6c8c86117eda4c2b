"""Where each object of a remote lies, relative to the remote's prefix.

Everything but the roots of trust lies under its environment, so that a storage policy can keep one environment's writer
away from another's objects.
"""

from __future__ import annotations

import re
from typing import Final

_LOG: Final = re.compile(r"(?P<epoch>[1-9][0-9]{0,15})-(?P<seq>[1-9][0-9]{0,15})-[0-9a-f]{8}\.json")


def trust_key(version: int) -> str:
    """Return the place of a root of trust."""
    return f"trust/{version}.json"


def manifest_key(environment: str) -> str:
    """Return the place of an environment's current manifest."""
    return f"{environment}/manifest.json"


def blob_key(environment: str, blob_sha256: str) -> str:
    """Return the place of a stored bundle, named by the SHA-256 of the stored bytes."""
    return f"{environment}/blobs/{blob_sha256}.gz"


def delta_key(environment: str, source: str, result: str) -> str:
    """Return the place of a delta, named by the SHA-256 of the plain bundles that it leads from (its beginning) and to."""
    return f"{environment}/deltas/{source}-{result}.gz"


def kill_key(environment: str) -> str:
    """Return the place of an environment's current kill list."""
    return f"{environment}/kill.json"


def kills_prefix(environment: str) -> str:
    """Return the folder of the copies of an environment's kill lists."""
    return f"{environment}/kills/"


def kill_copy_key(environment: str, sha256: str) -> str:
    """Return the place of the copy of a kill list, named by the SHA-256 of its envelope."""
    return f"{kills_prefix(environment)}{sha256}.json"


def log_prefix(environment: str) -> str:
    """Return the folder of an environment's manifest log."""
    return f"{environment}/log/"


def log_of_number(environment: str, epoch: int, seq: int) -> str:
    """Return how the keys of the copies of manifests of one number begin."""
    return f"{log_prefix(environment)}{epoch}-{seq}-"


def log_key(environment: str, epoch: int, seq: int, digest: str) -> str:
    """Return the place of the copy of a manifest; `digest` is the SHA-256 of its payload."""
    return f"{log_of_number(environment, epoch, seq)}{digest[:8]}.json"


def parse_log_key(key: str) -> tuple[int, int] | None:
    """Return (epoch, seq) as a log object's name claims, or None if it is not the name of one."""
    match = _LOG.fullmatch(key.rpartition("/")[2])
    return (int(match["epoch"]), int(match["seq"])) if match else None
