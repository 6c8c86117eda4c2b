"""Runs over whole repositories."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from flagctl.diagnostics import Severity
from flagctl.lint import LintOptions, lint
from flagctl.lint.registry import load_rules, matching_codes
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree
from tests.scale import scaled
from tests.unit.lint.repositories import NOW_MS, files_of, lint_files, lint_text, place, shown

FIXTURES = Path(__file__).parents[2] / "rules"


def test_the_example_repository_has_no_findings():
    result = lint_files(read_tree(data_path("flags")))
    assert not [
        line for line, d in zip(shown(result), result.diagnostics, strict=True) if d.severity is not Severity.INFO
    ]


def test_findings_are_sorted_by_place_and_say_the_key():
    result = lint_text(
        "kind: flag\nkey: b\ntype: boolean\ndefault: x\n---\nkind: flag\nkey: a\ntype: boolean\ndefault: y\n"
    )
    assert [place(d) for d in result.diagnostics] == ["a.yaml:2:6", "a.yaml:4:10", "b.yaml:2:6", "b.yaml:4:10"]
    assert [d.key for d in result.diagnostics] == ["a", "a", "b", "b"]


def test_the_result_is_plain_data():
    result = lint_text("kind: flag\nkey: b\ntype: boolean\ndefault: x\n")
    document = json.loads(json.dumps(result.to_dict()))
    assert document["summary"] == {"error": 1, "warning": 1, "info": 0}
    assert result.has_errors
    assert document["diagnostics"][1]["code"] == "REF101"


def test_one_problem_of_all_environments_is_one_finding():
    flag = "kind: flag\nkey: a\nowner: w\ntype: boolean\ndefault: nope\n"
    overrides = (
        "environments: {development: {enabled: false}, staging: {enabled: false}, production: {enabled: true}}\n"
    )
    assert [d.code for d in lint_text(flag + overrides).diagnostics] == ["REF101"]


def test_a_broken_document_gives_no_findings_about_what_is_missing_in_it():
    flag = (
        "kind: flag\nkey: a\ntype: boolean\ndefault: off\nowner: 5\nrules:\n  - {id: r, serve: on, percentage: many}\n"
    )
    test = "---\n# file: a.test.yaml\nkind: test\nflag: a\ncases: [{name: n, context: {}, expect: {rule: r}}]\n"
    assert {d.code[:3] for d in lint_text(flag + test).diagnostics} == {"SCH"}


def test_rules_are_selected_by_beginnings_of_codes_and_by_names():
    assert matching_codes("ref2") == {"REF201", "REF202"}
    assert matching_codes("flag-cycle") == {"REF201"}
    assert matching_codes("") == frozenset()


def test_a_file_without_findings_is_not_parsed_again_for_places():
    loaded = load_tree(files_of("kind: flag\nkey: a\nowner: w\ntype: boolean\ndefault: off\n"))
    assert lint(loaded, LintOptions(now_ms=NOW_MS)).diagnostics == ()
    assert not [path for path, document in loaded.documents.items() if "tree" in vars(document)]


def all_fixture_texts():
    import yaml

    for path in sorted(FIXTURES.glob("*.yml")):
        fixture = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield from (case["files"] for case in (*fixture["pass"], *fixture["fail"]))
    for rule in load_rules().values():
        yield rule.INFO.bad


def test_nothing_raises_on_repositories_with_words_mixed_up():
    """Words of all fixtures, exchanged at random, so that references, types and structures go wrong in odd ways."""
    rng = random.Random(3)
    texts = list(all_fixture_texts())
    words = sorted({word for text in texts for word in re.findall(r"[\w.'\"%:/-]+|\[\]|\{\}", text)})
    for text in rng.sample(texts * 8, scaled(250, len(texts) * 8)):
        pieces = re.split(r"([\w.'\"/-]+)", text)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(pieces))
            if pieces[at].strip() and not pieces[at].startswith(("---", "#", "file")):
                pieces[at] = rng.choice(words)
        mixed = "".join(pieces)
        try:
            files = files_of(mixed)
        except TypeError:
            continue  # no key left to name a file by
        result = lint_files(files)
        for diagnostic in result.diagnostics:
            assert diagnostic.path in files
            assert diagnostic.code in load_rules() or diagnostic.code.startswith(("SYN", "SCH", "REF"))


@pytest.mark.parametrize("code", load_rules())
def test_every_finding_of_a_rule_has_a_place_in_its_file(code):
    for diagnostic in lint_text(load_rules()[code].INFO.bad).diagnostics:
        assert diagnostic.span is not None
        assert all(related.span is not None for related in diagnostic.related)
