"""What applications call: methods over one immutable snapshot of flags, none of which ever raises.

Their fast path is a look-up, a test of the context's type and the flag's own function. A flag that has one answer for
everybody only needs a context that is a mapping, which `match` asks for in one instruction and `type(context) is dict`
in five. Everything else that can happen (first use, contexts that are no plain dict, wrong keys, reads that raise) is
told apart afterwards, in :meth:`FlagSet._answer`, which may take its time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any, Final

from flagctl.evaluator.builder import Builder
from flagctl.evaluator.closures import HotError
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
from flagctl.evaluator.document import Document, open_bundle
from flagctl.evaluator.everything import MANY, part, values_of
from flagctl.evaluator.instants import instant_of, to_ms
from flagctl.evaluator.readings import LazyContext, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flagctl.evaluator.closures import BuiltFlag
    from flagctl.evaluator.document import Header
    from flagctl.evaluator.everything import Everything
    from flagctl.evaluator.lists import ListReader

_EMPTY: Final[dict[str, Any]] = {}


def load(data: bytes | str | Path) -> FlagSet:
    """Decode one bundle, without network, thread or signature.

    Args:
        data: A bundle's bytes, plain or compressed with gzip, or the path of a file with such bytes.

    Raises:
        BundleFormatError: This is no bundle, or one that needs a newer flagctl.
        OSError: The file can't be read.
    """
    if isinstance(data, (str, Path)):
        data = Path(data).read_bytes()
    return FlagSet(open_bundle(bytes(data)))


class FlagSet:
    """All flags of one bundle, ready to be evaluated from any thread.

    A context is any mapping of attribute names to values, or None for an empty one. Whatever is wrong with a key, a
    context or a flag becomes an answer with the caller's default and an error code; only exceptions that do not derive
    from `Exception`, and `MemoryError`, pass through.

    Args:
        document: An opened bundle.
        clock: Returns seconds since the epoch; schedules and ramps go by it.
    """

    __slots__ = ("_builder", "_everything", "_experiments", "_plans", "_quick")

    _everything: Everything | None  # None until `evaluate_all` asks for it, and after one of few flags was compiled

    def __init__(self, document: Document, clock: Callable[[], float] = time.time) -> None:
        self._start(Builder(document, frozenset(), lambda: int(clock() * 1000 // 1)), {}, {})

    @property
    def header(self) -> Header:
        """What the bundle says about itself."""
        return self._builder.document.header

    @property
    def digest(self) -> str:
        """The bundle's id: SHA-256 of its plain bytes, 64 hexadecimal digits."""
        return self._builder.document.sha256

    @property
    def document(self) -> Document:
        """The opened bundle."""
        return self._builder.document

    def keys(self) -> tuple[str, ...]:
        """Return the keys of all flags, ascending."""
        return self._builder.document.flag_keys()

    def is_enabled(self, key: str, context: Mapping[str, Any] | None = None) -> bool:
        """Return the value of a boolean flag; False on any error and for flags of other types."""
        try:
            kind, value = self._quick[key]
            if kind is None:
                if type(context) is dict:
                    return value(context, None).value is True
            else:
                match context:
                    case {}:
                        return value is True
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - told apart below
            pass
        return self._answer(key, context, None).value is True

    def get_value(self, key: str, context: Mapping[str, Any] | None, default: Any) -> Any:
        """Return a flag's value, or `default` on any error and if the value does not fit the default's type.

        An integer default takes integral numbers (as `int`), a float default any number (as `float`), a dict or list
        any JSON object or array, and None any value.
        """
        try:
            kind, value = self._quick[key]
            if kind is None:
                if type(context) is dict:
                    answer = value(context, None)
                    if type(default) is answer.kind:
                        return answer.value
                    return typed_value(answer, default)[1]
            elif type(default) is kind:
                match context:
                    case {}:
                        return value
            else:
                match context:
                    case {}:
                        return typed_value(self._plans[key], default)[1]
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - told apart below
            pass
        return typed_value(self._answer(key, context, None), default)[1]

    def evaluate(
        self,
        key: str,
        context: Mapping[str, Any] | None = None,
        default: Any = None,
        now: datetime | float | None = None,
    ) -> EvaluationDetails:
        """Return a flag's value with variant, reason, rule and metadata.

        Args:
            key: The flag.
            context: Attributes of whom the answer is for.
            default: The value of an answer that has none of its own; its type plays no role.
            now: The instant to evaluate for, as an aware datetime or epoch seconds; without one, the clock's.
        """
        try:
            answer = self._plans[key]
            if now is None:
                if answer:
                    if type(context) is dict:
                        answer = answer(context, None)
                        return answer.details or answer.own_details(default)  # type: ignore[no-any-return]
                else:
                    match context:
                        case {}:
                            return answer.details or answer.own_details(default)  # type: ignore[no-any-return]
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - told apart below
            pass
        instant = None
        if now is not None:
            instant = instant_of(now)
            if instant is None:
                return EvaluationDetails(
                    default, None, Reason.ERROR, ErrorCode.GENERAL, "`now` is an aware datetime or epoch seconds"
                )
        return self._answer(key, context, None if instant is None else to_ms(instant)).own_details(default)

    def evaluate_typed(
        self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, kind: type | None = None
    ) -> EvaluationDetails:
        """Return a flag's value as `evaluate`, or an error with the code ``TYPE_MISMATCH`` if it has another type.

        Args:
            key: The flag.
            context: Attributes of whom the answer is for.
            default: The value of an answer that has none of its own, and of one that does not fit.
            kind: `bool`, `str`, `int`, `float`, or `dict` for any JSON object or array; without it, the default's type.
                Values fit as in `get_value`.
        """
        answer = self._find(key, context)
        if kind is not None and kind is answer.kind and answer.details is not None:
            return answer.details
        return typed_details(answer, default, kind)[1]

    def get_variant(self, experiment_key: str, context: Mapping[str, Any] | None = None) -> Variant | None:
        """Return the variant that an experiment assigns, or None unless the experiment's own rule decided."""
        try:
            flag = self._flag_of(experiment_key)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - a key of a wrong type, or an entry that can't be read
            return None
        if flag is None:
            return None
        answer = self._answer(flag, context, None)
        if answer.variant is None or answer.experiment != experiment_key:
            return None
        return Variant(answer.variant, answer.own_value())

    def evaluate_all(self, context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the value of every flag by key, all for one instant; None where a caller's default would be served."""
        now = self._builder.clock()
        if context is None:
            context = _EMPTY
        keys = self.keys()
        if type(context) is not dict or len(self._plans) != len(keys):
            return {key: self._answer(key, context, now).own_value() for key in keys}
        self._everything = everything = self._everything or part(self._plans)
        return values_of(everything, context, now, self._answer)

    def with_state(self, killed: frozenset[str], stale: bool) -> FlagSet:
        """Return the same flags under another kill list or expiry, with all functions that stay the same.

        Args:
            killed: Keys of flags that are forced to their `off` variant.
            stale: Whether the manifest has expired: reasons other than ``DISABLED`` and ``ERROR`` become ``STALE``.
        """
        return self._next(self.document, killed, stale, self._builder.tripped)

    def with_tripped(self, tripped: frozenset[str]) -> FlagSet:
        """Return the same flags with these off because their breaker has tripped in this process.

        They answer their `off` variant with the reason ``DISABLED`` and the rule ``breaker``; a kill list, and
        ``enabled: false``, come first. Whatever is the same is shared.
        """
        return self._next(self.document, self._builder.killed, type(self) is _StaleFlagSet, tripped)

    def use_lists(self, reader: ListReader | None) -> None:
        """Let segments that name a list ask `reader`, here and in every snapshot made of this one; None: nobody."""
        self._builder.lists.reader = reader

    def replace(self, document: Document) -> FlagSet:
        """Return the flags of another bundle under the same kill list and expiry.

        Functions of flags whose line, prerequisites, segments and patterns are the same are kept.
        """
        return self._next(document, self._builder.killed, type(self) is _StaleFlagSet, self._builder.tripped)

    def _next(self, document: Document, killed: frozenset[str], stale: bool, tripped: frozenset[str]) -> FlagSet:
        kind = _StaleFlagSet if stale else FlagSet
        flags = kind.__new__(kind)
        builder = self._builder.successor(document, killed, tripped)
        plans, quick = self._plans.copy(), self._quick.copy()
        for made in (plans, quick):
            for key in made.keys() - builder.flags.keys():
                del made[key]
        flags._start(builder, plans, quick)  # noqa: SLF001 - of the same class
        return flags

    def _start(self, builder: Builder, plans: dict[str, Any], quick: dict[str, tuple[type | None, Any]]) -> None:
        self._builder = builder
        # Any: a function, which is true, or an `Answer`, which is false.
        self._plans: dict[str, Any] = plans
        # The same for those that need no more than a value: (None, function), or (type of the one value, value).
        self._quick: dict[str, tuple[type | None, Any]] = quick
        self._everything = None
        self._experiments: dict[str, str | None] = {}

    def _install(self, key: str, built: BuiltFlag) -> None:
        """Put a flag on the fast path."""
        key = intern(
            key
        )  # as names in the application's code are: the same text at the same place need not be compared
        if len(self._plans) <= MANY:
            self._everything = None
        if built.function is not None:
            self._plans[key] = built.function
            self._quick[key] = None, built.function
        elif built.answer is not None:
            self._plans[key] = built.answer
            # JSON and nothing at all have no kind of their own; nobody's default is an `Answer`.
            self._quick[key] = built.answer.kind or Answer, built.answer.value

    def _flag_of(self, experiment: str) -> str | None:
        """Return the flag whose rule serves an experiment."""
        if experiment not in self._experiments:
            document = self._builder.document
            if not document.has("experiments", experiment):
                return None
            flag = document.experiment(experiment).get("flag")
            self._experiments[experiment] = flag if type(flag) is str else None
        return self._experiments[experiment]

    def _find(self, key: Any, context: Any) -> Answer:
        """Evaluate as `_answer`, the fast way if possible."""
        try:
            answer = self._plans[key]
            if type(context) is dict:
                return answer(context, None) if answer else answer  # type: ignore[no-any-return]
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - told apart below
            pass
        return self._answer(key, context, None)

    def _answer(self, key: Any, context: Any, now: int | None) -> Answer:
        """Evaluate whatever the fast path could not."""
        try:
            exact = text(key)
            built = None if exact is None else self._built(exact)
            if built is None:
                return _error(ErrorCode.FLAG_NOT_FOUND, "the bundle has no such flag")
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - building is checked throughout; this is the net below it
            return _error(ErrorCode.GENERAL, f"the flag can't be built: {type(error).__name__}")
        if built.answer is not None and built.answer.reason in {Reason.DISABLED, Reason.ERROR}:
            return built.answer
        try:
            return self._evaluate(built, context, now)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - foreign code inside the context may raise anything
            return _error(ErrorCode.INVALID_CONTEXT, f"reading the context raised {type(error).__name__}")

    def _built(self, key: str) -> BuiltFlag | None:
        built = self._builder.flag(key)
        if built is not None:
            self._install(key, built)
        return built

    def _evaluate(self, built: BuiltFlag, context: Any, now: int | None) -> Answer:
        if now is None and built.timed:
            now = self._builder.clock()
        if context is None:
            context = _EMPTY
        elif type(context) is not dict:
            if not isinstance(context, Mapping):
                if built.window is not None and not built.window[0].contains(now or 0):
                    return built.window[1]
                return _error(ErrorCode.INVALID_CONTEXT, "a context is a mapping or None")
            context = LazyContext(context)
        if built.function is None:
            return built.answer  # type: ignore[return-value]
        while True:
            try:
                return built.function(context, now)
            except HotError as hot:
                self._heat(hot.key)

    def _heat(self, key: str) -> None:
        """Compile a hot flag: the one that was asked for, or another that it needs."""
        self._builder.heat(key)
        built = self._builder.flags.get(key)
        if built is not None:
            self._install(key, built)

    def compile_all(self) -> None:
        """Build and compile every flag now instead of when it turns out to be hot; for measurements and tests."""
        builder = self._builder
        for key in self.keys():
            builder.compile(key)
            built = builder.flag(key)
            if built is not None:
                self._install(key, built)


class _StaleFlagSet(FlagSet):
    """Flags of a manifest that has expired and could not be renewed: the answers stand, the reasons say so."""

    __slots__ = ()

    def evaluate(
        self,
        key: str,
        context: Mapping[str, Any] | None = None,
        default: Any = None,
        now: datetime | float | None = None,
    ) -> EvaluationDetails:
        return stale(FlagSet.evaluate(self, key, context, default, now))

    def evaluate_typed(
        self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, kind: type | None = None
    ) -> EvaluationDetails:
        return stale(FlagSet.evaluate_typed(self, key, context, default, kind))


def is_stale(flags: FlagSet) -> bool:
    """Return whether these are flags of a manifest that has expired."""
    return type(flags) is _StaleFlagSet


def _error(code: ErrorCode, message: str) -> Answer:
    return Answer(Reason.ERROR, error=(code, message))
