"""What a manifest records about a policy that was set aside."""

from __future__ import annotations

import json

import pytest

from flagctl.bundle.canonical import canonical_json
from flagctl.bundle.manifest import Manifest, Override, parse_manifest, write_manifest
from flagctl.errors import UntrustedError
from flagctl.review.policy import rule_names
from flagctl.review.verdicts import parse_overrides
from tests.simulators.project import Project, bundle_of

PLAIN = Project().manifest(bundle_of(a=True))
OVERRIDES = (Override("max_switching", "Mesuré: 12 % « ok »", "ann"), Override("freeze", "incident"))


def with_overrides(value: object) -> bytes:
    return canonical_json({**json.loads(write_manifest(PLAIN)), "overrides": value})


def test_overrides_come_back_as_they_were_written() -> None:
    written = write_manifest(PLAIN._replace(overrides=OVERRIDES))
    assert parse_manifest(written).overrides == OVERRIDES
    assert json.loads(written)["overrides"][1] == {"rule": "freeze", "reason": "incident", "by": None}


def test_a_manifest_without_overrides_has_the_bytes_it_always_had() -> None:
    assert b"overrides" not in write_manifest(PLAIN)
    assert parse_manifest(write_manifest(PLAIN)).overrides == ()


def test_a_reader_that_does_not_know_overrides_ignores_them() -> None:
    # Members that nobody asks for are ignored, so that a manifest of the future with more of them is read today.
    data = json.loads(with_overrides([override._asdict() for override in OVERRIDES]))
    data["overridden_by_nobody"] = data.pop("overrides")
    manifest = parse_manifest(canonical_json(data))
    assert manifest._replace(digest="") == PLAIN._replace(digest="")


@pytest.mark.parametrize(
    "value",
    [
        {},
        "freeze",
        [1],
        [{"rule": "freeze"}],
        [{"rule": "Freeze!", "reason": "x"}],
        [{"rule": "freeze", "reason": ""}],
        [{"rule": "freeze", "reason": "two\nlines"}],
        [{"rule": "freeze", "reason": "x" * 201}],
        [{"rule": "freeze", "reason": "x", "by": 7}],
        [{"rule": "freeze", "reason": "x"}] * 9,
    ],
)
def test_malformed_overrides_are_refused(value: object) -> None:
    with pytest.raises(UntrustedError) as refused:
        parse_manifest(with_overrides(value))
    assert refused.value.reason == "malformed-manifest"


def test_the_longest_overrides_fit_into_the_largest_manifest() -> None:
    names = sorted(set(rule_names().values()))[:8]
    reasons = ["ü" * 68] * len(names)
    words = [f"{name}={reason}" for name, reason in zip(names, reasons, strict=True)]
    overrides = parse_overrides(words, rule_names(), by="x" * 10)
    full = Manifest(
        **{
            **PLAIN._asdict(),
            "project": "p" * 255,
            "environment": "e" * 255,
            "ref": "r" * 200,
            "previous": "a" * 64,
            "nonce": "0" * 16,
            "overrides": overrides,
        }
    )
    assert parse_manifest(write_manifest(full)).overrides == overrides
