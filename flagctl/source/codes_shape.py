"""Codes of findings about a document's shape and the values in it."""

from __future__ import annotations

from typing import Final

from flagctl.diagnostics import RuleInfo, Severity

_FLAG: Final = "kind: flag\nkey: search\ntype: boolean\n"
_RULE: Final = _FLAG + "rules:\n  - id: ramp\n"


def _rule(code: str, name: str, summary: str, why: str, *examples: str, fixable: bool = False) -> RuleInfo:
    bad, good = examples
    return RuleInfo(
        code=code,
        name=name,
        severity=Severity.ERROR,
        summary=summary,
        why=why,
        bad=bad,
        good=good,
        fixable=fixable,
    )


SHAPE_RULES: Final = (
    _rule(
        "SCH101",
        "unknown-kind",
        "The document does not say which kind it is, or its kind is unknown.",
        "The kind decides how a file is read. Files of other tools in the same folder belong under 'exclude'.",
        "kind: flags\nkey: search\ntype: boolean\n",
        _FLAG,
    ),
    _rule(
        "SCH102",
        "unknown-key",
        "A key is not known at its place.",
        "An unknown key is nearly always a misspelt one. Ignoring it would drop a rule or a safeguard without a word.",
        _FLAG + "defualt: on\n",
        _FLAG + "default: on\n",
        fixable=True,
    ),
    _rule(
        "SCH103",
        "missing-key",
        "A key that must be there is missing.",
        "Without it the document, rule or condition does not say enough to be evaluated.",
        "kind: flag\nkey: search\n",
        _FLAG,
    ),
    _rule(
        "SCH104",
        "wrong-type",
        "A value is of the wrong type.",
        "Nothing is converted silently: 'yes' is a text in YAML 1.2, and 1 is not true.",
        _FLAG + "enabled: yes\n",
        _FLAG + "enabled: true\n",
        fixable=True,
    ),
    _rule(
        "SCH105",
        "unknown-choice",
        "A value is none of the possible ones.",
        "Operators, types and states are fixed words that every evaluator must understand alike.",
        "kind: segment\nkey: staff\nwhen:\n  - {attribute: email, operator: endswith, value: '@acme.com'}\n",
        "kind: segment\nkey: staff\nwhen:\n  - {attribute: email, operator: ends_with, value: '@acme.com'}\n",
        fixable=True,
    ),
    _rule(
        "SCH106",
        "invalid-name",
        "A key, id or name contains characters that are not allowed in it.",
        "Keys appear in code, URLs, file names and analytics; plain ones work everywhere.",
        "kind: layer\nkey: Checkout Team\n",
        "kind: layer\nkey: checkout-team\n",
    ),
    _rule(
        "SCH107",
        "conflicting-keys",
        "Two keys stand together that exclude each other.",
        "One of them would have to be ignored, and readers would disagree which.",
        _RULE + "    serve: on\n    rollout: {on: 50, off: 50}\n",
        _RULE + "    rollout: {on: 50, off: 50}\n",
    ),
    _rule(
        "SCH109",
        "empty-value",
        "A text, list or mapping is empty where something must be said.",
        "An empty list of conditions could be read as 'everybody' or as 'nobody'; leaving the key out is clear.",
        _RULE + "    when: []\n    serve: on\n",
        _RULE + "    serve: on\n",
    ),
    _rule(
        "SCH110",
        "out-of-range",
        "A number, or the length of a text or list, is outside its limits.",
        "Percentages lie between 0 and 100, buckets between 0 and 100000; sizes are limited so that every app can hold them.",
        _RULE + "    serve: on\n    percentage: 250\n",
        _RULE + "    serve: on\n    percentage: 25\n",
    ),
    _rule(
        "SCH111",
        "invalid-instant",
        "A text is not an instant with a time zone.",
        "A time without a zone means another moment on every machine.",
        _FLAG + "schedule: {from: 2026-12-01 09:00}\n",
        _FLAG + "schedule: {from: 2026-12-01T09:00:00Z}\n",
    ),
    _rule(
        "SCH112",
        "too-many-decimals",
        "A percentage has more than three decimals.",
        "Shares are counted in thousandths of a percent, exactly; more digits would be rounded.",
        _RULE + "    serve: on\n    percentage: 33.3333\n",
        _RULE + "    serve: on\n    percentage: 33.333\n",
    ),
    _rule(
        "SCH114",
        "reserved-key",
        "A key is reserved for later.",
        "Accepting it now would promise a meaning that it does not have yet.",
        _FLAG + "bucketing: {algorithm: other}\n",
        _FLAG,
    ),
    _rule(
        "SCH115",
        "ambiguous-unit",
        "A unit is a number that reads differently from how it is written.",
        "Units are texts. 007 without quotes is the number 7, and the user 007 would never be found.",
        "kind: segment\nkey: agents\ninclude: [007]\n",
        "kind: segment\nkey: agents\ninclude: ['007']\n",
    ),
    _rule(
        "SCH116",
        "mixed-rollout",
        "A rollout mixes weights with pinned bucket ranges.",
        "Weights are laid out one after the other; pinned ranges lie where they are. Together they would overlap.",
        _RULE + "    rollout: {on: 50, off: {buckets: [[50000, 100000]]}}\n",
        _RULE + "    rollout: {on: {buckets: [[0, 50000]]}, off: {buckets: [[50000, 100000]]}}\n",
    ),
    _rule(
        "SCH117",
        "invalid-date",
        "A date does not exist.",
        "An expiry date that never comes never reminds anybody.",
        _FLAG + "lifecycle: {temporary: true, expires: 2027-02-30}\n",
        _FLAG + "lifecycle: {temporary: true, expires: 2027-02-28}\n",
    ),
    _rule(
        "SCH118",
        "unsupported-version",
        "The repository needs another version of flagctl, or says so in a way that cannot be read.",
        "An older flagctl may not know everything that the files say.",
        'version: 1\nproject: acme\nrequired_version: ">=1000"\nenvironments: {production: {}}\n',
        'version: 1\nproject: acme\nrequired_version: ">=0.1"\nenvironments: {production: {}}\n',
    ),
    _rule(
        "SCH119",
        "override-of-other-form",
        "An environment overrides 'value' of a flag with variants, or 'default' of a flag with a value.",
        "The override would replace something that the flag does not have.",
        _FLAG + "environments: {production: {value: true}}\n",
        _FLAG + "environments: {production: {default: on}}\n",
    ),
    _rule(
        "SCH120",
        "missing-configuration",
        "flagctl.yaml is missing.",
        "It names the project and its environments; without it nothing can be compiled or published.",
        "# no flagctl.yaml in the folder\n",
        "version: 1\nproject: acme\nenvironments: {production: {}}\n",
    ),
    _rule(
        "REF100",
        "duplicate-document",
        "Two files define the same flag, segment, experiment or layer.",
        "Which of the two is meant would depend on the order in which files are read.",
        "# a second file with the same kind and key\nkind: layer\nkey: checkout\n",
        "kind: layer\nkey: checkout\n",
    ),
)
"""Codes `SCH1xx`, and the one of documents that exist twice."""
