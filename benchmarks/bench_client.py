"""What the client costs: its import, an offline restart with many flags, and each call on top of the flag set's own.

    python benchmarks/bench_client.py [--flags 10000]

Import and restart are measured in fresh interpreters with compiled modules at hand, as an installed app has them; CPU
milliseconds, the least of several. Calls are ratios within one run. Exits with 1 if a budget is missed.
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

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import flagctl
from flagctl.bundle.blob import pack
from flagctl.bundle.envelope import Role, seal
from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.bundle.manifest import PAYLOAD_TYPE, BundleRef, Manifest, write_manifest
from flagctl.bundle.trust import TrustRoot, write_trust
from flagctl.signing import LocalSigner
from flagctl.storage import Remote, open_remote

ROUNDS = 7
IMPORT_MS = 60
RESTART_MS = 80
CALL_RATIO = 2.5
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


def publish_signed(remote: Remote, folder: Path, flags: int) -> bytes:
    """Put a signed bundle at a remote and its root of trust into a folder; return the bundle."""
    conditions = [
        {"attribute": "country", "operator": "in", "value": ["DE", "FR"]},
        {"attribute": "plan", "operator": "equals", "value": "pro"},
    ]
    entries = {}
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
    data = write_bundle(
        BundleContents(
            project="acme",
            environment="production",
            capabilities=frozenset({"operator:in", "operator:equals"}),
            flags=entries,
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


def main() -> None:
    parser = argparse.ArgumentParser(description="What the client costs")
    parser.add_argument("--flags", type=int, default=10_000)
    flags = parser.parse_args().flags
    missed = []

    def show(what: str, value: float, most: float, unit: str) -> None:
        verdict = "" if value <= most else "  MISSED"
        print(f"{what:<50} {value:8.2f} {unit}   (at most {most} {unit}){verdict}")
        if verdict:
            missed.append(what)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"file://{folder}/remote"
        data = publish_signed(open_remote(url), folder, flags)
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
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
