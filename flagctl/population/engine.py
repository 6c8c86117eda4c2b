"""One flag for all rows of a batch: the same plan that the evaluator's functions are made from, run in columns.

Conditions become boolean arrays, draws become arrays of hashes, and the rules of a flag are masks that take from the rows which no
earlier rule took. An answer is a number, the position of an `Outcome` in the flag's list.

Rows for which this can't be right (contexts that are no plain dict, values whose reading raises) are left to the evaluator itself, row
by row. So is a flag whose entry in the bundle is malformed. Hence every answer is the evaluator's, which the property tests
hold it to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from operator import contains, eq, ge, gt, le, lt, methodcaller
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from flagctl.evaluator.automaton import Automaton
from flagctl.evaluator.buckets import NO_HASH
from flagctl.evaluator.closures import condition
from flagctl.evaluator.document import MalformedEntryError, decode_line
from flagctl.evaluator.flagset import FlagSet
from flagctl.evaluator.lists import Lists
from flagctl.evaluator.lowering import ALWAYS, Bundle, lower_flag, lower_segment
from flagctl.evaluator.plan import Check, Member, Reading, Serve, Split, Test
from flagctl.population.addresses import NetworkTables
from flagctl.population.paths import reads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from flagctl.evaluator.conditions import KnownTests
    from flagctl.evaluator.details import Answer, ErrorCode, EvaluationDetails, Reason
    from flagctl.evaluator.document import Document
    from flagctl.evaluator.lists import ListReader
    from flagctl.evaluator.plan import ConditionPlan, FlagPlan, OutcomePlan, SegmentPlan
    from flagctl.population.batch import Batch

    Mask = NDArray[np.bool_]
    Answers = NDArray[np.int32]

_UNDECIDED: Final = -1
_TARGETING_KEY: Final = "targeting_key"
_AS_IS: Final = {Reading.TEXT: (str,), Reading.NUMBER: (int, float)}
"""Types whose values a reading returns as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One way a flag can answer.

    Attributes:
        variant: Its name, or None if the caller's default is served.
        value: The variant's value; None without a variant.
        reason: As in evaluation details, likewise `error_code` and `rule`.
    """

    variant: str | None
    value: Any
    reason: Reason
    error_code: ErrorCode | None
    rule: str | None


class FlagOutcomes:
    """The outcomes of one flag that were met so far, numbered.

    Attributes:
        outcomes: By number.
    """

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self._numbers: dict[tuple[str | None, Reason, ErrorCode | None, str | None], int] = {}

    def of_answer(self, answer: Answer) -> int:
        """Return the number of an answer's outcome."""
        key = (answer.variant, answer.reason, answer.error_code, answer.rule)
        number = self._numbers.get(key)
        return self._add(key, answer.own_value()) if number is None else number

    def of_details(self, details: EvaluationDetails) -> int:
        """Return the number of an outcome that the evaluator gave, for the caller's default None."""
        key = (details.variant, details.reason, details.error_code, details.rule)
        number = self._numbers.get(key)
        return self._add(key, details.value) if number is None else number

    def _add(self, key: tuple[str | None, Reason, ErrorCode | None, str | None], value: Any) -> int:
        variant, reason, error_code, rule = key
        self._numbers[key] = len(self.outcomes)
        self.outcomes.append(
            Outcome(
                variant=variant,
                value=None if variant is None else value,
                reason=reason,
                error_code=error_code,
                rule=rule,
            )
        )
        return self._numbers[key]


class ColumnFlags:
    """All flags of one bundle, evaluated in columns at one instant.

    Args:
        document: An opened bundle.
        now_ms: The instant, milliseconds since the epoch.
        lists: Knows the units of lists; None: nobody does.
    """

    def __init__(self, document: Document, now_ms: int, lists: ListReader | None = None) -> None:
        self.document = document
        self.now_ms = now_ms
        self.rows = FlagSet(document)
        self.rows.use_lists(lists)
        known = Lists()
        known.reader = lists
        self._plans: dict[str, FlagPlan | None] = {}
        self._segments: dict[str, SegmentPlan] = {}
        self._patterns: dict[str, Callable[[str], bool]] = {}
        tests: KnownTests = {}
        self._bundle = Bundle(self._search, tests, known)
        self._outcomes: dict[str, FlagOutcomes] = {}
        self._networks: dict[Test, NetworkTables] = {}

    def outcomes(self, key: str) -> list[Outcome]:
        """Return the outcomes of a flag by number, as far as they occurred."""
        return self.numbers(key).outcomes

    def numbers(self, key: str) -> FlagOutcomes:
        """Return the numbering of a flag's outcomes."""
        return self._outcomes.setdefault(key, FlagOutcomes())

    def on(self, batch: Batch) -> BatchRun:
        """Return the evaluation of one batch; flags asked for together share what they have in common."""
        return BatchRun(self, batch)

    def plan(self, key: str) -> FlagPlan | None:
        """Return a flag's plan; None if it has none that is sound, be it for a prerequisite or a segment."""
        if key not in self._plans:
            self._plans[key] = self._read(key)
        return self._plans[key]

    def _read(self, key: str) -> FlagPlan | None:
        document = self.document
        if not document.has("flags", key):
            return None
        self._plans[key] = None  # a cycle of prerequisites finds this, and is left to the evaluator
        try:
            line = document.raw_line("flags", key)
            plan = lower_flag(key, line, decode_line(line), self._bundle)
            self._read_segments(plan.segments, ())
        except (MalformedEntryError, RecursionError):
            return None
        return plan if all(self.plan(need.flag) is not None for need in plan.prerequisites) else None

    def attributes(self, key: str) -> set[tuple[str, ...]] | None:
        """Return the attributes that a flag's answer may depend on, through prerequisites too; None: not known."""
        plan = self.plan(key)
        if plan is None:
            return None if self.document.has("flags", key) else set()
        found = set(reads(plan, self._segments))
        for need in plan.prerequisites:
            found |= self.attributes(need.flag) or set()
        return found

    def networks(self, test: Test) -> NetworkTables:
        """Return the networks that a test of an address looks for it in."""
        if test not in self._networks:
            self._networks[test] = NetworkTables(test.constant.__self__)  # `Networks.hold`, bound to them
        return self._networks[test]

    def segment(self, key: str) -> SegmentPlan:
        """Return the plan of a segment that some flag's plan refers to."""
        return self._segments[key]

    def _read_segments(self, keys: Iterable[str], above: tuple[str, ...]) -> None:
        for key in keys:
            if key in above or not self.document.has("segments", key):
                raise MalformedEntryError(f"segment {key!r} is missing or contains itself")
            if key not in self._segments:
                plan = lower_segment(self.document.segment(key), self._bundle)
                self._read_segments(plan.segments, (*above, key))
                self._segments[key] = plan

    def _search(self, key: str) -> Callable[[str], bool]:
        search = self._patterns.get(key)
        if search is None:
            if not self.document.has("patterns", key):
                raise MalformedEntryError(f"there is no pattern {key!r}")
            try:
                search = self._patterns[key] = Automaton.from_document(self.document.pattern(key)).search
            except ValueError as error:
                raise MalformedEntryError(f"pattern {key!r}: {error}") from None
        return search


class BatchRun:
    """Flags of one bundle on one batch."""

    def __init__(self, flags: ColumnFlags, batch: Batch) -> None:
        self._flags = flags
        self._batch = batch
        self._now = flags.now_ms
        self._answers: dict[str, Answers] = {}
        self._members: dict[str, Mask] = {}

    def flag(self, key: str) -> Answers:
        """Return the number of each row's outcome, shape ``(rows,)``; see `ColumnFlags.outcomes`."""
        answers = self._in_columns(key)
        odd = np.flatnonzero(self._batch.odd)
        if not odd.size:
            return answers
        answers = answers.copy()
        answers[odd] = self._one_by_one(key, odd)
        return answers

    def _one_by_one(self, key: str, rows: NDArray[np.int64]) -> list[int]:
        number, evaluate, now = self._flags.numbers(key).of_details, self._flags.rows.evaluate, self._now / 1000
        return [number(evaluate(key, self._batch.context(int(row)), None, now)) for row in rows]

    def _in_columns(self, key: str) -> Answers:
        """Return the answers; those of odd rows are unspecified."""
        found = self._answers.get(key)
        if found is None:
            plan = self._flags.plan(key)
            if plan is None:
                every = np.arange(self._batch.size) if self._flags.document.has("flags", key) else np.arange(1)
                numbers = self._one_by_one(key, every) if self._batch.size else []
                found = np.resize(np.array(numbers, np.int32), self._batch.size)
            else:
                found = self._run(plan)
            self._answers[key] = found
        return found

    def _run(self, plan: FlagPlan) -> Answers:
        number = self._flags.numbers(plan.key).of_answer
        size = self._batch.size
        if plan.fixed is not None:
            return np.full(size, number(plan.fixed), np.int32)
        if plan.window is not None and plan.off is not None and not plan.window.contains(self._now):
            return np.full(size, number(plan.off), np.int32)
        answers = np.full(size, _UNDECIDED, np.int32)
        for need in plan.prerequisites:
            lacking = answers == _UNDECIDED
            lacking &= ~self._serves(need.flag, need.variants)
            answers[lacking] = number(need.answer)
        if plan.targets:
            self._aim(plan, answers)
        for rule in plan.rules:
            if rule.outcome is None:
                continue
            rows = answers == _UNDECIDED
            if not rows.any():
                return answers
            for part in rule.conditions:
                rows &= self._condition(part)  # before the window, as the evaluator does: a read may raise
            if rule.window is not None and not rule.window.contains(self._now):
                continue
            self._give(plan, rule.outcome, rows, answers)
        self._give(plan, plan.default, answers == _UNDECIDED, answers)
        if plan.missing is not None:
            answers[answers == _UNDECIDED] = number(plan.missing)
        return answers

    def _serves(self, key: str, variants: frozenset[str]) -> Mask:
        answers = self._in_columns(key)
        table = np.array([outcome.variant in variants for outcome in self._flags.outcomes(key)], np.bool_)
        return table[answers]

    def _aim(self, plan: FlagPlan, answers: Answers) -> None:
        number = self._flags.numbers(plan.key).of_answer
        numbers = {unit: number(answer) for unit, answer in plan.targets.items()}
        units = self._batch.units(plan.target_path)
        if numbers.keys().isdisjoint(units):
            return
        table = np.array([numbers.get(unit, _UNDECIDED) for unit in units] + [_UNDECIDED], np.int32)  # type: ignore[arg-type]
        aimed = self._batch.column(plan.target_path).hand_out(table)
        np.copyto(answers, aimed, where=answers == _UNDECIDED)

    def _give(self, plan: FlagPlan, outcome: OutcomePlan, rows: Mask, answers: Answers) -> None:
        """Answer those of some undecided rows that an outcome takes."""
        number = self._flags.numbers(plan.key).of_answer
        if isinstance(outcome, Serve):
            if outcome.draw is not None:
                limit = outcome.limit if isinstance(outcome.limit, int) else outcome.limit(self._now)
                if limit == 0:
                    return
                if limit != ALWAYS:
                    rows = rows & (self._batch.hashes(outcome.draw.path, outcome.draw.seed) < limit)
            answers[rows] = number(outcome.answer)
        elif isinstance(outcome, Split):
            if outcome.intake is not None:
                drawn = self._batch.hashes(outcome.intake.path, outcome.intake.seed)
                taken_in = np.zeros_like(rows)
                for start, end in outcome.slots:
                    taken_in |= (start <= drawn) & (drawn < end)
                rows = rows & taken_in
            drawn = self._batch.hashes(outcome.draw.path, outcome.draw.seed)
            rows = rows & (drawn < NO_HASH)
            ends = np.array(outcome.ends, np.uint64)
            table = np.array([number(answer) for answer in outcome.answers], np.int32)
            answers[rows] = table[np.searchsorted(ends, drawn[rows], side="right")]

    def _condition(self, plan: ConditionPlan) -> Mask:
        if isinstance(plan, Test):
            return self._test(plan)
        if isinstance(plan, Member):
            members = self._segment(plan.segment)
            return ~members if plan.negated else members
        combine = np.logical_or if plan.any_of else np.logical_and
        holds = self._condition(plan.parts[0])
        for part in plan.parts[1:]:
            holds = combine(holds, self._condition(part))
        return ~holds if plan.negated else holds

    def _test(self, test: Test) -> Mask:
        column = self._batch.column(test.path)
        direct = _DIRECT.get(test.check)
        answers: Sequence[bool] | NDArray[np.bool_]
        if column.kind is str and test.reading == Reading.ADDRESS:
            answers = column.addresses.inside(self._flags.networks(test))
        elif direct is not None and column.kind in _AS_IS.get(test.reading, ()):
            answers = list(map(direct(test.constant), column.distinct))
        elif direct is not None and column.kind is str and test.reading == Reading.FOLDED:
            answers = list(map(direct(test.constant), column.folded))
        else:
            answers, raised = column.ask(_question(test), False)
            if raised:
                self._batch.odd |= column.rows_with(raised)
        table = np.array([*answers, False], np.bool_)
        return column.hand_out(~table if test.negated else table)

    def _segment(self, key: str) -> Mask:
        found = self._members.get(key)
        if found is None:
            found = self._members[key] = self._members_of(self._flags.segment(key))
        return found

    def _members_of(self, plan: SegmentPlan) -> Mask:
        members = np.full(self._batch.size, plan.conditions is not None)
        for part in plan.conditions or ():
            members = members & self._condition(part)
        if not (plan.include or plan.exclude):
            return members
        column, units = self._batch.column(_TARGETING_KEY), self._batch.units(_TARGETING_KEY)
        for listed, belongs in ((plan.include, True), (plan.exclude, False)):
            if not listed.isdisjoint(units):
                table = np.array([*[unit in listed for unit in units], False], np.bool_)
                members[column.hand_out(table)] = belongs
        return members


def _question(test: Test) -> Callable[[Any], bool]:
    """Return a test, before negation, as a function of an attribute's value: the evaluator's, for a context of nothing else."""
    holds = condition(Test("value", test.reading, test.check, test.constant), {})
    return lambda value: holds({"value": value})


_DIRECT: Final[dict[str, Callable[[Any], Callable[[Any], Any]]]] = {
    Check.EQUALS: lambda constant: partial(eq, constant),
    Check.IN: lambda constant: partial(contains, constant),
    Check.LESS: lambda constant: partial(gt, constant),
    Check.LESS_OR_EQUAL: lambda constant: partial(ge, constant),
    Check.GREATER: lambda constant: partial(lt, constant),
    Check.GREATER_OR_EQUAL: lambda constant: partial(le, constant),
    Check.STARTS: lambda constant: methodcaller("startswith", constant),
    Check.ENDS: lambda constant: methodcaller("endswith", constant),
}
"""What Python itself says of values that a test reads as they are, or case-folded: the same in a third of the time.

Columns of very many distinct values are mostly such: numbers, addresses of e-mail, keys.
"""
