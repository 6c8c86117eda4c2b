"""What the author's side costs, measured against PyYAML's C event parser on the same files in the same run.

    python benchmarks/bench_toolchain.py                     # generates 10 000 flags in a temporary folder
    python benchmarks/bench_toolchain.py --folder /tmp/flags # measures an existing repository
    python benchmarks/bench_toolchain.py --check             # fails if a target is missed

Times are CPU seconds, user and system, the least of several rounds; ratios are to the least time of the parser, which
does nothing but turn the same bytes into events. Commands run in processes of their own and include starting Python.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent))

from repositories import add_arguments, repository

NOW_MS = 1_795_000_000_000
IMPORT = "import time; began = time.process_time(); import flagctl; flagctl.Client; print(time.process_time() - began)"


@dataclass(frozen=True)
class Row:
    """One measurement: CPU seconds, ratio to the parser, and what it may be at most (a ratio, or seconds)."""

    name: str
    seconds: float
    ratio: float | None = None
    at_most: float | None = None

    @property
    def missed(self) -> bool:
        """Whether the target is missed."""
        measured = self.seconds if self.ratio is None else self.ratio
        return self.at_most is not None and measured > self.at_most


def cpu(action: Callable[[], object]) -> float:
    """Return the CPU seconds of one call in this process."""
    gc.collect()
    began = time.process_time()
    action()
    return time.process_time() - began


def child_cpu(*command: str, accept: tuple[int, ...] = (0,)) -> float:
    """Return the CPU seconds of a command in a process of its own, which may exit with the accepted codes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    if done.returncode not in accept:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def import_cpu() -> float:
    """Return the CPU seconds of importing what an application needs, in a fresh interpreter."""
    return float(subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True).stdout)


def parse_events(files: dict[str, bytes]) -> None:
    """The reference: libyaml's events of every file, and nothing done with them."""
    for content in files.values():
        for _ in yaml.parse(content, Loader=yaml.CSafeLoader):
            pass


def measure(root: Path, environment: str, rounds: int) -> list[Row]:
    """Measure everything, round by round, so that a busy moment hits all alike."""
    from flagctl.compiler import compile_environment
    from flagctl.lint import LintOptions, lint
    from flagctl.source import load_tree, read_tree

    files = dict(read_tree(root))
    loaded = load_tree(files)
    assert loaded.repository is not None
    flagctl = (sys.executable, "-m", "flagctl")
    with tempfile.TemporaryDirectory() as scratch:
        output = str(Path(scratch) / "bundle.json")
        actions: dict[str, Callable[[], float]] = {
            "parser": lambda: cpu(lambda: parse_events(files)),
            "read the files": lambda: cpu(lambda: read_tree(root)),
            "load (YAML to model)": lambda: cpu(lambda: load_tree(files)),
            "lint (all rules)": lambda: cpu(lambda: lint(loaded, LintOptions(now_ms=NOW_MS))),
            "compile (model to bundle)": lambda: cpu(lambda: compile_environment(loaded.repository, environment)),
            "flagctl validate": lambda: child_cpu(*flagctl, "--root", str(root), "validate"),
            "flagctl compile": lambda: child_cpu(
                *flagctl, "--root", str(root), "compile", "--env", environment, "-o", output
            ),
            "flagctl fmt --check": lambda: child_cpu(*flagctl, "--root", str(root), "fmt", "--check", accept=(0, 1)),
            "flagctl --help": lambda: child_cpu(*flagctl, "--help"),
            "import flagctl; flagctl.Client": import_cpu,
            "python -c pass": lambda: child_cpu(sys.executable, "-c", "pass"),
        }
        best = {name: min(times) for name, times in _rounds(actions, rounds).items()}
    parser = best.pop("parser")
    at_most = {
        "flagctl fmt --check": 6.0,
        "flagctl validate": 6.0,
        "flagctl compile": 6.0,
        "compile (model to bundle)": 2.0,
    }
    absolute = {"flagctl --help": 0.15, "import flagctl; flagctl.Client": 0.06, "python -c pass": None}
    rows = [Row(f"PyYAML's C events of {len(files):,} files", parser, 1.0)]
    for name, seconds in best.items():
        if name in absolute:
            rows.append(Row(name, seconds, None, absolute[name]))
        else:
            rows.append(Row(name, seconds, seconds / parser, at_most.get(name)))
    return rows


def _rounds(actions: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            times[name].append(action())
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the author's side.")
    add_arguments(parser, "an existing flag repository")
    parser.add_argument("--env", default="production")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with repository(arguments) as root:
        rows = measure(root, arguments.env, arguments.rounds)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print(f"{'':<40}{'CPU s':>9}{'ratio':>8}{'at most':>9}")
        for row in rows:
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
            at_most = "" if row.at_most is None else f"{row.at_most:g}{'' if row.ratio is None else 'x'}"
            print(f"{row.name:<40}{row.seconds:>9.3f}{ratio:>8}{at_most:>9}{'  MISSED' if row.missed else ''}")
    if arguments.check and any(row.missed for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
