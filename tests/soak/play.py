"""Plays the soak: servers behind faulty proxies, publishers, applications; and judges what the applications saw."""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.errors import FlagctlError
from flagctl.ops.kill import KillRequest, kill, unkill
from flagctl.ops.publish import publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.target import Target
from flagctl.storage import RemoteOptions, open_remote
from tests.simulators import seaweed
from tests.simulators.fault_proxy import FaultProxy
from tests.simulators.project import Project
from tests.simulators.valkey import Valkey
from tests.soak.app import PAIRS

ROOT = Path(__file__).parents[2]
APPS = 4
START_SECONDS = 60.0
CONVERGENCE_SECONDS = 30.0
LONGEST_FAULT = 9.0
FLAGS = 200
VICTIMS = 4
MOST_GROWTH = 0.25
"""Share by which an application may grow from the first third of the run (after starting) to its last third."""


@dataclass(frozen=True)
class Settings:
    """What to play.

    Attributes:
        seconds: How long faults go on.
        seed: Of the faults.
        broken: What is wrong with the applications on purpose; empty for nothing.
        faults: Whether there are any.
    """

    seconds: float
    seed: int = 1
    broken: str = ""
    faults: bool = True


@dataclass
class Report:
    """What came of it; `problems` is empty if every promise was kept."""

    seconds: float = 0.0
    seed: int = 0
    publications: int = 0
    kills: int = 0
    refused_to_publishers: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    processes: int = 0
    evaluations: int = 0
    errors: int = 0
    wrong: int = 0
    fell: int = 0
    updates_seen: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    convergence_seconds: float | None = None
    clients_at_the_end: int = 0
    rss_mb: dict[str, list[float]] = field(default_factory=dict)
    rss_slope_kb_per_minute: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"format_version": "1.0", **asdict(self)}

    def table(self) -> str:
        rows = list(asdict(self).items())
        return "\n".join(f"{name:<26} {json.dumps(value)}" for name, value in rows)


class Stage:
    """Servers, proxies and applications."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.report = Report(seconds=settings.seconds, seed=settings.seed)
        self.dice = random.Random(settings.seed)
        self.server = seaweed.start(folder / "seaweed")
        self.valkey = Valkey(folder / "valkey")
        self.valkey.start()
        self.s3, self.writers_s3 = FaultProxy(self.server.port), FaultProxy(self.server.port)
        self.redis = FaultProxy(self.valkey.port, http=False)
        client = seaweed.client_of(self.writers_s3.url)
        client.create_bucket(Bucket="flags")
        client.close()
        self.project = Project()
        remote = open_remote("s3://flags/acme", options=RemoteOptions(endpoint_url=self.writers_s3.url, deadline=5.0))
        self.target = Target(remote=remote, environment="production", trust=self.project.trust, l2=self.valkey.url)
        self.turn = 0
        self.apps: list[subprocess.Popen[bytes]] = []
        self.samples: dict[int, list[tuple[float, float]]] = collections.defaultdict(list)

    def close(self) -> None:
        for app in self.apps:
            if app.poll() is None:
                os.killpg(app.pid, signal.SIGKILL)  # a session of its own, with its children
                app.wait()
        for proxy in (self.s3, self.writers_s3, self.redis):
            proxy.close()
        self.valkey.stop()
        seaweed.stop(self.server)

    # publishing ------------------------------------------------------------------------------------------------------

    def bundle(self, turn: int) -> bytes:
        switch = {"type": "boolean", "variants": [["on", True], ["off", False]], "off": 1}
        rule = {"id": "pro", "serve": 0, "when": [{"attribute": "plan", "operator": "equals", "value": "pro"}]}
        text = {"type": "string", "variants": [["only", f"turn-{turn}"]], "default": {"serve": 0}}
        flags: dict[str, Any] = {
            f"flag-{n}": {**switch, "default": {"serve": 1}, "rules": [rule]} for n in range(FLAGS)
        }
        flags |= {f"victim-{n}": {**switch, "default": {"serve": 0}} for n in range(VICTIMS)}
        flags |= {f"pair-{n}-{side}": text for n in range(PAIRS) for side in ("left", "right")}
        return write_bundle(
            BundleContents(
                project="acme", environment="production", capabilities=frozenset({"operator:equals"}), flags=flags
            )
        )

    def publish(self) -> None:
        publish(self.target, self.bundle(self.turn + 1), self.project.publishers, PublishOptions(allow_rollback=True))
        self.turn += 1
        self.report.publications += 1

    def change_kills(self, killed: set[str]) -> None:
        victim = f"victim-{self.dice.randrange(VICTIMS)}"
        signers = [self.project.kill_signer]
        if victim in killed:
            unkill(self.target, signers, victim)
            killed.discard(victim)
        else:
            kill(self.target, signers, KillRequest(victim, "the soak says so", "soak"))
            killed.add(victim)
        self.report.kills += 1

    def publish_for(self, stop: threading.Event) -> None:
        killed: set[str] = set()
        while not stop.wait(0.3 + self.dice.random() * 1.5):
            try:
                if self.dice.random() < 0.6:
                    self.publish()
                else:
                    self.change_kills(killed)
            except FlagctlError:
                self.report.refused_to_publishers += (
                    1  # the store is away; unknown outcomes are settled by the next one
                )

    # faults ----------------------------------------------------------------------------------------------------------

    def misbehave(self, stop: threading.Event) -> None:
        dice = random.Random(self.settings.seed + 1)
        moves: list[tuple[str, Callable[[float], None]]] = [
            *((f"s3 {mode}", self.by_proxy(self.s3, mode, dice)) for mode in _MODES),
            *((f"redis {mode}", self.by_proxy(self.redis, mode, dice)) for mode in _MODES),
            ("s3 frozen", lambda seconds: self.frozen(self.server.process.pid, seconds)),
            ("s3 killed", self.kill_s3),
            ("redis frozen", lambda seconds: self.frozen(self.valkey.pid, seconds)),
            ("redis killed", self.kill_valkey),
            ("redis flushed", lambda _: self.valkey.flush()),
            ("both away", self.both_away),
        ]
        order: list[tuple[str, Callable[[float], None]]] = []
        while not stop.is_set():
            if not order:
                order = dice.sample(moves, len(moves))  # each kind comes, in an order of its own
            name, move = order.pop()
            self.report.faults[name] = self.report.faults.get(name, 0) + 1
            move(1 + dice.random() * (LONGEST_FAULT - 1) if self.settings.seconds > 120 else 1 + dice.random() * 2)
            stop.wait(dice.random() * 2)

    def by_proxy(self, proxy: FaultProxy, mode: str, dice: random.Random) -> Callable[[float], None]:
        def move(seconds: float) -> None:
            slow = {"delay": dice.random() * 3, "drip": dice.random() * 0.01}
            proxy.set(mode, seconds=slow.get(mode, 0.0), count=dice.randrange(2_000))
            time.sleep(seconds)
            proxy.set("pass")

        return move

    def both_away(self, seconds: float) -> None:
        self.s3.set("refuse")
        self.redis.set("silent")
        time.sleep(seconds)
        self.s3.set("pass")
        self.redis.set("pass")

    def frozen(self, pid: int, seconds: float) -> None:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    def kill_s3(self, seconds: float) -> None:
        self.server.process.kill()
        self.server.process.wait()
        time.sleep(seconds)
        self.server = seaweed.start(self.folder / "seaweed")
        self.s3.upstream = self.writers_s3.upstream = self.server.port

    def kill_valkey(self, seconds: float) -> None:
        self.valkey.stop()
        time.sleep(seconds)
        self.valkey.start()

    # applications ----------------------------------------------------------------------------------------------------

    def start_apps(self) -> None:
        (self.folder / "trust.json").write_bytes(self.project.trust_data)
        (self.folder / "phase").write_text("run")
        settings = {
            "folder": str(self.folder),
            "url": "s3://flags/acme",
            "endpoint_url": self.s3.url,
            "l2": f"redis://127.0.0.1:{self.redis.port}/0",
            "trust": str(self.folder / "trust.json"),
            "cache_dir": str(self.folder / "cache"),
            "poll_interval": 0.5,
            "seed": self.settings.seed,
            "broken": self.settings.broken,
        }
        (self.folder / "settings.json").write_text(json.dumps(settings))
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "AWS_ACCESS_KEY_ID": seaweed.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": seaweed.SECRET_KEY,
        }
        for number in range(APPS):
            with (self.folder / f"app-{number}.log").open("wb") as log:
                command = [sys.executable, "-m", "tests.soak.app", str(self.folder / "settings.json"), str(number)]
                self.apps.append(
                    subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=ROOT)
                )

    def sample_memory(self, stop: threading.Event) -> None:
        begun = time.monotonic()
        while not stop.wait(1.0):
            for number, app in enumerate(self.apps):
                try:
                    size = psutil.Process(app.pid).memory_info().rss
                except psutil.Error:
                    continue
                self.samples[number].append((time.monotonic() - begun, size / 1e6))

    def last_lines(self) -> dict[int, dict[str, Any]]:
        """Return the last line of each process."""
        found = {}
        for path in self.folder.glob("seen-*.jsonl"):
            lines = path.read_bytes().splitlines(keepends=True)
            whole = [line for line in lines if line.endswith(b"\n")]
            if whole:
                found[int(path.stem.removeprefix("seen-"))] = json.loads(whole[-1])
        return found

    def alive(self) -> set[int]:
        pids = {app.pid for app in self.apps if app.poll() is None}
        for app in self.apps:
            if app.poll() is None:
                pids |= {child.pid for child in psutil.Process(app.pid).children(recursive=True)}
        return pids

    # the play --------------------------------------------------------------------------------------------------------

    def play(self) -> Report:
        self.publish()
        self.start_apps()
        self.wait_for_turn(START_SECONDS)
        quiet, over = threading.Event(), threading.Event()
        actors = [threading.Thread(target=self.publish_for, args=(quiet,))]
        if self.settings.faults:
            actors.append(threading.Thread(target=self.misbehave, args=(quiet,)))
        memory = threading.Thread(target=self.sample_memory, args=(over,))
        for thread in (*actors, memory):
            thread.start()
        time.sleep(self.settings.seconds)
        quiet.set()
        for thread in actors:
            thread.join()
        over.set()
        memory.join()
        self.settle()
        (self.folder / "phase").write_text("end")
        self.finish()
        return self.report

    def settle(self) -> None:
        """The faults are over: publish a last time and wait until everybody has it."""
        (self.folder / "phase").write_text("settle")
        ended = time.monotonic()
        while True:  # the store may need a moment after it was killed
            try:
                self.publish()
                break
            except FlagctlError:
                if time.monotonic() - ended > CONVERGENCE_SECONDS:
                    self.report.problems.append("the store did not come back")
                    return
        if self.wait_for_turn(CONVERGENCE_SECONDS - (time.monotonic() - ended)):
            self.report.convergence_seconds = round(time.monotonic() - ended, 2)
        else:
            behind = {pid: line for pid, line in self.last_lines().items() if pid in self.alive()}
            late = {pid: line for pid, line in behind.items() if line["turn"] != f"turn-{self.turn}"}
            late |= {pid: {"pid": pid, "silent": True} for pid in self.alive() - behind.keys()}
            for pid in late:
                os.kill(pid, signal.SIGUSR1)  # its log gets the stacks of its threads
            self.report.problems.append(
                f"{len(late)} of {len(self.alive())} clients did not converge within {CONVERGENCE_SECONDS:.0f} s: "
                + json.dumps(next(iter(late.values()), None))
            )

    def wait_for_turn(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            alive, lines = self.alive(), self.last_lines()
            self.report.clients_at_the_end = len(alive)
            if (
                alive
                and len(alive) >= APPS
                and all(lines.get(pid, {}).get("turn") == f"turn-{self.turn}" for pid in alive)
            ):
                return True
            time.sleep(0.2)
        return False

    def finish(self) -> None:
        report = self.report
        for number, app in enumerate(self.apps):
            try:
                code = app.wait(20)
            except subprocess.TimeoutExpired:
                code = None
            log = (self.folder / f"app-{number}.log").read_text(errors="replace")
            if code != 0 or "Traceback" in log:
                report.problems.append(f"application {number} ended with {code}: {log[-3000:]}")
        for line in self.last_lines().values():
            report.processes += 1
            report.evaluations += line["evaluations"]
            report.errors += line["error_count"]
            report.wrong += line["wrong"]
            report.fell += line["fell"]
            for reason, count in line["rejected"].items():
                report.rejected[reason] = report.rejected.get(reason, 0) + count
            if line["errors"]:
                report.problems.append(f"an evaluation raised: {line['errors'][0]}")
        report.updates_seen = len({(line["seq"]) for path in self.folder.glob("seen-*.jsonl") for line in _lines(path)})
        if report.wrong:
            report.problems.append(f"{report.wrong} answers belonged to no bundle")
        if report.fell:
            report.problems.append(f"numbers fell {report.fell} times")
        if report.processes < APPS + (2 if self.settings.seconds >= 30 else 0):
            report.problems.append(f"only {report.processes} processes took part")
        self.judge_memory()

    def judge_memory(self) -> None:
        for number, samples in self.samples.items():
            third = len(samples) // 3
            if third < 3:
                continue
            warm = samples[third:]
            first, last = _middle(warm[:third]), _middle(samples[-third:])
            self.report.rss_mb[str(number)] = [round(first, 1), round(last, 1)]
            self.report.rss_slope_kb_per_minute[str(number)] = round(_slope(warm) * 60_000, 1)
            if last > first * (1 + MOST_GROWTH) + 3:
                self.report.problems.append(f"application {number} grew from {first:.0f} MB to {last:.0f} MB")


_MODES = ("refuse", "delay", "drip", "cut", "status", "silent", "garble", "lose-answer")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def _middle(samples: list[tuple[float, float]]) -> float:
    return sorted(size for _, size in samples)[len(samples) // 2]


def _slope(samples: list[tuple[float, float]]) -> float:
    """Return megabytes a second, by least squares."""
    count = len(samples)
    mean_t, mean_size = sum(t for t, _ in samples) / count, sum(size for _, size in samples) / count
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    return sum((t - mean_t) * (size - mean_size) for t, size in samples) / spread if spread else 0.0


def play(folder: Path, settings: Settings) -> Report:
    """Play a soak in a folder and return its report."""
    stage = Stage(folder, settings)
    try:
        return stage.play()
    finally:
        stage.close()
