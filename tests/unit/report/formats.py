"""Checks of the formats that other programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import xmlschema

_HERE = Path(__file__).resolve().parent
_SARIF = json.loads((_HERE / "sarif-subset.schema.json").read_text(encoding="utf-8"))
_JUNIT = xmlschema.XMLSchema(str(_HERE / "junit.xsd"))


def checked_sarif(text: str) -> dict[str, Any]:
    """Return the run of a SARIF log after checking it against the schema, and what no schema can say."""
    log = json.loads(text)
    jsonschema.Draft7Validator.check_schema(_SARIF)
    jsonschema.validate(log, _SARIF, jsonschema.Draft7Validator)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules))
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
    fingerprints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(fingerprints) == len(set(fingerprints)), "two results that are the same to GitHub"
    return run


def checked_junit(text: str) -> ET.Element:
    """Return the root of JUnit XML after checking it against the schema and its sums."""
    _JUNIT.validate(text)
    root = ET.fromstring(text)  # noqa: S314  we wrote it
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    for name in ("tests", "failures"):
        assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root)
    return root
