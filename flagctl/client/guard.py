"""Code behind a flag, watched: errors and latency of each variant, and a breaker that serves `off` when it fails.

::

    with client.guard("new-checkout-flow", user) as on:
        return new_checkout(cart) if on else old_checkout(cart)

What the block raises passes through unchanged. The limits are the flag's, in its YAML file; a flag without ``breaker`` is
only evaluated. What trips, and what happens then, is in `flagctl.client.guard_book`.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Self, TypeVar, final

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from flagctl.client.breaker import Permit
    from flagctl.client.dress import Evaluating
    from flagctl.client.guard_book import FlagGuard, GuardBook
    from flagctl.evaluator.details import EvaluationDetails

    Context = Mapping[str, Any] | None
    Exceptions = type[BaseException] | tuple[type[BaseException], ...]

T = TypeVar("T")
Yielded_co = TypeVar("Yielded_co", covariant=True)

_NOTHING: Final = object()


class Served(NamedTuple, Generic[T]):
    """What a guarded flag that is not boolean serves.

    Attributes:
        value: The variant's value, or the default that was given.
        variant: Name of the variant, None if the default is served.
    """

    value: T
    variant: str | None


class Guard(Generic[Yielded_co]):
    """One guarded call: a context manager, also an asynchronous one. Made by `Client.guard`, used once.

    Args:
        book: Where calls are counted.
        flags: Returns the flags that are served.
        key: The flag.
        context: Attributes of whom the call is for.
        ignore: Exceptions that are no failures of the code.

    Attributes:
        details: The answer, from the moment the block begins.
    """

    __slots__ = (
        "_began",
        "_book",
        "_default",
        "_failed",
        "_flag",
        "_flags",
        "_generation",
        "_ignore",
        "_permit",
        "context",
        "details",
        "key",
    )

    details: EvaluationDetails

    def __init__(
        self, book: GuardBook, flags: Callable[[], Evaluating], key: str, context: Context, ignore: Exceptions
    ) -> None:
        self._book = book
        self._flags = flags
        self.key = key
        self.context = context
        self._ignore = ignore
        self._default: Any = _NOTHING
        self._flag: FlagGuard | None = None
        self._permit: Permit | None = None
        self._failed = False

    @property
    def variant(self) -> str | None:
        """Name of the variant that is served, None if it is a default."""
        return self.details.variant

    @property
    def value(self) -> Any:
        """What is served: without a default, whether the flag is on; else a value of the default's type."""
        if self._default is _NOTHING:
            return self.details.value is True
        return self.details.value

    @property
    def is_probe(self) -> bool:
        """Whether this call is the one that tries again after the flag's breaker tripped."""
        return self._permit is not None

    def fail(self) -> None:
        """Count this call as failed although nothing is raised."""
        self._failed = True

    def __enter__(self) -> Yielded_co:
        book = self._book
        flag = self._flag = book.find(self.key)
        if flag is None:
            self.details = self._evaluate(self._flags())
        else:
            self._generation = flag.generation
            if flag.is_open:
                self._try_again(flag)
            else:
                self.details = self._evaluate(self._flags())
            self._began = book.monotonic()
        if self._default is _NOTHING:
            return self.details.value is True  # type: ignore[return-value]
        return Served(self.value, self.details.variant)  # type: ignore[return-value]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        flag = self._flag
        if flag is None:
            return
        now = self._book.monotonic()
        failed = self._failed
        if kind is not None and not issubclass(kind, self._ignore):
            if not issubclass(kind, Exception):  # cancelled, interrupted, told to exit: it says nothing about the code
                if self._permit is not None:
                    flag.breaker.gave_up(self._permit)
                return
            failed = True
        variant = self.details.variant
        if variant is None:
            return
        if self._permit is not None:
            self._book.probed(flag, self._permit, variant, flag.is_bad(failed, now - self._began))
            return
        if variant != flag.off and self._generation != flag.generation:
            return  # it began before the breaker tripped or closed
        cause = flag.add(variant, failed, now, now - self._began)
        if cause is not None:
            self._book.trip(flag, variant, cause)

    async def __aenter__(self) -> Yielded_co:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def otherwise(self, default: Any) -> Self:
        """Serve `default` where the flag has no value of its type, and yield `Served`; returns the guard itself."""
        self._default = default
        return self

    def _evaluate(self, flags: Evaluating) -> EvaluationDetails:
        if self._default is _NOTHING:
            return flags.evaluate_typed(self.key, self.context, None, bool)
        return flags.evaluate_typed(self.key, self.context, self._default)

    def _try_again(self, flag: FlagGuard) -> None:
        """Evaluate while the breaker is open: for real if this is the one probe, and the real answer is not `off`."""
        probe = self._book.probe(flag)
        if probe is not None:
            permit, flags = probe
            details = self._evaluate(flags)
            if details.variant is not None and details.variant != flag.off:
                self._permit = permit
                self.details = details
                self._book.probing(flag, details.variant)
                return
            flag.breaker.gave_up(permit)
            self.details = details  # `off` either way; the reason is the real one
            return
        self.details = self._evaluate(self._flags())


@final
class Guarded:
    """The decorator of `Client.guarded`."""

    def __init__(self, guard: Callable[[Any], Guard[bool]], context: Any, fallback: Callable[..., Any] | None) -> None:
        self._guard = guard
        self._context = context
        self._fallback = fallback

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the guarded function.

        Raises:
            UsageError: It is a generator, whose errors happen when nobody watches.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(
                "a generator cannot be guarded by a decorator: it runs after it has returned",
                hint="use 'with client.guard(...)' inside it",
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def waited(*args: Any, **kwargs: Any) -> Any:
                async with self._guard(self._context_of(args, kwargs)) as on:
                    result = self._chosen(function, on)(*args, **kwargs)
                    return await result if inspect.isawaitable(result) else result

            return waited

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with self._guard(self._context_of(args, kwargs)) as on:
                return self._chosen(function, on)(*args, **kwargs)

        return called

    def _context_of(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return self._context(*args, **kwargs) if callable(self._context) else self._context

    def _chosen(self, function: Callable[..., Any], on: bool) -> Callable[..., Any]:
        return function if on else self._fallback or _nothing


def _nothing(*_: Any, **__: Any) -> None:
    return None
