import pytest
from fastapi.testclient import TestClient
from shop import create_app


@pytest.fixture
def browser(flagctl_client):
    with TestClient(create_app(flagctl_client), cookies={"customer": "user-1"}) as browser:
        yield browser


def test_the_basket_recommends_something(browser, flags):
    flags.set({"recommendations": True})
    assert browser.get("/basket").json()["recommendations"] == ["socks"]
    flags.assert_evaluated("recommendations", unit="user-1")


@pytest.mark.flag_variants("search-ranking")
def test_the_basket_works_with_every_ranking(browser, flag_variants):
    assert browser.get("/basket").json()["ranking"] in {"v1", "v2", "v3"}


def test_an_order_counts(browser, flags):
    assert browser.post("/orders").status_code == 201
    flags.assert_converted("order", unit="user-1", value=49.9)


@pytest.mark.flag_overrides({"ranking-test": "neural"})
def test_who_sees_the_basket_takes_part_in_the_experiment(browser, flags):
    assert browser.get("/flags").json() == {"recommendations": True, "search-ranking": "v3"}
    flags.assert_not_exposed("ranking-test")
    assert browser.get("/basket").json()["ranking"] == "v3"
    flags.assert_exposed("ranking-test", "neural", "user-1")


def test_it_is_ready(browser):
    assert browser.get("/readyz").json()["flags"] == "ready"
