"""What an edit costs in a large repository: a command from start to end, and a plan in a program that keeps the flags.

    python benchmarks/bench_edit.py                     # generates 10 000 flags in a temporary folder
    python benchmarks/bench_edit.py --folder /tmp/flags # edits an existing repository; use a copy
    python benchmarks/bench_edit.py --check             # fails if a target is missed

Times are CPU seconds, user and system, the least of several rounds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from bench_toolchain import child_cpu, cpu
from repositories import add_arguments, repository


def measure(root: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Return least CPU seconds and what they may be at most, by what was done."""
    from flagctl.ops.repository import FlagRepository
    from flagctl.source.editing import Set

    flagctl = (sys.executable, "-m", "flagctl", "--root", str(root))
    loading = cpu(lambda: FlagRepository(root))
    repository = FlagRepository(root)
    key = repository.list_flags()[0].key
    segment = next(iter(repository.model.segments))
    names = ["plan an edit of a flag", "write it", "plan an edit of a segment", "see what changed on disk", "command"]
    best = dict.fromkeys(names, float("inf"))

    def note(name: str, seconds: float) -> None:
        best[name] = min(best[name], seconds)

    for number in range(rounds):
        plans = []
        note(names[3], cpu(repository.refresh))
        edit = Set(("name",), f"Name {number}")
        note(names[0], cpu(lambda edit=edit, plans=plans: plans.append(repository.plan_edit(key, edit))))
        note(names[1], cpu(lambda plans=plans: repository.apply(plans[0])))
        about = Set(("exclude",), [f"user-{number}"])
        note(names[2], cpu(lambda about=about: repository.plan_edit(segment, about, kind="segment")))
        note(names[4], child_cpu(*flagctl, "set-expiry", key, f"2098-01-{number % 28 + 1:02}"))
    limits = dict.fromkeys(names, 1.0)
    return {"load everything, once": (loading, 3.0)} | {name: (best[name], limits[name]) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure edits.")
    add_arguments(parser, "an existing flag repository, which is edited")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with repository(arguments) as root:
        rows = measure(root, arguments.rounds)
    if arguments.json:
        print(json.dumps({name: {"seconds": seconds, "at_most": most} for name, (seconds, most) in rows.items()}))
    else:
        for name, (seconds, most) in rows.items():
            print(f"{name:<32}{seconds:>9.3f}{most:>9g}{'  MISSED' if seconds > most else ''}")
    if arguments.check and any(seconds > most for seconds, most in rows.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
