from __future__ import annotations

import copy
import random
import re

import pytest
from jsonschema import Draft7Validator

from flagctl.diagnostics import Applicability, Diagnostic, Edit, Fix, Related, Severity, Span
from flagctl.errors import UsageError
from flagctl.evaluator.operators import NEGATION, OPERATORS
from flagctl.model import OVERRIDABLE, AttributeType, ExperimentStatus, FlagType
from flagctl.resources import data_path
from flagctl.source.plain import IrregularError, load_plain
from flagctl.source.schemas import KINDS, fast_validator, schema, schema_names, schema_text
from flagctl.source.validator import explaining_validator
from tests.scale import scaled
from tests.unit.source.yaml_mutations import VALID, mutate

NAMES = schema_names()


def subschemas(node, path=()):
    """Yield every schema inside a schema."""
    if not isinstance(node, dict):
        return
    yield path, node
    for key, value in node.items():
        if key in {"properties", "definitions", "dependencies"}:
            for name, inner in value.items():
                yield from subschemas(inner, (*path, key, name))
        elif key in {"items", "additionalProperties", "not", "if", "then", "else", "propertyNames"}:
            yield from subschemas(value, (*path, key))
        elif key in {"allOf", "anyOf", "oneOf"}:
            for position, inner in enumerate(value):
                yield from subschemas(inner, (*path, key, position))


@pytest.mark.parametrize("name", NAMES)
def test_schemas_obey_the_metaschema_of_draft_07(name):
    Draft7Validator.check_schema(schema(name))
    assert schema(name)["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema(name)["$id"] == f"urn:flagctl:schema:{name}:1"


def test_every_name_has_a_schema_file():
    assert {path.name for path in data_path("schemas").glob("*.json")} >= {f"{name}.schema.json" for name in NAMES}
    assert set(KINDS) < set(NAMES)


def test_an_unknown_schema_is_a_usage_error():
    with pytest.raises(UsageError, match="no schema 'flags'"):
        schema_text("flags")


@pytest.mark.parametrize("name", NAMES)
def test_every_property_is_described_in_a_sentence(name):
    for path, node in subschemas(schema(name)):
        if (
            "if" in path or "then" in path or "dependencies" in path
        ):  # they repeat properties that are described elsewhere
            continue
        for key, value in node.get("properties", {}).items():
            description = value.get("description", "")
            assert re.fullmatch(r"[A-Za-z].*\.", description, re.DOTALL), (path, key)
            assert len(description) > 10


@pytest.mark.parametrize("name", NAMES)
def test_schemas_avoid_unions_that_spoil_messages(name):
    for _, node in subschemas(schema(name)):
        assert not {"oneOf", "anyOf", "patternProperties", "format", "uniqueItems"} & node.keys()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "diagnostics"])
def test_objects_of_our_own_refuse_unknown_keys(name):
    for path, node in subschemas(schema(name)):
        if "properties" in node and not {"if", "then", "dependencies"} & set(path):
            assert node["additionalProperties"] is False, path


def test_operators_are_those_of_the_evaluator():
    everything = [name for operator in OPERATORS for name in (operator, NEGATION + operator)]
    for name in ("flag", "segment"):
        condition = schema(name)["definitions"]["condition"]
        assert condition["properties"]["operator"]["enum"] == everything
        ignoring = [
            part for part in condition["allOf"] if part["then"].get("properties", {}).get("ignore_case") is False
        ]
        (rule,) = ignoring
        without = [n for o in OPERATORS.values() if not o.ignore_case for n in (o.name, NEGATION + o.name)]
        assert rule["if"]["properties"]["operator"]["enum"] == without
        by_value = [
            operator
            for part in condition["allOf"]
            if "operator" in part["if"]["properties"] and "value" in part["then"]["properties"]
            for operator in part["if"]["properties"]["operator"]["enum"]
        ]
        assert sorted(by_value) == sorted(everything)
    assert schema("flag")["definitions"]["condition"] == schema("segment")["definitions"]["condition"]


def test_choices_are_those_of_the_model():
    flag, config = schema("flag")["properties"], schema("config")["properties"]
    assert flag["type"]["enum"] == [kind.value for kind in FlagType]
    assert list(flag["environments"]["additionalProperties"]["properties"]) == list(
        dict.fromkeys([key for key in flag if key in OVERRIDABLE])
    )
    attribute = config["context"]["properties"]["attributes"]["additionalProperties"]["properties"]
    assert attribute["type"]["enum"] == [kind.value for kind in AttributeType]
    assert schema("experiment")["properties"]["status"]["enum"] == [status.value for status in ExperimentStatus]


SEEDS = [load_plain(content.decode()) for content in VALID]
_ODD = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    -1,
    0.5,
    33.333,
    100,
    101,
    1e300,
    "",
    "a",
    "a\n",
    "on",
    "x" * 300,
    [],
    ["a"],
    [1, 2],
    {},
    {"a": 1},
    "in",
    "exists",
]


def mutated(rng, data):
    """Return `data` with one random part replaced, removed, added or renamed."""
    data = copy.deepcopy(data)
    node = data
    while True:
        steps = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not steps:
            return data
        step = rng.choice(steps)
        if isinstance(node[step], (dict, list)) and node[step] and rng.random() < 0.7:
            node = node[step]
            continue
        match rng.randrange(4):
            case 0:
                del node[step]
            case 1 if isinstance(node, dict):
                node[rng.choice(["serve", "value", "segment", "attribute", "rollout", "on", "odd\n"])] = rng.choice(
                    _ODD
                )
            case 2 if isinstance(node, dict):
                node[f"{step}x"] = node.pop(step)
            case _:
                node[step] = rng.choice(_ODD)
        return data


def test_the_fast_validator_and_the_explaining_one_agree():
    rng = random.Random(11)
    verdicts = set()
    for _ in range(scaled(600, 20_000)):
        data = rng.choice(SEEDS)
        kind = data.get("kind", "config")
        for _ in range(rng.randint(0, 3)):
            data = mutated(rng, data)
        fast = fast_validator(kind)(data)
        assert fast == explaining_validator(kind).is_valid(data), data
        verdicts.add(fast)
    assert verdicts == {True, False}


def test_the_explaining_validator_is_as_strict_as_plain_jsonschema():
    rng = random.Random(12)
    for _ in range(scaled(300, 5_000)):
        data = mutated(rng, rng.choice(SEEDS))
        kind = data.get("kind", "config")
        if kind not in NAMES:
            continue
        # Python's `$` also matches before a final line break; that is the one point where they differ on purpose.
        if "\\n" in repr(data):
            continue
        assert explaining_validator(kind).is_valid(data) == Draft7Validator(schema(kind)).is_valid(data), data


def test_malformed_files_that_parse_get_the_same_verdict_from_both():
    rng = random.Random(13)
    for _ in range(scaled(300, 10_000)):
        try:
            data = load_plain(mutate(rng).decode())
        except (UnicodeDecodeError, IrregularError):
            continue
        kind = data.get("kind", "config")
        if isinstance(kind, str) and kind in NAMES and kind != "diagnostics":
            assert fast_validator(kind)(data) == explaining_validator(kind).is_valid(data)


def test_a_finding_with_everything_obeys_the_schema_of_findings():
    span = Span(line=1, column=1, end_line=1, end_column=2)
    finding = Diagnostic(
        code="SCH102",
        severity=Severity.ERROR,
        message="unknown key",
        path="x.yaml",
        span=span,
        route=("rules", 0),
        help="did you mean 'when'?",
        related=(Related(path="y.yaml", span=None, message="here"),),
        fix=Fix(title="Rename", applicability=Applicability.SAFE, edits=(Edit(path="x.yaml", span=span, text="when"),)),
        key="x",
    )
    bare = Diagnostic(code="SYN101", severity=Severity.INFO, message="m", path="x.yaml")
    document = {
        "format_version": "1.0",
        "diagnostics": [finding.to_dict(), bare.to_dict()],
        "summary": {"errors": 1, "warnings": 0, "infos": 1},
    }
    Draft7Validator(schema("diagnostics")).validate(document)
    document["diagnostics"][0].pop("message")
    assert not Draft7Validator(schema("diagnostics")).is_valid(document)
