"""Breakers of flags and lists of segments: compiled, decompiled, compared."""

from __future__ import annotations

from typing import Any

from flagctl.compiler import compile_environment
from flagctl.evaluator.document import check_structure, open_bundle
from flagctl.review.changes import Category
from flagctl.review.decompile import decompile
from flagctl.review.diff import diff_repositories
from flagctl.source import LoadedRepository, load_tree

CONFIG = b"version: 1\nproject: acme\nenvironments: {production: {}}\n"
FLAG = """\
kind: flag
key: checkout
owner: web
type: boolean
default: off
rules: [{id: vip, when: [{segment: vip}], serve: on}]
"""
BREAKER = "breaker: {error_rate: 0.5%, latency_p95_ms: 800, minimum: 200, window: 90s, cool_down: 5m}\n"


def loaded(flag: str, segment: str) -> LoadedRepository:
    """Return a repository of a flag and a segment."""
    text = f"kind: segment\nkey: vip\nowner: web\n{segment}\n"
    found = load_tree({"flagctl.yaml": CONFIG, "checkout.yaml": flag.encode(), "vip.yaml": text.encode()})
    assert found.diagnostics == ()
    return found


def entries(found: LoadedRepository) -> tuple[Any, Any, Any]:
    """Return the capabilities, the flag and the segment in the bundle."""
    assert found.repository is not None
    compiled = compile_environment(found.repository, "production")
    document = open_bundle(compiled.data)
    check_structure(document)
    again = compile_environment(decompile(document), "production")
    assert again.data == compiled.data
    return compiled.capabilities, document.flag("checkout"), document.segment("vip")


def test_a_bundle_has_limits_as_integers_and_the_name_of_a_list_and_says_that_it_needs_a_reader_who_knows_both() -> (
    None
):
    capabilities, flag, segment = entries(loaded(FLAG + BREAKER, "members: {list: vip-customers}"))
    assert {"breakers", "lists"} <= set(capabilities)
    assert flag["breaker"] == {
        "error_rate": 500,
        "latency_p95": 800,
        "minimum": 200,
        "window": 90_000,
        "cool_down": 300_000,
    }
    assert segment == {"list": "vip-customers"}


def test_flags_without_breakers_and_lists_need_no_such_reader() -> None:
    capabilities, flag, _ = entries(loaded(FLAG, "include: [u]"))
    assert not {"breakers", "lists"} & set(capabilities)
    assert "breaker" not in flag


def test_what_is_left_out_has_its_default() -> None:
    _, flag, _ = entries(loaded(FLAG + "breaker: {error_rate: 5%}\n", "include: [u]"))
    assert flag["breaker"] == {"error_rate": 5_000, "minimum": 100, "window": 60_000, "cool_down": 300_000}


def test_a_change_of_a_breaker_is_told_and_changes_no_answer() -> None:
    before, after = loaded(FLAG, "include: [u]"), loaded(FLAG + BREAKER, "include: [u]")
    (change,) = diff_repositories(before, after).changes
    assert (change.code, change.category) == ("breaker-changed", Category.STRUCTURE)
    assert change.message == (
        "breaker none → errors > 0.5 % or p95 > 800 ms of 200 calls or more in 90s, again after 5m"
    )
    assert not change.category.changes_answers


def test_another_list_is_told_and_reaches_the_flags_that_use_it() -> None:
    before, after = loaded(FLAG, "members: {list: old}"), loaded(FLAG, "members: {list: new}")
    difference = diff_repositories(before, after)
    (change,) = difference.changes
    assert (change.code, change.message) == ("segment-members-changed", "list old → new")
    assert difference.reached == {"checkout": ("segment vip",)}
