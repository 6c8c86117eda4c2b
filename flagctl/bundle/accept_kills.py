"""What a reader accepts of kill lists; the state and the order of the checks are those of `flagctl.bundle.accept`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from flagctl.bundle.accept import check_place
from flagctl.bundle.envelope import parse_envelope, verify_signatures
from flagctl.bundle.kill import PAYLOAD_TYPE, KillList, parse_kill_list
from flagctl.bundle.newer import check_newer
from flagctl.errors import UntrustedError

if TYPE_CHECKING:
    from flagctl.bundle.accept import Trusted
    from flagctl.bundle.envelope import Role
    from flagctl.bundle.manifest import KillFloor, Manifest
    from flagctl.bundle.trust import TrustRoot


def read_kill_list(state: Trusted, data: bytes) -> KillList:
    """Check everything about a kill list that does not depend on what is held.

    Raises:
        UntrustedError: As `check_kill_list`, but for ``rollback`` and ``equivocation``.
    """
    envelope = parse_envelope(data, what="the kill list")
    if state.root is not None:
        verify_signatures(envelope, _killers(state.root, state.environment), what="the kill list")
    if envelope.payload_type != PAYLOAD_TYPE:
        raise UntrustedError("the envelope does not hold a kill list", reason="wrong-payload-type")
    kills = parse_kill_list(envelope.payload)._replace(data=data)
    check_place(state, kills, "the kill list")
    return kills


def check_kill_list(state: Trusted, data: bytes) -> KillList | None:
    """Check a kill list against the state.

    Args:
        state: What is held.
        data: The kill list's envelope, as received.

    Returns:
        The kill list, or None if it is the held one.

    Raises:
        UntrustedError: With the first reason in the order of this module's table; ``rollback`` also for a list that is
            older than the one which the held manifest pins.
    """
    kills = read_kill_list(state, data)
    if not check_newer(state.kills, kills, "kill list", "kill key"):
        return None
    manifest = state.manifest
    floor = manifest.kill_floor if manifest is not None and manifest.epoch == kills.epoch else None
    if floor is not None and kills.seq < floor.seq:
        raise UntrustedError(
            f"kill list {kills.seq} is older than kill list {floor.seq}, which the manifest pins", reason="rollback"
        )
    return kills


def missing_floor(state: Trusted, manifest: Manifest) -> KillFloor | None:
    """Return which kill list a reader of `manifest` still needs: the pinned one, unless a newer one is held."""
    floor, held = manifest.kill_floor, state.kills
    if floor is None or (held is not None and held.epoch == manifest.epoch and _covers(held, floor)):
        return None
    return floor


def accept_floor(state: Trusted, floor: KillFloor, data: bytes) -> Trusted:
    """Hold the kill list that a manifest pins.

    Args:
        state: What is held.
        floor: What the manifest says.
        data: The pinned copy, as received.

    Raises:
        UntrustedError: ``wrong-kills-digest``, or as `check_kill_list`.
    """
    if hashlib.sha256(data).hexdigest() != floor.sha256:
        raise UntrustedError("the copy of the kill list is not the one in the manifest", reason="wrong-kills-digest")
    kills = check_kill_list(state, data)
    if kills is None:
        return state
    if kills.seq != floor.seq:
        raise UntrustedError(
            f"the manifest pins kill list {floor.seq}, and its copy is number {kills.seq}", reason="wrong-kills-digest"
        )
    return state._replace(kills=kills)


def _covers(held: KillList, floor: KillFloor) -> bool:
    """Return whether a held list makes fetching the pinned one needless: it is newer, or the very same."""
    return held.seq > floor.seq or held.floor == floor


def _killers(root: TrustRoot, environment: str) -> Role:
    role = root.kill.get(environment)
    if role is None:
        raise UntrustedError(
            f"the trust root of '{root.project}' lists no key that may force flags of '{environment}' off",
            reason="unknown-key",
        )
    return role
