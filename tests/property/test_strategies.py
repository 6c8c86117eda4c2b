"""Whoever has a feature keeps it, whatever becomes of its rollout short of an abort; and every instant can be replayed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flagctl
from flagctl.compiler import compile_environment
from flagctl.errors import FlagctlError
from flagctl.evaluator.instants import parse_instant
from flagctl.ops.edit import Draft
from flagctl.ops.rollout_move import Which, abort, advance, hold, resume
from flagctl.ops.workspace import Workspace
from flagctl.source import load_tree

START = "2026-12-01T00:00:00Z"
START_MS = (parse_instant(START) or 0) // 1000
HOUR = 3_600_000
CONFIG = b"version: 1\nproject: shop\nenvironments: {production: {}}\n"
UNITS = [f"user-{number}" for number in range(60)]
SHARES = st.lists(st.integers(1, 100), min_size=1, max_size=5, unique=True).map(sorted)
HOLDS = st.sampled_from(["", ", hold_until: approval", ", hold_until: time"])


@st.composite
def gradual(draw: Any) -> str:
    first, *rest = draw(SHARES)
    lines = [f"        - {{from: {START}, percent: {first}}}"]
    for share in rest:
        after = draw(st.integers(0, 60))
        lines.append(f"        - {{after: {after}h, percent: {share}{draw(HOLDS)}}}")
    return "    percentage:\n      steps:\n" + "\n".join(lines) + "\n"


@st.composite
def canary(draw: Any) -> str:
    group = draw(
        st.sampled_from(
            ["{percent: 1}", "{percent: 20, bucket_by: instance}", "{when: [{attribute: beta, operator: exists}]}"]
        )
    )
    steps = ", ".join(
        f"{{percent: {share}, after: {draw(st.integers(0, 40))}h{draw(HOLDS)}}}" for share in draw(SHARES)
    )
    return (
        f"    strategy:\n      canary:\n        start: {START}\n        group: {group}\n"
        f"        bake: {draw(st.integers(0, 48))}h\n        steps: [{steps}]\n"
    )


@st.composite
def guarded(draw: Any) -> str:
    started = draw(st.booleans())
    start = f"        start: {START}\n" if started else ""
    return (
        f"    strategy:\n      guarded:\n{start}        steps: {draw(SHARES)}\n"
        f"        hold: {draw(st.integers(0, 30))}h\n        guard: {{metrics: [{{metric: errors}}]}}\n"
    )


PLANS = st.one_of(gradual(), canary(), guarded())
MOVES = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(["advance", "advance now", "hold", "resume", "nothing"])), max_size=8
)


def file_of(plan: str) -> bytes:
    head = "kind: flag\nkey: grow\nowner: web\ntype: boolean\ndefault: off\nrules:\n  - id: r\n    serve: on\n"
    return (head + plan).encode()


def flags_of(content: bytes) -> flagctl.FlagSet:
    loaded = load_tree({"flagctl.yaml": CONFIG, "grow.yaml": content})
    assert loaded.repository is not None
    assert [found.message for found in loaded.diagnostics] == []
    return flagctl.load(compile_environment(loaded.repository, "production").data)


def served(flags: flagctl.FlagSet, at_ms: int) -> set[str]:
    found = set()
    for number, unit in enumerate(UNITS):
        context: dict[str, Any] = {"targeting_key": unit, "instance": f"host-{number % 7}"}
        if number % 5 == 0:
            context["beta"] = True
        if flags.evaluate("grow", context, now=at_ms / 1000).value:
            found.add(unit)
    return found


class Files(Workspace):
    """A repository in memory."""

    def __init__(self, content: bytes) -> None:
        self._files = {"flagctl.yaml": CONFIG, "grow.yaml": content}

    @property
    def files(self) -> dict[str, bytes]:  # type: ignore[override]
        return self._files


def moved(content: bytes, move: str, now_ms: int) -> bytes:
    draft, which = Draft(Files(content), now_ms), Which(key="grow")
    try:
        match move:
            case "advance":
                advance(draft, which)
            case "advance now":
                advance(draft, which, at_once=True)
            case "hold":
                hold(draft, which, "a reason: with a colon")
            case "resume":
                resume(draft, which)
            case _:
                pass
    except FlagctlError:
        return content
    return draft.content("grow.yaml") or b""


@given(plan=PLANS, moves=MOVES)
def test_who_has_it_keeps_it_whatever_moves(plan: str, moves: list[tuple[int, str]]) -> None:
    content, now = file_of(plan), START_MS - 10 * HOUR
    have: set[str] = set()
    history: list[tuple[int, set[str]]] = []
    for hours, move in [*moves, (500, "nothing")]:
        flags = flags_of(content)
        for part in range(4):
            at = now + hours * HOUR * part // 4
            got = served(flags, at)
            assert have <= got
            have = got
            history.append((at, got))
        now += hours * HOUR
        content = moved(content, move, now)
    flags = flags_of(content)
    # the last file alone tells all that was: that is what makes instants replayable
    for at, got in history:
        assert served(flags, at) == got


@given(plan=PLANS, hours=st.integers(1, 300))
def test_nobody_has_it_after_an_abort(plan: str, hours: int) -> None:
    now = START_MS + hours * HOUR
    draft = Draft(Files(file_of(plan)), now)
    abort(draft, Which(key="grow"), "it broke")
    flags = flags_of(draft.content("grow.yaml") or b"")
    assert served(flags, now) == served(flags, now + 10_000 * HOUR) == set()
    assert served(flags, now - 1000) == served(flags_of(file_of(plan)), now - 1000)


@pytest.mark.parametrize("hold_until", ["approval", "guardrail"])
def test_a_waiting_step_never_begins_whatever_the_clock_says(hold_until: str) -> None:
    guard = "      guard: {metrics: [{metric: errors}]}\n"
    plan = (
        f"    percentage:\n      steps:\n        - {{from: {START}, percent: 20}}\n"
        f"        - {{after: 1h, percent: 100, hold_until: {hold_until}}}\n{guard}"
    )
    flags = flags_of(file_of(plan))
    assert served(flags, START_MS + 1) == served(flags, START_MS + 10**7 * HOUR) != set(UNITS)
