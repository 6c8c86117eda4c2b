"""Evaluations while a bundle of ten thousand flags is swapped every second: how slow is the slowest, is any wrong or torn?

    python benchmarks/bench_swaps.py [--seconds 60] [--threads 4] [--whole] [--json]

A second process publishes signed bundles in turn; every turn writes its number into a hundred pairs of flags (`--whole`: into all
flags, so that no delta helps). Threads evaluate without a pause and time each call. An answer is torn if its value does not
belong to the bundle whose digest stands beside it, if a pair read from one snapshot differs, or if a thread sees turns go back.

Two views of time: `busy` threads share one core with the updates and with one another, as a saturated worker does. A `paced` thread
wakes up every two milliseconds for one call, as a worker with room to spare does; its times are from the moment it wanted to
wake until it had its answer, so they include waiting for the interpreter lock (and for the machine: `quiet` is the
same without any swap). Exits with 1 if a promise is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import flagctl
from flagctl.bundle.blob import pack
from flagctl.bundle.delta import compare, write_delta
from flagctl.bundle.envelope import Role, seal
from flagctl.bundle.manifest import PAYLOAD_TYPE, BundleRef, Manifest, delta_of, write_manifest
from flagctl.bundle.names import blob_key, delta_key, manifest_key
from flagctl.bundle.trust import TrustRoot, write_trust
from flagctl.evaluator.document import line_digest, open_bundle
from flagctl.ops.bench_flags import large_bundle
from flagctl.signing import LocalSigner, load_signer
from flagctl.storage import open_remote

FLAGS = 10_000
PAIRS = 100
TURNS = 6
ENVIRONMENT, PROJECT = "production", "bench"
P999_US = 100.0
SLOT_NS = 100
SLOTS = 10_000  # of 100 ns each; slower calls are kept one by one
USER = {"targeting_key": "user-1", "country": "DE", "plan": "pro"}


def bundle_of_turn(base: bytes, turn: int, *, whole: bool) -> bytes:
    """Return a bundle whose pairs, or all of whose flags, say which turn it is."""
    lines = base.split(b"\n")
    if whole:
        lines = [line.replace(b'"owner":"team-', b'"owner":"team%d-' % turn) for line in lines]
    text = {"default": {"serve": 0}, "owner": "team-pairs", "type": "string", "variants": [["only", f"turn-{turn}"]]}
    entry = json.dumps(text, separators=(",", ":"), sort_keys=True).encode()
    pairs = [b'"pair-%03d-%s":%s,' % (number, side, entry) for number in range(PAIRS) for side in (b"left", b"right")]
    at = lines.index(b'},"patterns":{')
    lines[at - 1] += b","
    pairs[-1] = pairs[-1][:-1]
    return b"\n".join([*lines[:at], *pairs, *lines[at:]])


def prepare(folder: Path, *, whole: bool) -> None:
    """Write keys, root of trust, all bundles and the deltas between them."""
    base = large_bundle(FLAGS, 1)
    bundles = [bundle_of_turn(base, turn, whole=whole) for turn in range(TURNS)]
    remote = open_remote(f"file://{folder}/remote")
    key = Ed25519PrivateKey.generate()
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    (folder / "publish.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "publish.key").chmod(0o600)
    signer = LocalSigner(key)
    role = Role((signer.public_key,), 1)
    trust = TrustRoot(PROJECT, 1, 1, 2**33, role, {ENVIRONMENT: role}, {})
    (folder / "trust.json").write_bytes(write_trust(trust, [signer]))
    turns = []
    for turn, data in enumerate(bundles):
        blob = pack(data)
        reference = BundleRef(hashlib.sha256(data).hexdigest(), len(data), hashlib.sha256(blob).hexdigest(), len(blob))
        remote.put(blob_key(ENVIRONMENT, reference.blob_sha256), blob)
        deltas = []
        if not whole:
            patch = compare(open_bundle(bundles[turn - 1]), open_bundle(data))
            stored = write_delta(patch) or b""
            delta = delta_of(patch.source, stored)
            remote.put(delta_key(ENVIRONMENT, delta.source, patch.result), stored)
            deltas.append(delta)
        turns.append([reference, deltas])
    (folder / "turns.json").write_text(json.dumps(turns))
    (folder / "digests.json").write_text(
        json.dumps(
            [{key: line_digest(line) for key, line in open_bundle(data).raw_lines("flags").items()} for data in bundles]
        )
    )


def publish_for_ever(folder: Path, interval: float) -> None:
    """Point the manifest to the next bundle again and again, until standard input is closed."""
    from flagctl.bundle.manifest import Delta

    remote, signer = open_remote(f"file://{folder}/remote"), load_signer(str(folder / "publish.key"))
    turns = json.loads((folder / "turns.json").read_text())
    seq = 0
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    while not stopped.is_set():
        reference, deltas = turns[seq % TURNS]
        seq += 1
        manifest = Manifest(
            PROJECT, ENVIRONMENT, 1, seq, None, int(time.time()), 2**33, 1, None, None, BundleRef(*reference),
            tuple(Delta(*delta) for delta in deltas),
        )  # fmt: skip
        remote.put(manifest_key(ENVIRONMENT), seal(PAYLOAD_TYPE, write_manifest(manifest), [signer]))
        if seq == 1:
            print("ready", flush=True)
        stopped.wait(interval)


class Reader:
    """Evaluates without a pause and keeps how long each call took, and what was wrong."""

    def __init__(self, client: flagctl.Client, digests: list[dict[str, str]], keys: list[str], offset: int) -> None:
        self.client, self.digests, self.keys, self.offset = client, digests, keys, offset
        self.times = [0] * SLOTS
        self.slow: list[int] = []
        self.calls = self.failed = self.torn = self.turns_seen = 0
        self.last_turn: int | None = None

    def note(self, nanoseconds: int) -> None:
        """Count a call."""
        slot = nanoseconds // SLOT_NS
        if slot < SLOTS:
            self.times[slot] += 1
        else:
            self.slow.append(nanoseconds)

    def run(self, stop: threading.Event) -> None:
        """Evaluate until told to stop."""
        number = self.offset
        while not stop.is_set():
            for _ in range(200):
                number += 1
                self.call(number)
            self.check_pair(number % PAIRS)
        self.check_snapshot()

    def run_paced(self, seconds: float) -> None:
        """Make one call every two milliseconds; its time counts from when it was due."""
        begun = time.perf_counter_ns()
        for number in range(1, int(seconds / 0.002)):
            due = begun + number * 2_000_000
            time.sleep(max(0.0, (due - time.perf_counter_ns()) / 1e9))
            self.client.is_enabled(self.keys[number * 7919 % len(self.keys)], USER)
            self.note(time.perf_counter_ns() - due)
            self.calls += 1

    def call(self, number: int) -> None:
        """Evaluate one flag, timed."""
        key = self.keys[number % len(self.keys)]
        try:
            begun = time.perf_counter_ns()
            self.client.is_enabled(key, USER)
            self.note(time.perf_counter_ns() - begun)
        except Exception:  # noqa: BLE001 - that none comes is what is measured
            self.failed += 1
        self.calls += 1

    def check_pair(self, number: int) -> None:
        """Read a pair by two calls: each value fits the digest beside it, and time does not go back between them."""
        for side in ("left", "right"):
            key = f"pair-{number:03d}-{side}"
            begun = time.perf_counter_ns()
            details = self.client.evaluate(key, USER)
            self.note(time.perf_counter_ns() - begun)
            self.calls += 1
            if details.error_code is not None or not isinstance(details.value, str):
                self.failed += 1
                continue
            turn = int(details.value.removeprefix("turn-"))
            ahead = 0 if self.last_turn is None else (turn - self.last_turn) % TURNS
            if self.digests[turn][key] != details.metadata["digest"] or ahead > TURNS // 2:
                self.torn += 1
            self.turns_seen += ahead > 0
            self.last_turn = turn

    def check_snapshot(self) -> None:
        """Read all flags from one snapshot: their turns agree."""
        values = self.client.evaluate_all(USER)
        turns = {value for key, value in values.items() if key.startswith("pair-")}
        self.torn += len(turns) != 1


def quantiles(readers: list[Reader]) -> dict[str, float]:
    """Return times in microseconds; a quantile is the upper end of its slot."""
    times = [sum(column) for column in zip(*(reader.times for reader in readers), strict=True)]
    slow = sorted(value for reader in readers for value in reader.slow)
    total = sum(times) + len(slow)

    def at(share: float) -> float:
        left = total * share
        for slot, count in enumerate(times):
            left -= count
            if left <= 0:
                return (slot + 1) * SLOT_NS / 1000
        return (
            slow[max(0, min(len(slow) - 1, len(slow) + int(left) - 1 if left < 0 else int(left)))] / 1000
            if slow
            else 0.0
        )

    most = (
        slow[-1] / 1000
        if slow
        else max((slot for slot, count in enumerate(times) if count), default=0) * SLOT_NS / 1000
    )
    names = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}
    return {**{name: round(at(share), 1) for name, share in names.items()}, "max": round(most, 1)}


def measure(client: flagctl.Client, folder: Path, seconds: float, threads: int) -> dict[str, Any]:
    """Return what the threads saw."""
    digests = json.loads((folder / "digests.json").read_text())
    keys = [key for key in client._updater.held.flags.keys() if key.startswith("flag-")]  # noqa: SLF001, SIM118 - no mapping
    for key in (*keys, *(f"pair-{number:03d}-{side}" for number in range(PAIRS) for side in ("left", "right"))):
        client.evaluate(key, USER)  # all flags are in use
    snapshots, stop = Reader(client, digests, keys, 0), threading.Event()
    readers = [Reader(client, digests, keys, number * 2_500) for number in range(threads)]
    pool = [threading.Thread(target=reader.run, args=(stop,)) for reader in readers]
    before, cpu, begun = client.status().updates, time.process_time(), time.monotonic()
    for thread in pool:
        thread.start()
    while time.monotonic() - begun < seconds:
        time.sleep(0.5)
        snapshots.check_snapshot()
    stop.set()
    for thread in pool:
        thread.join()
    took = time.monotonic() - begun
    busy = quantiles(readers)
    swaps, cpu = client.status().updates - before, time.process_time() - cpu
    paced, quiet = Reader(client, digests, keys, 0), Reader(client, digests, keys, 0)
    paced.run_paced(seconds / 2)
    client.close()
    quiet.run_paced(seconds / 4)
    return {
        "format_version": "1.0",
        "seconds": round(took, 1),
        "threads": threads,
        "swaps": swaps,
        "turns_seen": min(reader.turns_seen for reader in readers),
        "calls": sum(reader.calls for reader in readers),
        "calls_per_cpu_second": int(sum(reader.calls for reader in readers) / cpu),
        "failed": sum(reader.failed for reader in (*readers, snapshots)),
        "torn": sum(reader.torn for reader in (*readers, snapshots)),
        "busy_us": busy,
        "paced_us": quantiles([paced]),
        "quiet_us": quantiles([quiet]),
        "paced_calls": paced.calls,
        "rejected": client.status().rejected,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluations while a large bundle is swapped every second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between swaps")
    parser.add_argument("--whole", action="store_true", help="change every flag, so that no delta helps")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--publish", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.publish:
        publish_for_ever(given.publish, given.every)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, whole=given.whole)
        command = [sys.executable, __file__, "--publish", str(folder), "--every", str(given.every)]
        publisher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ)
        assert publisher.stdout is not None
        try:
            publisher.stdout.readline()
            settings = {"environment": ENVIRONMENT, "trust": folder / "trust.json", "poll_interval": 0.1}
            with flagctl.Client(f"file://{folder}/remote", **settings) as client:
                assert client.wait_until_ready(60)
                found = measure(client, folder, given.seconds, given.threads)
        finally:
            publisher.communicate()
    missed = (
        found["failed"]
        or found["torn"]
        or found["busy_us"]["p99.9"] >= P999_US
        or found["swaps"] < given.seconds / given.every / 2
    )
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        for key, value in found.items():
            print(f"{key:<22} {value}")
        print("MISSED" if missed else "ok: nothing failed or torn, p99.9 of busy threads below 100 µs")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
