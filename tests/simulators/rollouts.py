"""Flags of which something grows, as files."""

from __future__ import annotations

import textwrap

START = "2026-12-01T09:00:00Z"
"""When what tests let grow begins, unless they say otherwise."""


def growing(key: str, plan: str, *, rule: str = "grow") -> str:
    """Return the file of a boolean flag with one rule that serves ``on``.

    Args:
        key: Of the flag.
        plan: How many have it: ``percentage: …`` or ``strategy: …``, and whatever else the rule says.
        rule: Id of the rule.
    """
    head = f"kind: flag\nkey: {key}\nowner: web\ntype: boolean\ndefault: off\nrules:\n  - id: {rule}\n    serve: on\n"
    return head + textwrap.indent(textwrap.dedent(plan), "    ")


def guarded(guard: str, *, start: str = START, **block: str) -> str:
    """Return the flag ``engine`` with a guarded rollout.

    Args:
        guard: What decides, in braces.
        start: When its first step begins.
        block: What else the strategy says, such as its steps.
    """
    lines = [f"start: {start}", *(f"{name}: {text}" for name, text in block.items()), f"guard: {guard}"]
    return growing("engine", "strategy:\n  guarded:\n" + textwrap.indent("\n".join(lines) + "\n", "    "))
