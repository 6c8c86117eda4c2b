"""What evaluations and calls become."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from flagctl.client import Client
from flagctl.client.sinks.memory import MemorySink
from flagctl.client.telemetry import Telemetry
from flagctl.evaluator import load
from flagctl.evaluator.document import open_bundle
from flagctl.events import Conversion, Evaluation, Exposure, Measurement, Usage
from tests.unit.client.telemetry.flags import QUICK, bundle, client_of

KEY = "a key of sixteen bytes or more"


def counts(sink: MemorySink) -> Counter[tuple[str, str | None, str]]:
    found: Counter[tuple[str, str | None, str]] = Counter()
    for usage in sink.of(Usage):
        found[usage.flag, usage.variant, usage.reason] += usage.count
    return found


@pytest.mark.parametrize("method", ["is_enabled", "get_value", "evaluate", "evaluate_typed", "get_variant"])
def test_serving_through_an_experiment_is_one_exposure_per_unit(method: str) -> None:
    sink = MemorySink()
    client = client_of(sink)
    arguments = {"get_value": (False,), "evaluate_typed": (False, bool)}.get(method, ())
    key = "button-test" if method == "get_variant" else "button"
    for _ in range(3):
        for number in range(20):
            getattr(client, method)(key, {"targeting_key": f"user-{number}"}, *arguments)
    client.close()
    exposures = sink.of(Exposure)
    assert sorted(exposure.unit_id for exposure in exposures) == sorted(f"user-{number}" for number in range(20))
    assert {exposure.variant for exposure in exposures} == {"on", "off"}
    assert len({exposure.event_id for exposure in exposures}) == 20
    one = exposures[0]
    assert (one.environment, one.experiment, one.flag, one.phase) == ("production", "button-test", "button", 1)
    assert (one.unit_type, one.layer, one.reason) == ("targeting_key", None, "SPLIT")
    assert one.sdk == "flagctl-python/0.1.0"
    assert len(one.config_hash) == 16
    assert one.bundle == open_bundle(bundle()).sha256
    assert sum(counts(sink).values()) == 60


def test_what_serves_no_variant_of_a_running_experiment_is_no_exposure() -> None:
    sink = MemorySink()
    client = client_of(sink)
    user = {"targeting_key": "user-1"}
    client.evaluate_all(user)
    client.is_enabled("needs-button", user)
    client.is_enabled("button", {**user, "country": "DE"})
    client.get_variant("button-test", {**user, "country": "DE"})
    client.get_variant("old-test", user)
    client.get_variant("no-test", user)
    client.get_value("color", user, 7)
    client.evaluate_typed("color", user, 7)
    client.evaluate_typed("color", user, None, dict)
    client.is_enabled("color", user)
    client.is_enabled("button", {})
    client.close()
    assert sink.of(Exposure) == []
    assert counts(sink) == {
        ("needs-button", "on", "DEFAULT"): 1,
        ("button", "on", "TARGETING_MATCH"): 2,
        ("old", "on", "SPLIT"): 1,
        ("color", None, "ERROR:TYPE_MISMATCH"): 4,
        ("button", "off", "DEFAULT"): 1,
    }


def test_units_are_those_the_experiment_draws_by() -> None:
    sink = MemorySink()
    client = client_of(sink)
    client.is_enabled("layered", {"targeting_key": "user-1", "account": {"id": 7}})
    client.is_enabled("layered", {"targeting_key": "user-2", "account": {"id": "7"}})
    client.track_conversion("layer-test", {"account": {"id": 7}}, 2.5, metric="order")
    client.close()
    (exposure,) = sink.of(Exposure)
    assert (exposure.unit_type, exposure.unit_id, exposure.layer) == ("account.id", "7", "homepage")
    (conversion,) = sink.of(Conversion)
    assert (conversion.unit_type, conversion.unit_id, conversion.value) == ("account.id", "7", 2.5)
    assert (conversion.event, conversion.experiment) == ("order", "layer-test")


@pytest.mark.parametrize("method", ["is_enabled", "get_value", "evaluate", "evaluate_typed"])
def test_a_unit_that_lies_within_an_attribute_is_exposed_once_however_often_it_is_served(method: str) -> None:
    sink = MemorySink()
    client = client_of(sink)
    arguments = (False,) if method == "get_value" else ()
    for _ in range(5):
        for number in range(3):
            getattr(client, method)("layered", {"account": {"id": number}}, *arguments)
    client.close()
    assert sorted(exposure.unit_id for exposure in sink.of(Exposure)) == ["0", "1", "2"]
    assert sum(counts(sink).values()) == 15
    assert {reason for _, _, reason in counts(sink)} == {"SPLIT"}


def test_clients_of_the_same_flags_count_apart() -> None:
    flags = load(bundle())
    sinks = [MemorySink(), MemorySink()]
    clients = [
        Client("file:///fixed", environment="production", fixed=flags, sinks=[sink], telemetry=Telemetry(**QUICK))
        for sink in sinks
    ]
    for client, times in zip(clients, (2, 3), strict=True):
        for _ in range(times):
            client.is_enabled("button", {"targeting_key": "user-1"})
    for client in clients:
        client.close()
    assert [sum(counts(sink).values()) for sink in sinks] == [2, 3]
    assert [len(sink.of(Exposure)) for sink in sinks] == [1, 1]


def test_every_evaluation_is_counted_whatever_is_asked_for() -> None:
    sink = MemorySink(accepts=["usage"])
    client = client_of(sink)
    client.is_enabled("plain")
    client.is_enabled("plain", {})
    client.is_enabled("nobody-has-it", {})
    client.is_enabled("Not A Key: ann@example.com", {})
    client.get_value("plain", "no mapping", False)  # type: ignore[arg-type]
    client.get_value(7, {}, False)  # type: ignore[arg-type]
    client.close()
    assert counts(sink) == {
        ("plain", "on", "STATIC"): 2,
        ("nobody-has-it", None, "ERROR:FLAG_NOT_FOUND"): 1,
        ("(other)", None, "ERROR:FLAG_NOT_FOUND"): 2,
        ("plain", None, "ERROR:INVALID_CONTEXT"): 1,
    }


def test_unknown_keys_take_bounded_memory_and_are_all_counted() -> None:
    sink = MemorySink(accepts=["usage"])
    client = client_of(sink)
    for number in range(3_000):
        client.is_enabled(f"made-up-{number}", {})
    client.close()
    found = counts(sink)
    assert len(found) == 1_001
    assert found["(other)", None, "ERROR:FLAG_NOT_FOUND"] == 2_000


def test_counts_come_in_windows_whose_sum_is_the_number_of_evaluations() -> None:
    sink = MemorySink(accepts=["usage"])
    client = client_of(sink)
    for _ in range(2):
        for _ in range(100):
            client.is_enabled("plain", {})
        sink.wait_for(Usage, len(sink.events) + 1)
    client.close()
    usages = sink.of(Usage)
    assert len(usages) == 2
    assert sum(usage.count for usage in usages) == 200
    assert all(usage.seconds > 0 for usage in usages)
    assert usages[0].ts + usages[0].seconds * 1e6 <= usages[1].ts + 1e5


def test_a_conversion_and_a_measurement_need_no_experiment() -> None:
    sink = MemorySink()
    client = client_of(sink)
    client.track_conversion(None, {"targeting_key": 5}, metric="visit", attributes={"page": "home", "odd": object()})
    client.measure("checkout.ms", 12, attributes={"variant": True})
    client.measure("checkout.ms", 13.5, {"targeting_key": "u"})
    client.close()
    (conversion,) = sink.of(Conversion)
    assert (conversion.unit_id, conversion.value, conversion.experiment) == ("5", 1.0, None)
    assert conversion.attrs == {"page": "home"}
    first, second = sink.of(Measurement)
    assert (first.unit_id, first.value, first.attrs) == (None, 12.0, {"variant": "true"})
    assert (second.unit_type, second.unit_id, second.value) == ("targeting_key", "u", 13.5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", None, True, 10**400])
def test_what_is_no_number_goes_nowhere_and_is_counted(value: Any) -> None:
    sink = MemorySink()
    client = client_of(sink)
    client.track_conversion(None, {"targeting_key": "u"}, value, metric="order")
    client.measure("m", value)
    client.track_conversion("button-test", {"targeting_key": None}, metric="order")
    client.track_conversion("button-test", None, metric="order")
    client.close()
    assert not sink.events
    status = client.status().telemetry
    assert status is not None
    assert status["dropped"] == {"invalid": 2, "no_unit": 2}


def test_the_log_has_the_first_and_then_every_nth_evaluation_of_each_outcome() -> None:
    for rate, logged in ((0.1, 10), (0.25, 25), (0.3, 30), (1.0, 100), (1 / 3, 34)):
        sink = MemorySink(accepts=["evaluations"])
        client = client_of(sink, log_rate=rate)
        for number in range(100):
            client.is_enabled("plain", {"targeting_key": f"user-{number}"})
        client.is_enabled("old", {})
        client.close()
        rows = sink.of(Evaluation)
        assert [row.flag for row in rows] == ["plain"] * logged + ["old"], rate
        assert rows[0].unit_id == "user-0"


def test_a_log_entry_says_what_was_served_and_why() -> None:
    sink = MemorySink()
    client = client_of(sink, full_log=["color", "button"])
    client.is_enabled("plain", {})
    client.get_value("color", {"targeting_key": "u", "n": {1, 2}, "at": object()}, "#000")
    client.get_value("color", {"targeting_key": "u"}, 7)
    client.evaluate_typed("color", {"targeting_key": "u"}, 8, int)
    client.evaluate("button", "wrong", {"x": 1})  # type: ignore[arg-type]
    client.get_variant("button-test", {"targeting_key": "u", "country": "DE"})
    client.close()
    color, mismatch, typed, wrong, variant = sink.of(Evaluation)
    assert (color.reason, color.rule, color.error_code, color.unit_id) == ("SPLIT", "test", None, "u")
    assert json.loads(color.value) in {"#f00", "#00f"}
    assert json.loads(color.context or "") == {"targeting_key": "u", "n": [1, 2], "at": "<object>"}
    assert color.duration_ns is not None
    assert 0 < color.duration_ns < 10**9
    assert (mismatch.value, mismatch.variant, mismatch.error_code) == ("7", None, "TYPE_MISMATCH")
    assert (typed.value, typed.variant, typed.error_code) == ("8", None, "TYPE_MISMATCH")
    assert (wrong.value, wrong.reason, wrong.error_code) == ('{"x":1}', "ERROR", "INVALID_CONTEXT")
    assert (wrong.context, wrong.unit_id) == (None, None)
    assert (variant.flag, variant.variant, variant.rule) == ("button", "on", "germans")
    assert len(sink.of(Exposure)) == 1


PII = ("email", ["address", "street"], "ids")
PERSON = {
    "targeting_key": "u",
    "email": "ann@example.com",
    "address": {"street": "Elm 1", "city": "Ulm"},
    "address.street": "Elm 1",
    "ids": {"passport": "C01"},
    "plan": "pro",
}


def test_personal_attributes_do_not_leave() -> None:
    sink = MemorySink()
    client = client_of(
        sink, data=bundle(PII), log_rate=1.0, exposure_attributes=["plan", "email", "address.street", "ids"]
    )
    client.is_enabled("button", PERSON)
    client.is_enabled("mail", PERSON)
    client.track_conversion("mail-test", PERSON, metric="order")
    client.track_conversion("button-test", PERSON, metric="order", attributes={"email": "ann@example.com", "n": 1})
    client.measure("m", 1.0, PERSON, attributes={"address.street": "Elm 1"})
    client.close()
    kept = json.dumps([event.to_dict() for event in sink.events])
    for secret in ("ann@", "Elm", "C01"):
        assert secret not in kept
    (exposure,) = sink.of(Exposure)
    assert exposure.attrs == {"plan": "pro"}
    assert json.loads(sink.of(Evaluation)[0].context or "") == {
        "targeting_key": "u",
        "address": {"city": "Ulm"},
        "plan": "pro",
    }
    status = client.status().telemetry
    assert status is not None
    assert status["dropped"] == {"private": 2}
    assert counts(sink)["mail", "on", "SPLIT"] + counts(sink)["mail", "off", "SPLIT"] == 1


def test_with_a_key_personal_attributes_leave_as_keyed_hashes() -> None:
    sink = MemorySink()
    client = client_of(sink, data=bundle(PII), hash_key=KEY, log_rate=1.0, exposure_attributes=["email"])
    client.is_enabled("mail", PERSON)
    client.track_conversion("mail-test", PERSON, metric="order")
    client.close()
    kept = json.dumps([event.to_dict() for event in sink.events])
    for secret in ("ann@", "Elm", "C01"):
        assert secret not in kept
    (exposure,) = sink.of(Exposure)
    (conversion,) = sink.of(Conversion)
    context = json.loads(sink.of(Evaluation)[0].context or "")
    assert exposure.unit_id == conversion.unit_id == context["email"] == exposure.attrs["email"]
    assert len(exposure.unit_id) == 32
    assert len(context["ids"]) == len(context["address"]["street"]) == 32


def test_exposures_say_which_units_are_bots_and_what_was_asked_for_of_the_context() -> None:
    sink = MemorySink()
    client = client_of(sink, exposure_attributes=["plan", "account.tier"])
    client.is_enabled("button", {"targeting_key": "b", "is_bot": True, "plan": None})
    client.is_enabled("button", {"targeting_key": "h", "is_bot": 1, "plan": "pro", "account": {"tier": 3}})
    client.close()
    bot, human = sink.of(Exposure)
    assert (bot.is_bot, human.is_bot) == (True, False)
    assert (bot.attrs, human.attrs) == ({}, {"plan": "pro", "account.tier": "3"})
