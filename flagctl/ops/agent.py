"""`flagctl agent`: keeps Redis or local folders fresh from a remote, for many processes that then need not ask it.

Each environment has a thread of its own, which makes a pass (`flagctl.ops.relay`), writes a line to the log if something happened,
and waits: the poll interval, or longer and longer while the remote cannot be read. Trouble never ends it; a signal does, after the
pass that is under way.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.bundle.accept import trusting
from flagctl.client.breaker import Pauses
from flagctl.errors import FlagctlError, RemoteError, UntrustedError, UsageError
from flagctl.ops.relay import PassReport, Relay
from flagctl.storage import RemoteOptions, open_remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.bundle.trust import TrustRoot

FORMAT_VERSION: Final = "1.0"
PAUSES: Final = Pauses(1.0, 30.0)
"""Between passes over a remote that fails."""

_STALE_POLLS: Final = 3
_LEAST_STALE_SECONDS: Final = 30.0
_WRITE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSource:
    """One environment to copy.

    Attributes:
        environment: Name of the environment.
        url: The remote.
        trust: Root of trust.
        to: Locations to keep fresh: ``redis://host:port/db``, ``file:///folder``.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.
    """

    environment: str
    url: str
    trust: TrustRoot
    to: tuple[str, ...]
    endpoint_url: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """What to copy, and how often.

    Attributes:
        sources: The environments.
        poll: Seconds between passes; each wait is up to a fifth shorter or longer.
        clock: Seconds since 1970.
        monotonic: Seconds that never jump.
        uniform: Random number from 0 to 1.
    """

    sources: tuple[AgentSource, ...]
    poll: float = 5.0
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    uniform: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceState:
    """A place that is kept fresh: location without secrets, and what is wrong with it."""

    url: str
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentState:
    """What an agent knows about an environment.

    Attributes:
        environment: Environment.
        url: The remote.
        healthy: Whether the remote was read and every place written without a problem, lately.
        epoch: Of the manifest.
        seq: Of the manifest.
        kills_seq: Of the kill list.
        seconds_since_success: Since the last pass without a problem; None before the first.
        passes: How many there were.
        error: What is wrong with the remote or what it has.
        reason: Stable code, if that is a refusal.
        places: The places.
    """

    environment: str
    url: str
    healthy: bool
    epoch: int | None = None
    seq: int | None = None
    kills_seq: int | None = None
    seconds_since_success: float | None = None
    passes: int = 0
    error: str | None = None
    reason: str | None = None
    places: tuple[PlaceState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentState:
    """What an agent says about itself.

    Attributes:
        healthy: Whether every environment is.
        environments: Each environment.
    """

    healthy: bool
    environments: tuple[EnvironmentState, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON values (`schemas/output-agent.schema.json`)."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}


@final
class Agent:
    """Keeps places fresh.

    Args:
        options: What to do.
        log: Gets one mapping of JSON values for each thing that happens.
        on_pass: Gets the state after each pass; what it raises is logged.

    Raises:
        UsageError: If a location cannot be used.
        UntrustedError: If the root of trust has no such environment.
    """

    def __init__(
        self,
        options: AgentOptions,
        log: Callable[[dict[str, Any]], None],
        on_pass: Callable[[AgentState], None] | None = None,
    ) -> None:
        if not all(source.to for source in options.sources):
            raise UsageError(
                "nothing says what is to be kept fresh", hint="--to redis://host:6379/0, or --to file:///folder"
            )
        self._options = options
        self._log = log
        self._on_pass = on_pass
        self._stop = threading.Event()
        self._workers = [_Worker(source, _relay_of(source, options), options) for source in options.sources]

    def run_once(self) -> AgentState:
        """Make one pass over each environment."""
        for worker in self._workers:
            self._pass(worker)
        return self.state()

    def run(self) -> None:
        """Make passes until `stop` is called."""
        options = self._options
        for worker in self._workers:
            places = [place.url for place in worker.places()]
            self._log({"event": "started", "environment": worker.name, "from": worker.url, "to": places})
        threads = [
            threading.Thread(target=self._work, args=(worker,), name=f"flagctl-agent-{worker.name}", daemon=True)
            for worker in self._workers
        ]
        for thread in threads:
            thread.start()
        # In slices, so that this thread sees signals.
        while not self._stop.wait(1.0):
            pass
        for thread in threads:
            thread.join(RemoteOptions().deadline + options.poll)
        for worker in self._workers:
            worker.relay.close()
        self._log({"event": "stopped"})

    def stop(self) -> None:
        """Ask `run` to end, from another thread or a signal handler."""
        self._stop.set()

    def state(self) -> AgentState:
        """Return what is known now."""
        states = tuple(worker.state() for worker in self._workers)
        return AgentState(healthy=all(state.healthy for state in states), environments=states)

    def first_problem(self) -> FlagctlError | None:
        """Return the first thing that is wrong, as an error to raise after `run_once`."""
        for worker in self._workers:
            report = worker.report
            if report is not None and not report.is_good:
                place = next((place.error for place in report.places if place.error is not None), None)
                return _problem_of(report) or RemoteError(str(place))
        return None

    def _work(self, worker: _Worker) -> None:
        while True:
            try:
                self._pass(worker)
            except Exception as error:  # noqa: BLE001 - a bug in one pass must not leave everybody without the next
                self._log({"event": "bug", "environment": worker.name, "error": f"{type(error).__name__}: {error}"})
            if self._stop.wait(worker.pause()):
                return

    def _pass(self, worker: _Worker) -> None:
        for line in worker.run():
            self._log(line)
        if self._on_pass is not None:
            self._on_pass(self.state())


def _relay_of(source: AgentSource, options: AgentOptions) -> Relay:
    state = trusting(source.trust, source.environment)
    project = source.trust.project
    remote = open_remote(source.url, options=RemoteOptions(source.endpoint_url, source.region, project=project))
    settings = RemoteOptions(deadline=_WRITE_SECONDS, project=project)
    places = [open_remote(url, options=settings) for url in source.to]
    return Relay(remote, state, places, clock=options.clock, monotonic=options.monotonic)


def _problem_of(report: PassReport) -> FlagctlError | None:
    return report.problem or report.kills_problem or report.lists_problem


@final
class _Worker:
    """One environment of an agent."""

    def __init__(self, source: AgentSource, relay: Relay, options: AgentOptions) -> None:
        self.name = source.environment
        self.url = relay.source_url
        self.relay = relay
        self.report: PassReport | None = None
        self._options = options
        self._passes = 0
        self._failures = 0
        self._success_at: float | None = None
        self._said: tuple[str | None, ...] = ()

    def places(self) -> tuple[PlaceState, ...]:
        if self.report is None:
            return tuple(PlaceState(url=url, error=None) for url in self.relay.urls)
        return tuple(PlaceState(url=place.url, error=place.error) for place in self.report.places)

    def run(self) -> list[dict[str, Any]]:
        """Make a pass; return what is worth a line in the log."""
        begin = self._options.monotonic()
        report = self.report = self.relay.run()
        now = self._options.monotonic()
        self._passes += 1
        self._failures = 0 if report.problem is None else self._failures + 1
        if report.is_good:
            self._success_at = now
        lines: list[dict[str, Any]] = []
        written = {place.url: list(place.written) for place in report.places if place.written}
        if report.changed or written:
            lines.append(
                {
                    "event": "copied",
                    "environment": self.name,
                    "epoch": report.epoch,
                    "seq": report.seq,
                    "kills_seq": report.kills_seq,
                    "written": written,
                    "readers": {place.url: place.readers for place in report.places if place.readers is not None},
                    "seconds": round(now - begin, 3),
                }
            )
        problem = _problem_of(report)
        troubles = (problem.message if problem else None, *(place.error for place in report.places))
        if troubles != self._said and any(troubles):
            reason = problem.reason if isinstance(problem, UntrustedError) else None
            places = {place.url: place.error for place in report.places if place.error is not None}
            error, failing = troubles[0], {"environment": self.name, "failures": self._failures}
            lines.append({"event": "trouble", **failing, "error": error, "reason": reason, "places": places})
        elif any(self._said) and not any(troubles):
            lines.append({"event": "recovered", "environment": self.name})
        self._said = troubles
        return lines

    def pause(self) -> float:
        """Return seconds to the next pass."""
        options = self._options
        regular = options.poll * (0.8 + 0.4 * options.uniform())
        return max(regular, PAUSES.draw(self._failures, options.uniform())) if self._failures else regular

    def state(self) -> EnvironmentState:
        report = self.report
        age = None if self._success_at is None else self._options.monotonic() - self._success_at
        limit = max(_LEAST_STALE_SECONDS, _STALE_POLLS * self._options.poll)
        problem = None if report is None else _problem_of(report)
        return EnvironmentState(
            environment=self.name,
            url=self.url,
            healthy=age is not None and age <= limit,
            epoch=report.epoch if report else None,
            seq=report.seq if report else None,
            kills_seq=report.kills_seq if report else None,
            seconds_since_success=age,
            passes=self._passes,
            error=problem.message if problem else None,
            reason=problem.reason if isinstance(problem, UntrustedError) else None,
            places=self.places(),
        )
