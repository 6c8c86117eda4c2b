"""Corrections are applied together, repeatedly, and never for the worse."""

from __future__ import annotations

from flagctl.diagnostics import Applicability, Diagnostic, Edit, Fix, Severity, Span
from flagctl.lint import LintOptions
from flagctl.ops import fix as fixing
from flagctl.ops.fix import fix_files
from flagctl.source import load_tree
from tests.unit.lint.repositories import NOW_MS, files_of

OPTIONS = LintOptions(now_ms=NOW_MS)

FLAG = """\
kind: flag
key: dark-mode
owner: web
type: boolean
variants: {on: yes, off: no}
default: off
targets: {on: [u1, u1, u2, u1]}
rules:
  - id: r
    when: [{attribute: seats, operator: equals, value: 5, ignore_case: true}]  # flagctl: ignore[TYP110] once
    serve: onn
"""


def text_of(result, path="dark-mode.yaml"):
    return result.files[path].decode()


def test_safe_corrections_are_applied_all_at_once_and_the_rest_is_reported():
    result = fix_files(files_of(FLAG), OPTIONS)
    assert text_of(result) == FLAG.replace("yes", "true").replace("off: no", "off: false").replace(
        "[u1, u1, u2, u1]", "[u1, u2]"
    ).replace(", ignore_case: true", "").replace("  # flagctl: ignore[TYP110] once", "")
    assert [d.code for d in result.result.diagnostics] == ["REF101"]
    assert sorted(fix.code for fix in result.applied) == ["SUP101", "TGT103", "TGT103", "TYP101", "TYP101", "TYP111"]
    assert set(result.files) == {"dark-mode.yaml"}
    assert result.to_dict()["files"] == ["dark-mode.yaml"]


def test_guesses_are_applied_only_on_request():
    result = fix_files(files_of(FLAG), OPTIONS, unsafe=True)
    assert "serve: on\n" in text_of(result)
    assert result.result.diagnostics == ()


def test_only_the_named_files_are_corrected():
    files = files_of(FLAG + "---\n" + FLAG.replace("dark-mode", "other"))
    assert set(fix_files(files, OPTIONS, paths=frozenset({"other.yaml"})).files) == {"other.yaml"}


def test_what_is_right_stays_untouched():
    files = files_of("kind: flag\nkey: a\nowner: w\ntype: boolean\ndefault: off\n")
    result = fix_files(files, OPTIONS)
    assert result.files == {}
    assert result.applied == ()


def test_byte_order_mark_and_line_ends_survive():
    files = files_of(FLAG)
    files["dark-mode.yaml"] = b"\xef\xbb\xbf" + FLAG.replace("\n", "\r\n").encode()
    content = fix_files(files, OPTIONS).files["dark-mode.yaml"]
    assert content.startswith(b"\xef\xbb\xbfkind: flag\r\n")
    assert content.count(b"\n") == content.count(b"\r\n") == FLAG.count("\n")
    assert b"{on: true, off: false}" in content


def test_characters_in_front_of_a_correction_are_counted_as_characters():
    text = FLAG.replace("owner: web", "owner: Überraschung 🎉").replace("[u1, u1, u2, u1]", "['ü🎉', 'ü🎉']")
    assert "targets: {on: ['ü🎉']}" in text_of(fix_files(files_of(text), OPTIONS))


def test_correcting_again_changes_nothing():
    for unsafe in (False, True):
        files = files_of(FLAG)
        first = fix_files(files, OPTIONS, unsafe=unsafe)
        again = fix_files({**files, **first.files}, OPTIONS, unsafe=unsafe)
        assert again.files == {}


def harmful(path, text):
    """A finding whose correction breaks its file."""
    span = Span(line=1, column=1, end_line=1, end_column=1)
    fix = Fix(title="break it", applicability=Applicability.SAFE, edits=(Edit(path=path, span=span, text=text),))
    return Diagnostic(code="OWN101", severity=Severity.WARNING, message=text, path=path, span=span, fix=fix)


def test_a_correction_that_breaks_a_file_is_taken_back_and_another_one_is_made():
    state = fixing._look(files_of(FLAG), OPTIONS)
    right = next(d for d in state.result.diagnostics if d.code == "TYP101")
    bad = [harmful("dark-mode.yaml", "]"), harmful("dark-mode.yaml", "unknown: 1\n")]
    after, made, refused = fixing._apply_all(state, [bad[0], right], OPTIONS)
    assert (list(made), list(refused)) == ([right], [bad[0]])
    assert "variants: {on: true, off: no}" in after.files["dark-mode.yaml"].decode()
    after, made, refused = fixing._apply_all(state, bad, OPTIONS)
    assert (after, list(made), list(refused)) == (state, [], bad)


def test_a_file_that_is_not_utf_8_is_left_alone():
    files = files_of(FLAG)
    files["dark-mode.yaml"] = FLAG.replace("web", "caf\xe9").encode("latin-1")
    assert "dark-mode.yaml" not in fix_files(files, OPTIONS, unsafe=True).files


def test_corrected_files_load_without_findings_of_syntax_or_shape():
    result = fix_files(files_of(FLAG), OPTIONS, unsafe=True)
    assert load_tree({**files_of(FLAG), **result.files}).diagnostics == ()
