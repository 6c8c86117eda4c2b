"""A column of addresses is read as the evaluator reads each of them."""

from __future__ import annotations

import ipaddress
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagctl.evaluator.conditions import ConditionReader
from flagctl.evaluator.networks import parse_address
from flagctl.population.addresses import Addresses, NetworkTables
from tests.scale import scaled

HOSTILE = [
    *("", " ", "\n", "\x00", ".", "...", "1", "1.2.3", "1.2.3.4", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4."),
    *("01.2.3.4", "1.2.3.04", "00.0.0.0", "0.0.0.0", "255.255.255.255", "256.1.1.1", "1.1.1.256", "999.1.1.1", "1.2.3.1000"),  # noqa: S104 - an address in a context
    *(" 1.2.3.4", "1.2.3.4 ", "1.2.3.4\n", "\n1.2.3.4", "1.2.3.4\n5.6.7.8", "1.2.3.4\x00", "1.2\x00.3.4", "1.2.3.4\t", "1.2.3.4\r"),
    *("١.٢.٣.٤", "1.2.3.４", "1.2.3.²", "1\u200b.2.3.4", "1\u30022.3.4", "\ud800", "1.2.3.\udcff", "1.2.3.\U0001f600"),
    *("1.2.3.4:80", "[::1]", "[::1]:443", "1.2.3.4/32", "::1/128", "-1.2.3.4", "+1.2.3.4", "1.2.3.0x4", "1e1.2.3.4", "1_0.2.3.4"),
    *(":", "::", ":::", "::::", "1:", ":1", "::1", "1::", ":1::", "::1:", "1::2", "1::2::3", "1:::2", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:"),
    *("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8"),
    *("1:2:3:4::5:6:7:8", "::1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8::", "0:0:0:0:0:0:0:0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    *("FE80::ABCD", "fe80::1%eth0", "fe80::1%", "fe80::g", "00001::", "12345::", "::00001", "::0001", "::١", "::ａ", " ::1", "::1 "),
    *("::ffff:1.2.3.4", "::FFFF:1.2.3.4", "::ffff:0102:0304", "::ffff:102:304", "0:0:0:0:0:ffff:1.2.3.4", "0::ffff:1.2.3.4"),
    *("::ffff:1.2.3", "::ffff:01.2.3.4", "::ffff:1.2.3.256", "::fffe:1.2.3.4", "::1.2.3.4", "::ffff:0:1.2.3.4", "64:ff9b::1.2.3.4"),
    *("1.2.3.4::", "1.2.3.4::1", "::1.2.3.4:5", "::ffff:1.2.3.4.5", "::ffff:1.2.3.4:1", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4"),
    *("1:2:3:4:5:1.2.3.4", "::ffff:", "::ffff:1.2.3.4\n", "::ffff:\n1.2.3.4", "::\x00", "\n::1", "::ſfff:1.2.3.4", "::ffff:1.2.3.４"),
    "0" * 45,
    "1:" * 23,
    "::" + "0" * 200,
    "1.2.3.4" * 9,
    "::ffff:" + "1.2.3.4".zfill(60),
]  # fmt: skip

TABLES = [
    ["10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "1.2.3.4", "203.0.113.0/24"],
    ["0.0.0.0/0"],
    ["::/0"],
    ["::/1", "2001:db8::/32", "fe80::/10", "ff00::/8"],
    ["2001:db8::/64", "2001:db8:0:1::/65", "::1", "1::2/127", "1:2:3:4:5:6:7:8", "fe80::abcd/128"],
    ["::ffff:0:0/96", "::ffff:10.0.0.0/104", "8000::/1"],
]


def check(texts: list[str]) -> None:
    """Hold a column to the evaluator's parser, and what lies in networks to the evaluator's condition."""
    found = Addresses(texts)
    for row, text in enumerate(texts):
        wanted = parse_address(text)
        version = int(found.version[row])
        number = int(found.high[row]) << 64 | int(found.low[row])
        assert (None if version == 0 else (version, number)) == wanted, text
    for table in TABLES:
        condition = {"attribute": "ip", "operator": "in_network", "value": table}
        (test,) = ConditionReader(lambda _: str.isalpha, {}).read_all([condition])
        inside = found.inside(NetworkTables(test.constant.__self__))
        wanted_inside = [address is not None and test.constant(address) for address in map(parse_address, texts)]
        assert inside.dtype == np.bool_
        assert inside.tolist() == wanted_inside, table


def test_hostile_texts_are_read_as_the_evaluator_reads_them() -> None:
    check(HOSTILE)
    check(HOSTILE[::-1])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_alone_and_at_both_ends_is_read_the_same(text: str) -> None:
    check([text])
    check([text, "1.2.3.4"])
    check(["1.2.3.4", text])
    check(["1::2", text, "1::2"])


def test_no_texts_at_all_hold_no_addresses() -> None:
    assert Addresses([]).inside(NetworkTables(_networks(["0.0.0.0/0"]))).tolist() == []


def test_random_addresses_in_all_spellings_are_read() -> None:
    rng = Random(5)
    texts = []
    for _ in range(scaled(3_000, 100_000)):
        four = ipaddress.IPv4Address(rng.getrandbits(32))
        six = ipaddress.IPv6Address(
            rng.getrandbits(128) & rng.choice([-1, rng.getrandbits(128), 0xFFFF << rng.randrange(112), 0xFF])
        )
        mapped = ipaddress.IPv6Address(0xFFFF_0000_0000 | int(four))
        texts += [str(four), str(six), six.exploded, str(six).upper(), f"::ffff:{four}", str(mapped), mapped.exploded]
    check(texts)


def test_addresses_with_a_character_changed_are_read_as_the_evaluator_reads_them() -> None:
    rng = Random(6)
    texts = []
    for _ in range(scaled(4_000, 200_000)):
        text = rng.choice(
            [HOSTILE[18], "10.20.30.40", "::ffff:10.2.3.4", "2001:db8::8:1", "1:2:3:4:5:6:7:8", "fe80::", "::1"]
        )
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(text) + 1)
            text = (
                text[:place] + rng.choice(["", *"0123456789abcfFgG.:::..%/ \n\x00٣"]) + text[place + rng.randrange(2) :]
            )
        texts.append(text)
    check(texts)


@given(
    st.lists(st.text(alphabet=st.sampled_from("01259afFg.:\n ٣\x00"), max_size=20) | st.text(max_size=5), max_size=8)
)
def test_any_texts_are_read_as_the_evaluator_reads_them(texts: list[str]) -> None:
    check(texts)


def _networks(texts: list[str]) -> object:
    (test,) = ConditionReader(lambda _: str.isalpha, {}).read_all(
        [{"attribute": "ip", "operator": "in_network", "value": texts}]
    )
    return test.constant.__self__
