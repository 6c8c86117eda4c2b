"""A fleet: how fast news reaches 200 clients, and what that costs the store, with and without a shared cache.

Simulated on one machine: several processes, each with many real `Client` objects (a background thread and a boto3 connection
each; with a shared cache also a listening thread), against a real S3 server (SeaweedFS) and a real Redis-compatible one (Valkey),
both from their wheels. Measured are

- the time from the beginning of `publish` to each client's answer (arrivals; the last one is the fleet's),
- the time from the beginning of `kill` to each client's answer,
- requests to the store per second in a quiet time, counted in the clients (one operation is one request).

Two ways: without a shared cache, clients poll the store; with one, `publish` and `kill` push to it. Kills are few without a cache, as
each takes a poll interval.

    python benchmarks/fleet.py [--clients 200] [--processes 4] [--poll 10] [--flags 1000] [--publications 5] [--kills 20] [--json]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

WAYS = ("without", "with")
_BARS = 40


@dataclass(frozen=True)
class Setup:
    """What every process needs to know."""

    url: str
    endpoint_url: str
    trust: bytes
    poll: float
    l2: str | None


def fleet_process(setup: Setup, count: int, pipe: Any) -> None:
    """Run `count` clients; answer commands over the pipe."""
    from flagctl.client import Client
    from flagctl.storage.s3 import S3Remote

    requests = [0]
    arrivals: list[tuple[float, int | None, int | None, str]] = []
    get = S3Remote.get

    def counted(self: S3Remote, key: str, **settings: Any) -> Any:
        requests[0] += 1
        return get(self, key, **settings)

    S3Remote.get = counted  # type: ignore[method-assign]
    clients = []
    for number in range(count):
        name = f"{os.getpid()}-{number}"
        client = Client(
            setup.url,
            environment="production",
            trust=setup.trust,
            l2=setup.l2,
            poll_interval=setup.poll,
            endpoint_url=setup.endpoint_url,
        )
        client.add_listener(
            lambda status, name=name: arrivals.append((time.monotonic(), status.seq, status.kills_seq, name))
        )
        clients.append(client)
    for client in clients:
        if not client.wait_until_ready(120):
            raise SystemExit(f"a client got no flags: {client.status()}")
    while setup.l2 and not all((client.status().l2 or {})["listening"] for client in clients):
        time.sleep(0.05)
    pipe.send("ready")
    while True:
        command = pipe.recv()
        if command == "take":
            taken, arrivals[:] = list(arrivals), []
            pipe.send((requests[0], taken))
        elif command == "states":
            pipe.send([client.status().l2 for client in clients])
        else:
            break
    for client in clients:
        client._background.wind_up()  # noqa: SLF001 - all at once, then each
    for client in clients:
        client.close(0.5)
    pipe.send("closed")


class Fleet:
    """All processes."""

    def __init__(self, setup: Setup, clients: int, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.clients = clients
        self._members = []
        for number in range(processes):
            ours, theirs = context.Pipe()
            share = clients // processes + (number < clients % processes)
            process = context.Process(target=fleet_process, args=(setup, share, theirs), daemon=True)
            process.start()
            self._members.append((process, ours))
        for _, pipe in self._members:
            assert pipe.recv() == "ready"

    def take(self) -> tuple[int, list[tuple[float, int | None, int | None, str]]]:
        """Return the number of requests so far, and what arrived since the last time."""
        requests, arrivals = 0, []
        for _, pipe in self._members:
            pipe.send("take")
        for _, pipe in self._members:
            count, taken = pipe.recv()
            requests += count
            arrivals += taken
        return requests, arrivals

    def states(self) -> list[Any]:
        """Return the state of each client's shared cache."""
        for _, pipe in self._members:
            pipe.send("states")
        return [state for _, pipe in self._members for state in pipe.recv()]

    def arrivals(self, column: int, number: int, begin: float, longest: float) -> list[float]:
        """Wait until every client has manifest (column 1) or kill list (2) `number`; return seconds from `begin`."""
        found: dict[str, float] = {}
        while len(found) < self.clients and time.monotonic() - begin < longest:
            time.sleep(0.2)
            for arrival in self.take()[1]:
                if arrival[column] == number:
                    found.setdefault(arrival[3], arrival[0] - begin)
        return sorted(found.values())

    def close(self) -> None:
        """End all processes."""
        for _, pipe in self._members:
            pipe.send("end")
        for process, pipe in self._members:
            if pipe.poll(30):
                pipe.recv()
            process.join(10)
            process.kill()


class Bench:
    """Servers, a project, and what is measured with them."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        from flagctl.ops.target import Target
        from flagctl.storage import RemoteOptions, open_remote
        from tests.simulators import seaweed
        from tests.simulators.project import Project
        from tests.simulators.valkey import Valkey

        self.arguments = arguments
        self.store = seaweed.start(folder / "s3")
        self.valkey = Valkey.start(folder / "valkey")
        self.project = Project()
        os.environ |= {"AWS_ACCESS_KEY_ID": seaweed.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": seaweed.SECRET_KEY}
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
        admin = seaweed.client_of(self.store.endpoint_url)
        self._targets = {}
        self._remotes = {}
        for way in WAYS:
            admin.create_bucket(Bucket=f"fleet-{way}")
            remote = open_remote(f"s3://fleet-{way}/flags", options=RemoteOptions(endpoint_url=self.store.endpoint_url))
            l2 = self.valkey.url if way == "with" else None
            self._targets[way] = Target(remote=remote, environment="production", trust=self.project.trust, l2=l2)
        admin.close()

    def close(self) -> None:
        """Stop the servers."""
        from tests.simulators import seaweed

        self.valkey.stop()
        seaweed.stop(self.store)

    def publish(self, way: str, number: int) -> tuple[int, float, float]:
        """Publish with one flag changed; return the manifest's number, when it began and how long it took."""
        from flagctl.ops.publish import publish
        from tests.simulators.project import bundle_of

        flags = {f"flag-{index}": True for index in range(self.arguments.flags)}
        data = bundle_of(**flags | {"flag-0": number % 2 == 0, f"new-{number}": True})
        begin = time.monotonic()
        result = publish(self._targets[way], data, self.project.publishers)
        return result.seq, begin, time.monotonic() - begin

    def kill(self, way: str, number: int) -> tuple[int, float, float]:
        """Force a flag off; return the list's number, when it began and how long it took."""
        from flagctl.ops.kill import KillRequest, kill
        from flagctl.ops.kill_model import KillOptions

        begin = time.monotonic()
        request = KillRequest(f"flag-{number}", "measured", "bench")
        result = kill(self._targets[way], [self.project.kill_signer], request, KillOptions(any_flag=True))
        return result.seq, begin, time.monotonic() - begin

    def run(self, way: str) -> dict[str, Any]:
        """Measure one way."""
        arguments = self.arguments
        longest = 4 * arguments.poll + 30
        self.publish(way, 0)
        l2 = self.valkey.url if way == "with" else None
        setup = Setup(f"s3://fleet-{way}/flags", self.store.endpoint_url, self.project.trust_data, arguments.poll, l2)
        begin = time.monotonic()
        fleet = Fleet(setup, arguments.clients, arguments.processes)
        started = time.monotonic() - begin
        try:
            time.sleep(arguments.poll)  # starting together makes one wave; let it pass
            quiet = self._quiet(fleet)
            publications, kills = [], []
            for number in range(1, 1 + (arguments.publications if l2 else min(2, arguments.publications))):
                seq, begin, took = self.publish(way, number)
                publications.append((fleet.arrivals(1, seq, begin, longest), took))
                time.sleep(1.2)
            for number in range(arguments.kills if l2 else min(2, arguments.kills)):
                seq, begin, took = self.kill(way, number)
                kills.append((fleet.arrivals(2, seq, begin, longest), took))
            requests = fleet.take()[0]
            states = [state for state in fleet.states() if state is not None]
        finally:
            fleet.close()
        return {
            "start_seconds": started,
            "requests_per_second": quiet,
            "requests": requests,
            "publications": _summary(publications, arguments.clients),
            "kills": _summary(kills, arguments.clients),
            "breakers_open": sum(state["state"] != "closed" for state in states),
        }

    def _quiet(self, fleet: Fleet) -> float:
        """Return requests to the store per second while nothing happens, until each client has looked by itself once."""
        before, begin = fleet.take()[0], time.monotonic()
        time.sleep(12 * self.arguments.poll)
        return (fleet.take()[0] - before) / (time.monotonic() - begin)


def _summary(measured: list[tuple[list[float], float]], clients: int) -> dict[str, Any]:
    every = sorted(second for arrivals, _ in measured for second in arrivals)
    return {
        "times": len(measured),
        "missing": sum(clients - len(arrivals) for arrivals, _ in measured),
        "writing_seconds": sum(took for _, took in measured) / max(1, len(measured)),
        "p50_seconds": _share(every, 0.50),
        "p99_seconds": _share(every, 0.99),
        "last_seconds": max((arrivals[-1] for arrivals, _ in measured if arrivals), default=None),
        "arrivals": [round(second, 4) for second in every],
    }


def _share(values: list[float], share: float) -> float | None:
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def show(results: dict[str, Any], arguments: argparse.Namespace) -> None:
    print(
        f"{arguments.clients} clients in {arguments.processes} processes, poll interval {arguments.poll:g} s, "
        f"{arguments.flags} flags; times from the beginning of the command to a client's answer\n"
    )
    print(f"{'':34}{'without cache':>16}{'with cache':>16}")
    rows = [
        ("requests to the store per second", lambda r: f"{r['requests_per_second']:.2f}"),
        ("publish: written after", lambda r: _ms(r["publications"]["writing_seconds"])),
        ("publish to half of the clients", lambda r: _ms(r["publications"]["p50_seconds"])),
        ("publish to 99 % of the clients", lambda r: _ms(r["publications"]["p99_seconds"])),
        ("publish to the last client", lambda r: _ms(r["publications"]["last_seconds"])),
        ("kill: written after", lambda r: _ms(r["kills"]["writing_seconds"])),
        ("kill to half of the clients", lambda r: _ms(r["kills"]["p50_seconds"])),
        ("kill to 99 % of the clients", lambda r: _ms(r["kills"]["p99_seconds"])),
        ("kill to the last client", lambda r: _ms(r["kills"]["last_seconds"])),
        ("arrivals that did not come", lambda r: str(r["publications"]["missing"] + r["kills"]["missing"])),
    ]
    for name, value in rows:
        print(f"{name:34}{value(results['without']):>16}{value(results['with']):>16}")
    for way in WAYS:
        for what in ("publications", "kills"):
            print(f"\n{what}, {way} a shared cache: arrivals")
            _histogram(results[way][what]["arrivals"])


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:,.0f} ms"


def _histogram(seconds: list[float], bins: int = 10) -> None:
    if not seconds:
        return
    low, high = seconds[0], seconds[-1] + 1e-9
    width = (high - low) / bins or 1e-9
    counts = [0] * bins
    for second in seconds:
        counts[min(bins - 1, int((second - low) / width))] += 1
    for number, count in enumerate(counts):
        begin = (low + number * width) * 1000
        print(f"  {begin:>9,.0f} ms  {'#' * round(_BARS * count / max(counts)):{_BARS}} {count}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--poll", type=float, default=10.0)
    parser.add_argument("--flags", type=int, default=1_000)
    parser.add_argument("--publications", type=int, default=5)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, Path(folder))
        try:
            results = {way: bench.run(way) for way in WAYS}
        finally:
            bench.close()
    if arguments.json:
        print(json.dumps({"format_version": "1.0", "options": vars(arguments), **results}))
    else:
        show(results, arguments)


if __name__ == "__main__":
    main()
