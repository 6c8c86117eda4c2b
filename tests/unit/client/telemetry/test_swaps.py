"""Counts and exposures while bundles change, expire, and flags are forced off under a real client."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flagctl.client import Client, Telemetry
from flagctl.client.sinks import MemorySink
from flagctl.events import Exposure, Usage
from flagctl.storage import open_remote
from tests.simulators.project import Clock, Project
from tests.unit.client.telemetry.flags import BOOLEAN, EXPERIMENT, bundle

SWAPS = 40


@pytest.fixture
def project() -> Project:
    return Project()


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, project: Project, sink: MemorySink, clock: Clock) -> Iterator[Client]:
    project.put(open_remote(f"file://{tmp_path}/remote"), data(1))
    made = Client(
        f"file://{tmp_path}/remote",
        environment="production",
        trust=project.trust_data,
        poll_interval=3600.0,
        clock=clock,
        monotonic=clock.monotonic,
        sinks=[sink],
        telemetry=Telemetry(flush_interval=0.01, queue=100_000),
    )
    assert made.wait_until_ready(10)
    yield made
    made.close()


def data(number: int, **changes: Any) -> bytes:
    """Return a bundle that differs from others in its flag `other`."""
    raw = bundle(other={**BOOLEAN, "tags": [f"version-{number}"]}, **changes)
    return raw.replace(b'"env":"test"', b'"env":"production"').replace(b'"project":"conformance"', b'"project":"acme"')


def counts(sink: MemorySink) -> Counter[tuple[str, str | None, str]]:
    found: Counter[tuple[str, str | None, str]] = Counter()
    for usage in sink.of(Usage):
        found[usage.flag, usage.variant, usage.reason] += usage.count
    return found


def test_swaps_lose_no_count_and_repeat_no_exposure(
    tmp_path: Path, client: Client, project: Project, sink: MemorySink
) -> None:
    done = threading.Event()
    asked = [0, 0]

    def ask(number: int) -> None:
        while not done.is_set():
            client.is_enabled("button", {"targeting_key": f"user-{asked[number] % 50}"})
            client.is_enabled("other", {})
            asked[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    remote = open_remote(f"file://{tmp_path}/remote")
    for number in range(2, SWAPS):
        project.put(remote, data(number), seq=number)
        assert client.refresh()
    done.set()
    for thread in threads:
        thread.join()
    client.close()
    found = counts(sink)
    assert found["button", "on", "SPLIT"] + found["button", "off", "SPLIT"] == sum(asked)
    assert found["other", "off", "STATIC"] == sum(asked)
    exposed = [exposure.unit_id for exposure in sink.of(Exposure)]
    assert sorted(exposed) == sorted(f"user-{number}" for number in range(min(50, max(asked))))


def test_new_settings_of_an_experiment_are_new_exposures(
    tmp_path: Path, client: Client, project: Project, sink: MemorySink
) -> None:
    client.is_enabled("button", {"targeting_key": "user-1"})
    changed = {**BOOLEAN, "rules": [{**EXPERIMENT, "split": [[60_000, 0], [100_000, 1]]}]}
    project.put(open_remote(f"file://{tmp_path}/remote"), data(2, button=changed), seq=2)
    client.refresh()
    client.is_enabled("button", {"targeting_key": "user-1"})
    client.close()
    first, second = sink.of(Exposure)
    assert first.unit_id == second.unit_id
    assert first.config_hash != second.config_hash
    assert first.bundle != second.bundle


def test_expired_flags_are_counted_as_stale_and_their_exposures_say_so(
    client: Client, sink: MemorySink, clock: Clock
) -> None:
    client.is_enabled("plain", {})
    clock.now += 10 * 365 * 86_400
    client._updater.check_expiry()  # type: ignore[union-attr]
    assert client.status().state == "stale"
    client.is_enabled("plain", {})
    client.get_value("plain", {}, False)
    assert client.evaluate("button", {"targeting_key": "user-1"}).reason == "STALE"
    client.get_variant("button-test", {"targeting_key": "user-1"})
    client.close()
    found = counts(sink)
    assert found["plain", "on", "STATIC"] == 1
    assert found["plain", "on", "STALE"] == 2
    assert found["button", "on", "STALE"] + found["button", "off", "STALE"] == 2
    (exposure,) = sink.of(Exposure)
    assert exposure.reason == "STALE"
