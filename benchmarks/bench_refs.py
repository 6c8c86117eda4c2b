"""How long `flagctl refs` takes for a million lines and ten thousand keys: CPU seconds, reading of files included.

Usage: python benchmarks/bench_refs.py [lines]
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flagctl.ops.code import read_code
from flagctl.source import load_tree, read_tree

LINES = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
KEYS = 10_000
FILE_LINES = 250
WORDS = [
    "order",
    "basket",
    "page",
    "price",
    "user",
    "total",
    "country",
    "limit",
    "offer",
    "search",
    "index",
    "cache",
    "client",
    "request",
    "result",
    "value",
]


def line(rng: random.Random) -> str:
    """Return a line as code has them: 36 characters in the mean, every seventh with a string."""
    name, other = rng.choice(WORDS), rng.choice(WORDS)
    forms = (
        f"    {name}_{other} = self.{other}.{name}({other}_{rng.randrange(99)})",
        f'        raise ValueError("no {name} for {other}", {name})',
        f"    if {name} is not None and {other} > {rng.randrange(1000)}:",
        f"        return [{name} for {name} in {other}s if {name}.is_{other}]",
        f"    # {name} {other} {name}",
        "",
        f'    log.info("{name}-{other}", extra={{"{name}": {other}}})',
    )
    return rng.choice(forms)


def make(folder: Path) -> int:
    """Write a flag repository and code; return how many references the code has."""
    rng = random.Random(1)
    flags = folder / "flags"
    flags.mkdir()
    (flags / "flagctl.yaml").write_text("version: 1\nproject: p\nenvironments: {e: {}}\n")
    keys = [f"{rng.choice(WORDS)}-{rng.choice(WORDS)}-{number}" for number in range(KEYS)]
    for key in keys:
        (flags / f"{key}.yaml").write_text(f"kind: flag\nkey: {key}\nowner: o\ntype: boolean\ndefault: off\n")
    used = 0
    for number in range(LINES // FILE_LINES):
        suffix = (".py", ".ts", ".go", ".java")[number % 4]
        lines = [line(rng) for _ in range(FILE_LINES)]
        if number % 4 == 0:
            lines = ["def f():", *(f"    x{at} = {text.strip()!r}" for at, text in enumerate(lines[1:]))]
        if number % 5 == 0:
            for _ in range(3):
                lines[rng.randrange(1, FILE_LINES)] = f'    client.is_enabled("{rng.choice(keys)}", user)'
            used += 3
        place = folder / f"src{number % 40}" / f"module_{number}{suffix}"
        place.parent.mkdir(exist_ok=True)
        place.write_text("\n".join(lines) + "\n")
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return used


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        loaded = load_tree(read_tree(folder / "flags"))
        best = 1e9
        for _ in range(3):
            started, wall = time.process_time(), time.perf_counter()
            code = read_code(folder / "flags", loaded)
            best = min(best, time.process_time() - started)
            print(f"{time.process_time() - started:.2f} s CPU, {time.perf_counter() - wall:.2f} s")
        print(f"{code.files:,} files, {code.lines:,} lines, {KEYS:,} keys, {len(code.references):,} references")
        print(f"best: {best:.2f} s CPU")


if __name__ == "__main__":
    main()
