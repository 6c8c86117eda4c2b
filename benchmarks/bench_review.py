"""What reviewing a large repository costs: differences, history and plans, each as the command that people run.

    python benchmarks/bench_review.py                      # generates 10 000 flags and 1 000 commits in a temporary folder
    python benchmarks/bench_review.py --folder /tmp/flags  # measures an existing repository
    python benchmarks/bench_review.py --check              # fails if a target is missed

Wall-clock and CPU seconds (own and children's), the least of several rounds; each round is a process of its own, so that
starting Python counts. Targets are wall-clock seconds on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = (sys.executable, "-m", "flagctl")
ROUNDS = 5


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run((*COMMAND, *arguments), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"flagctl {' '.join(arguments)} failed:\n{done.stderr}")


def measure(folder: Path, *arguments: str) -> tuple[float, float]:
    """Return the least wall-clock and CPU seconds of a command."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        run(folder, *arguments)
        walls.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(walls), min(cpus)


def changed_key(folder: Path) -> str:
    """Return the key of a flag that the last commit changed."""
    names = subprocess.run(
        ("git", "show", "--name-only", "--format=", "HEAD"), cwd=folder, capture_output=True, text=True, check=True
    )
    return Path(names.stdout.split()[0]).stem


def publish_once(folder: Path, store: Path) -> tuple[str, ...]:
    """Publish the flags of ten commits ago to a folder, and return the options that name it."""
    keys = store / "keys"
    keys.mkdir(parents=True)
    for name in ("root", "publish"):
        run(folder, "keys", "generate", str(keys / f"{name}.key"))
    trust = store / "trust.json"
    run(
        folder, "trust", "init", "--root-key", str(keys / "root.key"), "--publish-key", str(keys / "publish.key"),
        "--out", str(trust),
    )  # fmt: skip
    options = ("--remote", (store / "remote").as_uri(), "--trust", str(trust))
    key = ("--key", str(keys / "publish.key"))
    run(folder, "publish", "production", "--yes", "--revision", "HEAD~10", *options, *key)
    return options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="a generated repository with at least 101 commits")
    parser.add_argument("--flags", type=int, default=10_000)
    parser.add_argument("--commits", type=int, default=1_000)
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder
        if folder is None:
            folder = Path(temporary) / "repository"
            generator = str(Path(__file__).with_name("generate.py"))
            sizes = ("--flags", str(options.flags), "--commits", str(options.commits))
            subprocess.run((sys.executable, generator, str(folder), *sizes), check=True)
        remote = publish_once(folder, Path(temporary) / "store")
        rows = [
            ("diff HEAD~1", 0.7, ("diff", "HEAD~1")),
            ("diff HEAD~100", 1.5, ("diff", "HEAD~100")),
            ("history KEY", 1.0, ("history", changed_key(folder))),
            ("plan", 5.0, ("plan", "production", *remote)),
        ]
        missed = False
        print(f"{'':16} {'wall s':>8} {'cpu s':>8} {'target':>8}")
        for name, target, arguments in rows:
            wall, cpu = measure(folder, *arguments)
            missed |= wall > target
            print(f"{name:16} {wall:8.2f} {cpu:8.2f} {target:8.1f}{'  MISSED' if wall > target else ''}")
    if options.check and missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
