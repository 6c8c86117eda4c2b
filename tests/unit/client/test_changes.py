from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import flagctl
from flagctl.client.changes import changed_flags
from flagctl.compiler import compile_environment
from flagctl.evaluator.document import open_bundle
from flagctl.source import load_tree

CONFIG = """version: 1
project: small
environments: {live: {}}
context: {additional: allow, attributes: {targeting_key: {type: string}, email: {type: string}}}
"""
FILES = {
    "flagctl.yaml": CONFIG,
    "base.yaml": "kind: flag\nkey: base\nowner: t\ntype: boolean\ndefault: on\n",
    "above.yaml": (
        "kind: flag\nkey: above\nowner: t\ntype: boolean\nprerequisites: [{flag: base, variants: [on]}]\ndefault: on\n"
    ),
    "top.yaml": (
        "kind: flag\nkey: top\nowner: t\ntype: boolean\nprerequisites: [{flag: above, variants: [on]}]\ndefault: on\n"
    ),
    "inner.yaml": (
        "kind: segment\nkey: inner\nowner: t\nwhen: [{attribute: email, operator: matches, value: '@acme'}]\n"
    ),
    "outer.yaml": "kind: segment\nkey: outer\nowner: t\nwhen: [{any: [{segment: inner}]}]\n",
    "user.yaml": (
        "kind: flag\nkey: user\nowner: t\ntype: boolean\ndefault: off\n"
        "rules: [{id: r, when: [{not: {segment: outer}}], serve: on}]\n"
    ),
    # Names a segment without using it.
    "namesake.yaml": "kind: flag\nkey: namesake\nowner: t\ntype: string\nvariants: {inner: outer, base: base}\ndefault: base\n",
    "alone.yaml": "kind: flag\nkey: alone\nowner: t\ntype: boolean\ndefault: on\n",
}


def compiled(**changes):
    files = {**FILES, **{f"{name}.yaml": text for name, text in changes.items()}}
    repository = load_tree({name: text.encode() for name, text in files.items() if text is not None}).repository
    assert repository is not None
    return open_bundle(compile_environment(repository, "live").data)


def test_the_same_bundle_changes_nothing():
    assert changed_flags(compiled(), compiled()) == ()


def test_a_flag_changes_those_that_need_it():
    after = compiled(base=FILES["base.yaml"].replace("on", "off"))
    assert changed_flags(compiled(), after) == ("above", "base", "top")


def test_a_segment_changes_those_that_use_it_at_any_distance():
    after = compiled(inner=FILES["inner.yaml"].replace("@acme", "@other"))
    assert changed_flags(compiled(), after) == ("user",)


def test_flags_that_come_and_go_have_changed():
    after = compiled(alone=None, another=FILES["alone.yaml"].replace("alone", "another"))
    assert changed_flags(compiled(), after) == ("alone", "another")
    assert changed_flags(after, compiled()) == ("alone", "another")


def test_a_kill_changes_a_flag_and_those_that_need_it():
    document = compiled()
    assert changed_flags(document, document, frozenset({"above", "unknown"})) == ("above", "top")


def test_a_large_change_is_told_as_a_small_one_is():
    many = {f"f{n}": FILES["alone.yaml"].replace("alone", f"f{n}") for n in range(300)}
    after = compiled(**many, base=FILES["base.yaml"].replace("on", "off"))
    assert changed_flags(compiled(), after) == tuple(sorted([*many, "above", "base", "top"]))


@given(
    st.sets(st.sampled_from(["base", "above", "user", "alone", "inner", "outer"])), st.sampled_from(["a@acme.com", "b"])
)
def test_a_flag_that_answers_otherwise_is_always_named(changed, email):
    swaps = {
        "default: on": "default: off",
        "default: off": "default: on",
        "@acme": "^b",
        "{segment: inner}": "{not: {segment: inner}}",
    }
    changes = {}
    for name in changed:
        text = FILES[f"{name}.yaml"]
        old = next(old for old in swaps if old in text)
        changes[name] = text.replace(old, swaps[old])
    before, after = compiled(), compiled(**changes)
    context = {"targeting_key": "u", "email": email}
    was, now = (flagctl.FlagSet(document).evaluate_all(context) for document in (before, after))
    named = changed_flags(before, after)
    assert {key for key in was if was[key] != now[key]} <= set(named)
    assert "namesake" not in named
