"""Every message names the place, says what is wrong in people's words, and what to do."""

from __future__ import annotations

import pytest

from flagctl.diagnostics import Applicability
from flagctl.source import load_tree

FLAG = "kind: flag\nkey: x\ntype: boolean\n"
RULES = FLAG + "rules:\n"
EXPERIMENT = "kind: experiment\nkey: x\nflag: f\nstatus: draft\nvariants: {a: 50, b: 50}\n"
METRIC = EXPERIMENT + "metrics: {primary: {event: e, kind: "
WHEN = RULES + "  - id: r\n    serve: on\n    when:\n"

CASES = {
    # text: (code, text of the span, part of the message, part of the help)
    FLAG + "defualt: on\n": ("SCH102", "defualt", "unknown key 'defualt'", "did you mean 'default'?"),
    FLAG + "fallthrough: on\n": ("SCH102", "fallthrough", "unknown key", "possible here: breaker, bucket_by, default,"),
    FLAG + "percentage: 5\n": ("SCH102", "percentage", "unknown key", "belongs in a rule"),
    FLAG + "conditions: []\n": ("SCH102", "conditions", "unknown key", "possible here"),
    FLAG + "targeting: []\n": ("SCH102", "targeting", "unknown key", "did you mean 'rules'?"),
    FLAG + "Enabled: true\n": ("SCH102", "Enabled", "unknown key", "did you mean 'enabled'?"),
    FLAG + "bucketBy: a\n": ("SCH102", "bucketBy", "unknown key", "did you mean 'bucket_by'?"),
    FLAG + "environments: {production: {tags: [a]}}\n": ("SCH102", "tags", "unknown key", "belongs in the top level of the file"),
    FLAG + "bucketing: {algorithm: x}\n": ("SCH114", "bucketing", "reserved", "not supported yet"),
    FLAG + "enabled: on\n": ("SCH104", "on", "'enabled' must be true or false, not the text 'on'", "write true"),
    FLAG + "name: 5\n": ("SCH104", "5", "'name' must be text, not the number 5", 'needs quotes: "5"'),
    FLAG + "off: false\n": ("SCH104", "false", "not the boolean false", "name a variant"),
    FLAG + "owner:\n": ("SCH104", "", "'owner' must be text, not empty (null)", None),
    FLAG + "tags: checkout\n": ("SCH104", "checkout", "must be a list, not the text 'checkout'", "[a]"),
    FLAG + "rules: {a: b}\n": ("SCH104", "{a: b}", "must be a list, not a mapping", None),
    FLAG + "default: []\n": ("SCH104", "[]", "must be text or a mapping, not an empty list", None),
    FLAG + "name: ''\n": ("SCH109", "''", "'name' is an empty text", "remove the key"),
    FLAG + "variants: {}\n": ("SCH109", "{}", "'variants' is an empty mapping", None),
    FLAG + "variants: {'': true}\n": ("SCH106", "''", "an empty name", None),
    FLAG + "value: true\ndefault: on\n": ("SCH107", "default", "'default' cannot stand beside 'value'", "one variant"),
    FLAG + "lifecycle: {expires: 1.1.2027}\n": ("SCH106", "1.1.2027", "not a valid expires", "YYYY-MM-DD"),
    FLAG + "targets: {on: []}\n": ("SCH109", "[]", "'on' is an empty list", None),
    FLAG + "targets: {on: [true]}\n": ("SCH104", "true", "'on[0]' must be text or an integer", "needs quotes"),
    FLAG + "default: {salt: x}\n": ("SCH103", "default", "the key 'rollout' is missing in 'default'", None),
    FLAG + "bucket_by: a..b\n": ("SCH106", "a..b", "not a valid bucket_by", "write it as a list"),
    "kind: flag\nkey: Search Bar\ntype: boolean\n": ("SCH106", "Search Bar", "not a valid key", "lower-case"),
    "kind: flag\nkey: x\ntype: bool\n": ("SCH105", "bool", "'bool' is not a known type", "did you mean 'boolean'?"),
    "kind: flag\nkey: x\ntype: integer\n": ("SCH105", "integer", "not a known type", "choose boolean, string, number or json"),
    "kind: flag\nkey: x\ntype: string\n": ("SCH103", "kind: flag", "the flag has no values", "variants"),
    "kind: flag\ntype: boolean\n": ("SCH103", "kind: flag", "the key 'key' is missing", None),
    "kind: Flag\nkey: x\ntype: boolean\n": ("SCH101", "Flag", "not the kind", "did you mean 'flag'?"),
    "kind: test\ncases: []\n": ("SCH101", "test", "not the kind", "ends in .test.yaml"),
    "knid: flag\nkey: x\n": ("SCH101", "knid: flag", "does not say its kind", "by 'knid'"),
    FLAG + "enabled: 'true'\n": ("SCH104", "'true'", "not the text 'true'", "remove the quotes"),
    "version: 3\nservices: {}\n": ("SCH101", "version: 3", "does not say its kind", "'exclude'"),
    EXPERIMENT + "decision: {alpha: 0}\n": ("SCH110", "0", "'alpha' is 0, but must be above 0 and at most 50", None),
    EXPERIMENT + "decision: {alpha: 51}\n": ("SCH110", "51", "'alpha' is 51, but must be above 0 and at most 50", None),
    METRIC + "mean, winsorize: {upper: 20}}}\n": ("SCH110", "20", "'upper' is 20, but must be above 50 and below 100", None),
    METRIC + "quantile, quantile: 150}}\n": ("SCH110", "150", "'quantile' is 150, but must be above 0 and below 100", None),
    "kind: segment\nkey: x\nexclude: [a]\n": ("SCH103", "kind: segment", "nobody can be in it", "include"),
    "kind: segment\nkey: x\ninclude: []\n": ("SCH109", "[]", "'include' is an empty list", None),
    RULES + "  - id: r\n": ("SCH103", "id: r", "says nothing to serve", "one of serve"),
    RULES + "  -\n": ("SCH104", "", "'rules[0]' must be a mapping, not empty", None),
    RULES + "  - {serve: on}\n": ("SCH103", "{serve: on}", "the key 'id' is missing in 'rules[0]'", None),
    RULES + "  - {id: 'a b', serve: on}\n": ("SCH106", "'a b'", "not a valid id", "letters, digits"),
    RULES + "  - {id: r, serve: on, value: true}\n": ("SCH107", "value", "cannot stand beside 'serve'", "exactly one of"),
    RULES + "  - {id: r, rollout: {on: 100}, percentage: 5}\n": ("SCH107", "percentage", "beside 'rollout'", None),
    RULES + "  - {id: r, percentage: 5, rollout: {on: 100}}\n": ("SCH107", "rollout", "beside 'percentage'", "percentage goes with"),
    RULES + "  - {id: r, serve: on, percentage: 101}\n": ("SCH110", "101", "is 101, but must be from 0 to 100", None),
    RULES + "  - {id: r, serve: on, percentage: 25%}\n": ("SCH104", "25%", "a number or a mapping, not the text", "without the sign"),
    RULES + "  - {id: r, serve: on, percentage: {}}\n": ("SCH107", "percentage", "either 'steps' or 'linear'", None),
    RULES + "  - {id: r, serve: on, priority: 1.5}\n": ("SCH104", "1.5", "must be an integer", None),
    RULES + "  - {id: r, serve: on, priority: '1'}\n": ("SCH104", "'1'", "must be an integer", "remove the quotes"),
    RULES + "  - {id: r, rollout: {on: {buckets: [[0, 5, 6]]}}}\n": ("SCH110", "[0, 5, 6]", "must be a pair", None),
    RULES + "  - {id: r, rollout: {on: {buckets: [[5, 5]]}}}\n": ("SCH110", "[5, 5]", "is empty", None),
    WHEN + "      - {}\n": ("SCH103", "{}", "the condition in 'when[0]' is empty", "attribute and operator"),
    WHEN + "      - {attribute: a}\n": ("SCH103", "{attribute: a}", "the key 'operator' is missing", None),
    WHEN + "      - {operator: exists}\n": ("SCH103", "{operator: exists}", "the key 'attribute' is missing", None),
    WHEN + "      - {attribute: a, operator: endsWith, value: b}\n": ("SCH105", "endsWith", "not a known operator", "'ends_with'"),
    WHEN + "      - {attribute: a, operator: '==', value: b}\n": ("SCH105", "'=='", "not a known operator", "'equals'"),
    WHEN + "      - {attribute: a, operator: zzz, value: b}\n": ("SCH105", "zzz", "not a known operator", "each also with not_"),
    WHEN + "      - {attribute: a, operator: 5, value: b}\n": ("SCH104", "5", "'operator' must be text", None),
    WHEN + "      - {attribute: a, operator: in, value: b}\n": ("SCH104", "b", "'value' must be a list", "[a]"),
    WHEN + "      - {attribute: a, operator: in, value: []}\n": ("SCH109", "[]", "'value' is an empty list", None),
    WHEN + "      - {attribute: a, operator: equals}\n": ("SCH103", "{attribute: a, operator: equals}", "'value' is missing", None),
    WHEN + "      - {attribute: a, operator: equals, value: [b]}\n": ("SCH104", "[b]", "text, a number or true or false", None),
    WHEN + "      - {attribute: a, operator: exists, value: b}\n": ("SCH107", "value", "does not go with this operator", "remove"),
    WHEN + "      - {attribute: a, operator: less_than, value: '5'}\n": ("SCH104", "'5'", "must be a number", "remove the quotes"),
    WHEN + "      - {attribute: a, operator: matches, value: a, ignore_case: true}\n": ("SCH107", "ignore_case", "does not go", "text operators"),
    WHEN + "      - {segment: a, any: [{segment: b}]}\n": ("SCH107", "any", "cannot stand beside 'segment'", "two list items"),
    WHEN + "      - any: []\n": ("SCH109", "[]", "'any' is an empty list", None),
    WHEN + "      - not: [{segment: b}]\n": ("SCH104", "[{segment: b}]", "'not' must be a mapping, not a list", None),
    WHEN + "      - any: [{not: {attribut: a, operator: exists}}]\n": ("SCH102", "attribut", "unknown key", "'attribute'"),
    "kind: experiment\nkey: x\nflag: f\nstatus: draft\nvariants: {a: 100}\nlayer: l\n": ("SCH103", "kind: experiment", "'slots' is missing", None),
    "kind: experiment\nkey: x\nflag: f\nstatus: draft\nvariants: {a: 100}\nlayer: l\nslots: [[0, 5]]\ntraffic: 5\n": ("SCH107", "traffic", "beside 'layer'", "slots say"),
    "kind: experiment\nkey: x\nflag: f\nstatus: paused\nvariants: {a: 100}\n": ("SCH105", "paused", "not a known status", "draft, running or completed"),
}  # fmt: skip


CONFIG = "version: 1\nproject: acme\nenvironments: {production: {}}\n"

CONFIG_CASES = {
    CONFIG.replace("version: 1", "version: 2"): ("SCH118", "2", "version 2 of flagctl.yaml is not known", "newer flagctl"),
    CONFIG.replace("version: 1", "version: '1'"): ("SCH104", "'1'", "'version' must be an integer", "remove the quotes"),
    CONFIG.replace("acme", "Acme Shop"): ("SCH106", "Acme Shop", "not a valid project", "lower-case"),
    CONFIG.replace("production:", "Production:"): ("SCH106", "Production", "'Production' is not a valid name", "lower-case"),
    CONFIG.replace("{production: {}}", "{}"): ("SCH109", "{}", "'environments' is an empty mapping", None),
    CONFIG.replace("{production: {}}", "[production]"): ("SCH104", "[production]", "must be a mapping, not a list", None),
    CONFIG.replace("{}", "{protcted: true}"): ("SCH102", "protcted", "unknown key", "'protected'"),
    CONFIG + "context: {attributes: {a..b: {type: string}}}\n": ("SCH106", "a..b", "not an attribute path", "empty steps"),
    CONFIG + "context: {attributes: {a: {type: sting}}}\n": ("SCH105", "sting", "not a known type", "'string'"),
    CONFIG + "context: {additional: no}\n": ("SCH105", "no", "not a known additional", "deny or allow"),
    CONFIG + "lint: {severity: {tgt101: error}}\n": ("SCH106", "tgt101", "not the code of a finding", "TGT102"),
    CONFIG + "lint: {severity: {TGT101: fatal}}\n": ("SCH105", "fatal", "not a known TGT101", "error, warning or info"),
    CONFIG + "required_version: 0.1\n": ("SCH104", "0.1", "must be text, not the number 0.1", 'quotes: "0.1"'),
    CONFIG + f"remote: {{url: {'x' * 2001}}}\n": ("SCH110", "x" * 2001, "has 2001 characters, but at most 2000 are allowed", None),
    CONFIG + "remote: s3://x\n": ("SCH104", "s3://x", "must be a mapping, not the text 's3://x'", None),
}  # fmt: skip


def marked(document, span):
    lines = document.lines
    return document.text[lines.offset(span.line, span.column) : lines.offset(span.end_line, span.end_column)]


@pytest.mark.parametrize("text", CASES, ids=[text.rpartition("\n")[0].rpartition("\n")[2].strip() for text in CASES])
def test_a_wrong_shape_is_told_at_its_place_in_peoples_words(text, load):
    code, place, message, advice = CASES[text]
    loaded = load(text)
    assert [finding.code for finding in loaded.diagnostics] == [code]
    finding = loaded.diagnostics[0]
    assert marked(loaded.documents["x.yaml"], finding.span) == place
    assert message in finding.message
    assert advice is None or advice in (finding.help or "")
    assert "schema" not in finding.message


@pytest.mark.parametrize("text", CONFIG_CASES)
def test_a_wrong_configuration_is_told_at_its_place_in_peoples_words(text):
    code, place, message, advice = CONFIG_CASES[text]
    loaded = load_tree({"flagctl.yaml": text.encode()})
    (finding,) = loaded.diagnostics
    assert finding.code == code
    assert marked(loaded.documents["flagctl.yaml"], finding.span) == place
    assert message in finding.message
    assert advice is None or advice in (finding.help or "")


def test_two_misspellings_of_one_key_are_both_found(load):
    findings = load.findings(FLAG + "defalt: on\ndefautl: off\n")
    assert [(f.code, f.route) for f in findings] == [("SCH102", ("defalt",)), ("SCH102", ("defautl",))]


def test_a_name_that_is_too_long_is_told_at_the_name(load):
    finding = load.only(FLAG + f"variants: {{{'a' * 256}: true}}\n")
    assert (finding.code, finding.span.column) == ("SCH110", 12)


def test_a_misspelt_key_has_a_safe_fix_that_works(load):
    text = RULES + "  - id: r\n    serv: on\n"
    finding = load.only(text)
    assert finding.fix.applicability is Applicability.SAFE
    (edit,) = finding.fix.edits
    lines = load(text).documents["x.yaml"].lines
    start, end = (
        lines.offset(edit.span.line, edit.span.column),
        lines.offset(edit.span.end_line, edit.span.end_column),
    )
    assert load.findings(text[:start] + edit.text + text[end:]) == ()


@pytest.mark.parametrize("key", ["fallthrough", "distribution", "weights"])
def test_a_key_without_exactly_one_close_match_has_no_fix(key, load):
    assert load.only(f"{FLAG}{key}: x\n").fix is None


def test_a_name_of_another_product_is_a_suggestion_but_no_fix(load):
    finding = load.only(FLAG + "targeting: []\n")
    assert finding.help == "did you mean 'rules'?"
    assert finding.fix is None


def test_a_misspelt_choice_has_no_safe_fix(load):
    finding = load.only(WHEN + "      - {attribute: a, operator: endswith, value: b}\n")
    assert finding.fix.applicability is Applicability.UNSAFE


def test_one_typo_gives_one_finding_and_hides_nothing_below_it(load):
    text = FLAG + "rulez:\n  - {id: a, serve: on, percentage: 500}\n  - {id: b}\n"
    assert [(f.code, f.route) for f in load.findings(text)] == [
        ("SCH102", ("rulez",)),
        ("SCH110", ("rulez", 0, "percentage")),
        ("SCH103", ("rulez", 1)),
    ]


def test_all_mistakes_of_a_file_are_found_in_one_pass(load):
    text = (
        FLAG
        + "name: 5\nenabled: no\nrules:\n  - {id: a, serv: on}\n  - {id: b}\n  - {id: c, serve: on, percentage: 1.23456}\nfoo: 1\n"
    )
    assert [f.code for f in load.findings(text)] == ["SCH104", "SCH104", "SCH102", "SCH103", "SCH112", "SCH102"]


def test_a_file_of_another_product_does_not_bury_the_terminal(load):
    text = FLAG + "".join(f"key{number}: 1\n" for number in range(500))
    assert len(load.findings(text)) == 100


def test_the_related_place_of_a_conflict_is_the_other_key(load):
    finding = load.only(RULES + "  - {id: r, serve: on, value: true}\n")
    (related,) = finding.related
    assert (related.span.line, related.span.column) == (5, 13)


def test_a_missing_key_of_a_document_is_told_although_two_others_conflict(load):
    found = load.findings("kind: flag\nvalue: 1\ndefault: a\n")
    assert sorted(finding.code for finding in found) == ["SCH103", "SCH103", "SCH107"]
