"""A flag's way out of Python code: what it becomes, and that it does what it did."""

from __future__ import annotations

import contextlib
import random
import textwrap
from pathlib import Path

import pytest

from tests.scale import scaled

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
INPUTS = [(p, q) for p in (True, False, 0, "x", None) for q in (True, 0, "y")]
SEEDS = scaled(25, 1000)


def sections(path: Path) -> tuple[str, str, dict[str, str]]:
    head, *parts = path.read_text(encoding="utf-8").split("=== ")
    found = dict(part.split("\n", 1) for part in parts)
    key = head.removeprefix("key: ").strip()
    return key, found["before"], {"on": found["keep on"], "off": found["keep off"]}


def outcome(code: str, client: object) -> list[object]:
    """Return what a program returns and notes for several inputs."""
    seen: list[object] = []

    def note(value: object) -> object:
        seen.append(value)
        return value

    @contextlib.contextmanager
    def note_block(value: object):
        seen.append(value)
        yield

    for p, q in INPUTS:
        names: dict[str, object] = {"client": client, "note": note, "note_block": note_block}
        exec(compile(code, "app.py", "exec"), names)  # noqa: S102 - our own programs
        try:
            seen.append(names["run"](p, q))  # type: ignore[operator]
        except AssertionError as error:
            seen.append(str(error))
    return seen


@pytest.mark.parametrize("variant", ["on", "off"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_program_becomes_what_it_should_and_does_what_it_did(path, variant, clean_text, serving) -> None:
    key, before, expected = sections(path)
    cleaned, found = clean_text(before, key, variant)
    lines = [cleaned.text if cleaned.text != before else "(unchanged)\n"]
    by_hand = {found.lines[n]: why for n, why in cleaned.problems.items() if n in found.lines}
    by_hand |= found.problems | dict(cleaned.loose)
    lines += [f"# by hand: {line}: {why}\n" for line, why in sorted(by_hand.items())]
    lines += [f"# look at: {name}: {why}\n" for name, why in sorted(cleaned.leftovers.items())]
    assert "".join(lines) == expected[variant]
    client = serving(variant)
    assert outcome(cleaned.text, client) == outcome(before, client)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 25


class Program:
    """Random programs that ask for the flag in all kinds of places."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.number = 0

    def expression(self, depth: int) -> str:
        pick = self.random.randrange(12 if depth else 5)
        inner = depth - 1
        if pick < 2:
            return 'client.is_enabled("new-checkout")'
        if pick == 2:
            return self.random.choice(["p", "q", "v"])
        if pick == 3:
            return self.random.choice(["True", "False", "None", "1", "'s'", "p == q", "isinstance(p, str)"])
        if pick == 4:
            self.number += 1
            return f"note({self.number})"
        if pick == 5:
            return f"not {self.expression(inner)}" if self.random.random() < 0.5 else f"not ({self.expression(inner)})"
        if pick < 9:
            word = self.random.choice(["and", "or"])
            return f"({self.expression(inner)} {word} {self.expression(inner)})"
        if pick == 9:
            return f"({self.expression(inner)} if {self.expression(inner)} else {self.expression(inner)})"
        if pick == 10:
            return f"({self.expression(inner)} {self.random.choice(['==', '!='])} {self.random.choice(['True', 'q'])})"
        return f"bool({self.expression(inner)})"

    def block(self, depth: int, *, loop: bool) -> list[str]:
        return [line for _ in range(self.random.randint(1, 3)) for line in self.statement(depth, loop=loop)]

    def statement(self, depth: int, *, loop: bool) -> list[str]:
        pick = self.random.randrange(11 if depth else 4)
        if pick == 0:
            return [f"note({self.expression(2)})"]
        if pick == 1:
            return [f"v = {self.expression(2)}"]
        if pick == 2:
            return [f"return {self.expression(1)}"] if self.random.random() < 0.4 else ["pass"]
        if pick == 3:
            return [self.random.choice(["continue", "break"])] if loop else [f"assert {self.expression(1)}, 'a'"]
        inner = self.block(depth - 1, loop=loop)
        if pick < 8:
            lines = [f"if {self.expression(2)}:", *indented(inner)]
            if self.random.random() < 0.5:
                lines += [f"elif {self.expression(2)}:", *indented(self.block(depth - 1, loop=loop))]
            if self.random.random() < 0.6:
                lines += ["else:", *indented(self.block(depth - 1, loop=loop))]
            return lines
        self.number += 1
        number = self.number
        if pick == 8:
            return [f"for i{number} in range(2):", *indented(self.block(depth - 1, loop=True))]
        if pick == 9:
            return [f'with client.guard("new-checkout") as g{number}:', *indented([f"note(g{number})", *inner])]
        return [f"w{number} = {self.expression(1)}", f"note(w{number})", *inner]

    def source(self) -> str:
        body = ["v = 0", *self.block(3, loop=False), "return v"]
        return "\n".join(["def run(p, q):", *indented(body)]) + "\n"


def indented(lines: list[str]) -> list[str]:
    return textwrap.indent("\n".join(lines), "    ").split("\n")


@pytest.mark.parametrize("variant", ["on", "off"])
def test_any_program_does_what_it_did(variant, clean_text, serving) -> None:
    client = serving(variant)
    for seed in range(SEEDS):
        before = Program(seed).source()
        cleaned, _ = clean_text(before, "new-checkout", variant)
        assert not cleaned.problems, before
        assert "new-checkout" not in cleaned.text
        assert outcome(cleaned.text, client) == outcome(before, client), f"{seed}:\n{before}\n---\n{cleaned.text}"


def test_what_has_nothing_to_do_with_the_flag_stays_as_it_is(clean_text) -> None:
    text = Path(__file__).read_text(encoding="utf-8") + '\n\nif   client.is_enabled( "new-checkout" ) :\n\tpass\n'
    cleaned, _ = clean_text(text, "new-checkout", "on")
    assert cleaned.text.startswith(text[: text.rindex("\n\nif ")].rstrip())
