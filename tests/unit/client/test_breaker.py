from __future__ import annotations

import threading

import pytest

from flagctl.client.breaker import Breaker, Pauses


class Time:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


def breaker_of(time, **changes):
    return Breaker(time, lambda: 1.0, **changes)


def fail(breaker, times=1):
    for _ in range(times):
        breaker.failed(breaker.enter())


def test_a_closed_breaker_lets_everybody_through_and_counts_failures_in_a_row(time):
    breaker = breaker_of(time, threshold=3)
    fail(breaker, 2)
    assert (breaker.state, breaker.failures) == ("closed", 2)
    breaker.succeeded(breaker.enter())
    assert breaker.failures == 0
    fail(breaker, 3)
    assert (breaker.state, breaker.enter()) == ("open", None)


def test_when_the_pause_is_over_one_of_a_hundred_threads_probes(time):
    breaker = breaker_of(time)
    fail(breaker)
    assert breaker.retry_in() == 2.0
    time.now += 2.0
    assert breaker.state == "half-open"
    permits = []
    start = threading.Barrier(100)

    def work():
        start.wait()
        permits.append(breaker.enter())

    threads = [threading.Thread(target=work) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (probe,) = [permit for permit in permits if permit is not None]
    assert probe.probe
    breaker.succeeded(probe)
    assert (breaker.state, breaker.retry_in()) == ("closed", 0.0)
    assert breaker.enter() is not None


def test_each_failed_probe_doubles_the_pause_up_to_the_longest(time):
    breaker = breaker_of(time, pauses=Pauses(1.0, 10.0))
    fail(breaker)
    pauses = []
    for _ in range(5):
        pauses.append(breaker.retry_in())
        time.now += breaker.retry_in()
        fail(breaker)
    assert pauses == [2.0, 4.0, 8.0, 10.0, 10.0]
    assert breaker.opened_times == 6


def test_pauses_are_drawn_at_random_but_never_shorter_than_the_first():
    assert Pauses(1.0, 300.0).draw(5, 0.5) == 16.0
    assert Pauses(1.0, 300.0).draw(5, 0.0) == 1.0
    assert Pauses(300.0, 300.0, jitter=False).draw(1, 0.0) == 300.0
    assert Pauses(1.0, 300.0).draw(10_000, 1.0) == 300.0


def test_a_report_from_before_it_opened_changes_nothing(time):
    breaker = breaker_of(time)
    slow = breaker.enter()
    fail(breaker)
    breaker.succeeded(slow)
    assert breaker.state == "open"
    time.now += 2.0
    probe = breaker.enter()
    breaker.failed(slow)
    assert breaker.failures == 1
    breaker.succeeded(probe)
    assert breaker.state == "closed"


def test_a_probe_that_never_reports_holds_nobody_up_for_ever(time):
    breaker = breaker_of(time, probe_seconds=60.0)
    fail(breaker)
    time.now += 2.0
    lost = breaker.enter()
    time.now += 59.0
    assert breaker.enter() is None
    time.now += 1.0
    second = breaker.enter()
    assert second is not None
    breaker.succeeded(lost)
    assert breaker.state == "half-open"
    breaker.succeeded(second)
    assert breaker.state == "closed"


def test_a_probe_that_learnt_nothing_leaves_room_for_another(time):
    breaker = breaker_of(time)
    fail(breaker)
    time.now += 2.0
    breaker.gave_up(breaker.enter())
    assert breaker.enter() is not None


def test_somebody_who_insists_is_let_through_and_counts_as_the_probe(time):
    breaker = breaker_of(time)
    fail(breaker)
    permit = breaker.enter(insist=True)
    assert permit is not None
    breaker.succeeded(permit)
    assert breaker.state == "closed"


def test_it_can_be_opened_and_closed_by_hand(time):
    breaker = breaker_of(time, threshold=5, pauses=Pauses(300.0, 300.0, jitter=False))
    breaker.trip()
    assert (breaker.state, breaker.retry_in()) == ("open", 300.0)
    breaker.close()
    assert (breaker.state, breaker.failures) == ("closed", 0)


def test_a_forked_child_is_not_held_up_by_the_parents_probe(time):
    breaker = breaker_of(time)
    fail(breaker)
    time.now += 2.0
    breaker.enter()
    breaker._lock.acquire()
    breaker.renew()
    assert breaker.enter() is not None
