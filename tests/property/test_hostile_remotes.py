"""Whatever a remote answers, a reader refuses it with a coded error or accepts something that was really signed.

Two kinds of damage: bytes flipped, cut, repeated and swapped anywhere in what is stored, and documents changed by their
grammar, with and without a good signature. The counts are small in the default run; `HYPOTHESIS_PROFILE=thorough` runs ten
thousand of each.
"""

from __future__ import annotations

import base64
import json
import random
import re

import pytest

from flagctl.bundle.accept import accept, accept_trust, trusting
from flagctl.bundle.blob import pack
from flagctl.bundle.envelope import seal
from flagctl.bundle.manifest import PAYLOAD_TYPE, write_manifest
from flagctl.bundle.trust import PAYLOAD_TYPE as TRUST_PAYLOAD_TYPE
from flagctl.bundle.trust import read_trust
from flagctl.errors import BundleFormatError, UntrustedError
from tests.scale import scaled
from tests.simulators.project import NOW, Project, bundle_of

OLD, NEW = bundle_of(a=True), bundle_of(a=False, b=True)

STRANGE = [
    None,
    True,
    0,
    -1,
    1,
    2**31,
    2**53,
    10**400,
    1.5,
    1e308,
    "",
    "x",
    "production",
    "a" * 64,
    "0" * 64,
    "../../etc",
    "\u0000",
    "\ud800",
    "9999-12-31T23:59:59Z",
    "0000-00-00T00:00:00Z",
    [],
    [[]],
    {},
    {"a": {}},
    ["a"] * 20,
    "[" * 100,
]


@pytest.fixture(scope="module")
def project():
    return Project(publishers=2, threshold=1)


@pytest.fixture(scope="module")
def held(project):
    return accept(
        trusting(project.trust, "production"),
        project.sealed(project.manifest(OLD, seq=5)),
        lambda _: pack(OLD),
        now=NOW,
    )


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Flip, cut, repeat, insert or swap a few bytes."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(result) + 1)
        kind = rng.randrange(6)
        if kind == 0 and at < len(result):
            result[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del result[at : at + rng.choice((1, 2, 10, 1000))]
        elif kind == 2:
            result[at:at] = rng.randbytes(rng.choice((1, 3, 20)))
        elif kind == 3:
            result[at:at] = result[at : at + rng.choice((1, 5, 200))]
        elif kind == 4 and result:
            other = rng.randrange(len(result))
            result[other : other + 1], result[at : at + 1] = result[at : at + 1], result[other : other + 1]
        else:
            result[at:at] = rng.choice((b'"', b"{", b"}", b"[", b",", b":", b"\\", b"\x00", b"\xff", b"null", b"1e999"))
    return bytes(result)


def changed(rng: random.Random, value):
    """Change one place of a JSON value: another value, a missing or an added member, a member's other name."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(sorted(value))
        kind = rng.randrange(8)
        if kind == 0:
            return {name: item for name, item in value.items() if name != key}
        if kind == 1:
            return {**value, rng.choice(("x", "", "sig", "seq", "\ud800")): rng.choice(STRANGE)}
        if kind == 2:
            return {key.upper() if name == key else name: item for name, item in value.items()}
        return {**value, key: changed(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        kind = rng.randrange(4)
        if kind == 0:
            return value[:at] + value[at + 1 :]
        if kind == 1:
            return value + [value[at]] * rng.choice((1, 20))
        return [*value[:at], changed(rng, value[at]), *value[at + 1 :]]
    return rng.choice(STRANGE)


def expect_code(error: UntrustedError) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.reason)
    assert error.message
    assert error.message.isprintable()  # nothing from the remote that a terminal would obey or choke on


def refused_or_signed(held, data: bytes, blob: bytes) -> bool:
    """Return whether an update was accepted; anything but acceptance and a coded refusal is a failure of the test."""
    before = tuple(held)
    try:
        following = accept(held, data, lambda _: blob, now=NOW)
    except UntrustedError as error:
        expect_code(error)
        return False
    finally:
        assert tuple(held) == before
    assert following.manifest is not None
    return following is not held


def test_damaged_envelopes_of_manifests(project, held):
    rng = random.Random(1)
    good = project.sealed(project.manifest(NEW, seq=6))
    for _ in range(scaled(500, 10_000)):
        data = damaged(rng, good)
        if refused_or_signed(held, data, pack(NEW)):
            # Only what is outside the signature was damaged: white space, the hint, base64 of the same bytes.
            assert json.loads(data)["payload"] == json.loads(good)["payload"]


def test_changed_envelopes_of_manifests(project, held):
    rng = random.Random(2)
    good = json.loads(project.sealed(project.manifest(NEW, seq=6)))
    for _ in range(scaled(500, 10_000)):
        document = changed(rng, good)
        if refused_or_signed(held, json.dumps(document).encode(), pack(NEW)):
            assert document["payload"] == good["payload"]


def test_changed_payloads_of_manifests_with_a_good_signature(project, held):
    """Not even the publisher's own key makes a reader fail otherwise than with a coded refusal."""
    rng = random.Random(3)
    good = json.loads(write_manifest(project.manifest(NEW, seq=6)))
    accepted = 0
    for _ in range(scaled(500, 10_000)):
        payload = json.dumps(changed(rng, good)).encode()
        accepted += refused_or_signed(held, seal(PAYLOAD_TYPE, payload, project.publishers), pack(NEW))
    assert accepted  # unknown members are ignored, so some are good


def test_damaged_payloads_of_manifests_with_a_good_signature(project, held):
    rng = random.Random(4)
    good = write_manifest(project.manifest(NEW, seq=6))
    for _ in range(scaled(500, 10_000)):
        refused_or_signed(held, seal(PAYLOAD_TYPE, damaged(rng, good), project.publishers), pack(NEW))


def test_damaged_stored_bundles(project, held):
    rng = random.Random(5)
    blob = pack(NEW)
    data = project.sealed(project.manifest(NEW, seq=6))
    for _ in range(scaled(500, 10_000)):
        bad = damaged(rng, blob)
        assert refused_or_signed(held, data, bad) is (bad == blob)


@pytest.mark.parametrize("how", [damaged, "lines"])
def test_damaged_bundles_with_a_good_signature(project, held, how):
    """A bundle that is signed but wrong inside is refused as malformed, or answers; it never breaks the reader."""
    rng = random.Random(6)
    for _ in range(scaled(250, 5_000)):
        bad = damaged(rng, NEW) if how is damaged else with_changed_line(rng, NEW)
        if not bad:
            continue
        data = project.sealed(project.manifest(bad, seq=6))
        try:
            state = accept(held, data, lambda _, bad=bad: pack(bad), now=NOW)
        except BundleFormatError as error:
            expect_code(error)
            continue
        assert state.document is not None
        state.document.flag_keys()


def with_changed_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = rng.choice([number for number, line in enumerate(lines) if line.startswith(b'"')])
    comma = lines[at].endswith(b",")
    ((key, entry),) = json.loads(b"{" + lines[at].rstrip(b",") + b"}").items()
    text = json.dumps({key: changed(rng, entry)}, separators=(",", ":"), sort_keys=True)[1:-1]
    lines[at] = text.encode() + (b"," if comma else b"")
    return b"\n".join(lines)


def test_damaged_and_changed_roots_of_trust(project):
    rng = random.Random(7)
    state = trusting(project.trust, "production")
    good = project.next_trust(epoch=2)
    document = json.loads(good)
    payload = json.loads(base64.b64decode(document["payload"]))
    for number in range(scaled(600, 12_000)):
        if number % 3 == 0:
            data = damaged(rng, good)
        elif number % 3 == 1:
            data = json.dumps(changed(rng, document)).encode()
        else:
            inner = json.dumps(changed(rng, payload)).encode()
            data = seal(TRUST_PAYLOAD_TYPE, inner, [project.root_signer])
        for read in (read_trust, lambda data: accept_trust(state, data)):
            try:
                read(data)
            except UntrustedError as error:
                expect_code(error)
        assert state.root is project.trust
