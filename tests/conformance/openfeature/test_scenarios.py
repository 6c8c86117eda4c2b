"""Runs the scenarios of `features/`; README.md says where they come from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.transaction_context import ContextVarsTransactionContextPropagator
from pytest_bdd import given, parsers, scenarios, then, when

from tests.conformance.openfeature.world import FLAGS, Watcher, World
from tests.simulators.project import eventually

scenarios("features")

LEVELS = ("API", "Transaction", "Client", "Invocation", "Before Hooks")
READ = {
    "Boolean": lambda text: {"true": True, "false": False}[text],
    "String": str,
    "Integer": int,
    "Float": float,
    "Object": json.loads,
    "Datetime": datetime.fromisoformat,
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    api.shutdown()
    yield World(tmp_path)
    api.shutdown()


@given("a stable provider")
def a_stable_provider(world: World) -> None:
    world.publish()
    world.provide()


def start_over(world: World) -> None:
    """Forget what the background of a feature put at the remote."""
    world.folder = world.folder / "another"
    world.remote = type(world.remote)(f"file://{world.folder}/remote")


@given("a not ready provider")
def a_provider_that_is_getting_ready(world: World) -> None:
    start_over(world)
    world.provide(wait=False)


@given("a fatal provider")
def a_provider_that_finds_nothing_it_may_trust(world: World) -> None:
    start_over(world)
    world.publish_untrusted()
    world.provide()


@given("a error provider")
def a_provider_that_finds_nothing(world: World) -> None:
    start_over(world)
    world.provide(ready_timeout=0.1)


@given("a stale provider")
def a_provider_whose_flags_have_expired(world: World) -> None:
    world.publish()
    world.provide()
    world.watch("stale")
    world.clock.pass_by(40 * 86_400)
    world.refresh()
    assert world.was_told("stale")


@given(parsers.re(r'an? (?P<kind>\w+)-flag with key "(?P<key>[^"]*)" and a default value "(?P<default>.*)"'))
def a_flag(world: World, kind: str, key: str, default: str) -> None:
    world.type, world.key, world.default = kind, key, READ[kind](default)


@given(
    parsers.re(r'a context containing a key "(?P<key>\w+)", with type "(?P<kind>\w+)" and with value "(?P<value>.*)"')
)
def an_attribute(world: World, key: str, kind: str, value: str) -> None:
    world.context[key] = READ[kind](value)


@given(parsers.parse('a context containing a key "{key}" with null value'))
def an_attribute_that_is_null(world: World, key: str) -> None:
    world.context[key] = None


@given(parsers.parse('a context containing a targeting key with value "{key}"'))
def a_targeting_key(world: World, key: str) -> None:
    world.targeting_key = key


@given("an empty context")
def an_empty_context(world: World) -> None:
    assert not world.context


@given(parsers.parse('a context entry with key "{key}" and value "{value}" is added to the "{level}" level'))
def an_attribute_at_a_level(world: World, key: str, value: str, level: str) -> None:
    context = EvaluationContext(attributes={key: value})
    if level == "API":
        api.set_evaluation_context(context)
    elif level == "Transaction":
        api.set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
        api.set_transaction_context(context)
    elif level == "Client":
        world.client.context = context
    elif level == "Invocation":
        world.invocation[key] = value
    else:
        world.hooks.append(Watcher({key: value}))


@given(parsers.parse('context entries for each level from API level down to the "{level}" level, with key "{key}"'))
def attributes_down_to_a_level(world: World, level: str, key: str) -> None:
    for each in LEVELS[: LEVELS.index(level) + 1]:
        an_attribute_at_a_level(world, key, each, each)


@given("a client with added hook")
def a_hook(world: World) -> None:
    world.client.add_hooks([world.hook])


@given(parsers.parse('evaluation options with the hooks "{one}" and "{two}"'))
def hooks_of_one_evaluation(world: World, one: str, two: str) -> None:
    world.hook_log = []
    world.hooks = [Watcher(name=name, log=world.hook_log) for name in (one, two)]


@given(parsers.parse("a {name} event handler"))
def an_event_handler(world: World, name: str) -> None:
    world.watch(name)


@when("the flag was evaluated with details")
def evaluate(world: World) -> None:
    world.evaluate()


@when("the resolved value is remembered")
def remember(world: World) -> None:
    world.remembered = world.details.value


@when("the flag was modified")
def modify(world: World) -> None:
    world.publish(changed=True, seq=2)


@when("the remote has flags at last")
def publish_late(world: World) -> None:
    world.seen["ready"].clear()
    world.publish()


@when("an update was refused")
def publish_what_is_refused(world: World) -> None:
    world.publish_untrusted(seq=2)


@when("a ready event was fired")
def wait_until_ready(world: World) -> None:
    assert world.was_told("ready")
    world.seen["ready"].clear()


@when("the connection is lost")
def lose_the_remote(world: World) -> None:
    (world.folder / "remote").rename(world.folder / "away")


@when("the connection is restored")
def find_the_remote(world: World) -> None:
    (world.folder / "away").rename(world.folder / "remote")


@when("the caller changes the metadata")
def change_metadata(world: World) -> None:
    world.details.flag_metadata["owner"] = "somebody else"  # type: ignore[index]


@when(parsers.re(r'an event was tracked with tracking event name "(?P<name>.*)"'))
def track(world: World, name: str) -> None:
    world.track(None if name == "NULL" else name)


@then(parsers.re(r'the resolved details value should be "(?P<text>.*)"'))
def the_value_is(world: World, text: str) -> None:
    expected = READ[world.type](text)
    assert world.details.value == expected
    assert type(world.details.value) is type(expected)


@then(parsers.parse('the flag key should be "{key}"'))
def the_key_is(world: World, key: str) -> None:
    assert world.details.flag_key == key


@then(parsers.parse('the variant should be "{variant}"'))
def the_variant_is(world: World, variant: str) -> None:
    assert str(world.details.variant) == variant


@then(parsers.parse('the reason should be "{reason}"'))
def the_reason_is(world: World, reason: str) -> None:
    assert world.details.reason == reason


@then(parsers.re(r'the error-code should be "(?P<code>\w*)"'))
def the_error_code_is(world: World, code: str) -> None:
    assert (world.details.error_code or "") == code


@then("the error message should be empty")
def there_is_no_error_message(world: World) -> None:
    assert world.details.error_message is None


@then(parsers.parse('the error message should contain "{text}"'))
def the_error_message_says(world: World, text: str) -> None:
    assert text in str(world.details.error_message)


@then("the resolved details value should have changed")
def the_value_has_changed(world: World) -> None:
    assert world.details.value != world.remembered


@then(parsers.parse('the provider status should be "{status}"'))
def the_status_is(world: World, status: str) -> None:
    assert eventually(lambda: world.client.get_provider_status().value == status), world.client.get_provider_status()


@then(parsers.parse("the {name} event handler should have been executed"))
def the_handler_ran(world: World, name: str) -> None:
    assert world.was_told(name)


@then("the flag should be part of the event payload")
def the_event_names_the_flag(world: World) -> None:
    assert world.key in (world.seen["change"][-1].flags_changed or ())


@then(parsers.parse('the event payload should list exactly "{keys}"'))
def the_event_names_flags(world: World, keys: str) -> None:
    assert world.seen["change"][-1].flags_changed == keys.split(", ")


@then(parsers.parse('the provider metadata name should be "{name}"'))
def the_provider_is_called(world: World, name: str) -> None:
    assert api.get_provider_metadata().name == name


@then(parsers.parse('the "{name}" hook should have been executed'))
def the_hook_ran(world: World, name: str) -> None:
    assert name in [stage for stage, _ in world.hook.calls]


@then(parsers.parse('the "{names}" hooks should be called with evaluation details'))
def the_hooks_saw(world: World, names: str, datatable: list[list[str]]) -> None:
    for name in names.split(", "):
        details = [details for stage, details in world.hook.calls if stage == name]
        assert details
        for each in details:
            assert {key: str(getattr(each, key)) for key, _ in datatable[1:]} == dict(datatable[1:])


@then(parsers.parse('the hooks ran as "{calls}"'))
def the_hooks_ran_in_order(world: World, calls: str) -> None:
    # Every evaluation is made twice.
    assert world.hook_log == calls.split(", ") * 2


@then("the context is as it was")
def the_context_stayed(world: World) -> None:
    assert world.context_stayed


@then("the resolved metadata should contain")
def the_metadata_have(world: World, datatable: list[list[str]]) -> None:
    metadata = world.details.flag_metadata
    assert {key: metadata.get(key) for key, _ in datatable[1:]} == dict(datatable[1:])
    assert {type(value) for value in metadata.values()} <= {bool, int, float, str}


@then("the resolved metadata has the flag's version")
def the_metadata_have_the_version(world: World) -> None:
    flags = world.provider.source._updater.held.state.document
    assert world.details.flag_metadata["version"] == flags.digest(world.key)


@then("the resolved metadata is empty")
def there_are_no_metadata(world: World) -> None:
    assert not world.details.flag_metadata


@then("the tracking operation shall error")
def tracking_failed(world: World) -> None:
    assert world.error is not None


def tracked(world: World) -> Any:
    return world.provider.source.status().conversions_dropped


@then("nothing should have been tracked")
def nothing_was_tracked(world: World) -> None:
    assert tracked(world) == 0


@then(parsers.parse('the event "{name}" should have been tracked'))
def the_event_was_tracked(world: World, name: str) -> None:
    assert world.error is None
    assert tracked(world) == 1


def test_every_flag_of_the_scenarios_is_there_and_none_is_called_missing() -> None:
    keys = {path.stem for path in FLAGS.glob("*.yaml")}
    assert "boolean-flag" in keys
    assert "missing-flag" not in keys
