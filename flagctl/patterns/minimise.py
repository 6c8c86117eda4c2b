"""Hopcroft's algorithm: which states of a deterministic automaton no text tells apart."""

from __future__ import annotations

from collections import defaultdict


def equivalence_classes(table: list[list[int]], accept: set[int]) -> list[int]:
    """Return for each state the number of its equivalence class; numbers are dense from 0.

    Args:
        table: Next state by state and input; every state is reachable, all rows have the same length.
        accept: The accepting states.
    """
    # Inputs that lead every state to the same place need to be looked at once.
    columns = sorted(set(zip(*table, strict=True)))
    sources = [_invert(column) for column in columns]
    rejecting = set(range(len(table))) - accept
    blocks = [block for block in (set(accept), rejecting) if block]
    block_of = [0] * len(table)
    for number, block in enumerate(blocks):
        for state in block:
            block_of[state] = number
    waiting = {min(range(len(blocks)), key=lambda number: len(blocks[number]))} if len(blocks) > 1 else set()
    while waiting:
        splitter = list(blocks[waiting.pop()])
        for inverse in sources:
            hit: dict[int, list[int]] = defaultdict(list)
            for target in splitter:
                for state in inverse.get(target, ()):
                    hit[block_of[state]].append(state)
            for number, states in hit.items():
                _split(number, states, blocks, block_of, waiting)
    return block_of


def _split(number: int, states: list[int], blocks: list[set[int]], block_of: list[int], waiting: set[int]) -> None:
    """Split a block into `states` and the others; the smaller part gets a new number and waits for its turn."""
    block = blocks[number]
    if len(states) == len(block):
        return
    part = set(states)
    block -= part
    if len(part) > len(block):
        blocks[number], part = part, block
    new = len(blocks)
    blocks.append(part)
    for state in part:
        block_of[state] = new
    waiting.add(new)


def _invert(column: tuple[int, ...]) -> dict[int, list[int]]:
    inverse: dict[int, list[int]] = {}
    for source, target in enumerate(column):
        inverse.setdefault(target, []).append(source)
    return inverse
