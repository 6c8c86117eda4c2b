"""What a review says about strategies."""

from __future__ import annotations

import pytest

from flagctl.compiler import compile_environment
from flagctl.model.strategy import Strategy
from flagctl.review import words
from flagctl.source import load_tree

CONFIG = b"version: 1\nproject: shop\nenvironments: {production: {}}\n"
HEAD = "kind: flag\nkey: grow\nowner: web\ntype: boolean\ndefault: off\nrules:\n  - id: r\n    serve: on\n"


def strategy(plan: str) -> Strategy:
    loaded = load_tree({"flagctl.yaml": CONFIG, "grow.yaml": (HEAD + plan).encode()})
    assert loaded.repository is not None
    assert loaded.diagnostics == ()
    compile_environment(loaded.repository, "production")
    found = loaded.repository.flags["grow"].rules[-1].strategy
    assert found is not None
    return found


def steps(second: str, more: str = "") -> Strategy:
    body = f"{{from: 2026-12-01T00:00:00Z, percent: 5}}, {{after: 1d, percent: 50, {second}}}"
    return strategy(f"    percentage: {{steps: [{body}]{more}}}\n")


WAITING = "hold_until: approval"


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ((WAITING,), (WAITING,), None),
        ((WAITING,), ("hold_until: approval, released: 2026-12-03T00:00:00Z",), "50 % from 2026-12-03T00:00:00Z on"),
        ((WAITING,), (WAITING, ", holds: [{from: 2026-12-01T00:00:00Z, reason: closed}]"), "held (closed)"),
        ((WAITING, ", holds: [{from: 2026-12-01T00:00:00Z}]"), (WAITING,), "resumed"),
        ((WAITING,), (WAITING, ", aborted: {at: 2026-12-02T00:00:00Z, reason: slow}"), "aborted (slow)"),
        (("hold_until: time",), ("released: 2026-12-01T09:00:00Z",), "another calendar"),
    ],
)
def test_a_change_of_a_record_is_told_as_what_happened(
    one: tuple[str, ...], other: tuple[str, ...], text: str | None
) -> None:
    change = words.strategy_change(steps(*one), steps(*other))
    assert change == (None if text is None else f"gradual rollout: {text}")


def test_a_change_of_the_plan_is_told_in_full() -> None:
    change = words.strategy_change(steps(WAITING), steps("hold_until: time"))
    assert change == "gradual 5 % → 50 % (waits for approval) → gradual 5 % → 50 %"


def test_a_canary_is_told_by_its_group_and_what_it_waits_for() -> None:
    group = "{when: [{attribute: beta, operator: exists}]}"
    canary = f"    strategy: {{canary: {{group: {group}, bake: 1d, steps: [{{percent: 20.5}}, 100]}}}}\n"
    text = "canary a group (waits for start) → 20.5 % (waits for approval) → 100 %"
    assert words.strategy(strategy(canary)) == text
