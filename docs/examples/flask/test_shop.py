import pytest
from shop import create_app


@pytest.fixture
def browser(flagctl_client):
    browser = create_app(flagctl_client).test_client()
    browser.set_cookie("customer", "user-1")
    return browser


def test_the_basket_recommends_something(browser, flags):
    with flags.override({"recommendations": True}):
        assert "socks" in browser.get("/basket").text
    with flags.override({"recommendations": False}):
        assert "socks" not in browser.get("/basket").text


@pytest.mark.flag_variants("search-ranking")
def test_the_basket_works_with_every_ranking(browser, flag_variants):
    assert browser.get("/basket").status_code == 200


def test_an_order_counts(browser, flags):
    assert browser.post("/orders").status_code == 201
    flags.assert_converted("order", unit="user-1", value=49.9)


@pytest.mark.flag_overrides({"ranking-test": "neural"})
def test_who_sees_the_basket_takes_part_in_the_experiment(browser, flags):
    assert browser.get("/flags").json["search-ranking"] == "v3"
    flags.assert_not_exposed("ranking-test")
    assert "Sorted by v3" in browser.get("/basket").text
    flags.assert_exposed("ranking-test", "neural", "user-1")


def test_it_is_ready(browser):
    assert browser.get("/readyz").json["flags"] == "ready"
