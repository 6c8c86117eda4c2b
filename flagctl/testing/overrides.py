"""Overrides: a stack for each client or set of flags, in force until the last of them ends."""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from flagctl.client.client import Client
from flagctl.errors import UsageError
from flagctl.evaluator.flagset import FlagSet
from flagctl.testing.overlay import check, overlaid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_lock: Final = threading.RLock()
_stacks: Final[dict[int, _Stack]] = {}
_numbers: Final = itertools.count()


class override:  # noqa: N801 - used like `contextlib.suppress`
    """Let flags answer as a test wants them, for everybody who asks in this process.

    A context manager and a decorator (of functions, generators' callers and coroutine functions alike). Overrides nest;
    the one that began last wins. They end when their block does, however it does, in any order, on any thread, and
    survive a client that takes over a new bundle meanwhile.

    Args:
        target: A `flagctl.Client`, a `flagctl.FlagSet`, a `flagctl.FlagProvider` or an OpenFeature client with one, or
            a function without parameters that returns one of these when the override begins.
        overrides: By a flag's key, the name of a variant or a value (`flagctl.testing.variant` and
            `flagctl.testing.value` say which is meant); by an experiment's key, the variant that it shall assign to
            everybody.

    Raises:
        UsageError: When the override begins: if there is no such flag, or it has no such variant or value.
    """

    def __init__(self, target: Any, overrides: Mapping[str, Any]) -> None:
        self._target = target
        self._overrides = dict(overrides)
        self._begun: list[tuple[_Stack, int]] = []

    def __enter__(self) -> Self:
        source = source_of(self._target)
        with _lock:
            stack = _stacks.get(id(source))
            if stack is None:
                stack = _Stack(source)
            number = stack.add(self._overrides)
            _stacks[id(source)] = stack
        self._begun.append((stack, number))
        return self

    def __exit__(self, *_: object) -> None:
        stack, number = self._begun.pop()
        with _lock:
            if stack.remove(number):
                del _stacks[id(stack.source)]

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that runs with the overrides."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run(*arguments: Any, **named: Any) -> Any:
                with override(self._target, self._overrides):
                    return await function(*arguments, **named)

        else:

            @functools.wraps(function)
            def run(*arguments: Any, **named: Any) -> Any:
                with override(self._target, self._overrides):
                    return function(*arguments, **named)

        return run


def source_of(target: Any) -> Client | FlagSet:
    """Return the client or set of flags that a target answers from.

    Raises:
        UsageError: If it does not answer from any.
    """
    if callable(target) and not isinstance(target, type):
        target = target()
    # An OpenFeature client knows its provider, and our provider its source; neither is imported for that.
    for _ in range(3):
        if isinstance(target, (Client, FlagSet)):
            return target
        target = getattr(target, "source", None) or getattr(target, "provider", None)
    raise UsageError("overrides are for a flagctl.Client, a flagctl.FlagSet or a flagctl.FlagProvider")


class _Stack:
    """The overrides in force on one source."""

    def __init__(self, source: Client | FlagSet) -> None:
        self.source = source
        self._layers: tuple[tuple[int, Mapping[str, Any]], ...] = ()
        self._original = _copy(source) if isinstance(source, FlagSet) else None

    def add(self, overrides: Mapping[str, Any]) -> int:
        """Begin overrides; return a number to end them with."""
        check(self._present(), overrides)  # raises before anything is changed
        number = next(_numbers)
        self._layers = (*self._layers, (number, overrides))
        self._install()
        return number

    def remove(self, number: int) -> bool:
        """End overrides; return whether none are left."""
        self._layers = tuple([layer for layer in self._layers if layer[0] != number])
        self._install()
        return not self._layers

    def _present(self) -> FlagSet:
        if self._original is not None:
            return self._original
        held = self.source._updater.held.flags  # type: ignore[union-attr]  # noqa: SLF001 - a client without originals
        if held is None:
            raise UsageError(
                "the client has no flags yet: wait_until_ready() first, or use flagctl.testing.client_from"
            )
        return held

    def _apply(self, flags: FlagSet) -> FlagSet:
        """Return flags with all overrides; one that a newer bundle has no place for is left out."""
        return overlaid(flags, [overrides for _, overrides in self._layers])

    def _install(self) -> None:
        source = self.source
        if isinstance(source, FlagSet):
            if self._original is not None:
                _become(source, self._apply(self._original) if self._layers else self._original)
            return
        parts = source._parts  # noqa: SLF001
        source._parts = parts._replace(overrides=self._apply if self._layers else None)  # noqa: SLF001
        source._updater.serve_again()  # noqa: SLF001


def _copy(flags: FlagSet) -> FlagSet:
    twin = type(flags).__new__(type(flags))
    _become(twin, flags)
    return twin


def _become(flags: FlagSet, other: FlagSet) -> None:
    """Let a set of flags answer as another; every evaluation meets the one or the other."""
    for name in FlagSet.__slots__:
        setattr(flags, name, getattr(other, name))
