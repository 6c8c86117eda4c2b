"""Writes the conformance vectors: `python -m tests.conformance.generate` from the root of the checkout.

The answers come from the reference interpreter, not from the evaluator that the vectors check; the seed is fixed, so
that a second run writes the same bytes. What the files mean is in `README.md`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from flagctl.evaluator.operators import OPERATORS
from flagctl.patterns import compile_pattern
from tests.generators import vocabulary as v
from tests.generators.bundles import decoded, focused_cases, pool_cases, random_bundle
from tests.generators.layout import bundle_of, lay_out
from tests.reference import Answer, Reference, readers
from tests.reference.conditions import MISSING, attribute_holds, found
from tests.reference.interpreter import share_at
from tests.reference.murmur import bucket

FOLDER = Path(__file__).parent
FORMAT = 1
BUNDLES = 3
FLAGS = 25
CASES = 9
SAFE_INTEGER = 2**53

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 5, 100, 0.5, 1.5, -2.25, 1e15, 9007199254740992, "", "a", "A", "ab", "b", "abc", "DE", "de", "1",
    "1.0", "true", "null", "straße", "STRASSE", "ß", "ss", "é", "e\u0301", "İ", "i̇", "ſ", "K", "\u212a", "日本語", "😀",
    "1.2.3", "v1.2", "1.2.3-rc.1", "1.2.3-rc.2", "1.2.3-rc.10", "1.2.4", "2.0.0", "1.2.3+b", "01.2.3", "2026-12-01T00:00:00Z",
    "2026-12-01T00:00:00.000001Z", "2026-12-01T01:00:00+01:00", "2026-12-01", 1796083200, 1796083200.5, 1796083199, "10.0.0.1",
    "11.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "10.0.0.1/32", [], ["a"], ["a", "b"], ["A"], [1], [1.0, True], ["1", "true"],
    [None], [["a"]], [{"a": 1}], ["STRASSE", 0], {}, {"a": 1},
)  # fmt: skip
CONSTANTS: dict[str, tuple[Any, ...]] = {
    "equals": ("a", "", 1, 0.5, True, False, "ß", "é", 9007199254740992),
    "in": (["a", 1, True], ["DE", "FR"], [0, False], ["straße", "😀", 1.5]),
    "contains": ("a", "b", 1, True, "ß", "", "1"),
    "contains_any": (["a", "x"], [1], [True, 0], ["strasse"]),
    "contains_all": (["a", "b"], ["a"], [1, True], ["strasse", 0]),
    "starts_with": (["a"], ["b", "A"], ["日"], ["s"]),
    "ends_with": (["b"], ["c", "C"], ["語", "E"], ["ss"]),
    "greater_than": (1, 0.5, -1, 1796083199),
    "greater_or_equal": (1, 0.5, 9007199254740992),
    "less_than": (1, 0.5, 100),
    "less_or_equal": (1, -2.25, 0),
    "semver_equal": ("1.2.3", "1.2.0", "1.2.3-rc.1"),
    "semver_greater_than": ("1.2.3", "1.2.3-rc.2"),
    "semver_greater_or_equal": ("1.2.3", "1.2.3-rc.2"),
    "semver_less_than": ("1.2.3", "1.2.3-rc.2"),
    "semver_less_or_equal": ("1.2.3", "1.2.3-rc.2"),
    "before": (1796083200000000, 1796083200000001),
    "after": (1796083200000000, 1796083199999999),
    "in_network": (["10.0.0.0/8"], ["2001:db8::/32", "11.0.0.1/32"], ["::/0"], ["0.0.0.0/0"]),
    "exists": (MISSING,),
}


def main() -> None:
    for name, document in documents().items():
        (FOLDER / name).write_text(document, encoding="utf-8")


def documents() -> dict[str, str]:
    """Return the text of every file by its name."""
    return {
        **{f"evaluation-{number}.json": written(evaluation(number)) for number in range(1, BUNDLES + 1)},
        "operators.json": written({"values": list(VALUES), "conditions": list(operators())}),
        "units.json": written({"salt": "conformance", "units": list(units())}),
        "instants.json": written({"instants": list(instants())}),
        "versions.json": written(versions()),
        "networks.json": written({"networks": list(networks())}),
        "patterns.json": written({"patterns": list(patterns())}),
        "percentages.json": written({"percentages": list(percentages())}),
        "lists.json": written(lists()),
    }


def written(document: dict[str, Any]) -> str:
    """Write one vector a line, so that differences can be read."""
    parts = [f'"format": {FORMAT}']
    for key, value in document.items():
        if isinstance(value, list):
            items = ",\n".join(dumped(item) for item in value)
            parts.append(f"{dumped(key)}: [\n{items}\n]")
        else:
            parts.append(f"{dumped(key)}: {dumped(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


# --- whole evaluations ---


def evaluation(number: int) -> dict[str, Any]:
    """Return a bundle and cases; the second has a kill list, the third is past its expiry, too."""
    rng = Random(7_000 + number)
    data = random_bundle(7_000 + number, FLAGS)
    bundle = decoded(data)
    killed = sorted(rng.sample(list(bundle["flags"]), 2)) if number > 1 else []
    stale = number == BUNDLES
    reference = Reference(bundle, frozenset(killed), stale)
    cases = [case for key in bundle["flags"] for case in evaluated(rng, reference, bundle, key)]
    cases.append(unknown_flag(reference))
    return {"killed": killed, "stale": stale, "lines": data.decode().splitlines(), "cases": cases}


def unknown_flag(reference: Reference) -> dict[str, Any]:
    answer = reference.evaluate("no-such-flag", {}, 7, v.BASE_MS)
    return {"flag": "no-such-flag", "context": {}, "now_ms": v.BASE_MS, "default": 7, "expect": expected(answer)}


def expected(answer: Answer) -> dict[str, Any]:
    return dict(zip(("value", "variant", "reason", "error_code", "rule"), answer, strict=True))


def evaluated(rng: Random, reference: Reference, bundle: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return cases of one flag, those first that differ in what they answer."""
    candidates = focused_cases(rng, bundle, key, 150) + pool_cases(rng, 10)
    seen: dict[Any, int] = {}
    ranked = []
    for case in candidates:
        context = portable(case.context)
        context = [] if context is MISSING else context
        default = case.default if case.default is not True else "fallback"
        answer = reference.evaluate(key, context, default, case.now_ms)
        kind = answer[1:]
        seen[kind] = seen.get(kind, 0) + 1
        ranked.append(
            (
                seen[kind],
                {
                    "flag": key,
                    "context": context,
                    "now_ms": case.now_ms,
                    "default": default,
                    "expect": expected(answer),
                },
            )
        )
    ranked.sort(key=lambda pair: pair[0])
    return [case for _, case in ranked[:CASES]]


def portable(value: Any) -> Any:
    """Leave of a context what JSON and every language can hold; a context that is no mapping stays what it is."""
    if isinstance(value, Mapping):
        pairs = {key: portable(item) for key, item in value.items() if type(key) is str}
        return {key: item for key, item in pairs.items() if item is not MISSING}
    if isinstance(value, (list, tuple)):
        return [item for item in map(portable, value) if item is not MISSING]
    if type(value) is str:
        return value if len(value) < 200 and (value.isprintable() or value.isascii()) else MISSING
    if type(value) is int:
        return value if abs(value) <= SAFE_INTEGER else MISSING
    if type(value) is float:
        # Many languages cannot tell 1.0 from 1, which is a unit.
        return (int(value) if value.is_integer() else value) if abs(value) <= SAFE_INTEGER else MISSING
    return value if value is None or type(value) is bool else MISSING


# --- parts ---


def operators() -> Iterable[dict[str, Any]]:
    """Every operator against every value; the twin with `not_` says the opposite, a missing attribute counts as null."""
    for name, operator in OPERATORS.items():
        for constant in CONSTANTS.get(name, ()):
            for fold in (False, True) if operator.ignore_case and has_text(constant) else (False,):
                condition: dict[str, Any] = {"attribute": "x", "operator": name}
                if constant is not MISSING:
                    condition["value"] = folded(constant) if fold else constant
                if fold:
                    condition["ignore_case"] = True
                held = [i for i, value in enumerate(VALUES) if attribute_holds(condition, {"x": value})]
                yield {"condition": condition, "holds_for": held}


def has_text(constant: Any) -> bool:
    return any(isinstance(item, str) for item in (constant if isinstance(constant, list) else [constant]))


def folded(constant: Any) -> Any:
    if isinstance(constant, list):
        return [folded(item) for item in constant]
    return constant.casefold() if isinstance(constant, str) else constant


def units() -> Iterable[dict[str, Any]]:
    values = (
        *v.UNITS[:4], *v.UNITS[60:], "", " ", "a\u0000b", "x" * 257, "é", "e\u0301", "0", "-0", 0, 1, -1, 42, 9007199254740992,
        -9007199254740992, 0.5, True, False, None, [], ["user-1"], {}, {"id": "user-1"},
    )  # fmt: skip
    for value in values:
        unit = readers.unit(value)
        yield {"value": value, "unit": unit, "bucket": None if unit is None else bucket("conformance", unit)}


def instants() -> Iterable[dict[str, Any]]:
    texts = (
        *v.INSTANTS, *v.NOT_INSTANTS, "0000-01-01T00:00:00Z", "0000-02-29T00:00:00Z", "0001-01-01T00:00:00+23:59", "1900-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z", "2026-12-01T00:00:00.123456789Z", "1969-12-31T23:59:59.999999999Z", "2026-12-01T23:59:60Z",
        "2026-12-01T12:00:00-00:00", "2026-12-01T12:00:00+05:45", "2026-00-10T00:00:00Z", "2026-04-31T00:00:00Z", "9999-12-31T23:59:59-23:59",
    )  # fmt: skip
    numbers = (
        0,
        1,
        -1,
        0.5,
        1e-6,
        5e-7,
        1.5e-6,
        2.5e-6,
        -5e-7,
        1796083200,
        1796083200.123457,
        4102444800.999999,
        1e17,
        True,
        None,
        [],
        {},
    )
    for value in (*texts, *numbers):
        yield {"value": value, "microseconds": readers.instant(value)}


def versions() -> dict[str, Any]:
    """Return groups of versions of one precedence, ascending, and texts that are no versions."""
    texts = {
        *v.VERSIONS, "0.0.0-0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
        "1.0.0-rc.1", "1.0.0", "1.0.0-1", "1.0.0--1", "1.0.0-1a", "1.0.0-A", "1.0.0-a", "1.0.0-999999999999999999999", "v1-rc", "1.0-rc+x.y",
        "1.0.0+a.b-c.001", "1.0.0-0a",
    }  # fmt: skip
    keys = {text: readers.version(text) for text in sorted(texts)}
    groups: dict[Any, list[str]] = {}
    for text, key in keys.items():
        groups.setdefault(key, []).append(text)
    wrong = [
        *v.NOT_VERSIONS,
        "1.2.3-a..b",
        "1.2.3-é",
        "vv1",
        "v",
        "-1",
        "1.2.3 ",
        "1,2",
        "1.2.3-00",
        "1.02",
        "1.2.3+a..b",
        "1.2-",
        "+1",
    ]
    return {"ascending": [groups[key] for key in sorted(groups)], "not_versions": wrong}


def networks() -> Iterable[dict[str, Any]]:
    addresses = (
        *v.ADDRESSES,
        *v.NOT_ADDRESSES,
        "255.255.255.255",
        "::ffff:255.255.255.255",
        "fe80::ffff:ffff",
        "1:2:3:4:5:6:7:8",
    )
    constants = (
        "10.0.0.0/8",
        "192.168.1.0/24",
        "192.168.1.7/32",
        "0.0.0.0/0",
        "2001:db8::/32",
        "::/0",
        "::1/128",
        "10.1.0.0/16",
        "fe80::/10",
    )
    for constant in (*constants, "203.0.113.128/25"):
        inside = [a for a in addresses if attribute_holds(network_condition(constant), {"x": a})]
        yield {"network": constant, "inside": inside, "outside": [a for a in addresses if a not in inside]}


def network_condition(constant: str) -> dict[str, Any]:
    return {"attribute": "x", "operator": "in_network", "value": [constant]}


def patterns() -> Iterable[dict[str, Any]]:
    more = ("abc", "ABC", "foo", "ann@acme.com", "xx", "xxxy", "a\nb", "ſ", "K", "日本", "", "_", "9")
    for pattern, examples in v.PATTERNS.items():
        texts = sorted({text for text in (*examples, *more) if "\ud800" not in text})
        matching = [text for text in texts if found(pattern, text)]
        yield {
            "pattern": pattern,
            "automaton": compile_pattern(pattern).to_document(),
            "matches": matching,
            "does_not_match": [text for text in texts if text not in matching],
        }


def percentages() -> Iterable[dict[str, Any]]:
    base = v.BASE_MS
    shapes: tuple[Any, ...] = (
        0, 1, 25_000, 100_000,
        {"steps": [[base, 5_000]]},
        {"steps": [[base, 5_000], [base + 1, 25_000], [base + 86_400_000, 100_000]]},
        {"steps": [[base, 100_000], [base + 10, 0]]},
        {"linear": [base, base + 7, 0, 100_000]},
        {"linear": [base, base + 7, 100_000, 0]},
        {"linear": [base, base + 604_800_000, 1, 99_999]},
        {"linear": [base, base + 1, 10, 20]},
        {"linear": [base, base + 1_000_003, 33_333, 12_345]},
    )  # fmt: skip
    for shape in shapes:
        moments = {
            base + shift
            for shift in (-1, 0, 1, 2, 3, 6, 7, 8, 10, 11, 500_000, 1_000_002, 1_000_003, 86_399_999, 86_400_000)
        }
        yield {"percentage": shape, "at": [[ms, share_at(shape, ms)] for ms in sorted(moments)]}


def lists() -> dict[str, Any]:
    """Return hashes of units, and a whole list; written here from the page about the format, not by the evaluator."""
    names, units = ("vip-customers", "beta"), ("user-1", "user-2", "1", "é", "日本語", "😀", "a b")
    hashes = [{"list": name, "unit": unit, "hash": f"{hashed(name, unit):016x}"} for name in names for unit in units]
    members = [f"user-{number}" for number in range(40)]
    body = b"".join(value.to_bytes(8, "little") for value in sorted(hashed("vip-customers", unit) for unit in members))
    head = b"FLAGLST1" + len(members).to_bytes(8, "little") + v.BASE_MS.to_bytes(8, "little")
    head += sha256(b"vip-customers").digest()[:8] + sha256(body).digest()
    return {
        "hashes": hashes,
        "list": "vip-customers",
        "file": b64encode(head + body).decode(),
        "members": members,
        "others": [f"other-{number}" for number in range(20)],
    }


def hashed(name: str, unit: str) -> int:
    """Return the hash of a unit in a list."""
    return int.from_bytes(sha256(name.encode() + b"\0" + unit.encode()).digest()[:8], "big")


def condition_bundle(conditions: Iterable[dict[str, Any]], patterns_used: dict[str, Any] | None = None) -> bytes:
    """Return a bundle whose flag ``c<i>`` is on if condition i holds, else off."""
    flags = {
        f"c{number}": {
            "type": "boolean",
            "variants": [["on", True], ["off", False]],
            "default": {"serve": 1},
            "rules": [{"id": "r", "when": [condition], "serve": 0}],
        }
        for number, condition in enumerate(conditions)
    }
    return lay_out(bundle_of(flags, patterns=patterns_used or {}))


if __name__ == "__main__":
    main()
