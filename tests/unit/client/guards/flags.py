"""Flags with breakers, and clients that serve them."""

from __future__ import annotations

from typing import Any

from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.client import Client
from flagctl.evaluator import FlagSet, load

LIMITS = {"cool_down": 300_000, "error_rate": 5_000, "minimum": 200, "window": 60_000}


class Time:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def flag(**parts: Any) -> dict[str, Any]:
    """Return a boolean flag that is on for everybody."""
    return {
        "type": "boolean",
        "variants": [["on", True], ["off", False]],
        "off": 1,
        "default": {"serve": 0},
        "breaker": LIMITS,
        **parts,
    }


def flags_of(**entries: dict[str, Any]) -> FlagSet:
    """Return flags by key."""
    capabilities = frozenset({"breakers", "prerequisites", "experiments"})
    contents = BundleContents(
        project="acme",
        environment="test",
        capabilities=capabilities,
        flags=dict(sorted(entries.items())),
        experiments={"e": {"flag": "checkout"}},
    )
    return load(write_bundle(contents))


def client_of(flags: FlagSet, time: Time, **options: Any) -> Client:
    """Return a client that serves these flags."""
    return Client("file:///nowhere", environment="test", fixed=flags, monotonic=time, **options)


class FailureError(Exception):
    """What guarded code raises."""


def act(*, fails: bool) -> None:
    """Stand for the code behind a flag."""
    if fails:
        raise FailureError


def run(client: Client, key: str, *, fails: bool = False, user: str = "user-1") -> bool:
    """Run guarded code once; return whether the flag was on."""
    was_on = False
    try:
        with client.guard(key, {"targeting_key": user}) as on:
            was_on = on
            act(fails=fails and on)
    except FailureError:
        pass
    return was_on
