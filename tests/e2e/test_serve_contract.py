"""The server against its description, and against providers' code: schemathesis, and OpenFeature's OFREP provider."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import jsonschema
import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from flagctl.resources import data_path
from flagctl.server.ofrep.app import AppOptions
from flagctl.server.serve import Origin
from tests.scale import scaled
from tests.simulators.flag_server import serving
from tests.unit.server.conftest import SPLIT_FLAGS

TOKEN = "contract-token-0123456789"  # noqa: S105 - of servers in tests
BULK = "/ofrep/v1/evaluate/flags"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    path = tmp_path_factory.mktemp("contract") / "tokens"
    path.write_text(f"contract {TOKEN}\n")
    return path


@pytest.fixture(scope="module")
def server(tokens):
    with serving(Origin(environment="production", root=data_path("flags")), token_file=tokens) as server:
        yield server


def test_every_answer_is_as_described(server, tmp_path):
    """Schemathesis makes requests of all kinds from the description, right and wrong ones, and judges the answers."""
    program = Path(sys.executable).with_name("schemathesis")
    options = {
        "--checks": "all",
        "--max-examples": str(scaled(20, 2_000)),
        "--exclude-path": "/ofrep/v1/events",  # a stream has no end that could be waited for
        "--header": f"Authorization: Bearer {TOKEN}",
    }
    words = [word for option in options.items() for word in option]
    done = subprocess.run(
        [program, "run", server.url + "/openapi.json", *words, "--no-color"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout


def test_the_description_is_the_published_one_and_is_valid(server):
    published = json.loads((data_path("schemas") / "ofrep.openapi.json").read_text())
    assert httpx.get(server.url + "/openapi.json").json() == published
    for component in published["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(component)


def published_schema(name: str) -> dict:
    """A schema of the public document of OFREP 0.3, as far as its facts go."""
    key = {"type": "string"}
    flat = {"type": "object", "additionalProperties": {"type": ["boolean", "string", "number"]}}
    success = {
        "type": "object",
        "properties": {
            "key": key,
            "reason": {"type": "string"},
            "variant": {"type": "string"},
            "metadata": flat,
            "value": {"type": ["boolean", "string", "number", "object", "array"]},
        },
        "not": {"required": ["errorCode"]},
    }
    failure = {
        "type": "object",
        "properties": {
            "key": key,
            "errorCode": {"enum": ["PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "GENERAL"]},
            "errorDetails": {"type": "string"},
        },
        "required": ["key", "errorCode"],
    }
    stream = {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"type": "string"},
            "url": {"type": "string"},
            "endpoint": {
                "type": "object",
                "required": ["requestUri"],
                "properties": {"requestUri": {"type": "string", "pattern": "^/"}, "origin": {"type": "string"}},
            },
            "inactivityDelaySec": {"type": "integer", "minimum": 1},
        },
        "oneOf": [{"required": ["url"]}, {"required": ["endpoint"]}],
    }
    bulk = {
        "type": "object",
        "required": ["flags"],
        "properties": {
            "flags": {"type": "array", "items": {"oneOf": [success, failure]}},
            "metadata": flat,
            "eventStreams": {"type": "array", "items": stream},
        },
    }
    return {"success": success, "failure": failure, "bulk": bulk}[name]


def test_answers_fit_the_public_document(small):
    for flag in ("switch", "colour", "layout", "names", "ratio", "limit", "deferred"):
        body = httpx.post(f"{small.url}{BULK}/{flag}", json={"context": {"targetingKey": "u"}}).json()
        jsonschema.validate(body, published_schema("success"))
    jsonschema.validate(httpx.post(f"{small.url}{BULK}/colour", json={}).json(), published_schema("failure"))
    jsonschema.validate(httpx.post(small.url + BULK, json={}).json(), published_schema("bulk"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    for name, text in SPLIT_FLAGS.items():
        (folder / name).write_text(text)
    with serving(Origin(environment="production", root=folder)) as server:
        yield server


@pytest.fixture
def openfeature(small):
    provider = OFREPProvider(small.url)
    api.set_provider(provider, "ofrep")
    yield api.get_client("ofrep")
    api.clear_providers()
    provider.session.close()


USER = EvaluationContext("user-1", {"country": "DE"})


def test_openfeature_s_provider_gets_values_of_all_types(openfeature):
    assert openfeature.get_boolean_value("switch", False, USER) is True
    assert openfeature.get_string_value("colour", "none", USER) in {"r", "b"}
    assert openfeature.get_integer_value("limit", 1, USER) == 100
    assert openfeature.get_float_value("ratio", 1.0, USER) == 0.25
    assert openfeature.get_object_value("layout", {}, USER) == {"columns": 3}
    assert openfeature.get_object_value("names", [], USER) == ["a", "b"]


def test_openfeature_s_provider_gets_variant_reason_and_metadata(openfeature):
    details = openfeature.get_string_details("colour", "none", USER)
    assert details.reason == Reason.SPLIT
    assert details.variant in {"red", "blue"}
    assert details.flag_metadata["owner"] == "team"


def test_openfeature_s_provider_keeps_the_application_s_default_where_the_flag_has_none(openfeature):
    details = openfeature.get_string_details("deferred", "mine", USER)
    assert (details.value, details.reason, details.error_code) == ("mine", Reason.DISABLED, None)


def test_openfeature_s_provider_gets_errors_as_what_they_are(openfeature):
    def code(details):
        assert details.reason == Reason.ERROR
        return details.error_code

    assert code(openfeature.get_string_details("nothing", "x", USER)) == ErrorCode.FLAG_NOT_FOUND
    assert code(openfeature.get_string_details("colour", "x")) == ErrorCode.TARGETING_KEY_MISSING
    assert code(openfeature.get_string_details("switch", "x", USER)) == ErrorCode.TYPE_MISMATCH


def test_openfeature_s_provider_reads_refusals(tokens):
    with serving(
        Origin(environment="production", root=data_path("flags")),
        app=AppOptions(rate=0.2, burst=2),
        token_file=tokens,
    ) as server:
        headers: dict[str, str] = {}
        provider = OFREPProvider(server.url, headers_factory=lambda: headers)
        api.set_provider(provider, "refused")
        client = api.get_client("refused")
        details = client.get_integer_details("api-rate-limit", 7, USER)
        assert (details.value, details.error_code, details.error_message) == (7, ErrorCode.GENERAL, "unauthorized")
        headers["Authorization"] = f"Bearer {TOKEN}"
        answers = [client.get_integer_details("api-rate-limit", 7, USER) for _ in range(4)]
        assert answers[0].error_code is None
        assert "Rate limited" in str(answers[2].error_message)
        assert "paused" in str(answers[3].error_message)
        assert provider.retry_after is not None
        api.clear_providers()
        provider.session.close()
