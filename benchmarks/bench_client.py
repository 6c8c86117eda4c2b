"""What the client costs: its import, an offline restart with many flags, and each call, without and with telemetry.

    python benchmarks/bench_client.py [--flags 10000]

Import and restart are measured in fresh interpreters with compiled modules at hand, as an installed app has them; CPU
milliseconds, the least of several. Calls are ratios within one run. With telemetry means: polling in the background, counts,
exposures, and a sink that takes every kind of event. Exits with 1 if a budget is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import timeit
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import flagctl
from flagctl.bundle.blob import pack
from flagctl.bundle.envelope import Role, seal
from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.bundle.manifest import PAYLOAD_TYPE, BundleRef, Manifest, write_manifest
from flagctl.bundle.trust import TrustRoot, write_trust
from flagctl.client.telemetry import Telemetry
from flagctl.evaluator.document import CAPABILITIES
from flagctl.events import KINDS
from flagctl.ops.bench_flags import FULL_CONTEXT, SPARSE_CONTEXT, case_flags
from flagctl.signing import LocalSigner
from flagctl.storage import Remote, open_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

EXPERIMENTS = {"bench-test": "experiment", "bench-part": "experiment-part", "switch-test": "experiment-switch"}
ROUNDS = 7
IMPORT_MS = 60
RESTART_MS = 80
CALL_RATIO = 2.5
WATCHED_RATIO = 1.6
WATCHED_NS = 1_000
EXPOSURE_NS = 250
REPOSITORY = Path(__file__).parents[1]

IMPORT = """
import time
began = time.process_time()
import flagctl
flagctl.Client
print((time.process_time() - began) * 1000)
"""
RESTART = """
import sys, time
began = time.process_time()
import flagctl
folder = sys.argv[1]
client = flagctl.Client("file://" + folder + "/gone", environment="production", trust=folder + "/trust.json",
                        cache_dir=folder + "/cache", poll_interval=3600)
assert client.is_enabled("flag-1", {"country": "DE", "plan": "pro"})
print((time.process_time() - began) * 1000)
client.close()
"""


def many_flags(flags: int) -> dict[str, object]:
    """Return entries of a bundle."""
    conditions = [
        {"attribute": "country", "operator": "in", "value": ["DE", "FR"]},
        {"attribute": "plan", "operator": "equals", "value": "pro"},
    ]
    entries: dict[str, object] = {}
    for number in range(flags):
        entry: dict[str, object] = {
            "type": "boolean",
            "variants": [["on", True], ["off", False]],
            "off": 1,
            "default": {"serve": 1},
            "owner": "team-checkout",
            "tags": ["release", "checkout"],
        }
        if number % 4:
            entry["rules"] = [{"id": f"rule-{rule}", "when": conditions, "serve": 0} for rule in range(number % 4)]
        entries[f"flag-{number}"] = entry
    return entries


def publish_signed(remote: Remote, folder: Path, entries: Mapping[str, object]) -> bytes:
    """Put a signed bundle at a remote and its root of trust into a folder; return the bundle."""
    data = write_bundle(
        BundleContents(
            project="acme",
            environment="production",
            capabilities=CAPABILITIES - {"lists"},  # as compiled without them: no big segments
            flags=entries,
            experiments={key: {"flag": flag} for key, flag in EXPERIMENTS.items() if flag in entries},
        )
    )
    signer, blob = LocalSigner(Ed25519PrivateKey.generate()), pack(data)
    role = Role((signer.public_key,), 1)
    root = TrustRoot("acme", 1, 1, 2**33, role, {"production": role}, {})
    (folder / "trust.json").write_bytes(write_trust(root, [signer]))
    reference = BundleRef(hashlib.sha256(data).hexdigest(), len(data), hashlib.sha256(blob).hexdigest(), len(blob))
    manifest = Manifest("acme", "production", 1, 1, None, int(time.time()), 2**33, 1, None, None, reference)
    remote.put(f"production/blobs/{reference.blob_sha256}.gz", blob)
    remote.put("production/manifest.json", seal(PAYLOAD_TYPE, write_manifest(manifest), [signer]))
    return data


def in_fresh_interpreters(script: str, folder: Path) -> float:
    """Return the least time that a script prints, over several interpreters; the first ones compile the modules."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times = []
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", script, str(folder)]
        done = subprocess.run(command, env=environment, cwd=REPOSITORY, check=True, capture_output=True, text=True)
        times.append(float(done.stdout))
    return min(times)


def nanoseconds(statement: str, **names: object) -> float:
    """Return the least CPU time of one call."""
    loops = 100_000
    return min(timeit.repeat(statement, globals=names, number=loops, repeat=15, timer=time.process_time)) / loops * 1e9


class NullSink:
    """Takes everything nowhere."""

    name = "null"
    accepts = frozenset(KINDS)

    def __init__(self) -> None:
        self.taken = 0

    def open(self) -> None:
        """Do nothing."""

    def write(self, batch: Sequence[object]) -> None:
        """Count."""
        self.taken += len(batch)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def loop_of(target: object, method: str, arguments: tuple[object, ...]) -> Callable[[], float]:
    """Return a loop with code of its own, so that the interpreter specialises it for its target."""
    names = ", ".join(f"a{number}" for number in range(len(arguments)))
    source = (
        f"def loop():\n    {names}, = arguments\n    flags = target\n    begin = clock()\n    for _ in numbers:\n"
        f"        flags.{method}({names})\n    return (clock() - begin) / len(numbers) * 1e9"
    )
    found: dict[str, Callable[[], float]] = {}
    given = {"target": target, "arguments": arguments, "clock": time.process_time, "numbers": range(10_000)}
    exec(source, given, found)  # noqa: S102 - written above
    return found["loop"]


def in_turns(loops: Mapping[Hashable, Callable[[], float]], rounds: int = 60) -> dict[Hashable, float]:
    """Return the least time of each loop, taking turns so that a slow phase of the machine hits all."""
    best = dict.fromkeys(loops, float("inf"))
    for _ in range(rounds):
        for name, loop in loops.items():
            best[name] = min(best[name], loop())
    return best


def measure_telemetry(folder: Path, show: Callable[[str, float, float, str], None]) -> None:
    """Measure evaluations that are counted and whose exposures are noticed."""
    flags = case_flags()
    test = flags["experiment"]["rules"][1]
    switch = {**test, "experiment": {**test["experiment"], "key": "switch-test"}, "split": [[50_000, 0], [100_000, 1]]}
    flags["experiment-switch"] = {**flags["rollout"], "default": {"serve": 1}, "rules": [switch]}
    data = publish_signed(open_remote(f"file://{folder}/remote"), folder, flags)
    bare = flagctl.load(data)
    bare.compile_all()
    settings = {"environment": "production", "trust": folder / "trust.json", "poll_interval": 1.0}
    sink = NullSink()
    with (
        flagctl.Client(f"file://{folder}/remote", **settings) as plain,
        flagctl.Client(f"file://{folder}/remote", **settings, sinks=[sink], telemetry=Telemetry()) as watched,
    ):
        rows = [
            (flag, "is_enabled", (flag, context))
            for flag, context in (*((flag, FULL_CONTEXT) for flag in flags), ("five-rules", SPARSE_CONTEXT))
        ]
        rows += [
            ("experiment", "get_value", ("experiment", FULL_CONTEXT, "none")),
            ("experiment", "get_variant", ("bench-test", FULL_CONTEXT)),
            ("experiment", "evaluate", ("experiment", FULL_CONTEXT)),
        ]
        loops = {}
        for number, (_, method, arguments) in enumerate(rows):
            for name, target in (("bare", bare), ("plain", plain), ("watched", watched)):
                loops[number, name] = loop_of(target, method, arguments)
        in_turns(loops, 5)
        time.sleep(1.0)  # what is hot gets compiled, a little at a time
        best = in_turns(loops)
        for number, (flag, method, arguments) in enumerate(rows):
            direct, without, through = (best[number, name] for name in ("bare", "plain", "watched"))
            sparse = ", sparse" if SPARSE_CONTEXT in arguments else ""
            what = f"watched {flag}{sparse}, {method} {through:.0f} ns"
            show(f"{what} / {direct:.0f} ns", through / direct, CALL_RATIO if flag == "static" else WATCHED_RATIO, "x")
            show(f"{what}, at most a microsecond", through, WATCHED_NS, "ns")
            if "experiment" in flag:
                show(f"{what} on top of an unwatched client", through - without, EXPOSURE_NS, "ns")
    assert sink.taken > 0


def main() -> None:
    parser = argparse.ArgumentParser(description="What the client costs")
    parser.add_argument("--flags", type=int, default=10_000)
    flags = parser.parse_args().flags
    missed = []

    def show(what: str, value: float, most: float, unit: str) -> None:
        verdict = "" if value <= most else "  MISSED"
        print(f"{what:<75} {value:8.2f} {unit}   (at most {most} {unit}){verdict}")
        if verdict:
            missed.append(what)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"file://{folder}/remote"
        data = publish_signed(open_remote(url), folder, many_flags(flags))
        settings = {"environment": "production", "trust": folder / "trust.json", "cache_dir": folder / "cache"}
        with flagctl.Client(url, **settings) as client:
            client.refresh()
            bundle = flagctl.load(data)
            show("import flagctl; flagctl.Client", in_fresh_interpreters(IMPORT, folder), IMPORT_MS, "ms")
            show(
                f"offline restart to first answer, {flags} flags",
                in_fresh_interpreters(RESTART, folder),
                RESTART_MS,
                "ms",
            )
            user = {"targeting_key": "user-1", "country": "DE", "plan": "pro"}
            for call in ("is_enabled('flag-0', user)", "get_value('flag-0', user, False)", "evaluate('flag-1', user)"):
                direct = nanoseconds(f"flags.{call}", flags=bundle, user=user)
                through = nanoseconds(f"flags.{call}", flags=client, user=user)
                show(f"client.{call} / FlagSet's, {direct:.0f} ns", through / direct, CALL_RATIO, "x")
        (folder / "watched").mkdir()
        measure_telemetry(folder / "watched", show)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
