from __future__ import annotations

import asyncio
import threading

import pytest

import flagctl
from flagctl.errors import UsageError
from flagctl.evaluator.document import check_structure
from flagctl.testing import client_from, override, value, variant
from flagctl.testing.overlay import overlaid
from tests.simulators.project import Clock, Project, bundle_of

USER = {"targeting_key": "user-1", "country": "DE", "platform": "web"}


@pytest.fixture(params=["client", "flag set"])
def flags(request, bundle):
    return client_from(bundle) if request.param == "client" else flagctl.load(bundle)


def test_an_override_holds_for_its_block_and_no_longer(flags):
    before = flags.evaluate_all(USER)
    with override(flags, {"search-ranking": "neural", "recommendations": False, "api-rate-limit": 7}):
        assert flags.get_value("search-ranking", USER, "") == "v3"
        assert flags.is_enabled("recommendations", USER) is False
        assert flags.get_value("api-rate-limit", USER, 0) == 7
        details = flags.evaluate("search-ranking", USER)
        assert (details.variant, details.rule, details.metadata["owner"]) == ("neural", "override", "team-search")
        assert flags.evaluate_all(USER)["search-ranking"] == "v3"
    assert flags.evaluate_all(USER) == before


def test_every_variant_of_every_flag_can_be_asked_for(bundle):
    flags = flagctl.load(bundle)
    for key in flags.keys():  # noqa: SIM118 - a method of FlagSet
        for name, expected in flags.document.flag(key)["variants"]:
            served = overlaid(flags, [{key: variant(name)}])
            check_structure(served.document)
            for context in (USER, {}, None):
                details = served.evaluate(key, context)
                assert (details.variant, details.value) == (name, expected)


def test_overrides_nest_and_the_last_one_wins(flags):
    with override(flags, {"search-ranking": "neural"}):
        with override(flags, {"search-ranking": "hybrid"}), override(flags, {"api-rate-limit": 5}):
            assert flags.get_value("search-ranking", USER, "") == "v2"
            assert flags.get_value("api-rate-limit", USER, 0) == 5
        assert flags.get_value("search-ranking", USER, "") == "v3"


def test_overrides_may_end_in_any_order(flags):
    before = flags.evaluate("search-ranking", USER)
    one, two = override(flags, {"search-ranking": "neural"}), override(flags, {"search-ranking": "hybrid"})
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert flags.get_value("search-ranking", USER, "") == "v2"
    two.__exit__(None, None, None)
    assert flags.evaluate("search-ranking", USER) == before


def test_a_failing_block_ends_its_override(flags):
    before = flags.evaluate("search-ranking", USER)
    with pytest.raises(ZeroDivisionError), override(flags, {"search-ranking": "neural"}):
        1 / 0  # noqa: B018
    assert flags.evaluate("search-ranking", USER) == before


def test_an_override_can_be_used_again_and_within_itself(flags):
    again = override(flags, {"search-ranking": "neural"})
    for _ in range(2):
        with again, again:
            assert flags.get_value("search-ranking", USER, "") == "v3"
        assert flags.get_value("search-ranking", USER, "") != "v3"


def test_functions_and_coroutine_functions_are_decorated(flags):
    @override(flags, {"search-ranking": "neural"})
    def plain(word):
        """Its text."""
        return word, flags.get_value("search-ranking", USER, "")

    @override(lambda: flags, {"search-ranking": "neural"})
    async def later():
        await asyncio.sleep(0)
        return flags.get_value("search-ranking", USER, "")

    assert plain("x") == ("x", "v3")
    assert plain.__doc__ == "Its text."
    assert asyncio.run(later()) == "v3"
    assert flags.get_value("search-ranking", USER, "") != "v3"


def test_other_threads_see_an_override_too(flags):
    seen = []
    with override(flags, {"search-ranking": "neural"}):
        thread = threading.Thread(target=lambda: seen.append(flags.get_value("search-ranking", USER, "")))
        thread.start()
        thread.join()
    assert seen == ["v3"]


def test_many_threads_override_different_flags_at_once(flags):
    before = flags.evaluate_all(USER)
    failures = []

    def work(key, wanted, expected):
        for _ in range(30):
            with override(flags, {key: wanted}):
                if flags.get_value(key, USER, None) != expected:
                    failures.append(key)

    jobs = [("search-ranking", "neural", "v3"), ("api-rate-limit", 3, 3), ("recommendations", False, False)]
    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert flags.evaluate_all(USER) == before


def test_a_flag_that_is_overridden_counts_as_a_prerequisite(bundle):
    flags = flagctl.load(bundle)
    user = {**USER, "cart_total": 50, "account_id": "A-2001", "plan": "enterprise"}
    assert flags.evaluate("checkout-express-buttons", user).rule == "prerequisite:new-checkout-flow"
    with override(flags, {"new-checkout-flow": True}):
        assert flags.evaluate("checkout-express-buttons", user).variant == "invoice"


def test_a_killed_flag_can_be_overridden_and_is_killed_afterwards(bundle):
    flags = flagctl.load(bundle).with_state(frozenset({"recommendations"}), stale=False)
    with override(flags, {"recommendations": True}):
        assert flags.is_enabled("recommendations", USER)
    assert flags.evaluate("recommendations", USER).reason == "DISABLED"


def test_expired_flags_stay_stale(bundle):
    flags = flagctl.load(bundle).with_state(frozenset(), stale=True)
    with override(flags, {"recommendations": True}):
        assert flags.evaluate("recommendations", USER).reason == "STALE"


def test_an_experiment_is_overridden_by_its_key(flags):
    with override(flags, {"ranking-test": "neural"}):
        assert flags.get_variant("ranking-test", USER) == flagctl.Variant("neural", "v3")
        assert flags.evaluate("search-ranking", USER).reason == "SPLIT"
        assert flags.get_variant("ranking-test", {}) is None  # as ever, without anybody to draw for
        with override(flags, {"search-ranking": "hybrid"}):
            assert flags.get_variant("ranking-test", USER) is None  # the experiment did not decide


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"serach-ranking": "neural"}, "no flag 'serach-ranking'; did you mean 'search-ranking'"),
        ({"search-ranking": "nueral"}, "neither a variant nor a value 'nueral'; did you mean 'neural'"),
        ({"search-ranking": variant("v3")}, "no variant 'v3'; there are: classic"),
        ({"search-ranking": 3}, "is of type string, and 3 is neither of that type"),
        ({"search-ranking": None}, "is of type string, and None is neither"),
        ({"api-rate-limit": True}, "is of type number, and True is neither"),
        ({"api-rate-limit": float("nan")}, "is of type number, and nan is neither"),
        ({"recommendations": 1}, "is of type boolean, and 1 is neither"),
        ({"shipping-options": {1}}, "is of type json"),
        ({"ranking-test": "nueral"}, "the experiment 'ranking-test' has no variant 'nueral'; did you mean 'neural'"),
        ({"ranking-test": value("new")}, "assigns variants of its flag, and 'new' is none"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(flags, overrides, message):
    before = flags.evaluate_all(USER)
    with (
        pytest.raises(UsageError, match=message.replace("(", r"\(")),
        override(flags, {"api-rate-limit": 1, **overrides}),
    ):
        pass
    assert flags.evaluate_all(USER) == before


@pytest.mark.parametrize(
    ("key", "wanted", "expected"),
    [
        ("recommendations", "off", ("off", False)),
        ("recommendations", True, ("on", True)),
        ("search-ranking", "v3", ("neural", "v3")),
        ("search-ranking", value("v9"), ("override", "v9")),
        ("api-rate-limit", 100, ("default", 100)),
        ("api-rate-limit", 100.0, ("default", 100)),
        ("api-rate-limit", 0.5, ("override", 0.5)),
        ("shipping-options", {"a": [1]}, ("override", {"a": [1]})),
    ],
)
def test_what_is_asked_for_may_be_a_variant_or_a_value(flags, key, wanted, expected):
    with override(flags, {key: wanted}):
        details = flags.evaluate(key, USER)
        assert (details.variant, details.value) == expected


def test_overrides_survive_a_new_bundle_and_end_after_it(tmp_path):
    from flagctl.storage import open_remote

    project, url, clock = Project(), f"file://{tmp_path}", Clock()
    project.put(open_remote(url), bundle_of(a=True, b=True))
    with flagctl.Client(url, environment="production", trust=project.trust_data, clock=clock) as client:
        assert client.wait_until_ready(10)
        with override(client, {"a": False, "b": False}):
            project.put(open_remote(url), bundle_of(a=True, c=True), seq=2)
            client.refresh()
            assert client.evaluate_all() == {"a": False, "c": True}  # the new bundle has no b to override
        assert client.evaluate_all() == {"a": True, "c": True}


def test_a_client_without_flags_says_so(tmp_path):
    project = Project()
    client = flagctl.Client(f"file://{tmp_path}", environment="production", trust=project.trust_data)
    with client, pytest.raises(UsageError, match="no flags yet"), override(client, {"a": True}):
        pass


def test_the_open_feature_provider_and_its_clients_can_be_overridden(client):
    from openfeature import api

    provider = flagctl.FlagProvider(client)
    api.set_provider(provider, "overridden")
    try:
        openfeature = api.get_client("overridden")
        for target in (provider, openfeature):
            with override(target, {"recommendations": False}):
                assert not client.is_enabled("recommendations", USER)
            assert client.is_enabled("recommendations", USER)
    finally:
        api.shutdown()


def test_other_things_cannot_be_overridden():
    with pytest.raises(UsageError, match="overrides are for"), override(object(), {}):
        pass
