"""What the provider does beyond the specification's scenarios, which are in tests/conformance/openfeature."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError
from openfeature.hook import Hook
from openfeature.provider import ProviderStatus

import flagctl
from flagctl.client.sinks.memory import MemorySink
from flagctl.compiler import compile_environment
from flagctl.errors import UntrustedError, UsageError
from flagctl.events import Conversion, Exposure, Usage
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree
from flagctl.testing import client_from, override
from tests.simulators.project import NOW, bundle_of, eventually


@pytest.fixture(autouse=True)
def _alone():
    api.shutdown()
    yield
    api.shutdown()


@pytest.fixture
def settings(clock):
    return {"poll_interval": 3600.0, "clock": clock}


def test_a_client_that_was_given_stays_open_and_is_left_alone_afterwards(project, remote, make):
    project.put(remote, bundle_of(a=True))
    client = make()
    provider = flagctl.FlagProvider(client)
    api.set_provider_and_wait(provider)
    assert len(client._updater.observers) == 1
    provider.shutdown()
    assert client._updater.observers == ()
    assert client.status().state == "ready"
    assert provider.source is client


def test_a_client_that_was_opened_is_closed_and_opened_again_if_the_provider_is_used_again(project, remote, url):
    project.put(remote, bundle_of(a=True), expires=NOW * 2)
    provider = flagctl.FlagProvider(url, environment="production", trust=project.trust_data, poll_interval=3600)
    first = provider.source
    api.set_provider_and_wait(provider)
    provider.shutdown()
    assert first.status().state == "closed"
    provider.initialize(EvaluationContext())
    assert provider.source is not first
    assert provider.resolve_boolean_details("a", False).value is True
    provider.shutdown()


def test_wrong_arguments_are_told_where_they_are_given(project, url, make):
    with pytest.raises(UsageError, match="root of trust"):
        flagctl.FlagProvider(url, environment="production")
    with pytest.raises(UntrustedError, match="no environment 'moon'"):
        flagctl.FlagProvider(url, environment="moon", trust=project.trust_data)
    with pytest.raises(UsageError, match="environment: arguments of a client that exists already"):
        flagctl.FlagProvider(make(), environment="production")


def test_a_start_without_flags_says_why(project, remote, make):
    with pytest.raises(ProviderNotReadyError) as missing:
        flagctl.FlagProvider(make(), ready_timeout=0.2).initialize(EvaluationContext())
    assert missing.value.error_message.startswith("no flags within 0.2 s: ")
    manifest = project.manifest(bundle_of(a=True))
    remote.put("production/manifest.json", project.sealed(manifest, signers=[project.kill_signer]))
    with pytest.raises(ProviderFatalError) as untrusted:
        flagctl.FlagProvider(make(), ready_timeout=30).initialize(EvaluationContext())
    assert "(unknown-key)" in untrusted.value.error_message
    client = make()
    client.close()
    with pytest.raises(ProviderFatalError):
        flagctl.FlagProvider(client).initialize(EvaluationContext())


def test_kills_are_changes(project, remote, make):
    project.put(remote, bundle_of(a=True, b=True))
    client = make()
    api.set_provider_and_wait(flagctl.FlagProvider(client))
    seen = []
    api.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, seen.append)
    project.put_kills(remote, "b")
    client.refresh()
    assert eventually(lambda: seen)
    assert seen[0].flags_changed == ["b"]
    assert seen[0].metadata["seq"] == 1
    assert api.get_client().get_boolean_details("b", True).reason == "DISABLED"


def test_a_heartbeat_is_no_change(project, remote, make):
    project.put(remote, bundle_of(a=True))
    client = make()
    api.set_provider_and_wait(flagctl.FlagProvider(client))
    seen = []
    api.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, seen.append)
    project.put(remote, bundle_of(a=True), seq=2)
    assert client.refresh()
    project.put(remote, bundle_of(a=False), seq=3)
    client.refresh()
    assert eventually(lambda: seen)
    assert [event.metadata["seq"] for event in seen] == [3]


def test_domains_have_providers_of_their_own(make, project, remote):
    project.put(remote, bundle_of(a=True))
    api.set_provider_and_wait(flagctl.FlagProvider(make()), "one")
    api.set_provider(flagctl.FlagProvider(flagctl.load(bundle_of(a=False))), "two")
    assert api.get_client("one").get_boolean_value("a", False) is True
    assert eventually(lambda: api.get_client("two").get_provider_status() is ProviderStatus.READY)
    assert api.get_client("two").get_boolean_value("a", True) is False
    assert api.get_client().get_boolean_details("a", True).reason == "DEFAULT"  # nobody provides for the rest


def test_provider_hooks_run(make):
    calls = []

    class Noting(Hook):
        def finally_after(self, hook_context, details, hints):  # noqa: ARG002 - the SDK's names
            calls.append((hook_context.flag_key, hook_context.provider_metadata.name, details.value))

    api.set_provider_and_wait(flagctl.FlagProvider(flagctl.load(bundle_of(a=True)), hooks=[Noting()]))
    api.get_client().get_boolean_value("a", False)
    assert calls == [("a", "flagctl", True)]


@contextlib.contextmanager
def answering_with(sink):
    bundle = compile_environment(load_tree(read_tree(data_path("flags"))).repository, "production").data
    with client_from(bundle, sinks=[sink]) as client, override(client, {"ranking-test": "neural"}):
        api.set_provider_and_wait(flagctl.FlagProvider(client))
        yield api.get_client()


def test_tracked_events_and_exposures_reach_the_sinks():
    from openfeature.track import TrackingEventDetails

    sink = MemorySink()
    with answering_with(sink) as openfeature:
        user = EvaluationContext("user-1", {"country": "DE"})
        assert openfeature.get_string_value("search-ranking", "", user) == "v3"
        openfeature.track("order", user, TrackingEventDetails(49.9, {"currency": "EUR"}))
        openfeature.track("click", user)
        order, click = sink.wait_for(Conversion, 2)
        exposure = sink.wait_for(Exposure, 1)[0]
    assert (order.event, order.value, order.unit_id, order.experiment) == ("order", 49.9, "user-1", None)
    assert order.attrs == {"currency": "EUR"}
    assert (click.event, click.value) == ("click", 1.0)
    assert (exposure.experiment, exposure.variant, exposure.unit_id) == ("ranking-test", "neural", "user-1")


def test_a_value_of_another_type_counts_as_an_error_and_is_no_exposure():
    sink = MemorySink()
    with answering_with(sink) as openfeature:
        user = EvaluationContext("user-1", {"country": "DE"})
        details = openfeature.get_boolean_details("search-ranking", False, user)
        assert (details.value, details.variant, details.error_code) == (False, None, ErrorCode.TYPE_MISMATCH)
        assert details.error_message == "the flag's value is a string, which is not a boolean"
        assert details.flag_metadata["flagSetId"].endswith("/production")
        assert openfeature.get_object_value("search-ranking", {}, user) == {}
        assert openfeature.get_string_value("recommendations", "none", user) == "none"
    assert sink.of(Exposure) == []
    counted = {(usage.flag, usage.variant, usage.reason): usage.count for usage in sink.of(Usage)}
    assert counted == {
        ("search-ranking", None, "ERROR:TYPE_MISMATCH"): 2,
        ("recommendations", None, "ERROR:TYPE_MISMATCH"): 1,
    }


class Hostile(dict):
    def keys(self):
        raise RuntimeError


@pytest.mark.parametrize("attributes", [Hostile(a=1), 7, None])
def test_contexts_that_cannot_be_read_are_answers_too(attributes):
    provider = flagctl.FlagProvider(flagctl.load(bundle_of(a=True)))
    context = EvaluationContext("u", attributes)
    details = provider.resolve_boolean_details("a", False, context)
    assert (details.value, details.error_code) in {(True, None), (False, "INVALID_CONTEXT")}


def test_a_targeting_key_wins_over_an_attribute_of_that_name():
    from flagctl.client.openfeature import _attributes

    assert _attributes(EvaluationContext("u", {"targeting_key": "v"})) == {"targeting_key": "u"}
    assert _attributes(EvaluationContext(None, {"targeting_key": "v"})) == {"targeting_key": "v"}
    assert _attributes(None) == {}


def test_many_threads_ask_while_bundles_change(project, remote, make):
    project.put(remote, bundle_of(a=True))
    client = make()
    api.set_provider_and_wait(flagctl.FlagProvider(client))
    changes, failures, done = [], [], threading.Event()
    api.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, changes.append)

    def ask():
        openfeature = api.get_client()
        while not done.is_set():
            details = openfeature.get_boolean_details("a", False, EvaluationContext("u"))
            if details.error_code is not None:
                failures.append(details)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for seq in range(2, 12):
        project.put(remote, bundle_of(a=bool(seq % 2)), seq=seq)
        client.refresh()
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert eventually(lambda: len(changes) == 10)


def test_a_forked_child_tells_of_changes_too(project, remote, make):
    project.put(remote, bundle_of(a=True))
    client = make(poll_interval=0.05)
    provider = flagctl.FlagProvider(client)
    api.set_provider_and_wait(provider)
    read, write = os.pipe()
    with provider._lock:  # a fork at the worst moment
        child = os.fork()
    if child == 0:
        told = []
        provider.attach(lambda *event: told.append(event))
        fine = eventually(lambda: not client.is_enabled("a") and len(told) > 0, seconds=20)
        os.write(write, b"1" if fine else b"0")
        os._exit(0)
    project.put(remote, bundle_of(a=False), seq=2)
    assert os.read(read, 1) == b"1"
    os.waitpid(child, 0)
    os.close(read)
    os.close(write)


def test_without_the_sdk_one_is_told_what_to_install():
    script = (
        "import sys; sys.modules['openfeature'] = None\nimport flagctl\n"
        "try:\n    flagctl.FlagProvider\nexcept flagctl.errors.UsageError as error:\n    print(error.hint)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import flagctl.errors\n{script}"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "pip install 'flagctl[openfeature]'\n", done.stderr
