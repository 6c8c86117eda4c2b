"""Tags and bodies of one state of the flags."""

from __future__ import annotations

import json

import pytest

from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.client.snapshot import Snapshot
from flagctl.evaluator.document import open_bundle
from flagctl.evaluator.flagset import FlagSet
from flagctl.server.ofrep.served import BodyCache, Served, matches, state_tag, timed_keys
from tests.simulators.project import Clock

START = 1_800_000_000


def boolean(**more):
    return {"type": "boolean", "variants": [["on", True], ["off", False]], "off": 1, "default": {"serve": 0}, **more}


def flags_of(clock=None, **entries) -> FlagSet:
    entries = {key.replace("_", "-"): entry for key, entry in entries.items()}
    data = write_bundle(BundleContents(project="acme", environment="production", flags=entries))
    return FlagSet(open_bundle(data), clock or Clock(START))


WINDOW = {"from": (START + 100) * 1000}
PART = {"schedule": {"until": (START + 50) * 1000}}


def timed_flags(clock=None) -> FlagSet:
    return flags_of(
        clock,
        plain=boolean(),
        window=boolean(schedule=WINDOW),
        needs=boolean(prerequisites=[["window", ["on"]]]),
        needs_more=boolean(prerequisites=[["needs", ["on"]], ["plain", ["on"]]]),
        ramp=boolean(
            rules=[{"id": "r", "serve": 1, "percentage": {"steps": [[START * 1000, 100_000]]}, "salt": "ramp"}]
        ),
    )


def test_flags_that_go_by_the_clock_are_found_through_prerequisites_too():
    assert timed_keys(timed_flags().document) == ("needs", "needs-more", "ramp", "window")
    assert timed_keys(flags_of(plain=boolean()).document) == ()


def test_a_tag_changes_when_a_schedule_begins_and_only_then():
    clock = Clock(START)
    served = Served(Snapshot(timed_flags(clock)))
    context = {"targeting_key": "u"}
    before = served.etag(context)
    clock.pass_by(99)
    assert served.etag(context) == before
    clock.pass_by(1)
    after = served.etag(context)
    assert after != before
    clock.pass_by(10_000)
    assert served.etag(context) == after


def test_a_tag_is_of_bundle_expiry_kills_and_context():
    flags = flags_of(a=boolean(), b=boolean())
    context = {"targeting_key": "u", "n": 1}
    states = [
        Snapshot(flags),
        Snapshot(flags.with_state(frozenset(), stale=True), stale=True),
        Snapshot(flags.with_state(frozenset({"a"}), stale=False), killed=frozenset({"a"})),
        Snapshot(flags.with_state(frozenset({"b"}), stale=False), killed=frozenset({"b"})),
        Snapshot(flags_of(a=boolean())),
    ]
    assert len({state_tag(state) for state in states}) == 5
    assert len({Served(state).etag(context) for state in states}) == 5
    served = Served(states[0])
    others = [context, {**context, "n": 1.5}, {**context, "n": "1"}, {**context, "n": None}, {}, {"u": "\ud800"}]
    assert len({served.etag(other) for other in others}) == 6
    assert served.etag(context) == Served(Snapshot(flags_of(a=boolean(), b=boolean()))).etag(
        dict(reversed(context.items()))
    )


def test_the_number_and_instant_of_a_manifest_do_not_matter_to_a_tag():
    flags = flags_of(a=boolean())
    assert state_tag(Snapshot(flags, seq=1, issued=5)) == state_tag(Snapshot(flags, seq=9, issued=50))


def test_the_body_is_what_single_evaluations_say_also_the_second_time():
    served = Served(Snapshot(timed_flags(), seq=3))
    for user in ("u", "v", "u"):
        body = json.loads(served.bulk({"targeting_key": user}, b"[]"))
        assert [flag["key"] for flag in body["flags"]] == ["needs", "needs-more", "plain", "ramp", "window"]
        assert {flag["key"]: flag["value"] for flag in body["flags"]} == served.flags.evaluate_all(
            {"targeting_key": user}
        )
    assert body["metadata"]["version"] == served.tag
    assert body["eventStreams"] == []


def test_the_cache_holds_so_many_bytes():
    cache = BodyCache(10)
    cache.put("a", b"12345")
    cache.put("b", b"12345")
    assert cache.get("a") == b"12345"
    cache.put("c", b"1")
    assert cache.get("b") is None
    assert (cache.get("a"), cache.get("c")) == (b"12345", b"1")
    cache.put("d", b"12345678901")
    assert cache.get("d") is None
    cache.clear()
    assert cache.get("a") is None


@pytest.mark.parametrize(
    ("header", "same"),
    [('"a"', True), ('W/"a"', True), (' "b" , "a"', True), ("*", True), ("a", False), ('"ab"', False), ("", False)],
)
def test_a_header_names_a_tag(header, same):
    assert matches(header, '"a"') is same
