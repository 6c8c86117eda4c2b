"""The client that an app embeds.

Evaluation does no I/O and takes no lock: each method passes its arguments to the flags that the background thread swaps
by one assignment. Everything else is on that thread.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Never, Self, final

from flagctl.bundle.accept import Trusted, trusting
from flagctl.bundle.trust import TrustRoot, read_trust
from flagctl.client.background import Background
from flagctl.client.breaker import uniform
from flagctl.client.completable import LIST_SECONDS, Completable, ListSource
from flagctl.client.dress import Parts, dress
from flagctl.client.guardable import Guardable
from flagctl.client.held import Clocks
from flagctl.client.not_ready import NOT_READY
from flagctl.client.updater import Updater
from flagctl.errors import UsageError
from flagctl.storage.remote import RemoteOptions, open_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flagctl.client.attributes import AttributeProvider, Attributes
    from flagctl.client.dress import Evaluating
    from flagctl.client.sinks.protocol import Sink
    from flagctl.client.snapshot import Snapshot
    from flagctl.client.status import ClientStatus
    from flagctl.client.still import StillUpdater
    from flagctl.client.telemetry.hub import Hub
    from flagctl.client.telemetry.options import Telemetry
    from flagctl.evaluator.details import EvaluationDetails, Variant
    from flagctl.evaluator.flagset import FlagSet
    from flagctl.evaluator.lists import ListReader

_MAX_TRUST_FILE = 64 * 1024
_LONGEST_INTERVAL = 7 * 86_400.0
_LOOK_SECONDS = 0.02
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@final
class Client(Guardable, Completable):
    """Evaluates the flags of one environment and keeps them up to date in the background.

    Args:
        url: ``s3://bucket/prefix``, ``https://host/path``, ``file:///absolute/path``, or ``redis://host:port/db`` that an agent
            fills.
        environment: Name of the environment.
        trust: The root of trust: path, bytes, or a `TrustRoot`. It names the project, the keys and the thresholds.
        l2: Shared cache and push channel beside the remote: ``redis://host:port/db``. It needs no trust, and may be down.
        cache_dir: Folder for the last known good state, with which a restart works offline. Processes may share it.
        bootstrap: Folder with the layout of a remote, baked into the app's image.
        poll_interval: Seconds between looks at the remote; each wait is up to a fifth shorter or longer.
        sinks: Where exposures, counts, conversions and the evaluation log go; see `flagctl.client.sinks`.
        telemetry: How they are made; without sinks it plays no role.
        attributes: Who is asked for attributes that a context lacks; see `flagctl.client.attributes`.
        lists: Who knows the members of big segments, instead of lists published with the flags.
        insecure: Go without a root of trust. Only for ``file://`` and stores on this machine.
        endpoint_url: Address of an S3-compatible store.
        region: Region of the store.
        clock: Seconds since 1970.
        monotonic: Seconds that never jump.
        uniform: Random number from 0 to 1.
        fixed: Serve these flags for ever, with no remote, thread or root of trust; the location is only a name then.
            For tests; see `flagctl.testing.client_from`.

    Raises:
        UsageError: If an argument is wrong, or a file that it names cannot be read.
        UntrustedError: If the root of trust is no intact one, or has no such environment.
    """

    def __init__(  # noqa: PLR0913 - the arguments are public and all optional but the first two
        self,
        url: str,
        *,
        environment: str,
        trust: str | os.PathLike[str] | bytes | TrustRoot | None = None,
        l2: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        bootstrap: str | os.PathLike[str] | None = None,
        poll_interval: float = 10.0,
        sinks: Sequence[Sink] = (),
        telemetry: Telemetry | None = None,
        attributes: Sequence[AttributeProvider | Attributes] = (),
        lists: ListReader | None = None,
        insecure: bool = False,
        endpoint_url: str | None = None,
        region: str | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        uniform: Callable[[], float] = uniform,
        fixed: FlagSet | None = None,
    ) -> None:
        if not 0 < poll_interval <= _LONGEST_INTERVAL:
            raise UsageError(f"poll_interval is a number of seconds above 0, up to {_LONGEST_INTERVAL:.0f}")
        self._flags: Evaluating = NOT_READY
        self._latest: FlagSet | None = None
        self._guarding = None
        self._monotonic = monotonic
        self._parts = Parts()
        self._closed = False
        self._conversions_dropped = 0
        self._hub: Hub | None = None
        if sinks:
            from flagctl.client.telemetry.attach import attach  # noqa: PLC0415 - only apps with sinks pay

            self._hub = attach(self, sinks, telemetry, environment, clock)
            self._flags = self._hub.unready
            self._parts = self._parts._replace(telemetry=self._hub.dress)
        self._completing = None
        self._list_clocks = (clock, monotonic, uniform)
        self._list_source = ListSource(lists)
        if attributes:
            from flagctl.client.completing import attach as attach_attributes  # noqa: PLC0415 - only apps with some pay

            self._completing = attach_attributes(self, attributes, uniform)
        self._background: Background | None = None
        self._updater: Updater | StillUpdater
        if fixed is not None:
            from flagctl.client.still import StillUpdater  # noqa: PLC0415 - for tests

            self._updater = StillUpdater(url, fixed, self._take)
            self._take(fixed)
            self._start_hub()
            return
        state = _initial_state(url, environment, trust, endpoint_url, insecure=insecure)
        options = RemoteOptions(endpoint_url, region, plain_http=insecure, project=state.project)
        clocks = Clocks(clock, monotonic, uniform)
        self._list_source = ListSource(
            lists,
            lambda: open_remote(url, options=options._replace(deadline=LIST_SECONDS)),
            None if cache_dir is None else os.path.abspath(cache_dir),  # noqa: PTH100 - as in `flagctl.storage.file`
        )
        self._updater = Updater(state, lambda: open_remote(url, options=options), clocks, poll_interval, self._take)
        if l2 is not None or url.startswith(("redis:", "rediss:")):
            from flagctl.client.l2 import attach_cache  # noqa: PLC0415 - only apps with a shared cache pay

            attach_cache(self._updater, url, l2, clocks)
        self._load_copies(self._updater, state, cache_dir, bootstrap)
        self._start_hub()
        self._background = Background(self._updater)
        self._background.start()

    def is_enabled(self, key: str, context: Mapping[str, Any] | None = None) -> bool:
        """Return the value of a boolean flag, False on any error."""
        return self._flags.is_enabled(key, context)

    def get_value(self, key: str, context: Mapping[str, Any] | None, default: Any) -> Any:
        """Return the value of a flag, or `default` on any error or if the value is not of the default's type."""
        return self._flags.get_value(key, context, default)

    def get_variant(self, experiment_key: str, context: Mapping[str, Any] | None = None) -> Variant | None:
        """Return the variant that an experiment assigned, or None if its own rule did not decide."""
        return self._flags.get_variant(experiment_key, context)

    def evaluate(self, key: str, context: Mapping[str, Any] | None = None, default: Any = None) -> EvaluationDetails:
        """Return a flag's value with variant, reason, error, rule and metadata; the type is not checked."""
        return self._flags.evaluate(key, context, default)

    def evaluate_typed(
        self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, kind: type | None = None
    ) -> EvaluationDetails:
        """As `evaluate`, but a value that is not of the type `kind` (without it, the default's) is an error.

        `kind` is `bool`, `str`, `int`, `float`, or `dict` for any JSON object or array. Values fit as in `get_value`.
        """
        return self._flags.evaluate_typed(key, context, default, kind)

    def evaluate_all(self, context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the values of all flags that have one for this context."""
        return self._flags.evaluate_all(context)

    def track_conversion(
        self,
        experiment_key: str | None,
        context: Mapping[str, Any] | None,
        value: float = 1.0,
        *,
        metric: str,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Record that something happened that metrics count. Never raises; what goes nowhere is counted in `status`.

        Args:
            experiment_key: The experiment it is recorded for, by whose attribute the unit is read from the context. With
                None, the unit is the context's `targeting_key`; metrics of every experiment count it either way.
            context: As for an evaluation.
            value: How much, such as an amount of money.
            metric: Name of the event, as metrics of experiments name it.
            attributes: Further scalars, kept with the event.
        """
        if self._hub is None:
            self._conversions_dropped += 1
            return
        self._hub.convert(experiment_key, context, metric, value, attributes)

    def measure(
        self,
        name: str,
        value: float,
        context: Mapping[str, Any] | None = None,
        *,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Record a measurement, such as how long a request took. Never raises; without sinks it goes nowhere.

        Args:
            name: What was measured.
            value: The number.
            context: As for an evaluation, if the measurement is of a unit: its `targeting_key`.
            attributes: Further scalars, such as variants that it is to be compared by.
        """
        if self._hub is not None:
            self._hub.measure(name, value, context, attributes)

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        """Wait until there are flags to evaluate, up to `timeout` seconds; return whether there are."""
        self._look_after()
        return self._updater.ready.wait(timeout)

    async def ready(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as `wait_until_ready`
        """As `wait_until_ready`, without blocking the event loop."""
        import asyncio  # noqa: PLC0415 - loaded already where this is called

        self._look_after()
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._updater.ready.is_set():
            left = _LOOK_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            await asyncio.sleep(min(_LOOK_SECONDS, left))
        return True

    def refresh(self) -> bool:
        """Look at the remote now, whatever a shared cache says, on the caller's thread.

        Returns:
            Whether another manifest or kill list was taken over.

        Raises:
            RemoteError: If the remote cannot be reached, or lacks something.
            UntrustedError: If the update was refused; what was served goes on being served.
            UsageError: If the client is closed.
        """
        if self._closed:
            raise UsageError("the client is closed")
        self._look_after()
        return self._updater.update(follow=True)

    def status(self) -> ClientStatus:
        """Return what is served, where from, and what went wrong last."""
        self._look_after()
        status = self._updater.status(closed=self._closed, conversions_dropped=self._conversions_dropped)
        if self._hub is not None:
            status = status._replace(telemetry=self._hub.status())
        status = self._with_completing(status)
        return status if self._guarding is None else status._replace(guards=self._guarding.status())

    def snapshot(self) -> Snapshot | None:
        """Return the flags that are served now as one immutable set, or None before the first bundle."""
        from flagctl.client.snapshot import snapshot_of  # noqa: PLC0415 - for programs that pass flags on

        return snapshot_of(self._updater.held, self._list_versions())

    def add_listener(self, listener: Callable[[ClientStatus], None]) -> None:
        """Call `listener` with the status after every change of what is served, on the thread that made the change.

        It may use the client, but should be quick: the next look at the remote waits for it. What it raises is logged.
        """
        self._updater.listeners = (*self._updater.listeners, lambda: listener(self.status()))

    def close(self, timeout: float = 5.0) -> None:
        """Stop the background thread and the sinks, waiting up to `timeout` seconds for each.

        Evaluation goes on with the last flags, and is not reported any more.
        """
        self._closed = True
        if self._background is not None:
            self._background.stop(timeout)
        if self._hub is not None:
            self._hub.close(timeout)
        self._close_completing()
        self._updater.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        status = self.status()
        return f"Client({status.url!r}, environment={status.environment!r}, state={status.state!r}, seq={status.seq})"

    def __reduce__(self) -> Never:
        raise TypeError("a client has a thread and connections, so it cannot be passed on: make one in each process")

    def _look_after(self) -> None:
        if self._background is not None:
            self._background.look_after()

    def _start_hub(self) -> None:
        if self._hub is not None:
            self._hub.start()

    def _take(self, flags: FlagSet) -> None:
        self._latest = flags
        if self._lists is None and "lists" in flags.header.capabilities:
            self._attach_lists()
        if self._guarding is None:
            self._flags = dress(flags, self._parts)
        else:
            self._guarding.serve()

    @staticmethod
    def _load_copies(
        updater: Updater,
        state: Trusted,
        cache_dir: str | os.PathLike[str] | None,
        bootstrap: str | os.PathLike[str] | None,
    ) -> None:
        if cache_dir is None and bootstrap is None:
            return
        from flagctl.client.copies import LastKnownGood, load_bootstrap  # noqa: PLC0415 - only apps with copies pay

        if cache_dir is not None:
            copy = LastKnownGood(os.fspath(cache_dir), state.project, state.environment)
            updater.last_known_good = copy
            updater.load_copy(copy.load, "cache")
        if bootstrap is not None:
            folder = os.fspath(bootstrap)
            if not os.path.isdir(folder):  # noqa: PTH112 - as in `flagctl.storage.file`
                raise UsageError(f"the bootstrap folder {folder} does not exist")
            updater.load_shared()  # an image is what is fallen back on
            updater.load_copy(lambda held, now: load_bootstrap(folder, held, now), "bootstrap")


def _initial_state(
    url: str,
    environment: str,
    trust: str | os.PathLike[str] | bytes | TrustRoot | None,
    endpoint_url: str | None,
    *,
    insecure: bool,
) -> Trusted:
    if trust is None:
        if not insecure:
            raise UsageError(
                "a client needs a root of trust",
                hint="trust='trust.json' (made by flagctl trust init); for a local try-out: insecure=True",
            )
        _check_local(url, endpoint_url)
        import warnings  # noqa: PLC0415

        warnings.warn(
            f"flags from {url} are used without checking who made them (insecure=True)", UserWarning, stacklevel=3
        )
        return Trusted(environment)
    if insecure:
        raise UsageError("trust= and insecure=True contradict each other")
    return trusting(trust if isinstance(trust, TrustRoot) else read_trust(_trust_bytes(trust)), environment)


def _trust_bytes(trust: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(trust, bytes):
        return trust
    path = os.fspath(trust)
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as in `flagctl.storage.file`
            return file.read(_MAX_TRUST_FILE + 1)
    except OSError as error:
        raise UsageError(f"the root of trust {path} cannot be read: {error.strerror}") from error


def _check_local(url: str, endpoint_url: str | None) -> None:
    if url.lower().startswith("file:"):
        return
    from urllib.parse import urlsplit  # noqa: PLC0415 - only for what is not a folder

    place = url if url.lower().startswith(("http:", "https:")) else endpoint_url
    if place is None or urlsplit(place).hostname not in _LOOPBACK:
        raise UsageError(
            f"insecure=True is refused for {url}: anybody on the way could change the flags",
            hint="give trust='trust.json'; without it only file:// and stores on this machine are read",
        )
