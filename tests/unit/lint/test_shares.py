"""The rules about percentages against a simulation of all buckets."""

from __future__ import annotations

import random

from tests.scale import scaled
from tests.unit.lint.repositories import lint_text, shown

STEP = 10  # percent; buckets are looked at in tenths
ALL = frozenset(range(0, 100, STEP))


def random_rules(rng):
    """Rules without conditions: (percentage or arms, variant, own salt)."""
    rules = []
    for _ in range(rng.randint(1, 4)):
        own_salt = rng.random() < 0.2
        if rng.random() < 0.25:
            first = rng.choice(range(0, 101, STEP))
            rules.append(({"a": first, "b": 100 - first}, None, own_salt))
        else:
            rules.append((rng.choice([0, 10, 20, 20, 30, 40, 50, 90, 100]), rng.choice("ab"), own_salt))
    return rules


def text_of(rules, default):
    lines = [
        "kind: flag",
        "key: hero",
        "owner: web",
        "type: string",
        "variants: {a: A, b: B}",
        f"default: {default}",
        "rules:",
    ]
    for index, (share, variant, own_salt) in enumerate(rules):
        salt = f", salt: hero/r{index}" if own_salt else ""
        what = (
            f"rollout: {{a: {share['a']}, b: {share['b']}}}"
            if variant is None
            else f"percentage: {share}, serve: {variant}"
        )
        lines.append(f"  - {{id: r{index}, {what}{salt}}}")
    return "\n".join(lines) + "\n"


def ranges_of(share, variant):
    if variant is None:
        return {"a": set(range(0, share["a"], STEP)), "b": set(range(share["a"], 100, STEP))}
    return {variant: set(range(0, share, STEP))}


def expected(rules, default_arms):
    """Return the code that each rule (by index; the default is "default") must get, by looking at every bucket."""
    result = {}
    steps = [*enumerate(rules), *([("default", (default_arms, None, False))] if default_arms else [])]
    before = []
    for name, (share, variant, own_salt) in steps:
        ranges = ranges_of(share, variant)
        wanted = set().union(*ranges.values())
        shared = [] if own_salt else [rule for rule in before if not rule[2]]
        everyone = any(rule[0] == 100 and rule[1] for rule in before)
        taken = set().union(*(buckets for rule in shared for buckets in ranges_of(*rule[:2]).values()), set())
        if everyone:
            if name != "default":
                result[name] = "TGT101"
        elif not (variant and share in {0, 100}) and shared and wanted <= taken:
            result[name] = "ROL103"
        elif not (variant and share in {0, 100}):
            others = [rule for rule in shared if not (variant and rule[1] == variant)]
            left = ALL - set().union(*(buckets for rule in others for buckets in ranges_of(*rule[:2]).values()), set())
            if left and any(len(part & left) * len(ALL) != len(part) * len(left) for part in ranges.values()):
                result[name] = "ROL104"
        before.append((share, variant, own_salt))
    return result


def test_skewed_and_dead_shares_are_found_exactly():
    rng = random.Random(6)
    for _ in range(scaled(300, 20_000)):
        rules = random_rules(rng)
        default_arms = rng.choice([None, {"a": 50, "b": 50}, {"a": 100, "b": 0}])
        default = f"{{rollout: {{a: {default_arms['a']}, b: {default_arms['b']}}}}}" if default_arms else "a"
        result = lint_text(text_of(rules, default), pedantic=False)
        found = {}
        for diagnostic in result.diagnostics:
            name = "default" if diagnostic.route[0] == "default" else diagnostic.route[1]
            assert name not in found, shown(result)
            found[name] = diagnostic.code
        assert found == expected(rules, default_arms), (text_of(rules, default), shown(result))
