"""Guards: what trips them, what is served then, and how they close."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from typing import Any

import pytest

from flagctl.client.sinks.memory import MemorySink
from flagctl.client.telemetry.options import Telemetry
from flagctl.errors import UsageError
from flagctl.evaluator import Reason
from flagctl.events import Usage
from tests.unit.client.guards.flags import LIMITS, FailureError, Time, act, client_of, flag, flags_of, run

USER = {"targeting_key": "user-1"}


@pytest.fixture
def time() -> Time:
    return Time()


def trip(client: Any, key: str = "checkout") -> None:
    for _ in range(LIMITS["minimum"]):
        run(client, key, fails=True)


def test_the_block_gets_the_boolean_value_and_its_exception_passes_unchanged(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    error = FailureError("as it was")
    seen: list[Any] = []
    with pytest.raises(FailureError) as caught, client.guard("checkout", USER) as on:
        raise (seen.append(on), error)[1]
    assert caught.value is error
    assert seen == [True]


def test_a_flag_that_fails_is_off_for_every_method_of_the_client(time: Time) -> None:
    checkout = flag(rules=[{"id": "test", "experiment": {"key": "e", "status": "completed"}, "serve": 0}])
    needs = flag(prerequisites=[["checkout", ["on"]]])
    needs.pop("breaker")
    client = client_of(flags_of(checkout=checkout, needs=needs), time)
    assert client.is_enabled("needs", USER)
    trip(client)
    details = client.evaluate("checkout", USER)
    assert (details.value, details.variant, details.reason, details.rule) == (False, "off", Reason.DISABLED, "breaker")
    assert client.is_enabled("checkout", USER) is False
    assert client.get_value("checkout", USER, True) is False
    assert client.evaluate_all(USER) == {"checkout": False, "needs": False}
    assert client.evaluate("needs", USER).rule == "prerequisite:checkout"
    assert run(client, "checkout") is False


def test_nothing_is_decided_before_the_minimum(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    for _ in range(LIMITS["minimum"] - 1):
        run(client, "checkout", fails=True)
    assert client.is_enabled("checkout", USER)
    run(client, "checkout", fails=True)
    assert not client.is_enabled("checkout", USER)


def test_calls_that_are_too_old_do_not_count(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    for _ in range(LIMITS["minimum"] - 1):
        run(client, "checkout", fails=True)
    time.now += 61
    run(client, "checkout", fails=True)
    assert client.is_enabled("checkout", USER)


def test_latency_alone_trips_and_a_slow_probe_reopens(time: Time) -> None:
    limits = {"cool_down": 10_000, "latency_p95": 800, "minimum": 20, "window": 3_600_000}
    client = client_of(flags_of(checkout=flag(breaker=limits)), time)

    def call(seconds: float) -> None:
        with client.guard("checkout", USER):
            time.now += seconds

    for _ in range(20):
        call(0.9)
    assert not client.is_enabled("checkout", USER)
    assert client.status().guards[0]["cause"] == "latency_p95"
    time.now += 10
    call(0.9)
    assert not client.is_enabled("checkout", USER)
    time.now += 10
    call(0.1)
    assert client.is_enabled("checkout", USER)


def test_after_the_cool_down_one_call_at_a_time_gets_the_real_answer(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    trip(client)
    time.now += 299
    assert run(client, "checkout") is False
    time.now += 1
    guard = client.guard("checkout", USER)
    with guard as on:
        assert on is True
        assert guard.is_probe
        assert run(client, "checkout") is False
        assert client.is_enabled("checkout", USER) is False
    assert client.is_enabled("checkout", USER) is True
    assert run(client, "checkout") is True


def test_a_probe_that_fails_opens_again_for_the_whole_cool_down(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    trip(client)
    time.now += 300
    assert run(client, "checkout", fails=True) is True
    time.now += 299
    assert run(client, "checkout") is False
    time.now += 1
    assert run(client, "checkout") is True
    assert client.is_enabled("checkout", USER)
    assert client.status().guards[0]["tripped"] == 2


def test_a_unit_whose_real_answer_is_off_is_no_probe(time: Time) -> None:
    entry = flag(default={"serve": 1}, targets=[[0, ["lucky"]]])
    client = client_of(flags_of(checkout=entry), time)
    for _ in range(200):
        run(client, "checkout", fails=True, user="lucky")
    time.now += 300
    assert run(client, "checkout", user="somebody") is False
    assert client.status().guards[0]["state"] == "half-open"
    assert run(client, "checkout", user="lucky") is True
    assert client.status().guards[0]["state"] == "closed"


def test_a_cancelled_probe_lets_somebody_else_try(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    trip(client)
    time.now += 300
    with pytest.raises(KeyboardInterrupt), client.guard("checkout", USER):
        raise KeyboardInterrupt
    assert run(client, "checkout") is True
    assert client.is_enabled("checkout", USER)


def test_failures_of_the_off_variant_trip_nothing(time: Time) -> None:
    client = client_of(flags_of(checkout=flag(default={"serve": 1})), time)
    for _ in range(300):
        with pytest.raises(FailureError), client.guard("checkout", USER):
            raise FailureError
    assert client.evaluate("checkout", USER).rule is None


def test_a_variant_that_is_no_worse_than_off_does_not_trip(time: Time) -> None:
    entry = flag(default={"serve": 1}, targets=[[0, ["new"]]])
    client = client_of(flags_of(checkout=entry), time)
    for number in range(1200):
        try:
            with client.guard("checkout", {"targeting_key": "new" if number % 2 else "old"}):
                act(fails=number % 10 in {0, 1})
        except FailureError:
            pass
    assert client.is_enabled("checkout", {"targeting_key": "new"})


def test_ignored_exceptions_and_cancellation_are_no_failures(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    for kind in (LookupError, SystemExit, asyncio.CancelledError):
        for _ in range(200):
            with pytest.raises(kind), client.guard("checkout", USER, ignore=LookupError):
                raise kind
    assert client.is_enabled("checkout", USER)
    (on,) = client.status().guards[0]["variants"]
    assert (on["calls"], on["errors"]) == (200, 0)


def test_a_block_can_fail_without_raising(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    for _ in range(200):
        guard = client.guard("checkout", USER)
        with guard:
            guard.fail()
    assert not client.is_enabled("checkout", USER)


def test_flags_without_a_breaker_and_unknown_ones_are_only_evaluated(time: Time) -> None:
    entry = flag()
    entry.pop("breaker")
    client = client_of(flags_of(plain=entry), time)
    for _ in range(300):
        run(client, "plain", fails=True)
        assert run(client, "unknown") is False
    assert client.is_enabled("plain", USER)
    assert client.status().guards == ()


def test_other_types_are_served_with_value_and_variant(time: Time) -> None:
    entry = flag(type="string", variants=[["neural", "v3"], ["classic", "v1"]])
    client = client_of(flags_of(ranking=entry), time)
    with client.guard("ranking", USER, "fallback") as served:
        assert served == ("v3", "neural")
    with client.guard("ranking", USER, 5) as number:
        assert number == (5, None)
    with client.guard("ranking", USER) as on:
        assert on is False
    for _ in range(200):
        with pytest.raises(FailureError), client.guard("ranking", USER, "fallback"):
            raise FailureError
    with client.guard("ranking", USER, "fallback") as served:
        assert served == ("v1", "classic")


def test_code_that_got_a_default_because_of_its_type_trips_no_variant_and_counts_as_a_mismatch(time: Time) -> None:
    sink = MemorySink()
    entry = flag(type="string", variants=[["neural", "v3"], ["classic", "v1"]])
    client = client_of(flags_of(ranking=entry), time, sinks=[sink])
    for _ in range(200):
        with pytest.raises(FailureError), client.guard("ranking", USER) as on:
            raise FailureError(on)
        guard = client.guard("ranking", USER, 5)
        with pytest.raises(FailureError), guard:
            raise FailureError
    assert (guard.value, guard.variant, guard.details.error_code) == (5, None, "TYPE_MISMATCH")
    assert client.get_value("ranking", USER, "") == "v3"
    client.close()
    counted = {(usage.variant, usage.reason): usage.count for usage in sink.of(Usage)}
    assert counted == {(None, "ERROR:TYPE_MISMATCH"): 400, ("neural", "STATIC"): 1}


def test_json_values_are_served_as_copies_of_their_own(time: Time) -> None:
    entry = flag(type="json", variants=[["new", {"a": [1]}], ["old", {}]])
    client = client_of(flags_of(settings=entry), time)
    with client.guard("settings", USER, {}) as served:
        served.value["a"].append(2)
    with client.guard("settings", USER, {}) as served:
        assert served.value == {"a": [1]}


def test_the_decorator_runs_the_function_or_its_fallback(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    seen: list[Any] = []

    def old(user: str, *, amount: int) -> str:
        return f"old {user} {amount}"

    def context(user: str, *, amount: int) -> dict[str, Any]:
        seen.append((user, amount))
        return {"targeting_key": user}

    @client.guarded("checkout", context=context, fallback=old)
    def new(user: str, *, amount: int) -> str:
        """Do it the new way."""
        if amount < 0:
            raise FailureError
        return f"new {user} {amount}"

    assert new("u", amount=1) == "new u 1"
    assert (new.__name__, new.__doc__) == ("new", "Do it the new way.")
    assert seen == [("u", 1)]
    for _ in range(199):
        with pytest.raises(FailureError):
            new("u", amount=-1)
    assert new("u", amount=2) == "old u 2"


def test_without_a_fallback_a_function_that_is_off_returns_none(time: Time) -> None:
    client = client_of(flags_of(checkout=flag(default={"serve": 1})), time)
    assert client.guarded("checkout", context=USER)(lambda: 1)() is None


def test_coroutines_are_guarded_while_they_run(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)

    async def old() -> str:
        return "old"

    @client.guarded("checkout", context=USER, fallback=old)
    async def new() -> str:
        await asyncio.sleep(0)
        raise FailureError

    async def many() -> list[Any]:
        return await asyncio.gather(*(new() for _ in range(200)), return_exceptions=True)

    async def blocks() -> bool:
        async with client.guard("checkout", USER) as on:
            return on

    assert all(isinstance(result, FailureError) for result in asyncio.run(many()))
    assert asyncio.run(new()) == "old"
    assert asyncio.run(blocks()) is False


def test_generators_and_fallbacks_that_are_no_functions_are_refused(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    with pytest.raises(UsageError, match="generator"):
        client.guarded("checkout")(lambda: (yield))
    with pytest.raises(UsageError, match="fallback"):
        client.guarded("checkout", fallback="old")  # type: ignore[arg-type]


def test_every_step_is_reported_to_sinks_listeners_and_status(time: Time) -> None:
    sink = MemorySink()
    client = client_of(flags_of(checkout=flag()), time, sinks=[sink], telemetry=Telemetry(flush_interval=0.01))
    heard: list[str] = []
    client.add_listener(lambda status: heard.append(status.guards[0]["state"]))
    trip(client)
    time.now += 300
    run(client, "checkout", fails=True)
    time.now += 300
    run(client, "checkout")
    client.close()
    events = [event for event in sink.events if event.kind == "guards"]
    assert [event.step for event in events] == ["tripped", "probing", "reopened", "probing", "closed"]
    first = events[0]
    assert (first.flag, first.variant, first.cause, first.calls, first.errors) == (
        "checkout",
        "on",
        "error_rate",
        200,
        200,
    )
    assert first.cool_down == 300.0
    assert heard == ["open", "half-open", "open", "half-open", "closed"]
    assert client.status().to_dict()["guards"][0]["state"] == "closed"


def test_calls_from_before_the_trip_change_nothing_after_it(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    slow = client.guard("checkout", USER)
    slow.__enter__()
    trip(client)
    time.now += 300
    slow.__exit__(None, None, None)
    assert client.status().guards[0]["state"] == "half-open"


def test_a_new_bundle_keeps_what_tripped_and_another_limit_begins_anew(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    trip(client)
    client._take(flags_of(checkout=flag(default={"serve": 0}, tags=["x"]), other=flag()))
    assert client.evaluate("checkout", USER).rule == "breaker"
    client._take(flags_of(checkout=flag(breaker={**LIMITS, "minimum": 300})))
    assert client.is_enabled("checkout", USER)
    assert run(client, "checkout") is True
    trip(client)
    assert client.is_enabled("checkout", USER)
    plain = flag()
    plain.pop("breaker")
    client._take(flags_of(checkout=plain))
    trip(client)
    assert client.is_enabled("checkout", USER)
    client._take(flags_of(other=flag()))
    assert run(client, "checkout") is False


def test_a_kill_comes_before_the_breaker(time: Time) -> None:
    flags = flags_of(checkout=flag())
    client = client_of(flags, time)
    trip(client)
    client._take(flags.with_state(frozenset({"checkout"}), stale=False))
    assert (client.evaluate("checkout", USER).reason, client.evaluate("checkout", USER).rule) == (Reason.DISABLED, None)


def test_many_threads_lose_no_call_and_trip_once(time: Time) -> None:
    limits = {**LIMITS, "minimum": 4000}
    client = client_of(flags_of(checkout=flag(breaker=limits)), time)
    heard: list[str] = []
    client.add_listener(lambda status: heard.append(status.guards[0]["state"]))

    def work() -> None:
        for _ in range(1000):
            run(client, "checkout", fails=True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == ["open"]
    assert not client.is_enabled("checkout", USER)


def _in_child(client: Any, queue: Any) -> None:
    before = client.evaluate("checkout", USER).rule
    client._monotonic.now += 300
    queue.put((before, run(client, "checkout"), client.is_enabled("checkout", USER)))


def test_a_forked_child_goes_on_by_itself_even_if_a_lock_was_held(time: Time) -> None:
    client = client_of(flags_of(checkout=flag()), time)
    trip(client)
    book = client._guards().book
    found = book.find("checkout")
    assert found is not None
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with found.lock, book._lock, client._guards()._lock:
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = context.Process(target=_in_child, args=(client, queue))
    child.start()
    release.set()
    thread.join()
    child.join(20)
    assert queue.get() == ("breaker", True, True)
    assert client.evaluate("checkout", USER).rule == "breaker"
