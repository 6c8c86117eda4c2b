"""The OpenFeature provider: flagctl behind the API that other vendors' flags have, too.

::

    from openfeature import api

    import flagctl

    api.set_provider_and_wait(
        flagctl.FlagProvider("s3://acme-flags-prod/flags", environment="production", trust="trust.json")
    )
    api.get_client().get_boolean_value("new-checkout-flow", False, EvaluationContext("user-1", {"country": "DE"}))

Works with openfeature-sdk from 0.8 to 0.10; tracking came with 0.9. An evaluation does no I/O, so that the asynchronous
methods answer at once.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

from flagctl.client.client import Client
from flagctl.client.openfeature_events import Health, Watch
from flagctl.errors import UsageError

try:
    from openfeature.event import ProviderEvent, ProviderEventDetails
    from openfeature.exception import ErrorCode, GeneralError, ProviderFatalError, ProviderNotReadyError
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason
    from openfeature.provider import AbstractProvider, Metadata
except ImportError as error:
    raise UsageError("the OpenFeature SDK is not installed", hint="pip install 'flagctl[openfeature]'") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openfeature.evaluation_context import EvaluationContext
    from openfeature.flag_evaluation import FlagValueType
    from openfeature.hook import Hook
    from openfeature.track import TrackingEventDetails

    from flagctl.client.openfeature_events import Event
    from flagctl.evaluator.details import EvaluationDetails
    from flagctl.evaluator.flagset import FlagSet

_LOOK: Final = 0.05
"""Seconds between looks at a client that is getting ready; also how long a recovery waits for a failure to be told."""

_REASONS: Final = {str(reason): reason for reason in Reason}
_ERROR_CODES: Final = {str(code): code for code in ErrorCode}

_providers: Final[weakref.WeakSet[FlagProvider]] = weakref.WeakSet()


class FlagProvider(AbstractProvider):
    """Answers OpenFeature's questions from a client, or from one fixed bundle.

    Args:
        source: A client, which stays yours to close; the location of one, which this provider opens and closes; or a
            `FlagSet`, for tests.
        ready_timeout: Seconds that `initialize` waits for the first bundle.
        stale_after: Seconds without a successful look at the remote after which the provider counts as stale. An
            expired manifest makes it stale at once.
        hooks: Provider hooks, run by the SDK around every evaluation.
        **client_arguments: The arguments of `flagctl.Client` beside the location.

    Raises:
        UsageError: If an argument is wrong, or a file that it names cannot be read.
        UntrustedError: If the root of trust is no intact one, or has no such environment.
    """

    def __init__(
        self,
        source: Client | FlagSet | str,
        *,
        ready_timeout: float = 5.0,
        stale_after: float = 60.0,
        hooks: Sequence[Hook] = (),
        **client_arguments: Any,
    ) -> None:
        super().__init__()
        self._ready_timeout = ready_timeout
        self._stale_after = stale_after
        self._hooks = list(hooks)
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self._failed_at = -math.inf
        self._flag_set_id: str | None = None
        self._client: Client | None = None
        self._open: Callable[[], Client] | None = None
        self._source: Client | FlagSet
        if isinstance(source, str):
            self._open = lambda: Client(source, **client_arguments)
            self._source = self._client = self._open()
        else:
            if client_arguments:
                raise UsageError(
                    f"{', '.join(client_arguments)}: arguments of a client that exists already",
                    hint="give them to flagctl.Client, or give FlagProvider the client's location",
                )
            self._source = source
            self._client = source if isinstance(source, Client) else None
        _providers.add(self)

    @property
    def source(self) -> Client | FlagSet:
        """What answers: the client or the bundle."""
        return self._source

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata(name="flagctl")

    def get_provider_hooks(self) -> list[Hook]:
        """Return the hooks that the provider was made with."""
        return self._hooks

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002 - the SDK's signature
        """Wait until there are flags to evaluate; the SDK calls it, and tells ``PROVIDER_READY`` afterwards.

        Raises:
            ProviderNotReadyError: If there are none within `ready_timeout` seconds. The client goes on trying, and
                ``PROVIDER_READY`` is emitted when it succeeds.
            ProviderFatalError: If there are none because what was found must not be trusted, or the client is closed.
        """
        client = self._client
        if client is None:
            return
        if self._open is not None and client.status().state == "closed":
            self._source = self._client = client = self._open()
        updater = client._updater  # noqa: SLF001 - of the same room
        with self._lock:
            self._watch = None
            if self._observe not in updater.observers:
                updater.observers = (*updater.observers, self._observe)
        failure = self._wait(client)
        with self._lock:
            self._watch = Watch(updater, Health.READY if failure is None else Health.ERROR)
            self._failed_at = -math.inf if failure is None else time.monotonic()
        if failure is not None:
            raise failure

    def shutdown(self) -> None:
        """Close the client if this provider opened it; else let go of it."""
        with self._lock:
            self._watch = None
        if self._client is not None:
            updater = self._client._updater  # noqa: SLF001 - as above
            updater.observers = tuple([each for each in updater.observers if each != self._observe])
            if self._open is not None:
                self._client.close()

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Resolve a boolean flag."""
        return self._resolve(flag_key, default_value, evaluation_context, bool)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Resolve a string flag."""
        return self._resolve(flag_key, default_value, evaluation_context, str)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Resolve a number flag whose value is integral."""
        return self._resolve(flag_key, default_value, evaluation_context, int)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Resolve a number flag."""
        return self._resolve(flag_key, default_value, evaluation_context, float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """Resolve a JSON flag whose value is an object or an array; the value is the caller's own copy."""
        return self._resolve(flag_key, default_value, evaluation_context, dict)

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Record that something happened that experiments count, with the details' attributes, and their value or 1.

        Raises:
            GeneralError: If the event has no name.
        """
        if not tracking_event_name:
            raise GeneralError("a tracking event needs a name")
        if self._client is None:
            return
        value, attributes = None, None
        if tracking_event_details is not None:
            value, attributes = tracking_event_details.value, tracking_event_details.attributes
        self._client.track_conversion(
            None,
            _attributes(evaluation_context),
            1.0 if value is None else float(value),
            metric=tracking_event_name,
            attributes=attributes,
        )

    def _resolve(
        self, key: str, default: Any, context: EvaluationContext | None, kind: type
    ) -> FlagResolutionDetails[Any]:
        try:
            attributes = _attributes(context)
        except Exception as error:  # noqa: BLE001 - foreign code inside the context may raise anything
            message = f"reading the context raised {type(error).__name__}"
            return FlagResolutionDetails(default, ErrorCode.INVALID_CONTEXT, message, Reason.ERROR)
        details = self._source.evaluate_typed(key, attributes, default, kind)
        code = None if details.error_code is None else _ERROR_CODES[details.error_code]
        return FlagResolutionDetails(
            details.value,
            code,
            f"flag {key} not found" if code is ErrorCode.FLAG_NOT_FOUND else details.error_message,
            _REASONS[details.reason],
            details.variant,
            self._metadata(details),
        )

    def _metadata(self, details: EvaluationDetails) -> dict[str, bool | int | float | str]:
        """Return what is known about the flag as OpenFeature wants it: flat, and scalars only."""
        known = details.metadata
        metadata: dict[str, bool | int | float | str] = {}
        if known:
            # Names that OpenFeature's conventions for telemetry read.
            metadata["version"] = metadata["digest"] = known["digest"]
            if (flag_set := self._flag_set_id or self._find_flag_set_id()) is not None:
                metadata["flagSetId"] = flag_set
            if "owner" in known:
                metadata["owner"] = known["owner"]
            if "tags" in known:
                metadata["tags"] = ",".join(known["tags"])
        if details.rule is not None:
            metadata["rule"] = details.rule
        return metadata

    def _find_flag_set_id(self) -> str | None:
        if self._client is None:
            header = self._source.header  # type: ignore[union-attr]
            self._flag_set_id = f"{header.project}/{header.env}"
        else:
            status = self._client.status()
            if status.project is not None:
                self._flag_set_id = f"{status.project}/{status.environment}"
        return self._flag_set_id

    def _wait(self, client: Client) -> ProviderNotReadyError | ProviderFatalError | None:
        """Wait for the first bundle; return why there is none."""
        deadline = time.monotonic() + self._ready_timeout
        while True:
            left = deadline - time.monotonic()
            if client.wait_until_ready(max(0.0, min(_LOOK, left))):
                return None
            status = client.status()
            if status.state == "closed":
                return ProviderFatalError("the flag client is closed")
            if status.last_error_reason is not None:
                return ProviderFatalError(f"{status.last_error} ({status.last_error_reason})")
            if left <= 0:
                why = status.last_error or f"{status.url} has not answered yet"
                return ProviderNotReadyError(f"no flags within {self._ready_timeout:g} s: {why}")

    def _observe(self) -> None:
        """Tell what changed since the last look; called by the client's thread after each look at the remote."""
        client = self._client
        with self._lock:
            if self._watch is None or client is None:
                return
            events = self._watch.look(client.status(), self._stale_after)
            failed = time.monotonic() - self._failed_at
        if events and failed < _LOOK:
            time.sleep(_LOOK)  # the SDK may not yet have told that initialisation failed, and must not tell it last
        for event in events:
            self.emit(ProviderEvent[event.name], _event_details(event))


def _event_details(event: Event) -> ProviderEventDetails:
    return ProviderEventDetails(
        flags_changed=None if event.flags_changed is None else list(event.flags_changed),
        message=event.message,
        error_code=ErrorCode.GENERAL if event.name == "PROVIDER_ERROR" else None,
        metadata=dict(event.metadata),
    )


def _attributes(context: EvaluationContext | None) -> dict[str, Any]:
    """Return a context as flagctl reads it: the attributes, and the targeting key among them."""
    if context is None:
        return {}
    attributes = dict(context.attributes or ())
    if context.targeting_key is not None:
        attributes["targeting_key"] = context.targeting_key
    return attributes


def _renew_locks() -> None:
    for provider in list(_providers):
        provider._lock = threading.Lock()  # noqa: SLF001 - a forked child must not wait for the parent's threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
