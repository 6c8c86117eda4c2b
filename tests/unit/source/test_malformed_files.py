from __future__ import annotations

import random
from collections import Counter

import pytest

from flagctl.lint import LintOptions, lint
from flagctl.source import load_tree
from flagctl.source.codes import SOURCE_RULES
from tests.scale import scaled
from tests.unit.source.yaml_mutations import VALID, mutate

CODES = {rule.code for rule in SOURCE_RULES}
NAMES = ("flag.yaml", "flagctl.yaml", "x.test.yaml")
CONFIG = VALID[5]
OPTIONS = LintOptions(now_ms=1_796_083_200_000)


def check(content: bytes, name: str) -> list[str]:
    loaded = load_tree({"flagctl.yaml": CONFIG, name: content})
    for finding in loaded.diagnostics:
        assert finding.code in CODES
        assert finding.message
        assert not finding.message.endswith(".")
        assert "given schemas" not in finding.message
        assert "$" not in finding.path
        assert finding.span is not None
        document = loaded.documents[finding.path]
        lines = document.text.count("\n") + document.text.count("\r") - document.text.count("\r\n") + 1
        assert 1 <= finding.span.line <= finding.span.end_line <= lines
        assert (finding.span.line, finding.span.column) <= (finding.span.end_line, finding.span.end_column)
        assert document.lines.position(document.lines.offset(finding.span.line, finding.span.column)) == (
            finding.span.line,
            finding.span.column,
        )
        for edit in finding.fix.edits if finding.fix else ():
            assert edit.path == finding.path
        for related in finding.related:
            assert related.span is not None
    document = loaded.documents[name]
    document.comments()
    checked = lint(loaded, OPTIONS).diagnostics
    assert checked or not loaded.diagnostics
    assert len({(found.path, found.code, found.span, found.message) for found in checked}) == len(checked)
    if not loaded.diagnostics and name == "flag.yaml":
        assert loaded.repository is not None
        assert document.data is not None
    return [finding.code for finding in loaded.diagnostics]


@pytest.mark.parametrize("part", range(4))
def test_no_malformed_file_raises_and_every_failure_is_a_coded_finding_inside_the_file(part):
    rng = random.Random(20_261 + part)
    seen: Counter[str] = Counter()
    for _ in range(scaled(150, 2_500)):
        seen.update(check(mutate(rng), rng.choice((NAMES[0], NAMES[0], *NAMES[1:]))))
    assert len(seen) > 10


@pytest.mark.parametrize("index", range(len(VALID)))
def test_the_files_that_are_mutated_are_valid_themselves(index):
    name = NAMES[{5: 1, 6: 2}.get(index, 0)]
    assert check(VALID[index], name) == []


@pytest.mark.parametrize("part", range(2))
def test_random_bytes_are_refused_with_a_coded_finding(part):
    rng = random.Random(part)
    for _ in range(scaled(50, 1_000)):
        check(rng.randbytes(rng.randint(0, 60)), "flag.yaml")
