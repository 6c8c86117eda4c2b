"""Flags that are watched while they answer: every evaluation is counted, exposures and a log are handed to an observer.

The answers are those of the `FlagSet` underneath, whose functions are shared. Counting is an addition to the outcome an
evaluation came to. An outcome that was never counted has neither `quick` nor a tally yet: asking for them raises, which
leads off the fast path to where the observer is asked for one; so the fast path never tests for it. The same holds for an experiment's
units: those seen before are a look-up in a dict, only new ones reach the observer.

What counts: `is_enabled`, `get_value`, `evaluate` and `get_variant` are evaluations, and exposures if the rule of a
running experiment decided and its variant was served. Neither `evaluate_all` nor the evaluation of a prerequisite is
any of these, since nobody acts upon those answers alone. A variant whose value does not have the type that was asked
for is not served: the caller's default is, and that is a misfit and no exposure.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol, Self

from flagctl.evaluator.builder import Builder
from flagctl.evaluator.details import (
    Answer,
    ErrorCode,
    EvaluationDetails,
    Reason,
    Variant,
    stale,
    typed_details,
    typed_value,
)
from flagctl.evaluator.flagset import FlagSet, is_stale
from flagctl.evaluator.instants import instant_of, to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from flagctl.evaluator.tally import Tally


class Observer(Protocol):
    """What watches a set of flags. No method may raise, or wait for anything.

    One that has an attribute `owner` counts together with all that have the same; others count alone.
    """

    def tally(self, key: object, answer: Answer) -> Tally:
        """Return what to count an answer in: the same for answers with the same flag, variant and reason."""

    def expose(self, key: str, answer: Answer, tally: Tally, context: Any) -> None:
        """Take notice that a running experiment's own rule served a unit, unless `tally` has seen it."""

    def log(self, key: object, answer: Answer, tally: Tally, context: Any, served: tuple[bool, Any, int]) -> None:
        """Put an evaluation into the log: whether its variant was served, the value that was, and nanoseconds."""


class ObservedFlagSet(FlagSet):
    """Flags whose evaluations are counted. Make one with `of`."""

    __slots__ = ("_observer", "_stale")

    _observer: Observer
    _stale: bool

    @classmethod
    def of(cls, flags: FlagSet, observer: Observer) -> Self:
        """Return the same flags, observed; `flags` themselves go on answering without being counted.

        Tallies are kept with outcomes, which flags share with their successors. Flags that somebody else observes are
        therefore made anew.
        """
        observed = cls.__new__(cls)
        builder = flags._builder  # noqa: SLF001 - of the class above
        owner = getattr(observer, "owner", observer)
        if builder.owner is None or builder.owner is owner:
            builder.owner = owner
            for name in FlagSet.__slots__:
                setattr(observed, name, getattr(flags, name))
        else:
            own = Builder(builder.document, builder.killed, builder.clock, builder.patience)
            own.tripped, own.owner = builder.tripped, owner
            observed._start(own, {}, {})  # noqa: SLF001 - made here
        observed._observer = observer  # noqa: SLF001
        observed._stale = is_stale(flags)  # noqa: SLF001
        return observed

    def is_enabled(self, key: str, context: Mapping[str, Any] | None = None) -> bool:
        """Answer as `FlagSet.is_enabled`."""
        try:
            answer = self._plans[key]
            if type(context) is dict:
                if answer:
                    answer = answer(context, None)
                if answer.quick is bool:
                    path = answer.unit
                    if path is not None and context[path] not in answer.tally.seen:
                        self._expose(key, answer, answer.tally, context)
                    answer.tally.count += 1
                    return answer.value  # type: ignore[no-any-return]
                if answer.has_value and answer.kind is not bool:
                    answer.tally.misfits += 1
                    return False
                self._note(key, answer, context)
                return answer.value is True
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - told apart below
            pass
        answer = self._answer(key, context, None)
        fits = type(answer.value) is bool or not answer.has_value
        self._note(key, answer, context, fits=fits)
        return answer.value is True

    def get_value(self, key: str, context: Mapping[str, Any] | None, default: Any) -> Any:
        """Answer as `FlagSet.get_value`."""
        try:
            answer = self._plans[key]
            if type(context) is dict:
                if answer:
                    answer = answer(context, None)
                if type(default) is answer.quick:
                    path = answer.unit
                    if path is not None and context[path] not in answer.tally.seen:
                        self._expose(key, answer, answer.tally, context)
                    answer.tally.count += 1
                    return answer.value
                fits, value = typed_value(answer, default)
                self._note(key, answer, context, fits=fits or not answer.has_value)
                return value
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - told apart below
            pass
        answer = self._answer(key, context, None)
        fits, value = typed_value(answer, default)
        self._note(key, answer, context, fits=fits or not answer.has_value)
        return value

    def evaluate(
        self,
        key: str,
        context: Mapping[str, Any] | None = None,
        default: Any = None,
        now: datetime | float | None = None,
    ) -> EvaluationDetails:
        """Answer as `FlagSet.evaluate`."""
        try:
            answer = self._plans[key]
            if type(context) is dict and now is None:
                if answer:
                    answer = answer(context, None)
                path = answer.unit
                if path is not None and (type(path) is tuple or context[path] not in answer.tally.seen):
                    self._expose(key, answer, answer.tally, context)
                details = answer.details or answer.own_details(default)
                answer.tally.count += 1
                return details  # type: ignore[no-any-return]
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - told apart below
            pass
        answer = self._answer_at(key, context, now)
        self._note(key, answer, context)
        return answer.own_details(default)

    def evaluate_typed(
        self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, kind: type | None = None
    ) -> EvaluationDetails:
        """Answer as `FlagSet.evaluate_typed`."""
        answer = self._find(key, context)
        fits, details = typed_details(answer, default, kind)
        self._note(key, answer, context, fits=fits)
        return details

    def get_variant(self, experiment_key: str, context: Mapping[str, Any] | None = None) -> Variant | None:
        """Answer as `FlagSet.get_variant`."""
        try:
            key = self._experiments[experiment_key]
            answer = self._plans[key]  # type: ignore[index]
            if type(context) is dict:
                if answer:
                    answer = answer(context, None)
                if answer.experiment == experiment_key:
                    path = answer.unit
                    if path is not None and (type(path) is tuple or context[path] not in answer.tally.seen):
                        self._expose(key, answer, answer.tally, context)
                    answer.tally.count += 1
                    return Variant(answer.variant, answer.own_value())
                answer.tally.count += 1
                return None
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - told apart below
            pass
        flag, answer = self._answer_of(experiment_key, context)
        if answer is None:
            return None
        served = answer.variant is not None and answer.experiment == experiment_key
        self._note(flag, answer, context, exposes=served)
        return Variant(answer.variant, answer.own_value()) if served else None  # type: ignore[arg-type]

    def _answer_at(self, key: Any, context: Any, now: Any) -> Answer:
        """Evaluate for an instant as a caller gives it."""
        if now is None:
            return self._answer(key, context, None)
        instant = instant_of(now)
        if instant is None:
            message = "`now` is an aware datetime or epoch seconds"
            return Answer(Reason.ERROR, error=(ErrorCode.GENERAL, message))
        return self._answer(key, context, to_ms(instant))

    def _answer_of(self, experiment: Any, context: Any) -> tuple[str, Answer | None]:
        """Return an experiment's flag and the flag's answer, None if there is no such experiment."""
        try:
            flag = self._flag_of(experiment)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - a key of a wrong type, or an entry that can't be read
            flag = None
        return ("", None) if flag is None else (flag, self._answer(flag, context, None))

    def _note(self, key: Any, answer: Answer, context: Any, *, fits: bool = True, exposes: bool = True) -> Tally:
        """Count an answer, and report its exposure."""
        tally = self._tally(key, answer)
        if not fits:
            tally.misfits += 1
        else:
            if answer.unit is not None and exposes:
                self._expose(key, answer, tally, context)
            tally.count += 1
        return tally

    def _tally(self, key: Any, answer: Answer) -> Tally:
        try:
            return answer.tally
        except AttributeError:
            answer.quick = None if type(answer.unit) is tuple else answer.kind
            answer.tally = tally = self._observer.tally(key, answer)
            return tally

    def _expose(self, key: Any, answer: Answer, tally: Tally, context: Any) -> None:
        try:
            self._observer.expose(key, answer, tally, context)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - foreign code inside the context may raise anything
            pass


class CarefulFlagSet(ObservedFlagSet):
    """Flags whose evaluations are counted one by one: for an evaluation log, and for snapshots that have expired.

    Takes some 300 ns more for each evaluation. Answers of an expired snapshot have the reason ``STALE``, and so tallies
    of their own, which are not kept with the outcome.
    """

    __slots__ = ()

    def is_enabled(self, key: str, context: Mapping[str, Any] | None = None) -> bool:
        """Answer as `FlagSet.is_enabled`."""
        begin = perf_counter_ns()
        answer = self._find(key, context)
        value = answer.value is True
        self._log(key, answer, context, (type(answer.value) is bool or not answer.has_value, value, begin))
        return value

    def get_value(self, key: str, context: Mapping[str, Any] | None, default: Any) -> Any:
        """Answer as `FlagSet.get_value`."""
        begin = perf_counter_ns()
        answer = self._find(key, context)
        fits, value = typed_value(answer, default)
        self._log(key, answer, context, (fits or not answer.has_value, value, begin))
        return value

    def evaluate(
        self,
        key: str,
        context: Mapping[str, Any] | None = None,
        default: Any = None,
        now: datetime | float | None = None,
    ) -> EvaluationDetails:
        """Answer as `FlagSet.evaluate`."""
        begin = perf_counter_ns()
        answer = self._find(key, context) if now is None else self._answer_at(key, context, now)
        details = answer.own_details(default)
        self._log(key, answer, context, (True, details.value, begin))
        return stale(details) if self._stale else details

    def evaluate_typed(
        self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, kind: type | None = None
    ) -> EvaluationDetails:
        """Answer as `FlagSet.evaluate_typed`."""
        begin = perf_counter_ns()
        answer = self._find(key, context)
        fits, details = typed_details(answer, default, kind)
        self._log(key, answer, context, (fits, details.value, begin))
        return stale(details) if self._stale else details

    def get_variant(self, experiment_key: str, context: Mapping[str, Any] | None = None) -> Variant | None:
        """Answer as `FlagSet.get_variant`."""
        begin = perf_counter_ns()
        flag, answer = self._answer_of(experiment_key, context)
        if answer is None:
            return None
        served = answer.variant is not None and answer.experiment == experiment_key
        value = answer.own_value()
        self._log(flag, answer, context, (True, value, begin), exposes=served)
        return Variant(answer.variant, value) if served else None  # type: ignore[arg-type]

    def _log(
        self, key: Any, answer: Answer, context: Any, served: tuple[bool, Any, int], *, exposes: bool = True
    ) -> None:
        """Count an answer; put it into the log if its turn has come. `served`: fits, value, when it began."""
        fits, value, begin = served
        took = perf_counter_ns() - begin
        tally = self._note(key, answer, context, fits=fits, exposes=exposes)
        if tally.count + tally.misfits >= tally.due:
            self._observer.log(key, answer, tally, context, (fits, value, took))

    def _tally(self, key: Any, answer: Answer) -> Tally:
        return self._observer.tally(key, answer) if self._stale else super()._tally(key, answer)
