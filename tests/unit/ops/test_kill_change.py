from __future__ import annotations

import pytest

from flagctl.errors import UsageError
from flagctl.ops.kill_change import disabled
from flagctl.source import load_tree

CONFIG = b"version: 1\nproject: acme\nenvironments: {staging: {}, production: {}}\n"
HEAD = "# a comment\nkind: flag\nkey: a\nowner: me\ntype: boolean\ndefault: on   # because\n"

EDITS = {
    "no environments": ("", "environments:\n  production: {enabled: false}\n"),
    "a block for another environment": (
        "environments:\n  # one\n  staging:\n    default: off\n",
        "environments:\n  # one\n  production: {enabled: false}\n  staging:\n    default: off\n",
    ),
    "a block for this environment": (
        "environments:\n  production:   # two\n    # three\n    default: off  # four\n",
        "environments:\n  production:   # two\n    # three\n    enabled: false\n    default: off  # four\n",
    ),
    "a flow for this environment": (
        "environments: {production: {default: off}, staging: {}}\n",
        "environments: {production: {enabled: false, default: off}, staging: {}}\n",
    ),
    "an empty flow for this environment": (
        "environments:\n  production: {}\n",
        "environments:\n  production: {enabled: false}\n",
    ),
    "an empty flow": ("environments: {}\n", "environments: {production: {enabled: false}}\n"),
    "a flow for another environment": (
        "environments: {staging: {default: off}}\n",
        "environments: {production: {enabled: false}, staging: {default: off}}\n",
    ),
    "a value already": (
        "environments:\n  production: {enabled: true, default: off}\n",
        "environments:\n  production: {enabled: false, default: off}\n",
    ),
    "a value in a block": (
        "environments:\n  production:\n    enabled: true # five\n",
        "environments:\n  production:\n    enabled: false # five\n",
    ),
    "no end of the last line": (
        "tags: [x]",
        "tags: [x]\nenvironments:\n  production: {enabled: false}\n",
    ),
}


def edited(text: bytes) -> str:
    files = {"flagctl.yaml": CONFIG, "a.yaml": text}
    return disabled(load_tree(files).documents["a.yaml"], "production", files)


@pytest.mark.parametrize("name", EDITS)
def test_one_value_is_set_and_everything_else_stays(name):
    before, after = EDITS[name]
    assert edited((HEAD + before).encode()) == HEAD + after


@pytest.mark.parametrize("name", EDITS)
def test_line_ends_and_byte_order_marks_stay(name):
    before, after = ((HEAD + text).replace("\n", "\r\n") for text in EDITS[name])
    assert edited(b"\xef\xbb\xbf" + before.encode()) == "\ufeff" + after


def test_what_cannot_be_edited_safely_is_left_to_people():
    with pytest.raises(UsageError, match="cannot be edited safely") as caught:
        edited((HEAD + "---\nkind: flag\n").encode())
    assert "environments.production.enabled: false" in caught.value.hint
