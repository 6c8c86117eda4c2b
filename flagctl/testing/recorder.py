"""What an application did with its flags: evaluations, exposures, conversions, measurements."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from flagctl.errors import UsageError
from flagctl.evaluator.buckets import unit_of
from flagctl.evaluator.closures import unit_at
from flagctl.evaluator.flagset import FlagSet, is_stale
from flagctl.evaluator.observed import CarefulFlagSet
from flagctl.evaluator.tally import Tally
from flagctl.testing.overrides import override, source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flagctl.client.client import Client
    from flagctl.client.dress import Evaluating
    from flagctl.evaluator.details import Answer, EvaluationDetails, Variant

_ANY: Final[Any] = object()


class Evaluated(NamedTuple):
    """A flag was evaluated. `value` is what the caller got; `variant` is None if that was the caller's default."""

    flag: str
    variant: str | None
    value: Any
    reason: str
    unit: str | None


class Exposed(NamedTuple):
    """An experiment served a unit; once for each unit and variant."""

    experiment: str
    variant: str
    unit: str
    flag: str


class Converted(NamedTuple):
    """Something that experiments count happened. `experiment` is empty if none was named."""

    event: str
    unit: str | None
    value: float
    experiment: str


class Measured(NamedTuple):
    """Something was measured."""

    name: str
    unit: str | None
    value: float


class Recorder:
    """Watches a client from ``with`` to its end; several may watch one client.

    Args:
        target: A client, or an OpenFeature provider or client that answers from one; or a function that returns one.

    Attributes:
        evaluations: All evaluations, in order.
        exposures: Each exposure once.
        conversions: All conversions, in order.
        measurements: All measurements, in order.

    Raises:
        UsageError: If the target is a `FlagSet`, which has nothing to watch.
    """

    def __init__(self, target: Any) -> None:
        source = source_of(target)
        if isinstance(source, FlagSet):
            raise UsageError("a FlagSet cannot be watched; flagctl.testing.client_from makes a client of a bundle")
        self.client: Client = source
        self.evaluations: list[Evaluated] = []
        self.exposures: list[Exposed] = []
        self.conversions: list[Converted] = []
        self.measurements: list[Measured] = []

    def __enter__(self) -> Self:
        _watch(self.client, self)
        return self

    def __exit__(self, *_: object) -> None:
        _leave(self.client, self)

    def clear(self) -> None:
        """Forget what was seen so far."""
        for kind in (self.evaluations, self.exposures, self.conversions, self.measurements):
            kind.clear()

    def assert_evaluated(self, flag: str, *, variant: str | None = _ANY, value: Any = _ANY, unit: str = _ANY) -> None:
        """Assert that a flag was evaluated, with this answer if one is given."""
        __tracebackhide__ = True
        _find("evaluated", {"flag": flag, "variant": variant, "value": value, "unit": unit}, self.evaluations)

    def assert_not_evaluated(self, flag: str) -> None:
        """Assert that nobody asked for a flag."""
        __tracebackhide__ = True
        _miss("evaluated", {"flag": flag}, self.evaluations)

    def assert_exposed(self, experiment: str, variant: str = _ANY, unit: str = _ANY) -> None:
        """Assert that an experiment served somebody (this unit), and served this variant."""
        __tracebackhide__ = True
        _find("exposed", {"experiment": experiment, "variant": variant, "unit": unit}, self.exposures)

    def assert_not_exposed(self, experiment: str, variant: str = _ANY, unit: str = _ANY) -> None:
        """Assert that an experiment served nobody (not this unit)."""
        __tracebackhide__ = True
        _miss("exposed", {"experiment": experiment, "variant": variant, "unit": unit}, self.exposures)

    def assert_converted(self, event: str, *, unit: str = _ANY, value: float = _ANY, experiment: str = _ANY) -> None:
        """Assert that a conversion was tracked."""
        __tracebackhide__ = True
        wanted = {"event": event, "unit": unit, "value": value, "experiment": experiment}
        _find("converted", wanted, self.conversions)

    def assert_measured(self, name: str, *, unit: str = _ANY, value: float = _ANY) -> None:
        """Assert that something was measured."""
        __tracebackhide__ = True
        _find("measured", {"name": name, "unit": unit, "value": value}, self.measurements)


class Flags(Recorder):
    """A client in a test: watched, and overridden until the test ends. The pytest fixture ``flags`` is one."""

    def __init__(self, target: Any) -> None:
        super().__init__(target)
        self._until_the_end = contextlib.ExitStack()

    def __exit__(self, *_: object) -> None:
        self._until_the_end.close()
        super().__exit__()

    def override(self, overrides: Mapping[str, Any]) -> override:
        """Return a context manager or decorator with overrides; see `flagctl.testing.override`."""
        return override(self.client, overrides)

    def set(self, overrides: Mapping[str, Any]) -> None:
        """Begin overrides that end with the test."""
        self._until_the_end.enter_context(self.override(overrides))


def _find(what: str, wanted: Mapping[str, Any], seen: Iterable[Any]) -> None:
    __tracebackhide__ = True
    if not _matching(wanted, seen):
        raise AssertionError(f"not {what}: {_described(wanted)}\n{_listed(seen)}")


def _miss(what: str, wanted: Mapping[str, Any], seen: Iterable[Any]) -> None:
    __tracebackhide__ = True
    if found := _matching(wanted, seen):
        raise AssertionError(f"{what}: {_described(wanted)}\n{_listed(found)}")


def _matching(wanted: Mapping[str, Any], seen: Iterable[Any]) -> list[Any]:
    asked = {name: value for name, value in wanted.items() if value is not _ANY}
    return [each for each in seen if all(_equal(getattr(each, name), value) for name, value in asked.items())]


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def _described(wanted: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in wanted.items() if value is not _ANY)


def _listed(seen: Iterable[Any]) -> str:
    return "".join(f"  seen: {each!r}\n" for each in seen) or "  nothing was seen"


_lock: Final = threading.RLock()
_watching: Final[dict[int, _Watch]] = {}


def _watch(client: Client, recorder: Recorder) -> None:
    with _lock:
        watch = _watching.get(id(client))
        if watch is None:
            watch = _watching[id(client)] = _Watch(client)
        watch.recorders = (*watch.recorders, recorder)


def _leave(client: Client, recorder: Recorder) -> None:
    with _lock:
        watch = _watching[id(client)]
        watch.recorders = tuple([each for each in watch.recorders if each is not recorder])
        if not watch.recorders:
            watch.end()
            del _watching[id(client)]


class _Watch:
    """The recorders of one client: an observer of its evaluations, and a listener to what it is told."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.recorders: tuple[Recorder, ...] = ()
        client._parts = client._parts._replace(recorder=self._recorded)  # noqa: SLF001 - a test may look inside
        self._listen("track_conversion", self._converted)
        self._listen("measure", self._measured)
        client._updater.serve_again()  # noqa: SLF001

    def end(self) -> None:
        """Leave the client as it was."""
        client = self.client
        for name in ("track_conversion", "measure"):
            client.__dict__.pop(name, None)
        client._parts = client._parts._replace(recorder=None)  # noqa: SLF001
        client._updater.serve_again()  # noqa: SLF001

    def tally(self, key: object, answer: Answer) -> Tally:
        """Return what to count an answer in, such that each evaluation is logged."""
        tally = Tally(str(key), answer.variant, answer.reason.value)
        tally.due = 0
        return tally

    def expose(self, key: str, answer: Answer, tally: Tally, context: Any) -> None:  # noqa: ARG002 - an observer's
        """Take notice of an exposure."""
        unit = None if answer.unit is None else unit_of(unit_at(context, answer.unit))
        if unit is not None and answer.experiment is not None and answer.variant is not None:
            exposed = Exposed(answer.experiment, answer.variant, unit, key)
            for recorder in self.recorders:
                if exposed not in recorder.exposures:
                    recorder.exposures.append(exposed)

    def log(self, key: object, answer: Answer, tally: Tally, context: Any, served: tuple[bool, Any, int]) -> None:  # noqa: ARG002
        """Take notice of an evaluation."""
        fits, value, _ = served
        reason = answer.reason.value if fits else "ERROR"
        evaluated = Evaluated(str(key), answer.variant if fits else None, value, reason, _unit(context))
        for recorder in self.recorders:
            recorder.evaluations.append(evaluated)

    def _recorded(self, flags: FlagSet, served: Evaluating) -> Evaluating:
        builder = flags._builder  # noqa: SLF001
        # Of its own, because outcomes remember who counts them, and the client may count them, too.
        own = FlagSet(flags.document, lambda: (builder.clock() + 0.5) / 1000)
        if builder.killed or is_stale(flags):
            own = own.with_state(builder.killed, is_stale(flags))
        return _Recorded(CarefulFlagSet.of(own, self), served)

    def _listen(self, name: str, listener: Callable[..., None]) -> None:
        original = getattr(self.client, name)

        def heard(*arguments: Any, **named: Any) -> None:
            original(*arguments, **named)
            listener(*arguments, **named)

        setattr(self.client, name, heard)

    def _converted(self, experiment: str | None, context: Any, value: float = 1.0, *, metric: str, **_: Any) -> None:
        converted = Converted(metric, _unit(context), value, experiment or "")
        for recorder in self.recorders:
            recorder.conversions.append(converted)

    def _measured(self, name: str, value: float, context: Any = None, **_: Any) -> None:
        measured = Measured(name, _unit(context), value)
        for recorder in self.recorders:
            recorder.measurements.append(measured)


def _unit(context: Any) -> str | None:
    try:
        return unit_of(context["targeting_key"])
    except Exception:  # noqa: BLE001 - contexts may be anything
        return None


class _Recorded:
    """What is served, and each evaluation once more under observation."""

    __slots__ = ("_observed", "_served")

    def __init__(self, observed: FlagSet, served: Evaluating) -> None:
        self._observed = observed
        self._served = served

    def is_enabled(self, key: str, context: Mapping[str, Any] | None = None) -> bool:
        self._observed.is_enabled(key, context)
        return self._served.is_enabled(key, context)

    def get_value(self, key: str, context: Mapping[str, Any] | None, default: Any) -> Any:
        self._observed.get_value(key, context, default)
        return self._served.get_value(key, context, default)

    def get_variant(self, experiment_key: str, context: Mapping[str, Any] | None = None) -> Variant | None:
        self._observed.get_variant(experiment_key, context)
        return self._served.get_variant(experiment_key, context)

    def evaluate(self, key: str, context: Mapping[str, Any] | None = None, default: Any = None) -> EvaluationDetails:
        self._observed.evaluate(key, context, default)
        return self._served.evaluate(key, context, default)

    def evaluate_typed(
        self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, kind: type | None = None
    ) -> EvaluationDetails:
        self._observed.evaluate_typed(key, context, default, kind)
        return self._served.evaluate_typed(key, context, default, kind)

    def evaluate_all(self, context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._served.evaluate_all(context)
