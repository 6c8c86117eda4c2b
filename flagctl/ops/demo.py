"""`flagctl demo`: the whole life of a flag on this machine, with real commands and a real application.

The demo is a generator of events, so that somebody can watch it happen; rendering them is not its business.
"""

from __future__ import annotations

import secrets
import shlex
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.errors import FlagctlError, RemoteError, UsageError
from flagctl.ops.demo_files import LIVE_CHANGE, MISTAKE, Replacement, copy_example
from flagctl.ops.demo_processes import Application, Processes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_KEYS = "flags/.flagctl/keys"
_USER = '{"targeting_key": "user-1", "email": "ada@acme.com", "country": "DE", "plan": "pro", "platform": "web"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Where the demo runs.

    Attributes:
        directory: Empty or new folder; None is a new temporary one.
        s3: ``s3://bucket/prefix`` to publish to; None is a folder on this machine.
        endpoint_url: Address of an S3-compatible store.
        color: Whether commands shall write colours.
        columns: Width for what commands write, or None.
    """

    directory: Path | None = None
    s3: str | None = None
    endpoint_url: str | None = None
    color: bool = False
    columns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A chapter begins."""

    number: int
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStarted:
    """A command is about to run; `shown` is what a person would type."""

    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnded:
    """A command has ended."""

    output: str
    exit_code: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdited:
    """Somebody changed a file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationSaid:
    """Lines the application wrote.

    Attributes:
        lines: The lines.
        seconds: Since the publication before began, or None.
        lead: By how many seconds the last line came before the publication ended; negative if after.
    """

    lines: tuple[str, ...]
    seconds: float | None = None
    lead: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """How it went.

    Attributes:
        directory: The folder with everything in it.
        remote: Where the bundle is.
        seconds: In all.
        timings: ``(what, seconds)``.
    """

    directory: Path
    remote: str
    seconds: float
    timings: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-demo.schema.json`)."""
        return {
            "directory": str(self.directory),
            "remote": self.remote,
            "seconds": round(self.seconds, 3),
            "timings": [{"what": what, "seconds": round(seconds, 3)} for what, seconds in self.timings],
        }


DemoEvent = StepStarted | CommandStarted | CommandEnded | FileEdited | ApplicationSaid | DemoResult


def run_demo(options: DemoOptions) -> Generator[DemoEvent, None, None]:
    """Run the demo; the last event is its result. Closing the generator ends the application, too.

    Raises:
        UsageError: If the folder is not empty.
        FlagctlError: If a command does not do what it should.
    """
    directory = _prepare(options.directory)
    demo = _Demo(directory, options)
    yield from demo.run()


def _prepare(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="flagctl-demo-")).resolve()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is not empty", hint="name a new folder, or none for a temporary one")
    directory.mkdir(parents=True, exist_ok=True)
    return directory.resolve()


@dataclass(slots=True)
class _Demo:
    """The demo in progress."""

    directory: Path
    options: DemoOptions
    started: float = field(default_factory=time.perf_counter)
    steps: int = 0
    timings: list[tuple[str, float]] = field(default_factory=list)
    publication_began: float = 0.0
    publication_ended: float = 0.0
    remote: str = ""
    processes: Processes = field(init=False)

    def __post_init__(self) -> None:
        self.processes = Processes(self.shop, color=self.options.color, columns=self.options.columns)

    @property
    def shop(self) -> Path:
        return self.directory / "shop"

    def run(self) -> Iterator[DemoEvent]:
        """Yield everything that happens."""
        if self.options.s3 is None:
            self.remote = (self.directory / "remote").as_uri()
        else:
            # A prefix of its own, so that the demo can run again: nobody else's keys fit what is there.
            self.remote = f"{self.options.s3.rstrip('/')}/demo-{secrets.token_hex(4)}"
        self.shop.mkdir(parents=True)
        yield from self.repository()
        yield from self.check()
        yield from self.publish_first()
        endpoint = [self.options.endpoint_url] if self.options.endpoint_url else []
        yield self.step(
            "An application", "A process of its own, which embeds flagctl.Client and asks for two flags for two users."
        )
        words = ["python", "app.py", self.remote, "flags/trust.json", *endpoint]
        yield CommandStarted(shown=f"{shlex.join(words)} &")
        begun = time.perf_counter()
        with self.processes.start(words) as application:
            lines = application.wait_for(2, lambda line: "new-checkout-flow" in line)
            self.timings.append(("application starts and has its first answers", time.perf_counter() - begun))
            yield ApplicationSaid(lines=tuple(lines))
            yield from self.live_change(application)
            yield from self.mistake()
            yield from self.kill(application)
            yield from self.go_back(application)
        yield DemoResult(
            directory=self.directory,
            remote=self.remote,
            seconds=time.perf_counter() - self.started,
            timings=tuple(self.timings),
        )

    def repository(self) -> Iterator[DemoEvent]:
        """Make the git repository."""
        flags = copy_example(self.shop, self.remote, self.options.endpoint_url)
        yield self.step(
            "A repository of flags",
            f"The flags of a web shop, as YAML files in git: {flags} flags with their segments, experiments and tests.",
        )
        yield from self.command("git init --quiet --initial-branch main")
        yield from self.command("git add .")
        yield from self.command("git commit --quiet -m 'The flags of the shop'")
        yield from self.command("flagctl list --tag checkout")

    def check(self) -> Iterator[DemoEvent]:
        """Validate, test, explain."""
        yield self.step("Check", "What every pull request goes through.")
        yield from self.command("flagctl validate", "validate all files")
        yield from self.command("flagctl test", "run all tests of flags")
        yield self.step("Ask why", "One answer, with every condition, the values it saw, and the line that decided.")
        yield from self.command(
            f"flagctl eval new-checkout-flow --env production --context {shlex.quote(_USER)} --explain"
        )

    def publish_first(self) -> Iterator[DemoEvent]:
        """Make keys and publish."""
        yield self.step(
            "Keys and trust",
            "Bundles are signed. The private keys stay out of git; trust.json says which keys count, and applications ship it.",
        )
        yield from self.command(f"flagctl keys generate {_KEYS}/root.key")
        yield from self.command(f"flagctl keys generate {_KEYS}/publish.key")
        yield from self.command(f"flagctl keys generate {_KEYS}/kill.key")
        yield from self.command(
            f"flagctl trust init --root-key {_KEYS}/root.key --publish-key {_KEYS}/publish.key.pub "
            f"--kill-key {_KEYS}/kill.key.pub"
        )
        yield from self.command("git add . && git commit --quiet -m 'Trust our keys'")
        yield self.step(
            "Publish",
            "Compile the environment's flags to one small bundle, sign it, write it to the remote, read it back.",
        )
        yield from self.command(
            "flagctl compile --env production -o ../bundle.json", "compile all flags of an environment"
        )
        yield from self.command("flagctl publish production --yes", "first publication")

    def live_change(self, application: Application) -> Iterator[DemoEvent]:
        """Change a value; the running application sees it."""
        yield self.step("A change", "Free shipping from 29 instead of 49. The flag and its test change together.")
        for edit in LIVE_CHANGE:
            yield self.edit(edit)
        yield from self.command("flagctl diff")
        yield from self.command("flagctl validate && flagctl test")
        yield from self.command("git commit --quiet -am 'Free shipping from 29'")
        yield from self.publication("publish a change", "flagctl publish production --yes")
        yield self.seen(application, lambda line: "free-shipping-threshold=29" in line)

    def mistake(self) -> Iterator[DemoEvent]:
        """Break a flag; the check finds it."""
        yield self.step("A mistake", "Somebody misspells an attribute. Without the check, the rule would never match.")
        yield self.edit(MISTAKE)
        yield from self.command("flagctl validate --output-format full", expect=1)
        yield from self.command("git checkout --quiet flags")

    def kill(self, application: Application) -> Iterator[DemoEvent]:
        """Force a flag off, and make that permanent in git."""
        yield self.step(
            "The kill switch",
            "The payment service is in trouble: off for everybody, and whatever needs it with it. A key of its own signs the "
            "list of what is forced off; no pull request, no compiler, and git need not even work.",
        )
        yield from self.command("flagctl graph payments-v2 --impact")
        yield from self.publication(
            "force a flag off", "flagctl kill payments-v2 --env production --reason 'payments time out' --until 2h"
        )
        yield self.seen(application, lambda line: "ada: new-checkout-flow=False (DISABLED)" in line)
        yield self.step("Git follows", "The command left a branch with the change that makes it permanent.")
        yield from self.command("git merge --quiet kill/production/payments-v2")
        yield from self.command("flagctl publish production --yes")

    def go_back(self, application: Application) -> Iterator[DemoEvent]:
        """Lift the kill and roll back."""
        yield self.step(
            "Back",
            "The service is fine again: lift the kill, and go back to the bundle before. It is still there: no compile, no "
            "upload, no git.",
        )
        yield from self.command("flagctl unkill payments-v2 --env production")
        yield from self.publication("roll back", "flagctl rollback production --yes")
        yield self.seen(application, lambda line: "ada: new-checkout-flow=True" in line)
        yield from self.command("flagctl status production")

    def step(self, title: str, text: str) -> StepStarted:
        """Begin a chapter."""
        self.steps += 1
        return StepStarted(number=self.steps, title=title, text=text)

    def edit(self, edit: Replacement) -> FileEdited:
        """Change a file."""
        edit.apply(self.shop / "flags")
        return FileEdited(path=f"flags/{edit.path}", old=edit.old.strip("\n"), new=edit.new.strip("\n"))

    def publication(self, what: str, line: str) -> Iterator[DemoEvent]:
        """Run a command after which the application should see something."""
        self.publication_began = time.perf_counter()
        yield from self.command(line, what)
        self.publication_ended = time.perf_counter()

    def seen(self, application: Application, holds: Callable[[str], bool], lines: int = 1) -> ApplicationSaid:
        """Wait until the application says what it should."""
        said = application.wait_for(lines, holds)
        seconds = application.last_line_at - self.publication_began
        self.timings.append(("  until the running application answers anew", seconds))
        return ApplicationSaid(
            lines=tuple(said), seconds=seconds, lead=self.publication_ended - application.last_line_at
        )

    def command(self, line: str, timed: str | None = None, *, expect: int = 0) -> Iterator[DemoEvent]:
        """Run one or several commands joined by ``&&``.

        Raises:
            FlagctlError: If one exits with another code than expected.
            RemoteError: The same, if its trouble is with the remote.
        """
        yield CommandStarted(shown=line)
        outputs: list[str] = []
        seconds = 0.0
        for part in line.split(" && "):
            ran = self.processes.run(shlex.split(part))
            outputs.append(ran.output)
            seconds += ran.seconds
            if ran.exit_code != expect:
                kind = RemoteError if ran.exit_code == RemoteError.exit_code else FlagctlError
                raise kind(
                    f"the demo stops: `{part}` exited with {ran.exit_code}: {ran.output[-600:]}",
                    hint=f"everything so far is in {self.directory}",
                )
        if timed is not None:
            self.timings.append((timed, seconds))
        yield CommandEnded(output="\n".join(filter(None, outputs)), exit_code=expect, seconds=seconds)
