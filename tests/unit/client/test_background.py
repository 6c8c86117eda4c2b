from __future__ import annotations

import logging

import pytest

from flagctl.bundle.accept import trusting
from flagctl.client.background import Background
from flagctl.client.held import Clocks
from flagctl.client.updater import CHAIN_SECONDS, LONGEST_BACKOFF, Updater
from flagctl.errors import RemoteError
from tests.simulators.memory_remote import MemoryRemote
from tests.simulators.project import bundle_of, eventually

ONE, TWO = bundle_of(a=True), bundle_of(a=False, b=True)


@pytest.fixture
def remote():
    return MemoryRemote()


def updater_of(project, remote, clock, *, uniform=0.5, interval=10.0):
    clocks = Clocks(clock, clock.monotonic, lambda: uniform)
    return Updater(trusting(project.trust, "production"), lambda: remote, clocks, interval, lambda _: None)


@pytest.fixture
def background_of():
    started = []

    def start(updater):
        background = Background(updater)
        background.start()
        started.append(background)
        return background

    yield start
    for background in started:
        background.stop(5)


def test_waits_grow_to_five_minutes_with_jitter_and_fall_back_after_a_success(project, remote, clock):
    low, high = (updater_of(project, remote, clock, uniform=uniform) for uniform in (0.0, 1.0))
    bounds = []
    for _ in range(12):
        for updater in (low, high):
            with pytest.raises(RemoteError):
                updater.update()
        bounds.append((low.next_delay(), high.next_delay()))
    assert [lowest for lowest, _ in bounds] == [1.0] * 12
    assert [highest for _, highest in bounds][:4] == [2.0, 4.0, 8.0, 16.0]
    assert bounds[-1][1] == LONGEST_BACKOFF
    project.put(remote, ONE)
    for updater in (low, high):
        updater.update()
    assert (low.next_delay(), high.next_delay()) == pytest.approx((8.0, 12.0))


def test_each_pass_makes_one_request_for_each_pointer_that_has_not_changed(project, remote, clock):
    project.put(remote, ONE)
    updater = updater_of(project, remote, clock)
    updater.update()
    remote.operations.clear()
    updater.update()
    assert remote.operations == [("get", "production/manifest.json"), ("get", "production/kill.json")]


def test_a_failing_pass_makes_one_request_too(project, remote, clock):
    project.put(remote, ONE)
    updater = updater_of(project, remote, clock)
    updater.update()
    remote.operations.clear()

    def fail(*_):
        raise RemoteError("503")

    remote.before = fail
    with pytest.raises(RemoteError):
        updater.update()
    assert remote.operations == [("get", "production/manifest.json")]


def test_the_chain_of_roots_is_looked_at_hourly(project, remote, clock):
    project.put(remote, ONE)
    updater = updater_of(project, remote, clock)
    updater.update()
    remote.objects["trust/2.json"] = project.next_trust()
    clock.pass_by(CHAIN_SECONDS - 1)
    updater.update()
    assert updater.held.state.root.version == 1
    clock.pass_by(1)
    updater.update()
    assert updater.held.state.root.version == 2


def test_a_store_that_forbids_looking_at_the_chain_still_serves_manifests(project, remote, clock):
    project.put(remote, ONE)

    def forbid(_operation, key, _number):
        if key.startswith("trust/"):
            raise RemoteError("AccessDenied")

    remote.before = forbid
    updater = updater_of(project, remote, clock)
    assert updater.update() is True


def test_a_first_look_is_taken_at_once_and_later_starts_are_spread(project, remote, clock):
    updater = updater_of(project, remote, clock)
    assert updater.first_delay() == 0
    project.put(remote, ONE)
    updater.update()
    assert updater.first_delay() == 5.0


def test_unchanged_flags_keep_their_functions_across_a_swap(project, remote, clock):
    taken = []
    project.put(remote, ONE)
    clocks = Clocks(clock, clock.monotonic, lambda: 0.5)
    updater = Updater(trusting(project.trust, "production"), lambda: remote, clocks, 10.0, taken.append)
    updater.update()
    first = taken[-1].evaluate("a", {})
    project.put(remote, bundle_of(a=True, c=True), seq=2)
    updater.update()
    assert taken[-1].evaluate("a", {}) is first
    project.put(remote, bundle_of(a=True, c=True), seq=3)
    updater.update()
    assert taken[-1].evaluate("a", {}) is first


def test_the_thread_survives_what_nobody_expected(project, remote, clock, caplog, background_of, monkeypatch):
    monkeypatch.setattr("flagctl.client.updater.SHORTEST_BACKOFF", 0.01)
    project.put(remote, ONE)

    def surprise(*_):
        raise MemoryError("nobody expected this")

    remote.before = surprise
    updater = updater_of(project, remote, clock, interval=0.01)
    with caplog.at_level(logging.ERROR, "flagctl"):
        background_of(updater)
        assert eventually(lambda: "a pass of the flag client failed" in caplog.text)
    remote.before = lambda *_: None
    assert updater.ready.wait(10)


def test_the_thread_polls_again_and_again(project, remote, clock, background_of):
    project.put(remote, ONE)
    updater = updater_of(project, remote, clock, interval=0.01)
    background_of(updater)
    assert updater.ready.wait(10)
    project.put(remote, TWO, seq=2)
    assert eventually(lambda: updater.held.state.manifest.seq == 2)
