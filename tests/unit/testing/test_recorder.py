from __future__ import annotations

import pytest

import flagctl
from flagctl.client.sinks.memory import MemorySink
from flagctl.errors import UsageError
from flagctl.events import Conversion, Exposure
from flagctl.testing import Flags, Recorder, client_from, override

USER = {"targeting_key": "user-1", "country": "DE", "platform": "web"}


def test_evaluations_are_seen_with_what_the_caller_got(client):
    with Recorder(client) as seen:
        client.is_enabled("recommendations", USER)
        client.get_value("api-rate-limit", USER, "text")
        client.evaluate("no-such-flag", {}, 3)
    assert [(e.flag, e.variant, e.value, e.reason, e.unit) for e in seen.evaluations] == [
        ("recommendations", "on", True, "STATIC", "user-1"),
        ("api-rate-limit", None, "text", "ERROR", "user-1"),
        ("no-such-flag", None, 3, "ERROR", None),
    ]
    seen.assert_evaluated("recommendations", variant="on", value=True, unit="user-1")
    seen.assert_not_evaluated("search-ranking")
    with pytest.raises(AssertionError, match="not evaluated: flag='recommendations', variant='off'\n  seen: Evaluated"):
        seen.assert_evaluated("recommendations", variant="off")
    with pytest.raises(AssertionError, match=r"^evaluated: flag='recommendations'"):
        seen.assert_not_evaluated("recommendations")


def test_exposures_are_seen_once_and_only_where_the_experiment_decided(client):
    with Recorder(client) as seen, override(client, {"ranking-test": "neural"}):
        for _ in range(3):
            client.get_variant("ranking-test", USER)
            client.get_value("search-ranking", USER, "")
        client.evaluate_all({**USER, "targeting_key": "user-2"})
        client.get_value("search-ranking", {}, "")
    assert [tuple(each) for each in seen.exposures] == [("ranking-test", "neural", "user-1", "search-ranking")]
    seen.assert_exposed("ranking-test", "neural", "user-1")
    seen.assert_exposed("ranking-test", unit="user-1")
    seen.assert_not_exposed("ranking-test", unit="user-2")
    seen.assert_not_exposed("homepage-hero")
    with pytest.raises(AssertionError, match="not exposed: experiment='ranking-test', variant='classic'"):
        seen.assert_exposed("ranking-test", "classic")
    with pytest.raises(AssertionError, match=r"^exposed: experiment='ranking-test'"):
        seen.assert_not_exposed("ranking-test")


def test_a_value_of_another_type_is_no_exposure(client):
    with Recorder(client) as seen, override(client, {"ranking-test": "neural"}):
        assert client.get_value("search-ranking", USER, 1) == 1
        assert client.evaluate_typed("search-ranking", USER, 2, int).value == 2
    seen.assert_not_exposed("ranking-test")
    seen.assert_evaluated("search-ranking", variant=None, value=1)
    seen.assert_evaluated("search-ranking", variant=None, value=2)


def test_conversions_are_seen(client):
    with Recorder(client) as seen:
        client.track_conversion("ranking-test", USER, 49.9, metric="purchase")
        client.track_conversion("ranking-test", USER, metric="click")
    seen.assert_converted("purchase", unit="user-1", value=49.9, experiment="ranking-test")
    seen.assert_converted("click", value=1.0)
    with pytest.raises(AssertionError, match="not converted: event='refund'"):
        seen.assert_converted("refund")
    seen.clear()
    with pytest.raises(AssertionError, match="nothing was seen"):
        seen.assert_converted("click")


def test_recorders_of_one_client_do_not_disturb_one_another(client):
    with Recorder(client) as outer:
        with Recorder(client) as inner:
            client.is_enabled("recommendations", USER)
        client.is_enabled("pay-later", USER)
    client.is_enabled("search-suggestions", USER)
    assert [each.flag for each in inner.evaluations] == ["recommendations"]
    assert [each.flag for each in outer.evaluations] == ["recommendations", "pay-later"]
    assert "track_conversion" not in vars(client)


def test_answers_are_the_same_under_a_recorder(client):
    before = client.evaluate_all(USER)
    with Recorder(client):
        assert client.evaluate_all(USER) == before
        for key in before:
            assert client.evaluate(key, USER, None).value == before[key]


def test_measurements_are_seen(client):
    with Recorder(client) as seen:
        client.measure("latency", 12.5, USER)
    seen.assert_measured("latency", unit="user-1", value=12.5)


def test_the_client_s_own_sinks_see_what_a_recorder_sees(bundle):
    sink = MemorySink()
    with client_from(bundle, sinks=[sink]) as client:
        with Recorder(client) as seen, override(client, {"ranking-test": "neural"}):
            client.get_variant("ranking-test", USER)
            client.track_conversion("ranking-test", USER, 3.0, metric="order")
        seen.assert_exposed("ranking-test", "neural", "user-1")
        seen.assert_converted("order", value=3.0)
        assert sink.wait_for(Exposure, 1)[0].variant == "neural"
        assert sink.wait_for(Conversion, 1)[0].event == "order"


def test_flags_in_a_test_end_what_they_set(client):
    with Flags(client) as flags:
        flags.set({"recommendations": False})
        with flags.override({"recommendations": True}):
            assert client.is_enabled("recommendations", USER)
        assert not client.is_enabled("recommendations", USER)
    assert client.is_enabled("recommendations", USER)


def test_an_open_feature_client_is_watched_through_its_provider(client):
    from openfeature import api
    from openfeature.evaluation_context import EvaluationContext

    api.set_provider(flagctl.FlagProvider(client), "watched")
    try:
        openfeature = api.get_client("watched")
        with Recorder(openfeature) as seen:
            openfeature.get_boolean_value("recommendations", False, EvaluationContext("user-1"))
        seen.assert_evaluated("recommendations", unit="user-1")
    finally:
        api.shutdown()


def test_a_bare_set_of_flags_cannot_be_watched(bundle):
    with pytest.raises(UsageError, match="client_from"):
        Recorder(flagctl.load(bundle))
    assert Recorder(lambda: client_from(bundle)).evaluations == []
