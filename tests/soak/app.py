"""An application of the soak test: evaluates on two threads without a pause, forks again and again, and writes down what it sees.

Each process, forked ones included, appends lines to a file of its own; the test reads these. What is broken on purpose
(`broken`) shows that the test would notice.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from flagctl.client import Client

PAIRS = 10
USER = {"targeting_key": "user-1", "plan": "pro"}


class App:
    """What one process knows."""

    def __init__(self, settings: dict[str, Any], number: int) -> None:
        self.settings, self.number = settings, number
        self.folder = Path(settings["folder"])
        self.client = Client(
            settings["url"],
            environment="production",
            trust=Path(settings["trust"]),
            endpoint_url=settings["endpoint_url"],
            l2=settings["l2"],
            cache_dir=settings["cache_dir"],
            poll_interval=settings["poll_interval"],
        )
        if settings["broken"] == "deaf":
            self.client._updater._on_swap = lambda _: None
        self.dice = random.Random(f"{settings['seed']}-{number}")
        self.ballast: list[bytes] = []
        self.begin(0)

    def begin(self, generation: int) -> None:
        """Start counting, here or in a forked child."""
        self.generation = generation
        self.evaluations = self.wrong = self.fell = 0
        self.errors: list[str] = []
        self.last = (0, 0)
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.evaluate, daemon=True) for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def phase(self) -> str:
        try:
            return (self.folder / "phase").read_text()
        except OSError:
            return "run"

    def evaluate(self) -> None:
        while not self.stop.is_set():
            try:
                for number in range(PAIRS):
                    self.client.is_enabled(f"flag-{number}", USER)
                    self.client.get_value(f"pair-{number}-left", USER, "none")
                details = self.client.evaluate("pair-0-left", USER, "none")
                values = self.client.evaluate_all(USER)
                self.evaluations += 2 * PAIRS + 2
                turns = {value for key, value in values.items() if key.startswith("pair-")}
                if len(turns) > 1 or not isinstance(details.value, str):
                    self.wrong += 1
                if self.settings["broken"] == "raising" and self.dice.random() < 0.001:
                    raise RuntimeError("an evaluation fails")  # noqa: TRY301
            except Exception:  # noqa: BLE001 - that there is none is what is tested
                self.errors.append(traceback.format_exc()[-500:])
            time.sleep(0.004)

    def look(self) -> None:
        """Write a line, and see that numbers do not fall."""
        status = self.client.status()
        numbers = (status.seq or 0, status.kills_seq or 0)
        if self.settings["broken"] == "forgetful" and self.dice.random() < 0.1:
            numbers = (max(0, numbers[0] - 1), numbers[1])
        self.fell += any(now < before for now, before in zip(numbers, self.last, strict=True))
        self.last = numbers
        if self.settings["broken"] == "greedy":
            self.ballast.append(os.urandom(4_000_000))
        values = self.client.evaluate_all(USER)
        line = {
            "t": time.time(),
            "pid": os.getpid(),
            "app": self.number,
            "generation": self.generation,
            "seq": numbers[0],
            "kills_seq": numbers[1],
            "turn": values.get("pair-0-left"),
            "killed": sorted(status.killed),
            "evaluations": self.evaluations,
            "errors": self.errors[:3],
            "error_count": len(self.errors),
            "wrong": self.wrong,
            "fell": self.fell,
            "failures": status.failures,
            "rejected": status.rejected,
            "source": status.source,
            "l2": status.l2,
            "cache_error": status.cache_error,
        }
        with (self.folder / f"seen-{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def live(self, until: float | None) -> None:
        """Look again and again, until the end or, while the faults go on, until a time."""
        children: list[int] = []
        fork_at = time.monotonic() + self.dice.random() * 3
        while (phase := self.phase()) != "end":
            self.look()
            if until is not None and phase == "run" and time.monotonic() > until:
                break
            if phase == "run" and self.generation == 0 and time.monotonic() >= fork_at and len(children) < 2:
                pid = os.fork()
                if pid == 0:
                    self.be_a_child()
                children.append(pid)
                fork_at = time.monotonic() + 2 + self.dice.random() * 6
            children = [pid for pid in children if os.waitpid(pid, os.WNOHANG) == (0, 0)]
            time.sleep(0.3)
        self.stop.set()
        for thread in self.threads:
            thread.join(5)
        self.look()
        for pid in children:
            os.waitpid(pid, 0)

    def be_a_child(self) -> None:
        before = self.last
        code = 1
        try:
            self.begin(self.generation + 1)
            self.last = before
            self.live(time.monotonic() + 3 + self.dice.random() * 10)
            self.client.close()
            code = 0
        except BaseException:  # noqa: BLE001 - the test sees the code and the text
            traceback.print_exc()
        os._exit(code)


def main() -> None:
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of every fork of a process with threads
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # it tells of every damaged header
    app = App(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]))
    app.live(None)
    app.client.close()


if __name__ == "__main__":
    main()
