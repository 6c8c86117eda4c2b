# ruff: noqa: ARG002 - the SDK calls hooks by the names of their parameters
"""A remote with the scenarios' flags, a client and a provider on it, and what OpenFeature's SDK said about them."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import threading
from functools import cache
from pathlib import Path
from typing import Any

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import OpenFeatureError
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagEvaluationOptions
from openfeature.hook import Hook

import flagctl
from flagctl.compiler import compile_environment
from flagctl.errors import FlagctlError
from flagctl.source import load_tree, read_tree
from flagctl.storage import open_remote
from tests.simulators.project import Clock, Project, eventually

FLAGS = Path(__file__).parent / "flags"
EVENTS = {
    "ready": ProviderEvent.PROVIDER_READY,
    "stale": ProviderEvent.PROVIDER_STALE,
    "error": ProviderEvent.PROVIDER_ERROR,
    "change": ProviderEvent.PROVIDER_CONFIGURATION_CHANGED,
}


@cache
def compiled(*, changed: bool = False) -> bytes:
    files = read_tree(FLAGS)
    if changed:
        files["changing-flag.yaml"] = files["changing-flag.yaml"].replace(b"default: foo", b"default: bar")
    repository = load_tree(files).repository
    assert repository is not None
    return compile_environment(repository, "production").data


class Watcher(Hook):
    """A hook that remembers its calls, and may add to the context."""

    def __init__(self, adds: dict[str, Any] | None = None, name: str = "", log: list[str] | None = None) -> None:
        self.adds = adds
        self.calls: list[tuple[str, Any]] = []
        self.name = name
        self.log = [] if log is None else log

    def note(self, stage: str, what: Any) -> None:
        self.calls.append((stage, what))
        self.log.append(f"{stage} {self.name}")

    def before(self, hook_context: Any, hints: Any) -> EvaluationContext | None:
        self.note("before", None)
        return None if self.adds is None else EvaluationContext(attributes=self.adds)

    def after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.note("after", details)

    def error(self, hook_context: Any, exception: Exception, hints: Any) -> None:
        self.note("error", exception)

    def finally_after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.note("finally", details)


class World:
    """Everything that one scenario does and sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote = open_remote(f"file://{folder}/remote")
        self.project = Project(name="openfeature")
        self.clock = Clock()
        self.seen: dict[str, list[EventDetails]] = {name: [] for name in EVENTS}
        self._lock = threading.Lock()
        self.context: dict[str, Any] = {}
        self.targeting_key: str | None = None
        self.key = self.type = ""
        self.default: Any = None
        self.hook = Watcher()
        self.hooks: list[Hook] = []
        self.invocation: dict[str, Any] = {}
        self.error: Exception | None = None
        self.client = api.get_client()

    def publish(self, *, changed: bool = False, seq: int = 1) -> None:
        self.project.put(self.remote, compiled(changed=changed), seq=seq)

    def publish_untrusted(self, seq: int = 1) -> None:
        self.publish(seq=seq)
        manifest = self.project.manifest(compiled(), seq=seq)
        self.remote.put("production/manifest.json", self.project.sealed(manifest, signers=[self.project.kill_signer]))

    def provide(self, *, wait: bool = True, ready_timeout: float = 10.0) -> None:
        self.provider = flagctl.FlagProvider(
            f"file://{self.folder}/remote",
            environment="production",
            trust=self.project.trust_data,
            poll_interval=0.05,
            clock=self.clock,
            ready_timeout=ready_timeout,
            stale_after=0.0,
        )
        # Before 0.10 of the SDK, setting a provider waited.
        set_provider = getattr(api, "set_provider_and_wait", api.set_provider) if wait else api.set_provider
        with contextlib.suppress(OpenFeatureError):
            set_provider(self.provider)

    def watch(self, name: str) -> None:
        def handle(details: EventDetails) -> None:
            if details.provider_name == "flagctl":
                with self._lock:
                    self.seen[name].append(details)

        self.client.add_handler(EVENTS[name], handle)

    def was_told(self, name: str) -> bool:
        return eventually(lambda: bool(self.seen[name]))

    def refresh(self) -> None:
        with contextlib.suppress(FlagctlError):
            self.provider.source.refresh()

    def evaluate(self) -> FlagEvaluationDetails[Any]:
        method = f"get_{self.type.lower()}_details"
        context = EvaluationContext(self.targeting_key, {**self.context, **self.invocation})
        before = copy.deepcopy(context)
        options = FlagEvaluationOptions(hooks=self.hooks)
        answer = getattr(self.client, method)(self.key, self.default, context, options)
        later = asyncio.run(getattr(self.client, f"{method}_async")(self.key, self.default, context, options))
        if answer.error_code is None:
            assert later == answer
        else:
            assert (later.error_code, later.reason) == (answer.error_code, answer.reason)
        assert type(answer.value) is type(self.default) or self.type == "Object"
        self.details = answer
        self.context_stayed = context == before
        return answer

    def track(self, name: str | None) -> None:
        from openfeature.track import TrackingEventDetails

        try:
            self.client.track(name, EvaluationContext("user-1"), TrackingEventDetails(9.5))
        except OpenFeatureError as error:
            self.error = error
