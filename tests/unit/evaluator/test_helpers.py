from __future__ import annotations

import ipaddress
import json
import random
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path

import pytest

from flagctl.evaluator.buckets import NO_HASH, bucket, seed, threshold, unit_hash, unit_of
from flagctl.evaluator.instants import instant_of, parse_instant, to_ms
from flagctl.evaluator.networks import parse_address, parse_network
from flagctl.evaluator.versions import parse_version
from tests.scale import scaled

VECTORS = json.loads((Path(__file__).parents[2] / "conformance" / "buckets.json").read_text())["vectors"]


class Text(str):
    __slots__ = ()

    def __eq__(self, other):
        raise RuntimeError

    def __hash__(self):
        raise RuntimeError

    def __str__(self):
        raise RuntimeError


class Number(int):
    def __str__(self):
        raise RuntimeError

    def __eq__(self, other):
        raise RuntimeError

    __hash__ = int.__hash__


def type_name(value):
    return type(value).__name__


@pytest.mark.parametrize("vector", VECTORS)
def test_seeds_hashes_and_buckets_equal_the_published_vectors(vector):
    assert seed(vector["salt"]) == vector["seed"]
    assert unit_hash(vector["unit"], vector["seed"]) == vector["hash"]
    assert bucket(vector["salt"], vector["unit"]) == vector["bucket"]


def test_a_hash_is_below_the_threshold_of_a_share_exactly_when_its_bucket_is_below_the_share():
    # Buckets ascend with hashes, so the last hash below a threshold and the first one at it speak for all the others.
    for share in range(100_001):
        edge = threshold(share)
        if share > 0:
            assert ((edge - 1) * 100_000) >> 32 < share
        if share < 100_000:
            assert (edge * 100_000) >> 32 >= share
    assert threshold(0) == 0
    assert threshold(100_000) == NO_HASH


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("user-1", "user-1"),
        (Text("user-1"), "user-1"),
        (42, "42"),
        (-7, "-7"),
        (Number(42), "42"),
        (0, "0"),
        ("", None),
        (True, None),
        (False, None),
        (None, None),
        (4.0, None),
        (b"user-1", None),
        ("\ud800", None),
        ("a\udfff", None),
        (10**5000, None),
        (["user-1"], None),
    ],
    ids=type_name,
)
def test_a_unit_is_non_empty_valid_text_or_an_integer_in_decimal(value, unit):
    assert unit_of(value) == unit
    assert type(unit_of(value)) in {str, type(None)}
    assert (unit_hash(value, 5) == NO_HASH) == (unit is None)


def test_a_salt_with_a_lone_surrogate_is_an_encoding_error_and_not_a_crash():
    with pytest.raises(UnicodeEncodeError):
        seed("\ud800")
    with pytest.raises(UnicodeEncodeError):
        bucket("salt", "\ud800")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01T00:00:00-00:00", 0),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ("2000-02-29T00:00:00Z", 951_782_400_000_000),
        ("0000-01-01T00:00:00Z", -62_167_219_200_000_000),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000_000),
    ],
)
def test_rfc_3339_text_names_an_instant(text, instant):
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01 00:00:00Z",
        "1970-01-01T00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:61Z",
        "1970-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00,5Z",
        "19700101T000000Z",
        "+1970-01-01T00:00:00Z",
        "١٩٧٠-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z\n",
        "1970-W01-1T00:00:00Z",
        "1970-01-01T00:00:00." + "1" * 10_000 + "Z",
    ],
)
def test_text_beyond_the_grammar_of_rfc_3339_names_no_instant(text):
    assert parse_instant(text) is None


def test_instants_agree_with_the_standard_library():
    random_ = random.Random(2)
    for _ in range(scaled(300, 100_000)):
        zone = timezone(timedelta(minutes=random_.randrange(-1439, 1440)))
        moment = datetime(2, 1, 2, tzinfo=zone) + timedelta(
            microseconds=random_.randrange(9_990 * 365 * 86_400 * 10**6)
        )
        expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert parse_instant(moment.isoformat()) == instant_of(moment) == expected


class RaisingZone(tzinfo):
    def utcoffset(self, _moment):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        (0, 0),
        (1.5, 1_500_000),
        (0.000_000_5, 0),
        (0.000_001_5, 2),
        (0.000_002_5, 2),
        (Number(3), 3_000_000),
        (10**30, 10**36),
        (1e305, int(1e305) * 10**6),
        (float("nan"), None),
        (float("inf"), None),
        (float("-inf"), None),
        (True, None),
        (datetime(1970, 1, 1), None),  # noqa: DTZ001
        (datetime(1970, 1, 1, tzinfo=RaisingZone()), None),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 0),
        (Text("1970-01-01T00:00:00Z"), 0),
        (b"1970-01-01T00:00:00Z", None),
        (None, None),
    ],
    ids=type_name,
)
def test_numbers_count_seconds_and_only_aware_datetimes_are_instants(value, instant):
    assert instant_of(value) == instant


def test_milliseconds_are_rounded_towards_the_past():
    assert [to_ms(value) for value in (0, 999, 1_000, -1, -1_000)] == [0, 0, 1, -1, -1]


ORDERED_VERSIONS = [
    "0.0.0-0",
    "0.0.0",
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.2.0-rc.1",
    "1.2.0",
    "1.10.0",
    "2.0.0",
    "10.0.0",
    "1" + "0" * 5000 + ".0.0",
]


def test_versions_are_ordered_by_semver_precedence():
    keys = [parse_version(text) for text in ORDERED_VERSIONS]
    assert None not in keys
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("v1.2.3", "1.2.3"),
        ("1", "1.0.0"),
        ("v1.2-rc.1", "1.2.0-rc.1"),
        ("1.2.3+build.5", "1.2.3"),
        ("1-a+b", "1.0.0-a"),
    ],
)
def test_a_leading_v_missing_parts_and_build_metadata_do_not_matter(text, same):
    assert parse_version(text) == parse_version(same) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v",
        "V1.0.0",
        "1.",
        "01.0.0",
        "1.0.0.0",
        "1.0.0-",
        "1.0.0-01",
        "1.0.0+",
        "1.0.0-a..b",
        " 1",
        "1\n",
        "١.0.0",
        "-1.0.0",
    ],
)
def test_text_that_is_no_version_has_no_key(text):
    assert parse_version(text) is None


def oracle_address(text):
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version, int(address)


def test_addresses_agree_with_the_standard_library():
    random_ = random.Random(3)
    texts = ["", ":", "::", ":::", "::1", "1::", "1.2.3", "1.2.3.4", "01.2.3.4", "256.1.1.1", "::ffff:1.2.3.4", "::1.2.3.4", "1.2.3.4::", "fe80::1%eth0", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::ffff:0:0", "1.2.3.4.5", "１.2.3.4", "::1\n"]  # fmt: skip
    for _ in range(scaled(2_000, 300_000)):
        texts.append(
            "".join(
                random_.choice(["1", "0", ":", "::", ".", "f", "25", "255", "ffff", "1.2.3.4"])
                for _ in range(random_.randrange(1, 12))
            )
        )
        texts.append(str(ipaddress.IPv6Address(random_.getrandbits(128) & random_.getrandbits(128))))
        texts.append(str(ipaddress.IPv4Address(random_.getrandbits(32))))
    for text in texts:
        assert parse_address(text) == oracle_address(text), text


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", (4, 10 << 24, 8)),
        ("0.0.0.0/0", (4, 0, 0)),
        ("10.0.0.1", (4, (10 << 24) + 1, 32)),
        ("10.0.0.1/8", None),
        ("10.0.0.0/33", None),
        ("10.0.0.0/08", None),
        ("10.0.0.0/+8", None),
        ("10.0.0.0/", None),
        ("10.0.0.0/255.0.0.0", None),
        ("::/0", (6, 0, 0)),
        ("2001:db8::/32", (6, 0x20010DB8 << 96, 32)),
        ("2001:db8::1/32", None),
        ("::ffff:10.0.0.0/104", (4, 10 << 24, 8)),
        ("::ffff:0:0/96", (4, 0, 0)),
        ("::ffff:0:0/90", None),
        ("fe80::1%eth0/128", None),
        ("/8", None),
        ("", None),
    ],
)
def test_networks_have_clear_host_bits_and_mapped_ones_are_ipv4(text, network):
    assert parse_network(text) == network
