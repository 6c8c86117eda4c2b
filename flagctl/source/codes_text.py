"""Codes of findings about a file's text."""

from __future__ import annotations

from typing import Final

from flagctl.diagnostics import RuleInfo, Severity

_GOOD: Final = "kind: layer\nkey: checkout\n"


def _rule(code: str, name: str, summary: str, why: str, *examples: str, fixable: bool = False) -> RuleInfo:
    bad, *rest = examples
    return RuleInfo(
        code=code,
        name=name,
        severity=Severity.ERROR,
        summary=summary,
        why=why,
        bad=bad,
        good=rest[0] if rest else _GOOD,
        fixable=fixable,
    )


TEXT_RULES: Final = (
    _rule(
        "SYN101",
        "not-utf8",
        "The file is not UTF-8.",
        "Other encodings cannot be told apart reliably, and a wrong guess changes names and values silently.",
        "# bytes that are no UTF-8, such as an 'é' saved as Latin-1\nkind: layer\nkey: checkout\nname: Caf\N{REPLACEMENT CHARACTER}\n",
        "kind: layer\nkey: checkout\nname: Café\n",
    ),
    _rule(
        "SYN102",
        "unwanted-character",
        "The text contains a control character, a stray byte order mark, or an exotic line separator.",
        "Such characters are invisible, editors and parsers disagree about them, and two names that look the same are not.",
        'kind: layer\nkey: checkout\nname: "Check\\0out"\n',
        'kind: layer\nkey: checkout\nname: "Checkout"\n',
    ),
    _rule(
        "SYN103",
        "invalid-yaml",
        "The text is not valid YAML.",
        "A file that cannot be read has no meaning; nothing in it is checked until it can.",
        "kind: layer\nkey: checkout\nname: @checkout\n",
        'kind: layer\nkey: checkout\nname: "@checkout"\n',
    ),
    _rule(
        "SYN104",
        "tab-indentation",
        "A tab stands in the indentation.",
        "YAML measures nesting in spaces. How wide a tab is differs from editor to editor, so YAML forbids it there.",
        "kind: test\ncases:\n\t- name: somebody\n",
        "kind: test\nflag: search\ncases:\n  - name: somebody\n    expect: {value: true}\n",
    ),
    _rule(
        "SYN105",
        "unclosed-quote",
        "A quoted text is not closed.",
        "Everything behind an opening quote belongs to the text, so the rest of the file is swallowed.",
        'kind: layer\nname: "Checkout\nkey: checkout\n',
        'kind: layer\nname: "Checkout"\nkey: checkout\n',
    ),
    _rule(
        "SYN106",
        "bad-indentation",
        "A line's indentation fits no line above.",
        "Indentation is what says which key belongs to which; a line between two levels belongs to neither.",
        "kind: layer\nkey: checkout\n  name: Checkout\n",
        "kind: layer\nkey: checkout\nname: Checkout\n",
    ),
    _rule(
        "SYN107",
        "missing-space-after-colon",
        "A space is missing behind the colon of a key.",
        "Without the space the colon is part of the text: 'key:value' is one word.",
        "kind: layer\nkey:checkout\nname: Checkout\n",
        "kind: layer\nkey: checkout\nname: Checkout\n",
        fixable=True,
    ),
    _rule(
        "SYN108",
        "unclosed-bracket",
        "A list in [ ] or a mapping in { } is not closed, or lacks a comma.",
        "Everything up to the closing bracket belongs to it, so the lines below are misread.",
        "kind: segment\nkey: beta\ninclude: [user-1, user-2\nname: Beta\n",
        "kind: segment\nkey: beta\ninclude: [user-1, user-2]\nname: Beta\n",
    ),
    _rule(
        "SYN110",
        "duplicate-key",
        "A mapping has the same key twice.",
        "Most parsers keep the last one and drop the first without a word, so half of what the file says would be ignored.",
        "kind: layer\nkey: checkout\nname: Checkout\nname: Payment\n",
        "kind: layer\nkey: checkout\nname: Payment\n",
    ),
    _rule(
        "SYN111",
        "anchor-or-alias",
        "The file uses a YAML anchor (&) or alias (*).",
        "What a line means should be readable where it stands, and a change in one place should change that place. Shared conditions belong in a segment, which has a name, an owner and tests.",
        "kind: layer\nkey: checkout\nname: &name Checkout\n",
        "kind: layer\nkey: checkout\nname: Checkout\n",
    ),
    _rule(
        "SYN112",
        "yaml-tag",
        "The file uses a YAML tag (!).",
        "Tags make programs build other types than the text shows; some build arbitrary objects.",
        "kind: layer\nkey: checkout\nname: !!str 42\n",
        'kind: layer\nkey: checkout\nname: "42"\n',
    ),
    _rule(
        "SYN113",
        "several-documents",
        "The file holds more than one document.",
        "One file, one flag: history, ownership and review work on files.",
        "kind: layer\nkey: checkout\n---\nkind: layer\nkey: payment\n",
    ),
    _rule(
        "SYN114",
        "not-a-finite-number",
        "A number is not finite.",
        "NaN and infinity do not exist in JSON, so no bundle could carry them.",
        "kind: flag\nkey: limit\ntype: number\nvalue: .inf\n",
        "kind: flag\nkey: limit\ntype: number\nvalue: 1000000\n",
    ),
    _rule(
        "SYN115",
        "integer-too-large",
        "An integer is beyond ±2^53.",
        "Many languages read numbers of JSON as doubles, which round such integers: two ids would become one.",
        "kind: flag\nkey: account\ntype: number\nvalue: 9007199254740993\n",
        'kind: flag\nkey: account\ntype: string\nvalue: "9007199254740993"\n',
        fixable=True,
    ),
    _rule(
        "SYN116",
        "nested-too-deeply",
        "Mappings and lists are nested deeper than 64 levels.",
        "Nobody can review such a file, and readers of bundles may refuse it.",
        "kind: flag\nkey: deep\ntype: json\nvalue: " + "[" * 65 + "]" * 65 + "\n",
        "kind: flag\nkey: deep\ntype: json\nvalue: [[1]]\n",
    ),
    _rule(
        "SYN117",
        "file-too-large",
        "The file is larger than 5 MiB.",
        "A list of units this long belongs in a system that computes attributes; it slows every review and every app.",
        "# more than 5 MiB of text\n",
    ),
    _rule(
        "SYN118",
        "empty-document",
        "The file is empty or holds comments only.",
        "It would silently be no flag at all.",
        "# to be written\n",
    ),
    _rule(
        "SYN119",
        "not-a-mapping",
        "The document is not a mapping of keys to values.",
        "Every document says what it is under 'kind' and 'key'.",
        "- kind: layer\n- key: checkout\n",
    ),
    _rule(
        "SYN120",
        "key-is-not-text",
        "A mapping's key is a list or a mapping.",
        "JSON knows texts as keys only.",
        "kind: flag\nkey: json-flag\ntype: json\nvalue: {[a, b]: 1}\n",
        'kind: flag\nkey: json-flag\ntype: json\nvalue: {"[a, b]": 1}\n',
    ),
    _rule(
        "SYN121",
        "yaml-directive",
        "The file begins with a YAML directive.",
        "Files are always read as YAML 1.2; a directive that says otherwise would be a promise that nobody keeps.",
        "%YAML 1.1\n---\nkind: layer\nkey: checkout\n",
    ),
)
"""Codes `SYN1xx`."""
