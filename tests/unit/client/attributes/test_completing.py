"""Completed contexts: the answers of an eager merge, no look-up that is not needed, and no harm from a provider."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.client import Client
from flagctl.client.attributes import Attributes, CallableProvider, StaticProvider
from flagctl.errors import UsageError
from flagctl.evaluator import FlagSet, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flag(*conditions: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """Return a flag that is on under conditions."""
    return {
        "type": "boolean",
        "variants": [["on", True], ["off", False]],
        "off": 1,
        "default": {"serve": 1},
        "rules": [{"id": "r", "when": list(conditions), "serve": 0}],
        **parts,
    }


def equals(attribute: Any, value: Any) -> dict[str, Any]:
    """Return a condition."""
    return {"attribute": attribute, "operator": "equals", "value": value}


FLAGS = {
    "in-segment": flag({"segment": "pros"}),
    "needs-pro": flag(equals("country", "DE"), prerequisites=[["pro", ["on"]]]),
    "nested": flag(equals(["account", "plan"], "pro")),
    "not-pro": flag({"attribute": "plan", "operator": "not_equals", "value": "pro"}),
    "plain": flag(equals("country", "DE")),
    "pro": flag(equals("plan", "pro")),
    "seats": flag({"attribute": "seats", "operator": "greater_than", "value": 10}, equals("plan", "pro")),
    "split": flag(default={"split": [[50_000, 0], [100_000, 1]], "unit": "account_id"}),
}


def flags() -> FlagSet:
    """Return the flags of these tests."""
    contents = BundleContents(
        project="acme",
        environment="test",
        capabilities=frozenset({"segments", "prerequisites", "operator:equals", "operator:greater_than"}),
        flags=FLAGS,
        segments={"pros": {"when": [equals("plan", "pro")]}},
    )
    return load(write_bundle(contents))


class Counting:
    """A provider that notes whom it is asked for."""

    names = frozenset({"plan", "seats", "account", "account_id"})

    def __init__(self, units: Mapping[str, Mapping[str, Any]]) -> None:
        self.units = units
        self.asked: list[str] = []

    def lookup(self, unit: str) -> Mapping[str, Any]:
        """Return what is known of a unit."""
        self.asked.append(unit)
        return self.units.get(unit, {})


def client_of(*providers: Any, **options: Any) -> Client:
    """Return a client with these providers."""
    return Client("file:///nowhere", environment="test", fixed=flags(), attributes=providers, **options)


values = st.sampled_from([None, "pro", "free", 5, 11, True, {"plan": "pro"}, {"plan": "free"}, "a-1", "a-2"])
names = st.sampled_from(["plan", "seats", "account", "account_id", "country"])
attributes = st.dictionaries(names, values)


@given(attributes, attributes, attributes, st.booleans(), st.booleans())
def test_a_completed_context_answers_as_an_eager_merge(
    own: dict[str, Any], first: dict[str, Any], second: dict[str, Any], is_mapping: bool, is_known: bool
) -> None:
    providers = [StaticProvider({"u": known}, ["plan", "seats", "account", "account_id"]) for known in (first, second)]
    shown = [{name: value for name, value in p.lookup("u").items()} for p in providers]  # noqa: C416
    merged = {**shown[1], **shown[0], **own, "targeting_key": "u"}
    context: Any = {**own, "targeting_key": "u"}
    client = client_of(*(Attributes(p, timeout=10.0) for p in providers))
    bare = flags()
    if is_known:
        client.complete({"targeting_key": "u"})
    if is_mapping:
        context = _Foreign(context)
    for key in FLAGS:
        assert client.evaluate(key, context) == bare.evaluate(key, merged)
        assert client.evaluate_typed(key, context, False, bool) == bare.evaluate(key, merged, False)
        assert client.is_enabled(key, context) == bare.is_enabled(key, merged)
    assert client.evaluate_all(context) == bare.evaluate_all(merged)
    assert client.complete({**own, "targeting_key": "u"}) == merged
    client.close()


class _Foreign(dict[str, Any]):
    """A context that is no plain dict."""


def test_a_provider_is_asked_only_by_flags_that_read_what_the_context_lacks() -> None:
    provider = Counting({"u": {"plan": "pro", "seats": 20}})
    client = client_of(Attributes(provider, timeout=10.0))
    user = {"targeting_key": "u", "country": "DE"}
    assert client.is_enabled("plain", user)
    assert client.evaluate("unknown", user).variant is None
    assert client.is_enabled("pro", {**user, "plan": "pro"})
    assert not client.is_enabled("pro", {**user, "plan": None})
    assert not client.is_enabled("needs-pro", {"targeting_key": "u", "plan": "free"})
    assert provider.asked == []
    assert client.is_enabled("pro", user)
    assert client.is_enabled("in-segment", user)
    assert client.is_enabled("needs-pro", user)
    assert client.is_enabled("seats", user)
    assert provider.asked == ["u"]
    client.close()


def test_without_a_targeting_key_and_with_nonsense_nobody_is_asked() -> None:
    provider = Counting({})
    client = client_of(provider)
    bare = flags()
    for context in (
        None,
        {},
        {"targeting_key": None},
        {"targeting_key": 1.5},
        5,
        "text",
        ["targeting_key"],
        _Raising(),
    ):
        assert client.evaluate("pro", context) == bare.evaluate("pro", context)  # type: ignore[arg-type]
        assert client.is_enabled("pro", context) is False  # type: ignore[arg-type]
    assert provider.asked == []
    client.close()


class _Raising(dict[str, Any]):
    def __contains__(self, key: object) -> bool:
        raise RuntimeError


def test_answers_are_remembered_for_their_time_also_empty_ones() -> None:
    now = [0.0]
    provider = Counting({"known": {"plan": "pro"}})
    settings = Attributes(provider, ttl=60, negative_ttl=10, timeout=10.0)
    client = client_of(settings, monotonic=lambda: now[0])
    for _ in range(3):
        assert client.is_enabled("pro", {"targeting_key": "known"})
        assert not client.is_enabled("pro", {"targeting_key": "unknown"})
    assert provider.asked == ["known", "unknown"]
    now[0] = 11
    client.is_enabled("pro", {"targeting_key": "known"})
    client.is_enabled("pro", {"targeting_key": "unknown"})
    assert provider.asked == ["known", "unknown", "unknown"]
    now[0] = 61
    client.is_enabled("pro", {"targeting_key": "known"})
    assert provider.asked[-1] == "known"
    (status,) = client.status().attributes
    assert (status["lookups"], status["empty"], status["units"]) == (4, 2, 2)
    client.close()


def test_memory_is_bounded_and_keeps_who_was_used_lately() -> None:
    provider = Counting({})
    client = client_of(Attributes(provider, units=10, timeout=10.0))
    for number in range(100):
        client.is_enabled("pro", {"targeting_key": "regular"})
        client.is_enabled("pro", {"targeting_key": f"user-{number}"})
    assert client.status().attributes[0]["units"] == 10
    assert provider.asked.count("regular") == 1
    client.close()


class Slow:
    """A provider that answers when it is told to."""

    names = frozenset({"plan"})

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = 0

    def lookup(self, unit: str) -> Mapping[str, Any]:  # noqa: ARG002
        """Wait, then answer."""
        self.asked += 1
        self.go.wait(20)
        return {"plan": "pro"}


@pytest.fixture
def slow() -> Iterator[Slow]:
    provider = Slow()
    yield provider
    provider.go.set()


def until(holds: Any) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_slow_provider_holds_up_no_evaluation_beyond_its_timeout_and_serves_later_ones(slow: Slow) -> None:
    client = client_of(Attributes(slow, timeout=0.02))
    user = {"targeting_key": "u"}
    begin = time.monotonic()
    assert not client.is_enabled("pro", user)
    assert not client.is_enabled("pro", user)
    assert time.monotonic() - begin < 2
    assert slow.asked == 1
    slow.go.set()
    until(lambda: client.is_enabled("pro", user))
    assert client.status().attributes[0]["timeouts"] == 1
    client.close()


def test_a_provider_that_never_answers_is_left_alone_after_a_few_failures(slow: Slow) -> None:
    client = client_of(Attributes(slow, timeout=0.01, failures=3))
    for number in range(50):
        assert not client.is_enabled("pro", {"targeting_key": f"u{number}"})
    (status,) = client.status().attributes
    assert status["state"] != "closed"
    assert status["timeouts"] == 3
    assert status["refused"] == 47
    assert status["last_error"] == "no answer within 0.01 s"
    client.close()


def test_with_no_time_to_wait_the_answer_serves_the_next_evaluation() -> None:
    provider = Counting({"u": {"plan": "pro"}})
    client = client_of(Attributes(provider, timeout=0))
    client.is_enabled("pro", {"targeting_key": "u"})
    until(lambda: client.is_enabled("pro", {"targeting_key": "u"}))
    assert client.status().attributes[0]["state"] == "closed"
    client.close()


def test_failures_are_missing_attributes_and_open_the_breaker_until_a_probe_succeeds() -> None:
    now = [0.0]
    works = [False]
    asked: list[str] = []

    def lookup(unit: str) -> dict[str, Any]:
        asked.append(unit)
        if not works[0]:
            raise ConnectionError("down")
        return {"plan": "pro"}

    provider = CallableProvider(lookup, ["plan"])
    client = client_of(Attributes(provider, timeout=10.0), monotonic=lambda: now[0], uniform=lambda: 1.0)
    for number in range(20):
        assert client.is_enabled("not-pro", {"targeting_key": f"u{number}"})
    until(lambda: client.status().attributes[0]["state"] == "open")
    assert len(asked) == 5
    assert "down" in client.status().attributes[0]["last_error"]
    works[0] = True
    now[0] = 120
    assert client.is_enabled("pro", {"targeting_key": "u0"})
    until(lambda: client.status().attributes[0]["state"] == "closed")
    client.close()


@pytest.mark.parametrize("answer", [None, 5, "text", ["plan"], {"plan": 5}, {"other": "pro"}])
def test_nonsense_from_a_provider_is_a_missing_attribute(answer: Any) -> None:
    client = client_of(Attributes(CallableProvider(lambda _: answer, {"plan": "string"}), timeout=10.0))
    assert not client.is_enabled("pro", {"targeting_key": "u"})
    assert client.is_enabled("not-pro", {"targeting_key": "u"})
    client.close()


def test_many_threads_look_a_unit_up_once() -> None:
    provider = Counting({"u": {"plan": "pro"}})
    inner = provider.lookup

    def lookup(unit: str) -> Mapping[str, Any]:
        time.sleep(0.05)
        return inner(unit)

    provider.lookup = lookup  # type: ignore[method-assign]
    client = client_of(Attributes(provider, timeout=10.0))
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.is_enabled("pro", {"targeting_key": "u"})))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 8
    assert provider.asked == ["u"]
    client.close()


def test_completing_ahead_does_not_block_the_event_loop(slow: Slow) -> None:
    client = client_of(Attributes(slow, timeout=10.0))

    async def main() -> dict[str, Any]:
        task = asyncio.create_task(client.complete_async({"targeting_key": "u"}))
        await asyncio.sleep(0.01)
        assert not task.done()
        slow.go.set()
        return await task

    assert asyncio.run(main()) == {"targeting_key": "u", "plan": "pro"}
    assert asyncio.run(client.complete_async(None)) == {}
    client.close()


def _in_child(client: Client, queue: Any) -> None:
    queue.put((client.is_enabled("pro", {"targeting_key": "u"}), client.is_enabled("pro", {"targeting_key": "v"})))


def test_a_forked_child_asks_with_threads_of_its_own() -> None:
    provider = Counting({"u": {"plan": "pro"}, "v": {"plan": "pro"}})
    client = client_of(Attributes(provider, timeout=10.0))
    assert client.is_enabled("pro", {"targeting_key": "u"})
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(client, queue))
    child.start()
    child.join(20)
    assert queue.get() == (True, True)
    client.close()


def test_wrong_providers_are_refused_with_a_reason() -> None:
    with pytest.raises(UsageError, match="no attribute provider"):
        client_of(object())
    with pytest.raises(UsageError, match="targeting_key"):
        client_of(StaticProvider({}, ["targeting_key"]))
    with pytest.raises(UsageError, match="not empty"):
        client_of(StaticProvider({}, []))
    with pytest.raises(UsageError, match="seconds"):
        client_of(Attributes(StaticProvider({}, ["a"]), ttl=-1))
    with pytest.raises(UsageError, match="numbers"):
        client_of(Attributes(StaticProvider({}, ["a"]), threads=0))
