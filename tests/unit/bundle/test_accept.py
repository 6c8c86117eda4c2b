from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from pathlib import Path

import pytest

from flagctl.bundle.accept import (
    Shortcuts,
    Terms,
    Trusted,
    accept,
    accept_bundle,
    accept_trust,
    check_manifest,
    trusting,
)
from flagctl.bundle.blob import pack
from flagctl.bundle.envelope import Role, seal
from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.bundle.manifest import PAYLOAD_TYPE, BundleRef, write_manifest
from flagctl.errors import BundleFormatError, UntrustedError
from tests.simulators.project import NOW, Project, bundle_of, ed25519_signer

DATA = bundle_of(a=True)
OTHER = bundle_of(a=False)
DOCS = Path(__file__).parents[3] / "docs" / "security.md"


@pytest.fixture(scope="module")
def project():
    return Project()


def state_of(project) -> Trusted:
    return trusting(project.trust, "production")


def holding(project, **changes) -> Trusted:
    manifest = project.manifest(DATA, **changes)
    return accept(state_of(project), project.sealed(manifest), lambda _: pack(DATA), now=NOW)


def refusal(state, data, blob=b"", *, now=NOW) -> UntrustedError:
    with pytest.raises(UntrustedError) as caught:
        accept(state, data, lambda _: blob, now=now)
    return caught.value


def test_a_good_update_is_taken_over_as_a_whole(project):
    state = holding(project, seq=4)
    assert state.manifest is not None
    assert state.manifest.seq == 4
    assert state.document is not None
    assert state.document.flag_keys() == ("a",)


def test_the_held_manifest_again_changes_nothing(project):
    manifest = project.manifest(DATA)
    data = project.sealed(manifest)
    state = accept(state_of(project), data, lambda _: pack(DATA), now=NOW)
    assert accept(state, data, lambda _: b"never read", now=NOW + 10**9) is state


def test_a_renewed_manifest_keeps_the_document_and_fetches_nothing(project):
    state = holding(project, seq=4)
    renewed = project.sealed(project.manifest(DATA, seq=5, issued=NOW))
    following = accept(state, renewed, lambda _: pytest.fail("the bundle was fetched"), now=NOW)
    assert following.document is state.document
    assert following.manifest is not None
    assert following.manifest.seq == 5


def test_a_clock_before_the_issue_expires_nothing(project):
    years = 10 * 365 * 86_400
    data = project.sealed(project.manifest(DATA))
    assert accept(state_of(project), data, lambda _: pack(DATA), now=NOW - years).manifest is not None
    assert refusal(state_of(project), data, now=NOW + years).reason == "expired"


def test_a_copy_of_ones_own_is_served_beyond_its_expiry(project):
    data = project.sealed(project.manifest(DATA, expires=NOW - 1))
    assert refusal(state_of(project), data).reason == "expired"
    terms = Terms(expired=True)
    assert accept(state_of(project), data, lambda _: pack(DATA), now=NOW, terms=terms).manifest is not None


def test_a_number_only_rises_within_an_epoch_and_starts_again_in_the_next(project):
    state = holding(project, seq=9)
    assert refusal(state, project.sealed(project.manifest(OTHER, seq=8))).reason == "rollback"
    next_epoch = accept_trust(state, project.next_trust(epoch=2))
    data = project.sealed(project.manifest(OTHER, seq=1, epoch=2))
    assert accept(next_epoch, data, lambda _: pack(OTHER), now=NOW).manifest is not None
    assert refusal(next_epoch, project.sealed(project.manifest(OTHER, seq=10))).reason == "wrong-epoch"


def test_the_bundle_goes_on_being_held_when_the_root_moves_on(project):
    state = holding(project)
    moved = accept_trust(state, project.next_trust(epoch=2))
    assert moved.document is state.document
    assert moved.root is not None
    assert moved.root.version == 2


def test_a_rotated_key_is_refused_and_the_new_one_accepted(project):
    new_key = ed25519_signer()
    publish = {"production": Role((new_key.public_key,), 1)}
    state = accept_trust(holding(project), project.next_trust(publish=publish))
    manifest = project.manifest(OTHER, seq=2)
    assert refusal(state, project.sealed(manifest)).reason == "unknown-key"
    data = project.sealed(manifest, signers=[new_key])
    assert accept(state, data, lambda _: pack(OTHER), now=NOW).manifest is not None


def test_without_a_root_everything_but_signatures_project_and_epoch_is_checked(project):
    state = Trusted("production")
    data = project.sealed(project.manifest(DATA, seq=3, epoch=7), signers=[])
    held = accept(state, data, lambda _: pack(DATA), now=NOW)
    assert held.manifest is not None
    assert refusal(held, project.sealed(project.manifest(DATA, seq=2, epoch=7), signers=[])).reason == "rollback"
    assert refusal(state, data, b"x").reason == "wrong-blob-size"
    assert accept_trust(state, b"garbage") is state


def test_the_signatures_are_checked_before_anything_in_the_payload(project):
    data = project.sealed(project.manifest(DATA, project="other", epoch=9), signers=[ed25519_signer()])
    assert refusal(state_of(project), data).reason == "unknown-key"


def reference(data: bytes, blob: bytes, **changes) -> BundleRef:
    made = BundleRef(hashlib.sha256(data).hexdigest(), len(data), hashlib.sha256(blob).hexdigest(), len(blob))
    return made._replace(**changes)


def with_bundle(project, data: bytes, blob: bytes | None = None, **changes):
    """A signed manifest for a stored bundle, and the stored bundle."""
    stored = pack(data) if blob is None else blob
    return project.sealed(project.manifest(DATA, bundle=reference(data, stored, **changes))), stored


def cut_short(blob: bytes) -> bytes:
    return blob[:-4]


def bomb() -> bytes:
    return gzip.compress(bytes(50_000_000), 9, mtime=0)


CASES = {
    "too-large": lambda _: (b" " * 70_000, b""),
    "malformed-envelope": lambda _: (b"{}", b""),
    "missing-signature": lambda p: (p.sealed(p.manifest(DATA), signers=[]), b""),
    "duplicate-signature": lambda p: (p.sealed(p.manifest(DATA), signers=p.publishers * 2), b""),
    "unknown-key": lambda p: (p.sealed(p.manifest(DATA), signers=[p.kill_signer]), b""),
    "bad-signature": lambda p: (forged(p), b""),
    "threshold-not-met": None,
    "wrong-payload-type": lambda p: (
        p.sealed(p.manifest(DATA), payload_type="application/vnd.flagctl.kill.v1+json"),
        b"",
    ),
    "malformed-manifest": lambda p: (p.sealed(p.manifest(DATA, seq=0)), b""),
    "wrong-type": lambda p: (sealed_document(p, type="flagctl.kill"), b""),
    "unsupported-version": lambda p: (sealed_document(p, v=2), b""),
    "requires-newer": lambda p: (p.sealed(p.manifest(DATA, features=("kill-list",))), b""),
    "wrong-project": lambda p: (p.sealed(p.manifest(DATA, project="other")), b""),
    "wrong-environment": lambda p: (p.sealed(p.manifest(DATA, environment="staging")), b""),
    "wrong-epoch": lambda p: (p.sealed(p.manifest(DATA, epoch=2)), b""),
    "rollback": lambda p: (p.sealed(p.manifest(OTHER, seq=4)), b""),
    "equivocation": lambda p: (p.sealed(p.manifest(OTHER, seq=5)), b""),
    "expired": lambda p: (p.sealed(p.manifest(OTHER, seq=6, expires=NOW)), b""),
    "wrong-blob-size": lambda p: (with_bundle(p, OTHER)[0], pack(OTHER) + b"x"),
    "wrong-blob-digest": lambda p: (with_bundle(p, OTHER)[0], bytes(len(pack(OTHER)))),
    "unknown-encoding": lambda p: with_bundle(p, OTHER, enc="zstd"),
    "bad-compression": lambda p: with_bundle(p, OTHER, b"plain bytes"),
    "wrong-bundle-size": lambda p: with_bundle(p, OTHER, size=len(OTHER) + 1),
    "wrong-bundle-digest": lambda p: with_bundle(p, OTHER, sha256="0" * 64),
    "malformed-bundle": lambda p: with_bundle(p, b"[]"),
    "newer-bundle": lambda p: with_bundle(p, OTHER.replace(b'"format":1', b'"format":2')),
    "wrong-bundle": lambda p: with_bundle(p, bundle_of(environment="staging", a=True)),
}

ELSEWHERE = {
    "wrong-delta-digest": "tests/unit/bundle/test_delta.py",
    "malformed-delta": "tests/unit/bundle/test_delta.py",
    "malformed-kills": "tests/unit/bundle/test_kill.py",
    "wrong-kills-digest": "tests/unit/bundle/test_kill.py",
    "threshold-not-met": "tests/unit/bundle/test_envelope.py",
    "unknown-environment": "below",
    "malformed-trust": "tests/unit/bundle/test_trust.py",
    "wrong-trust-version": "tests/unit/bundle/test_trust.py",
    "wrong-trust-epoch": "tests/unit/bundle/test_trust.py",
    "unreadable-log": "tests/unit/ops/test_manifest_log.py",
    "malformed-list": "tests/unit/bundle/test_unit_list.py",
    "wrong-list": "tests/unit/bundle/test_unit_list.py",
    "wrong-list-size": "tests/unit/bundle/test_unit_list.py",
    "wrong-list-digest": "tests/unit/bundle/test_unit_list.py",
}


def forged(project) -> bytes:
    good = project.sealed(project.manifest(DATA))
    other = project.sealed(project.manifest(OTHER))
    return re.sub(rb'"sig":"[^"]*"', re.search(rb'"sig":"[^"]*"', other)[0], good)


def sealed_document(project, **changes) -> bytes:
    document = json.loads(write_manifest(project.manifest(DATA))) | changes
    return seal(PAYLOAD_TYPE, json.dumps(document).encode(), project.publishers)


@pytest.mark.parametrize("reason", [reason for reason, case in CASES.items() if case])
def test_every_refusal_has_its_reason_and_leaves_the_old_state_intact(project, reason):
    state = holding(project, seq=5)
    data, blob = CASES[reason](project)
    if reason in {name for name in CASES if "bundle" in name or "blob" in name} | {
        "bad-compression",
        "unknown-encoding",
    }:
        state = state_of(project)
    before = state
    assert refusal(state, data, blob).reason == reason
    assert state is before


def test_the_table_in_the_documentation_has_exactly_these_reasons():
    table = re.findall(r"^\| `([a-z-]+)` \|", DOCS.read_text(), re.MULTILINE)
    assert sorted(table) == sorted({*CASES, *ELSEWHERE})


def test_the_code_raises_no_other_reasons():
    package = DOCS.parents[1] / "flagctl"
    sources = "\n".join(path.read_text() for path in package.rglob("*.py"))
    literal = set(re.findall(r'UntrustedError\([^()]*(?:\([^()]*\)[^()]*)*reason ?= ?"([a-z-]+)"', sources))
    assert len(literal) > 20
    assert literal <= {*CASES, *ELSEWHERE}


def test_an_environment_that_the_root_does_not_list_is_refused(project):
    with pytest.raises(UntrustedError) as caught:
        trusting(project.trust, "development")
    assert caught.value.reason == "unknown-environment"
    assert "production" in (caught.value.hint or "")


def test_a_gzip_bomb_is_unpacked_no_further_than_the_size_in_the_manifest(project):
    data, blob = with_bundle(project, OTHER, bomb())
    assert refusal(state_of(project), data, blob).reason == "wrong-bundle-size"


@pytest.mark.parametrize(
    "blob",
    [
        cut_short(pack(OTHER)),
        pack(OTHER) + pack(OTHER),
        pack(OTHER) + b"\0",
        zlib.compress(OTHER),
        b"\x1f\x8b",
        b"x",
    ],
)
def test_only_one_complete_gzip_member_is_unpacked(project, blob):
    data, blob = with_bundle(project, OTHER, blob)
    assert refusal(state_of(project), data, blob).reason == "bad-compression"


def cyclic_bundle() -> bytes:
    def flag(other):
        return {
            "type": "boolean",
            "variants": [["on", True]],
            "default": {"serve": 0},
            "prerequisites": [[other, ["on"]]],
        }

    contents = BundleContents(
        project="acme",
        environment="production",
        capabilities=frozenset({"prerequisites"}),
        flags={"a": flag("b"), "b": flag("a")},
    )
    return write_bundle(contents)


def test_a_bundle_with_a_cycle_is_refused(project):
    data, blob = with_bundle(project, cyclic_bundle())
    with pytest.raises(BundleFormatError):
        accept(state_of(project), data, lambda _: blob, now=NOW)


def test_a_copy_that_nobody_accepted_before_is_held_to_all_checks(project):
    data, blob = with_bundle(project, cyclic_bundle())
    shortcuts = Shortcuts(plain=lambda _: cyclic_bundle())
    with pytest.raises(BundleFormatError):
        accept(state_of(project), data, lambda _: blob, now=NOW, shortcuts=shortcuts)


def test_a_copy_of_another_size_than_the_signed_one_is_not_used(project):
    data, blob = with_bundle(project, OTHER, size=len(OTHER) + 1)
    with pytest.raises(UntrustedError) as caught:
        accept(state_of(project), data, lambda _: blob, now=NOW, shortcuts=Shortcuts(plain=lambda _: OTHER))
    assert caught.value.reason == "wrong-bundle-size"


def test_two_manifests_of_a_number_are_refused_though_their_bundle_is_the_same(project):
    other = project.sealed(project.manifest(DATA, seq=5, commit="1" * 40))
    assert refusal(holding(project, seq=5), other).reason == "equivocation"


def test_a_bundle_from_the_future_names_the_version_that_is_needed(project):
    newer = OTHER.replace(b'"format":1,"min_version":"0.1.0"', b'"format":2,"min_version":"4.5.6"')
    data, blob = with_bundle(project, newer)
    error = refusal(state_of(project), data, blob)
    assert isinstance(error, BundleFormatError)
    assert "4.5.6" in error.message + (error.hint or "")


def test_checking_a_manifest_touches_no_bundle(project):
    manifest = check_manifest(state_of(project), project.sealed(project.manifest(DATA)), now=NOW)
    assert manifest is not None
    assert accept_bundle(state_of(project), manifest, pack(DATA)).document is not None


def test_what_reading_the_bundle_raises_passes_through(project):
    def fail(_):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        accept(state_of(project), project.sealed(project.manifest(DATA)), fail, now=NOW)
