from __future__ import annotations

import base64
import json

import pytest

from flagctl.bundle.envelope import (
    MAX_POINTER,
    PublicKey,
    Role,
    parse_envelope,
    pre_authentication_encoding,
    public_key_from_der,
    seal,
    verify_one,
    verify_signatures,
)
from flagctl.errors import UntrustedError
from tests.simulators.project import ecdsa_signer, ed25519_signer

KIND = "application/vnd.flagctl.manifest.v1+json"


def role_of(*signers, threshold=1):
    return Role(tuple(signer.public_key for signer in signers), threshold)


def reason_of(function, *arguments):
    with pytest.raises(UntrustedError) as caught:
        function(*arguments)
    return caught.value.reason


def edited(data: bytes, **changes) -> bytes:
    return json.dumps({**json.loads(data), **changes}).encode()


def test_the_encoding_that_is_signed_is_the_one_of_the_dsse_specification():
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@pytest.mark.parametrize("make_signer", [ed25519_signer, ecdsa_signer])
def test_a_sealed_envelope_is_verified_by_its_key(make_signer):
    signer = make_signer()
    envelope = parse_envelope(seal(KIND, b"payload", [signer]))
    assert envelope.payload == b"payload"
    assert verify_signatures(envelope, role_of(signer)) == {signer.keyid}


@pytest.mark.parametrize("make_signer", [ed25519_signer, ecdsa_signer])
def test_a_changed_payload_is_a_bad_signature(make_signer):
    signer = make_signer()
    data = edited(seal(KIND, b"payload", [signer]), payload=base64.b64encode(b"Payload").decode())
    assert reason_of(verify_signatures, parse_envelope(data), role_of(signer)) == "bad-signature"


def test_a_changed_payload_type_is_a_bad_signature():
    signer = ed25519_signer()
    data = edited(seal(KIND, b"payload", [signer]), payloadType="application/vnd.flagctl.kill.v1+json")
    assert reason_of(verify_signatures, parse_envelope(data), role_of(signer)) == "bad-signature"


def test_a_key_outside_the_role_is_unknown():
    envelope = parse_envelope(seal(KIND, b"payload", [ed25519_signer()]))
    assert reason_of(verify_signatures, envelope, role_of(ed25519_signer())) == "unknown-key"


def test_the_key_id_is_only_a_hint():
    signer, other = ed25519_signer(), ed25519_signer()
    data = seal(KIND, b"payload", [signer])
    signature = json.loads(data)["signatures"][0]["sig"]
    for hint in ({"keyid": other.keyid}, {"keyid": ""}, {}):
        renamed = parse_envelope(edited(data, signatures=[{"sig": signature, **hint}]))
        assert verify_signatures(renamed, role_of(signer, other)) == {signer.keyid}


def test_an_envelope_without_signatures_is_refused():
    envelope = parse_envelope(seal(KIND, b"payload", []))
    assert reason_of(verify_signatures, envelope, role_of(ed25519_signer())) == "missing-signature"


@pytest.mark.parametrize("make_signer", [ed25519_signer, ecdsa_signer])
def test_two_signatures_by_one_key_are_refused_even_under_different_hints(make_signer):
    signer, other = make_signer(), make_signer()
    one = json.loads(seal(KIND, b"payload", [signer]))["signatures"][0]
    two = json.loads(seal(KIND, b"payload", [signer]))["signatures"][0]
    data = edited(seal(KIND, b"payload", []), signatures=[one, {**two, "keyid": other.keyid}])
    for threshold in (1, 2):
        role = role_of(signer, other, threshold=threshold)
        assert reason_of(verify_signatures, parse_envelope(data), role) == "duplicate-signature"


def test_a_threshold_counts_different_keys():
    one, two, three = (ed25519_signer() for _ in range(3))
    role = role_of(one, two, three, threshold=2)
    assert verify_signatures(parse_envelope(seal(KIND, b"x", [three, one])), role) == {one.keyid, three.keyid}
    assert reason_of(verify_signatures, parse_envelope(seal(KIND, b"x", [one])), role) == "threshold-not-met"
    foreign = parse_envelope(seal(KIND, b"x", [one, ed25519_signer()]))
    assert reason_of(verify_signatures, foreign, role) == "threshold-not-met"


def test_a_foreign_signature_beside_enough_good_ones_does_not_hurt():
    signer = ed25519_signer()
    envelope = parse_envelope(seal(KIND, b"x", [ed25519_signer(), signer]))
    assert verify_signatures(envelope, role_of(signer)) == {signer.keyid}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"payload":"","payload":"","payloadType":"a","signatures":[]}',
        b'{"payload":"","payloadType":"a"}' + b"]",
        b'{"payload":"a","payloadType":"a","signatures":[]}',
        b'{"payload":"YQ","payloadType":"a","signatures":[]}',
        b'{"payload":"Y-_=","payloadType":"a","signatures":[]}',
        b'{"payload":1,"payloadType":"a","signatures":[]}',
        b'{"payload":"","payloadType":"A B","signatures":[]}',
        b'{"payload":"","payloadType":"a","signatures":{}}',
        b'{"payload":"","payloadType":"a","signatures":[1]}',
        b'{"payload":"","payloadType":"a","signatures":[{"sig":"*"}]}',
        b'{"payload":"","payloadType":"a","signatures":[{"keyid":7,"sig":""}]}',
        b'{"payload":"","payloadType":"a","signatures":[' + b",".join([b'{"sig":""}'] * 17) + b"]}",
        b'{"payload":NaN,"payloadType":"a","signatures":[]}',
        b"[" * 40_000,
        b'{"a":' * 10_000,
        b"1" * 60_000,
    ],
)
def test_what_is_not_an_envelope_is_malformed(data):
    assert reason_of(parse_envelope, data) == "malformed-envelope"


def test_a_pointer_beyond_64_kib_is_not_parsed():
    assert reason_of(parse_envelope, b" " * (MAX_POINTER + 1)) == "too-large"


def test_only_ed25519_and_uncompressed_p256_keys_are_known():
    for signer in (ed25519_signer(), ecdsa_signer()):
        key = signer.public_key
        assert public_key_from_der(key.der) == key
        assert public_key_from_der(key.der[:-1]) is None
        assert public_key_from_der(key.der + b"\0") is None
    compressed = bytearray(ecdsa_signer().public_key.der)
    compressed[26] = 2
    assert public_key_from_der(bytes(compressed)) is None
    assert public_key_from_der(b"") is None


def test_a_point_off_the_curve_verifies_nothing():
    off_curve = PublicKey("ecdsa-p256", b"\x04" + bytes(63) + b"\x01")
    assert not verify_one(off_curve, ecdsa_signer().sign(b"x"), b"x")


def test_the_key_id_is_the_sha256_of_the_der():
    # openssl pkey -pubin -outform DER | sha256sum, for the first test key of RFC 8032
    raw = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    key = PublicKey("ed25519", raw)
    assert key.der.hex() == "302a300506032b6570032100" + raw.hex()
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert verify_one(key, signature, b"")
    assert not verify_one(key, signature, b"x")
