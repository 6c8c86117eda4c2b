"""Bundles that were damaged, by accident or on purpose: refused, or answered like any other bundle."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

import flagctl
from flagctl.errors import BundleFormatError
from flagctl.evaluator.document import check_structure
from flagctl.evaluator.trace import ExplainOptions, explain
from flagctl.patterns import PatternError, compile_pattern
from tests.generators.bundles import Case, pool_cases, random_bundle
from tests.generators.layout import lay_out
from tests.property.agreement import answer_of, same
from tests.reference import Reference
from tests.scale import scaled

BATCHES = 4
MUTANTS_IN_A_BATCH = scaled(130, 2_500)

JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 99_999, 100_000, 100_001, 2**31, 2**53, 2**64, 10**30, 1.5, -0.0, 1e300, "", "x", "off",
    "running", "targeting_key", "not_equals", "matches", "in_network", "semver_equal", "before", "\u0000", "😀", "flag-0",
    [], [[]], {}, [0], [0, 0], ["x"], [[0, 100_000]], [[100_000, 0]], {"serve": 0}, {"serve": 99}, {"split": [[100_000, 0]]},
    {"steps": []}, {"linear": [0, 0, 0, 0]}, {"linear": [1, 0, 0, 5]}, {"any": []}, {"not": {}}, {"segment": "nowhere"},
    {"attribute": "a", "operator": "equals", "value": []}, {"from": 5, "until": 1}, {"percentage": 50_000, "serve": 0}, [["x", 1]],
)  # fmt: skip


def nodes(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Collect every place below a value as (container, key)."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.append((value, key))
        nodes(item, found)
    return found


def change_tree(rng: Random, data: bytes) -> bytes:
    """Change one to three places of the decoded bundle, mostly inside entries."""
    bundle = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        root = (
            bundle
            if rng.random() < 0.1
            else bundle[rng.choice(("flags", "flags", "flags", "segments", "patterns", "bundle"))]
        )
        places = nodes(root, [])
        if not places:
            continue
        container, key = rng.choice(places)
        edit = rng.randrange(6)
        if edit == 0:
            del container[key]
        elif edit == 1 and isinstance(container, dict):
            container[rng.choice(("", "serve", "when", "rules", "schedule", "split", "off", "new"))] = container[key]
        elif edit == 1:
            container.insert(rng.randint(0, len(container)), container[key])
        elif edit == 2:
            other, place = rng.choice(places)
            container[key] = json.loads(json.dumps(other[place]))
        elif edit == 3 and type(container[key]) is int:
            container[key] += rng.choice((-1, 1, 1000, -100_000))
        elif edit == 4 and isinstance(container[key], list):
            rng.shuffle(container[key])
        else:
            container[key] = rng.choice(JUNK)
    for section in ("bundle", "experiments", "flags", "patterns", "segments"):
        if not isinstance(bundle.get(section), dict):
            bundle[section] = {}
    return lay_out(bundle)


def change_lines(rng: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    edit = rng.randrange(5)
    if edit == 0:
        del lines[place]
    elif edit == 1:
        lines.insert(place, lines[other])
    elif edit == 2:
        lines[place], lines[other] = lines[other], lines[place]
    elif edit == 3:
        lines[place] = lines[place].rstrip(b",\n") + rng.choice((b"\n", b",\n", b"", b"\r\n", b",,\n", b" \n"))
    else:
        lines[place] = lines[place][: rng.randrange(len(lines[place]) + 1)]
    return b"".join(lines)


def change_bytes(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(len(changed))
        edit = rng.randrange(4)
        if edit == 0:
            changed[place] ^= 1 << rng.randrange(8)
        elif edit == 1:
            changed[place] = rng.choice(b'"{}[]:,0-9eE.\\\n\x00\xff\xed tfn')
        elif edit == 2:
            del changed[place : place + rng.randint(1, 40)]
        else:
            changed[place:place] = rng.choice(
                (b"[" * 2_000, b'{"a":' * 2_000, b"9" * 5_000, b"1e999", b"NaN", b"\\ud800", b"\xef\xbb\xbf")
            )
        if not changed:
            break
    return bytes(changed)


def change_length(rng: Random, data: bytes) -> bytes:
    return rng.choice(
        (data[: rng.randrange(len(data))], data + data, data + b"x", b"", data[1:], data.replace(b"\n", b""))
    )


def change_compression(rng: Random, data: bytes) -> bytes:
    packed = bytearray(gzip.compress(data, mtime=0))
    edit = rng.randrange(3)
    if edit == 0:
        packed[rng.randrange(len(packed))] ^= 1 << rng.randrange(8)
    elif edit == 1:
        del packed[rng.randrange(len(packed)) :]
    else:
        packed += rng.choice((b"\x00", b"junk", bytes(packed)))
    return bytes(packed)


CHANGES: tuple[Callable[[Random, bytes], bytes], ...] = (
    change_tree, change_tree, change_tree, change_tree, change_lines, change_bytes, change_bytes, change_length, change_compression,
)  # fmt: skip


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_damaged_bundle_is_refused_or_answers_like_any_other(batch: int) -> None:
    rng = Random(batch)
    originals = [random_bundle(1_000 * batch + n, 6) for n in range(8)]
    cases = pool_cases(rng, 12)
    outcomes: Counter[str] = Counter()
    for number in range(MUTANTS_IN_A_BATCH):
        change = rng.choice(CHANGES)
        mutant = change(rng, rng.choice(originals))
        where = f"batch {batch}, mutant {number}, {change.__name__}"
        try:
            flags = flagctl.load(mutant)
        except BundleFormatError:
            outcomes["refused"] += 1
            continue
        try:
            check_structure(flags.document)
        except BundleFormatError:
            outcomes["refused by the complete check"] += 1
            call_every_method(flags, cases)
            continue
        outcomes["accepted"] += 1
        answer_every_flag(flags, mutant, cases, where)
    assert outcomes["refused"] > MUTANTS_IN_A_BATCH // 10
    assert outcomes["refused by the complete check"] > MUTANTS_IN_A_BATCH // 10
    assert outcomes["accepted"] > MUTANTS_IN_A_BATCH // 20


def call_every_method(flags: flagctl.FlagSet, cases: list[Case]) -> None:
    """Use flags as an application does that loaded the bundle without the complete check: nothing may raise."""
    for case in cases[:4]:
        for key in flags.keys():  # noqa: SIM118 - a method of ours, not a dict's
            flags.evaluate(key, case.context, case.default, now=case.now)
            flags.is_enabled(key, case.context)
            flags.get_value(key, case.context, case.default)
        flags.evaluate_all(case.context)
        for key in flags.document.keys("experiments"):
            flags.get_variant(key, case.context)


def automaton_of(pattern: str) -> dict[str, Any] | None:
    try:
        return compile_pattern(pattern).to_document()
    except PatternError:
        return None


def answer_every_flag(flags: flagctl.FlagSet, mutant: bytes, cases: list[Case], where: str) -> None:
    """What was accepted means the same to the reference interpreter and to a trace."""
    call_every_method(flags, cases)
    plain = gzip.decompress(mutant) if mutant[:2] == b"\x1f\x8b" else mutant
    reference = Reference(plain)
    # The reference asks RE2; an automaton that was changed finds something else.
    patterns = json.loads(plain)["patterns"]
    comparable = all(automaton == automaton_of(text) for text, automaton in patterns.items())
    for case in cases:
        for key in flags.keys():  # noqa: SIM118
            ours = answer_of(flags.evaluate(key, case.context, case.default, now=case.now))
            theirs = reference.evaluate(key, case.context, case.default, case.now_ms)
            assert same(ours, theirs) or not comparable, f"{where}: {key}: {ours} {theirs}"
            options = ExplainOptions(default=case.default)
            trace = explain(flags.document, key, case.context, case.now_ms, options)
            assert same(answer_of(trace.details), ours), f"{where}: {key}"


def test_a_bundle_of_a_newer_format_is_refused_and_says_what_is_needed() -> None:
    bundle = json.loads(random_bundle(1, 5))
    bundle["bundle"] |= {"format": 2, "min_version": "7.1.0"}
    with pytest.raises(BundleFormatError, match="7\\.1\\.0"):
        flagctl.load(lay_out(bundle))


def test_a_bundle_with_an_unknown_capability_is_refused_and_says_what_is_needed() -> None:
    bundle = json.loads(random_bundle(1, 5))
    bundle["bundle"]["capabilities"] = sorted([*bundle["bundle"]["capabilities"], "operator:sounds_like"])
    bundle["bundle"]["min_version"] = "7.1.0"
    with pytest.raises(BundleFormatError, match="7\\.1\\.0"):
        flagctl.load(lay_out(bundle))


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_cycle_of_prerequisites_is_refused(length: int) -> None:
    bundle = json.loads(random_bundle(1, 6))
    keys = sorted(bundle["flags"])[:length]
    for key, following in zip(keys, keys[1:] + keys[:1], strict=True):
        names = [name for name, _ in bundle["flags"][following]["variants"]]
        bundle["flags"][key]["prerequisites"] = [[following, names]]
    bundle["bundle"]["capabilities"] = sorted({*bundle["bundle"]["capabilities"], "prerequisites"})
    with pytest.raises(BundleFormatError):
        check_structure(flagctl.load(lay_out(bundle)).document)
