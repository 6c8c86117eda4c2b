"""One snapshot's flags: from an opened bundle and a kill list to functions, each made when it is first asked for.

A snapshot never changes what it answers. Going to the next one (`Builder.successor`) keeps every function whose flag,
prerequisites, segments and patterns are the same there; the rest is made anew on demand.
"""

from __future__ import annotations

import os
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from flagctl.evaluator.automaton import Automaton
from flagctl.evaluator.closures import BuiltFlag, BuiltSegment, Interpreter, segment_function
from flagctl.evaluator.details import Answer, ErrorCode, Reason
from flagctl.evaluator.document import SECTIONS, MalformedEntryError, changed_keys, decode_line
from flagctl.evaluator.lists import Lists
from flagctl.evaluator.lowering import Bundle, Forced, lower_flag, lower_segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flagctl.evaluator.document import Document
    from flagctl.evaluator.plan import FlagPlan

PATIENCE: Final = 64
"""Calls of a flag before it is worth compiling."""


class CompileBudget:
    """Keeps compilation below a twentieth of a process's time, so that no request has to wait for many flags at once."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0.0

    def allows(self) -> bool:
        """Return whether a flag may be compiled now."""
        return perf_counter() >= self._next

    def spend(self, begin: float) -> None:
        """Account for a compilation that began at `begin` (of `perf_counter`) and ends now."""
        end = perf_counter()
        self._next = end + 20 * (end - begin)


class Builder:
    """Makes the functions of one snapshot.

    Args:
        document: The bundle.
        killed: Keys of flags that are forced off.
        clock: Returns the current instant in milliseconds.
        patience: After how many calls a flag is compiled; 0: never.

    Attributes:
        tripped: Keys of flags that are off because their breaker has tripped in this process.
        flags: What was built so far, by key.
        lists: Who knows the units of lists; shared by all successors.
        budget: How much time compilation may take.
        owner: Whose tallies are kept with the flags' outcomes; None: nobody's.
    """

    __slots__ = (
        "_broken",
        "_bundle",
        "_needs",
        "_patterns",
        "_reaching",
        "_segments",
        "budget",
        "clock",
        "document",
        "flags",
        "killed",
        "lists",
        "owner",
        "patience",
        "tripped",
    )

    def __init__(
        self, document: Document, killed: frozenset[str], clock: Callable[[], int], patience: int = PATIENCE
    ) -> None:
        self.document = document
        self.killed = killed
        self.tripped: frozenset[str] = frozenset()
        self.clock = clock
        self.patience = patience
        self.budget = CompileBudget()
        self.owner: object = None
        self.flags: dict[str, BuiltFlag] = {}
        self._reaching: set[str] = set()  # flags that depend on other entries
        self._broken: set[str] = set()
        self._needs: dict[str, tuple[str, ...] | MalformedEntryError] = {}
        self._segments: dict[str, BuiltSegment] = {}
        self._patterns: dict[str, Callable[[str], bool]] = {}
        self.lists = Lists()
        self._bundle = Bundle(self.search, {}, self.lists)

    def flag(self, key: str) -> BuiltFlag | None:
        """Return a flag, built now if need be; None if the bundle has none of that key."""
        built = self.flags.get(key)
        if built is None and self.document.has("flags", key):
            if b'"prerequisites":' not in self.document.raw_line("flags", key):
                built = self.flags[key] = self._build(key)
                return built
            for name in self._below(key):
                if name not in self.flags:
                    self.flags[name] = self._build(name)
            built = self.flags[key]
        return built

    def _below(self, key: str) -> list[str]:
        """Return all flags that a flag needs, the deepest first, and the flag itself at the end."""
        order: list[str] = []
        seen = {key}
        stack = [(key, list(self._sound_needs(key)))]
        while stack:
            name, needs = stack[-1]
            if not needs:
                order.append(name)
                stack.pop()
                continue
            need = needs.pop()
            if need not in seen:
                seen.add(need)
                stack.append((need, list(self._sound_needs(need))))
        return order

    def _refuse_cycle(self, key: str) -> None:
        seen: set[str] = set()
        todo = list(self._sound_needs(key))
        while todo:
            need = todo.pop()
            if need == key:
                raise MalformedEntryError("the flag is its own prerequisite")
            if need not in seen:
                seen.add(need)
                todo += self._sound_needs(need)

    def _sound_needs(self, key: str) -> tuple[str, ...]:
        """Return the flags that a flag names as prerequisites; none if it is broken, for then it calls none."""
        needs = self._needs.get(key)
        if needs is None:
            needs = self._needs[key] = self._read_needs(key)
        return needs if type(needs) is tuple else ()

    def _read_needs(self, key: str) -> tuple[str, ...] | MalformedEntryError:
        if b'"prerequisites":' not in self.document.line("flags", key):
            return ()
        try:
            needs = tuple([pair[0] for pair in self.document.flag(key).get("prerequisites", [])])
        except (MalformedEntryError, TypeError, LookupError):
            return MalformedEntryError("its prerequisites can't be read")
        for need in needs:
            if type(need) is not str or not self.document.has("flags", need):
                return MalformedEntryError(f"there is no flag {need!r} for its prerequisite")
        return needs

    def _plan(self, key: str) -> FlagPlan:
        """Return a flag's plan; MalformedEntryError if it is broken."""
        line = self.document.raw_line("flags", key)
        forced = Forced.KILLED if key in self.killed else Forced.TRIPPED if key in self.tripped else Forced.NOT
        plan = lower_flag(key, line, decode_line(line), self._bundle, forced=forced)
        if plan.prerequisites:
            self._sound_needs(key)
            if isinstance(fault := self._needs[key], MalformedEntryError):
                raise fault
            self._refuse_cycle(key)
        return plan

    def _build(self, key: str) -> BuiltFlag:
        """Return a flag; those it needs are built, unless it is broken."""
        try:
            plan = self._plan(key)
            segments = {name: self.segment(name) for name in plan.segments}
        except MalformedEntryError as error:
            self._broken.add(key)
            return _broken(str(error))
        if plan.fixed is not None:
            return BuiltFlag(None, plan.fixed)
        needed = {need.flag: self.flags[need.flag] for need in plan.prerequisites}
        timed = plan.timed or any(flag.timed for flag in needed.values())
        clock = self.clock if timed else None
        built = BuiltFlag(Interpreter(plan, needed, segments, clock, self.patience).evaluate, None)
        built.timed = timed
        if plan.window is not None and plan.off is not None:
            built.window = (plan.window, plan.off)
        if needed or segments or plan.patterns:
            built.reach = _reach(plan.patterns, needed, segments)
            self._reaching.add(key)
        return built

    def heat(self, key: str) -> None:
        """Compile a flag that turned out to be hot, if time allows; else it asks again later."""
        if self.budget.allows():
            begin = perf_counter()
            self.compile(key)
            self.budget.spend(begin)

    def compile(self, key: str) -> BuiltFlag | None:
        """Return a flag as generated code, likewise everything below it; None if the bundle has none of that key.

        A flag whose answer is always the same is code already. One that can't be compiled stays as it is for good.
        """
        built = self.flag(key)
        if built is not None:
            for name in self._below(key):
                flag = self.flag(name)
                if flag is not None and not flag.compiled:
                    flag.function = self._compiled(name, flag)
                    flag.compiled = True
        return built

    def _compiled(self, key: str, built: BuiltFlag) -> Callable[..., Any]:
        from flagctl.evaluator import codegen, shapes  # noqa: PLC0415 - `ast` is only needed here

        plan = self._plan(key)
        try:
            shape, constants = shapes.flag_shape(plan, built.timed, self._function, self._compiled_segment)
            if shape.constants <= codegen.MOST_CONSTANTS:
                return codegen.flag_function(shape, constants, self.clock)
        except RecursionError:
            pass
        flags = {need.flag: self.flags[need.flag] for need in plan.prerequisites}
        segments = {name: self.segment(name) for name in plan.segments}
        return Interpreter(plan, flags, segments, self.clock if built.timed else None, 0).evaluate

    def _function(self, key: str) -> Callable[..., Any]:
        """Return a compiled prerequisite's function."""
        built = self.flags[key]
        return built.function or built.evaluate

    def _compiled_segment(self, key: str) -> Callable[..., Any]:
        from flagctl.evaluator import codegen, shapes  # noqa: PLC0415 - `ast` is only needed here

        built = self.segment(key)
        if not built.compiled:
            plan = lower_segment(self.document.segment(key), self._bundle)
            shape, constants = shapes.segment_shape(plan, self._compiled_segment)
            built.function = codegen.factory(shape)(*constants)
            built.compiled = True
        return built.function

    def segment(self, key: str, above: tuple[str, ...] = ()) -> BuiltSegment:
        """Return a segment, built now if need be.

        Raises:
            MalformedEntryError: It does not exist, is malformed, or contains itself.
        """
        built = self._segments.get(key)
        if built is None:
            if key in above:
                raise MalformedEntryError(f"segment {key!r} contains itself")
            if not self.document.has("segments", key):
                raise MalformedEntryError(f"there is no segment {key!r}")
            plan = lower_segment(self.document.segment(key), self._bundle)
            parts = {name: self.segment(name, (*above, key)) for name in plan.segments}
            built = self._segments[key] = BuiltSegment(segment_function(plan, parts), _reach(plan.patterns, {}, parts))
        return built

    def search(self, key: str) -> Callable[[str], bool]:
        """Return the search function of a pattern.

        Raises:
            MalformedEntryError: It does not exist, or is malformed.
        """
        search = self._patterns.get(key)
        if search is None:
            if not self.document.has("patterns", key):
                raise MalformedEntryError(f"there is no pattern {key!r}")
            try:
                search = self._patterns[key] = Automaton.from_document(self.document.pattern(key)).search
            except ValueError as error:
                raise MalformedEntryError(f"pattern {key!r}: {error}") from None
        return search

    def successor(self, document: Document, killed: frozenset[str], tripped: frozenset[str]) -> Builder:
        """Return the builder of another bundle, kill list or set of tripped flags, with everything that is the same there."""
        builder = Builder(document, killed, self.clock, self.patience)
        builder.tripped = tripped
        builder.lists = self.lists
        builder._bundle = Bundle(builder.search, {}, self.lists)
        builder.budget = self.budget
        builder.owner = self.owner
        # Copied first: what another thread builds meanwhile is noted in the sets before it is among the flags.
        flags, segments, patterns = self.flags.copy(), self._segments.copy(), self._patterns.copy()
        builder.flags, builder._segments, builder._patterns = flags, segments, patterns
        changed = _changed_entries(self.document, document)
        # What a broken flag depends on is not known, so it is made anew in any case.
        changed |= {("flags", key) for key in self._broken | (killed ^ self.killed) | (tripped ^ self.tripped)}
        reaching = [key for key in self._reaching.copy() if key in flags]
        gone = {("flags", key) for key in reaching if not flags[key].reach.isdisjoint(changed)}
        gone |= {("segments", key) for key, segment in segments.items() if not segment.reach.isdisjoint(changed)}
        made: dict[str, dict[str, Any]] = {"flags": flags, "segments": segments, "patterns": patterns}
        for section, key in changed | gone:
            if section in made:
                made[section].pop(key, None)
        builder._reaching.update(key for key in reaching if key in flags)
        return builder


def _changed_entries(old: Document, new: Document) -> set[tuple[str, str]]:
    """Return the entries of which one of two bundles has none, or another one."""
    changed: set[tuple[str, str]] = set()
    for section in SECTIONS:
        before, after = old.raw_lines(section), new.raw_lines(section)
        for key in changed_keys(before, after):
            # The comma at a line's end belongs to its place.
            if key not in before or key not in after or before[key].removesuffix(b",") != after[key].removesuffix(b","):
                changed.add((section, key))
    return changed


def _reach(
    patterns: Iterable[str], flags: Mapping[str, BuiltFlag], segments: Mapping[str, BuiltSegment]
) -> frozenset[tuple[str, str]]:
    """Return all entries that something with these patterns, prerequisites and segments depends on."""
    reach = {("patterns", name) for name in patterns}
    for name, flag in flags.items():
        reach.add(("flags", name))
        reach |= flag.reach
    for name, segment in segments.items():
        reach.add(("segments", name))
        reach |= segment.reach
    return frozenset(reach)


def _broken(why: str) -> BuiltFlag:
    message = f"the flag's entry in the bundle can't be used: {why}"
    return BuiltFlag(None, Answer(Reason.ERROR, error=(ErrorCode.PARSE_ERROR, message)))


def _load_before_fork() -> None:
    """Load what evaluations load on their first use: of a module that is being loaded in a fork, the child would wait for ever."""
    from flagctl.evaluator import codegen, shapes  # noqa: F401, PLC0415


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_load_before_fork)
