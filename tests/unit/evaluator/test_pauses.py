from __future__ import annotations

import threading

import pytest

from flagctl.evaluator import pauses
from flagctl.evaluator.document import check_structure, open_bundle
from flagctl.ops.bench_flags import large_bundle


@pytest.fixture
def naps(monkeypatch):
    taken = []
    monkeypatch.setattr(pauses, "sleep", lambda _: taken.append(threading.current_thread().name))
    return taken


def in_a_thread(work) -> None:
    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()


def take_a_bundle_over() -> None:
    check_structure(open_bundle(large_bundle(400, 1)))


def test_a_thread_that_somebody_waits_for_takes_no_rest(naps):
    take_a_bundle_over()
    in_a_thread(take_a_bundle_over)
    assert naps == []


def test_a_background_thread_rests_again_and_again_while_it_takes_a_bundle_over(naps):
    def work() -> None:
        pauses.take_rests()
        take_a_bundle_over()

    in_a_thread(work)
    assert len(naps) > 5
    take_a_bundle_over()
    assert set(naps) == {"worker"}


def test_a_rest_that_took_long_is_followed_by_longer_work(monkeypatch):
    now = [100.0]
    naps = []

    def sleep(_: float) -> None:
        naps.append(now[0])
        now[0] += 0.02  # other threads held the lock

    monkeypatch.setattr(pauses, "perf_counter", lambda: now[0])
    monkeypatch.setattr(pauses, "sleep", sleep)

    def work() -> None:
        pauses.take_rests()
        for _ in range(1000):
            now[0] += 0.0001
            pauses.rest()

    in_a_thread(work)
    assert len(naps) == 2
    assert naps[1] - naps[0] > 0.06
