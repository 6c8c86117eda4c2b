"""What the evaluation endpoints answer."""

from __future__ import annotations

import json

import pytest

SINGLE = "/ofrep/v1/evaluate/flags/"
BULK = "/ofrep/v1/evaluate/flags"
USER = {"targetingKey": "user-1", "country": "DE", "seats": 900, "platform": "web"}


def test_a_rule_s_answer_has_key_reason_variant_value_and_flat_metadata(api):
    response = api.post(SINGLE + "api-rate-limit", json={"context": USER})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    metadata = body.pop("metadata")
    assert body == {"key": "api-rate-limit", "reason": "TARGETING_MATCH", "variant": "big-customers", "value": 5000}
    assert metadata["owner"] == "team-platform"
    assert metadata["tags"] == "platform,api,tuning"
    assert metadata["rule"] == "big-customers"
    assert len(metadata["digest"]) == 16


def test_an_unknown_flag_is_404_with_its_code(api):
    response = api.post(SINGLE + "no-such-flag", json={"context": {}})
    assert response.status_code == 404
    assert response.json() == {
        "key": "no-such-flag",
        "errorCode": "FLAG_NOT_FOUND",
        "errorDetails": "the bundle has no such flag",
    }


@pytest.mark.parametrize("key", ["a/b", "%2e%2e", "ä", "%ff", "a%0Ab", "%0A", "x" * 2000])
def test_odd_keys_are_unknown_flags(api, key):
    response = api.post(SINGLE + key, json={})
    assert (response.status_code, response.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"text"',
        b'{"context": {"a": NaN}}',
        b'{"context": {"a": -Infinity}}',
        b"\xff\xfe{}",
        b'{"context": {"a": ' + b"9" * 5000 + b"}}",
        b'{"context": ' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}",
        b'{"context": {"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
    ],
)
@pytest.mark.parametrize("path", [SINGLE + "api-rate-limit", BULK])
def test_what_is_no_usable_json_is_a_parse_error(api, path, body):
    response = api.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    answer = response.json()
    assert answer.pop("errorDetails")
    assert answer == {"errorCode": "PARSE_ERROR"} | ({} if path == BULK else {"key": "api-rate-limit"})


@pytest.mark.parametrize("context", [None, [], "text", 7, True, {"targetingKey": []}, {"targetingKey": 1.5}])
@pytest.mark.parametrize("path", [SINGLE + "api-rate-limit", BULK])
def test_a_context_of_another_shape_is_an_invalid_context(api, path, context):
    response = api.post(path, json={"context": context})
    assert (response.status_code, response.json()["errorCode"]) == (400, "INVALID_CONTEXT")


def test_errors_repeat_nothing_of_the_request(api):
    private = "ada@example.com"
    for body in ({"context": private}, {"context": {"targetingKey": [private]}}, private):
        assert private not in api.post(SINGLE + "api-rate-limit", json=body).text
    assert (
        private
        not in api.post(BULK, content=f'{{"context": {private}', headers={"content-type": "application/json"}).text
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({}, 415),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "Application/JSON; charset=UTF-8"}, 200),
        ({"content-type": "application/vnd.acme+json"}, 200),
    ],
)
def test_bodies_must_be_declared_as_plain_json(api, headers, status):
    response = api.post(SINGLE + "api-rate-limit", content=b"{}", headers=headers)
    assert response.status_code == status
    if status != 200:
        assert "errorDetails" in response.json()


def test_a_body_that_is_too_long_is_413_whether_declared_or_not(api):
    body = json.dumps({"context": {"a": "x" * 70_000}}).encode()
    headers = {"content-type": "application/json"}
    assert api.post(BULK, content=body, headers=headers).status_code == 413
    assert api.post(BULK, content=iter([body[:40_000], body[40_000:]]), headers=headers).status_code == 413


def test_the_reason_for_a_missing_unit_is_told(split_server):
    import httpx

    body = httpx.post(split_server.url + SINGLE + "colour", json={"context": {}})
    assert body.status_code == 400
    assert body.json()["errorCode"] == "TARGETING_KEY_MISSING"
    flags = {flag["key"]: flag for flag in httpx.post(split_server.url + BULK, json={}).json()["flags"]}
    assert flags["colour"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert flags["layout"]["value"] == {"columns": 3}
    assert "value" not in flags["deferred"]
    assert (flags["deferred"]["reason"], flags["deferred"]["variant"]) == ("DISABLED", "")


def test_targeting_key_goes_by_both_names(split_server):
    import httpx

    answers = [
        httpx.post(split_server.url + SINGLE + "colour", json={"context": {name: "user-7"}}).json()
        for name in ("targetingKey", "targeting_key")
    ]
    assert answers[0] == answers[1]
    assert answers[0]["reason"] == "SPLIT"


def test_all_flags_are_what_single_ones_are(api):
    bulk = api.post(BULK, json={"context": USER}).json()
    assert bulk["metadata"]["environment"] == "production"
    assert bulk["metadata"]["stale"] is False
    assert len(bulk["flags"]) == 40
    for flag in bulk["flags"]:
        assert api.post(SINGLE + flag["key"], json={"context": USER}).json() == flag


def test_a_known_answer_is_304(api):
    first = api.post(BULK, json={"context": USER})
    etag = first.headers["etag"]
    for value in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = api.post(BULK, json={"context": USER}, headers={"if-none-match": value})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    other = api.post(BULK, json={"context": {**USER, "country": "FR"}}, headers={"if-none-match": etag})
    assert other.status_code == 200
    assert other.headers["etag"] != etag


def test_the_tag_does_not_depend_on_the_order_of_attributes(api):
    tags = {api.post(BULK, json={"context": c}).headers["etag"] for c in (USER, dict(reversed(USER.items())))}
    assert len(tags) == 1


def test_the_configuration_says_what_a_provider_may_expect(api):
    response = api.get("/ofrep/v1/configuration")
    assert response.json() == {
        "name": "flagctl",
        "capabilities": {
            "cacheInvalidation": {"polling": {"name": "polling", "enabled": True, "minPollingIntervalMs": 1000}},
            "flagEvaluation": {"supportedTypes": ["int", "float", "string", "boolean", "object"]},
            "caching": {"enabled": False},
        },
    }
    again = api.get("/ofrep/v1/configuration", headers={"if-none-match": response.headers["etag"]})
    assert again.status_code == 304


def test_unknown_paths_and_methods_are_told_as_json(api):
    assert (api.get("/nothing").status_code, api.get("/nothing").json()) == (404, {"errorDetails": "Not Found"})
    wrong = api.get(BULK)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json() == {"errorDetails": "Method Not Allowed"}
