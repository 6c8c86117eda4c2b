from __future__ import annotations

import hashlib
import json

from flagctl.bundle.layout import BundleContents, digest_of_line, entry_line, write_bundle

FLAGS = {"b-flag": {"type": "boolean", "variants": [["on", True]]}, "a-flag": {"variants": [], "type": "json"}}

HEADER = (
    '{"bundle":{"capabilities":["operator:equals","segments"],"env":"production","format":1,"min_version":"0.1.0",'
    '"project":"acme"}'
)


def test_an_empty_bundle_has_all_four_sections():
    data = write_bundle(BundleContents(project="acme", environment="production"))
    assert data.decode() == (
        '{"bundle":{"capabilities":[],"env":"production","format":1,"min_version":"0.1.0","project":"acme"},'
        '"experiments":{\n},"flags":{\n},"patterns":{\n},"segments":{\n}}\n'
    )


def test_every_entry_has_a_line_of_its_own_sorted_by_key():
    data = write_bundle(
        BundleContents(
            project="acme",
            environment="production",
            capabilities=frozenset({"segments", "operator:equals"}),
            flags=FLAGS,
            experiments={"x": {"flag": "a-flag"}},
            patterns={'^"\n$': {"accept": []}},
            segments={"s": {"include": ["u"]}},
        )
    )
    assert data.decode().splitlines() == [
        HEADER + ',"experiments":{',
        '"x":{"flag":"a-flag"}',
        '},"flags":{',
        '"a-flag":{"type":"json","variants":[]},',
        '"b-flag":{"type":"boolean","variants":[["on",true]]}',
        '},"patterns":{',
        r'"^\"\n$":{"accept":[]}',
        '},"segments":{',
        '"s":{"include":["u"]}',
        "}}",
    ]
    assert json.loads(data)["flags"] == FLAGS


def test_the_order_of_the_entries_does_not_matter():
    turned = dict(reversed(FLAGS.items()))
    assert write_bundle(BundleContents(project="p", environment="e", flags=FLAGS)) == write_bundle(
        BundleContents(project="p", environment="e", flags=turned)
    )


def test_a_digest_is_the_start_of_the_line_s_sha256():
    line = entry_line("a-flag", FLAGS["a-flag"])
    assert line == b'"a-flag":{"type":"json","variants":[]}'
    assert digest_of_line(line) == hashlib.sha256(line).hexdigest()[:16]
