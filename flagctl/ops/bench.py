"""`flagctl bench`: how fast this machine evaluates flags.

One evaluation takes little longer than calling a function, so that nanoseconds say more about the machine than about
flagctl. Every case is therefore also given as a ratio to a reference measured in the same run: a Python call with a
dict look-up, or one seeded hash of a unit. Times are CPU time, the minimum of many repeats, loop included for cases
and references alike.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flagctl.evaluator import FlagSet
    from flagctl.ops.bench_levels import LevelTiming, Places

FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """How thoroughly to measure.

    Attributes:
        repeats: How often each case is measured; the quickest counts.
        rounds: Evaluations in one measurement.
        flags: Size of the large bundle; 0 leaves that part out.
        seed: Of the large bundle.
        places: Redis and a store to fetch changes from; None of both measures none.
        changes: How many changes to fetch.
    """

    repeats: int = 60
    rounds: int = 5_000
    flags: int = 10_000
    seed: int = 1
    places: Places | None = None
    changes: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTiming:
    """One way of evaluating one flag.

    Attributes:
        case: What is evaluated.
        method: Method of `FlagSet`.
        nanoseconds: CPU time of one call.
        p99_nanoseconds: Wall time of a single call that 99 of 100 stay below, clock reading included.
        reference: ``call`` or ``hash``.
        ratio: To the reference's time.
        limit: The highest ratio this project accepts.
    """

    case: str
    method: str
    nanoseconds: float
    p99_nanoseconds: int
    reference: str
    ratio: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeTiming:
    """A bundle of many flags; times are CPU time in milliseconds.

    Attributes:
        flags: How many.
        bytes: Size of the plain bundle.
        open_ms: Hashing, opening, and the first answer.
        check_ms: The structural check that a client makes once for a new bundle.
        cold_ms: Every flag once, for the first time.
        warm_ms: Every flag once again, the quickest of several.
        open_megabytes: Growth of resident memory by opening; None where the system does not say.
        used_megabytes: Growth of resident memory after every flag was used; likewise.
    """

    flags: int
    bytes: int
    open_ms: float
    check_ms: float
    cold_ms: float
    warm_ms: float
    open_megabytes: float | None
    used_megabytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """Everything that was measured.

    Attributes:
        call_nanoseconds: Reference: a Python call with a dict look-up.
        hash_nanoseconds: Reference: one seeded hash of a short text.
        cases: Single evaluations.
        large: A large bundle, or None if that part was left out.
        levels: How long an answer takes, by where it has to come from; empty without a large bundle.
    """

    call_nanoseconds: float
    hash_nanoseconds: float
    cases: tuple[CaseTiming, ...]
    large: LargeTiming | None
    levels: tuple[LevelTiming, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}


CASES: Final = (
    # name, flag, whether the context holds only the unit, reference, limit
    ("static", "static", False, "call", 2.0),
    ("five rules of two conditions", "five-rules", False, "call", 7.0),
    ("the same, sparse context", "five-rules", True, "call", 7.0),
    ("50/50 rollout", "rollout", False, "hash", 4.0),
    ("three-arm experiment, everybody", "experiment", False, "call", 7.5),
    ("three-arm experiment, 90 % of units", "experiment-part", False, "call", 7.5),
)


def bench(options: BenchOptions) -> BenchResult:
    """Measure this machine. Takes a few seconds.

    Args:
        options: How thoroughly.
    """
    from flagctl.evaluator import load
    from flagctl.ops.bench_flags import FULL_CONTEXT, SPARSE_CONTEXT, case_bundle

    large = _measure_apart(options.flags, options.seed) if options.flags else None
    flags = load(case_bundle())
    flags.compile_all()
    default_of = {"experiment": "none", "experiment-part": "none"}
    loops: list[tuple[int, str, Callable[[int], float], Callable[[], object]]] = []
    for number, (_, flag, sparse, _, _) in enumerate(CASES):
        context = SPARSE_CONTEXT if sparse else FULL_CONTEXT
        for method, loop, single in _loops(flags, flag, context, default_of.get(flag, False)):
            loops.append((number, method, loop, single))
    references = {"call": _call_loop(flags.keys(), CASES[0][1]), "hash": _hash_loop()}
    best = _minima([*references.values(), *[loop for _, _, loop, _ in loops]], options)
    reference_times = dict(zip(references, best, strict=False))
    timings = []
    for (number, method, _, single), seconds in zip(loops, best[len(references) :], strict=True):
        name, _, _, reference, limit = CASES[number]
        timings.append(
            CaseTiming(
                case=name,
                method=method,
                nanoseconds=seconds * 1e9,
                p99_nanoseconds=_p99(single),
                reference=reference,
                ratio=seconds / reference_times[reference],
                limit=limit,
            )
        )
    return BenchResult(
        call_nanoseconds=reference_times["call"] * 1e9,
        hash_nanoseconds=reference_times["hash"] * 1e9,
        cases=tuple(timings),
        large=large,
        levels=_levels(options),
    )


def _levels(options: BenchOptions) -> tuple[LevelTiming, ...]:
    if not options.flags:
        return ()
    from flagctl.ops.bench_levels import Places, measure_levels

    return measure_levels(options.places or Places(), flags=options.flags, rounds=options.changes)


def _minima(loops: list[Callable[[int], float]], options: BenchOptions) -> list[float]:
    """Return the quickest time of one round of each loop, taking turns so that a slow phase of the machine hits all."""
    best = [float("inf")] * len(loops)
    for _ in range(options.repeats):
        for number, loop in enumerate(loops):
            best[number] = min(best[number], loop(options.rounds) / options.rounds)
    return best


def _call_loop(keys: Iterable[str], wanted: str) -> Callable[[int], float]:
    """Return the reference: a call that looks up a flag's key among the same keys.

    Where a key lies in a table, and whether others are in its way, changes with each process; it does so for both.
    """
    table = {sys.intern(key): True for key in keys}

    def look_up(key: str) -> bool:
        return table[key]

    def loop(rounds: int) -> float:
        function, key = look_up, wanted
        begin = time.process_time()
        for _ in range(rounds):
            function(key)
        return time.process_time() - begin

    return loop


def _hash_loop() -> Callable[[int], float]:
    import mmh3

    def loop(rounds: int) -> float:
        function, unit = mmh3.hash, "user-12345"
        begin = time.process_time()
        for _ in range(rounds):
            function(unit, 42, signed=False)
        return time.process_time() - begin

    return loop


def _loops(
    flags: FlagSet, flag: str, attributes: dict[str, Any], fallback: Any
) -> tuple[tuple[str, Callable[[int], float], Callable[[], object]], ...]:
    """Return a timed loop and a single call for each method. Everything a loop uses is local to it."""

    def is_enabled(rounds: int) -> float:
        target, key, context = flags, flag, attributes
        begin = time.process_time()
        for _ in range(rounds):
            target.is_enabled(key, context)
        return time.process_time() - begin

    def get_value(rounds: int) -> float:
        target, key, context, default = flags, flag, attributes, fallback
        begin = time.process_time()
        for _ in range(rounds):
            target.get_value(key, context, default)
        return time.process_time() - begin

    def evaluate(rounds: int) -> float:
        target, key, context, default = flags, flag, attributes, fallback
        begin = time.process_time()
        for _ in range(rounds):
            target.evaluate(key, context, default)
        return time.process_time() - begin

    return (
        ("is_enabled", is_enabled, lambda: flags.is_enabled(flag, attributes)),
        ("get_value", get_value, lambda: flags.get_value(flag, attributes, fallback)),
        ("evaluate", evaluate, lambda: flags.evaluate(flag, attributes, fallback)),
    )


def _p99(call: Callable[[], object]) -> int:
    clock = time.perf_counter_ns
    times = []
    for _ in range(5_000):
        begin = clock()
        call()
        times.append(clock() - begin)
    times.sort()
    return times[len(times) * 99 // 100]


def _measure_apart(count: int, seed: int) -> LargeTiming:
    """Measure a large bundle in a process of its own: memory that was freed before and is used again would not show."""
    import json
    import subprocess
    import tempfile
    from pathlib import Path

    from flagctl.ops.bench_flags import large_bundle

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bundle.json")
        path.write_bytes(large_bundle(count, seed))
        code = (
            "import json, sys; from dataclasses import asdict; from flagctl.ops.bench import measure_large;"
            "print(json.dumps(asdict(measure_large(sys.argv[1]))))"
        )
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)  # noqa: S603 - ourselves
    return LargeTiming(**json.loads(done.stdout))


def measure_large(path: str) -> LargeTiming:
    """Measure opening and using a bundle of many flags.

    Args:
        path: Of the bundle's file.
    """
    from hashlib import sha256
    from pathlib import Path

    from flagctl.evaluator import FlagSet
    from flagctl.evaluator.document import check_structure, open_bundle
    from flagctl.ops.bench_flags import FULL_CONTEXT

    data = Path(path).read_bytes()
    expected = sha256(data).hexdigest()
    _collect()
    memory = _resident()
    clock = time.process_time
    begin = clock()
    if sha256(data).hexdigest() != expected:
        raise AssertionError("a bundle's bytes changed in memory")
    flags = FlagSet(open_bundle(data))
    keys = flags.keys()
    flags.is_enabled(keys[len(keys) // 2], FULL_CONTEXT)
    open_seconds = clock() - begin
    opened = _resident()
    begin = clock()
    flags.evaluate_all(FULL_CONTEXT)
    cold = clock() - begin
    used = _resident()
    warm = []
    for _ in range(10):
        begin = clock()
        flags.evaluate_all(FULL_CONTEXT)
        warm.append(clock() - begin)
    begin = clock()
    check_structure(flags.document)
    check = clock() - begin
    return LargeTiming(
        flags=len(keys),
        bytes=len(data),
        open_ms=open_seconds * 1e3,
        check_ms=check * 1e3,
        cold_ms=cold * 1e3,
        warm_ms=min(warm) * 1e3,
        open_megabytes=None if memory is None or opened is None else opened - memory,
        used_megabytes=None if memory is None or used is None else used - memory,
    )


def _collect() -> None:
    import gc

    gc.collect()


def _resident() -> float | None:
    """Return this process's resident memory in megabytes, None where /proc does not say."""
    import resource
    from pathlib import Path

    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * resource.getpagesize() / 1e6
