"""The methods of a client that watch the code behind a flag; what they do is in `flagctl.client.guard`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.client.guard import Guard, Served
    from flagctl.client.guarding import Guarding

    Exceptions = type[BaseException] | tuple[type[BaseException], ...]

_T = TypeVar("_T")
_NONE_GIVEN: Final = object()


class Guardable:
    """A client with guards, which are imported and made when the first one is asked for."""

    _guarding: Guarding | None
    _monotonic: Callable[[], float]

    @overload
    def guard(self, key: str, context: Mapping[str, Any] | None = None, *, ignore: Exceptions = ()) -> Guard[bool]: ...

    @overload
    def guard(
        self, key: str, context: Mapping[str, Any] | None, default: _T, *, ignore: Exceptions = ()
    ) -> Guard[Served[_T]]: ...

    def guard(
        self,
        key: str,
        context: Mapping[str, Any] | None = None,
        default: Any = _NONE_GIVEN,
        *,
        ignore: Exceptions = (),
    ) -> Guard[Any]:
        """Watch the code behind a flag: ``with client.guard("new-checkout-flow", user) as on: ...``, also ``async with``.

        Errors and latency of the block are counted for the variant that it got. When they are beyond the limits of the
        flag's ``breaker``, this process serves the `off` variant for a while. What the block raises passes through.

        Args:
            key: The flag.
            context: As for an evaluation.
            default: For flags that are not boolean: the block gets `Served`, with a value of its type.
            ignore: Exceptions that are no failures of the code.
        """
        return (self._guarding or self._guards()).guard(
            key, context, () if default is _NONE_GIVEN else (default,), ignore
        )

    def guarded(
        self,
        key: str,
        *,
        context: Mapping[str, Any] | Callable[..., Mapping[str, Any] | None] | None = None,
        fallback: Callable[..., Any] | None = None,
        ignore: Exceptions = (),
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate the function behind a boolean flag, also a coroutine function; see `guard`.

        Args:
            key: The flag.
            context: As for an evaluation, or a function that gets the call's arguments and returns one.
            fallback: Called with the same arguments while the flag is off; without one, the call returns None then.
            ignore: Exceptions that are no failures of the code.
        """
        return self._guards().guarded(key, context, fallback, ignore)

    def _guards(self) -> Guarding:
        guarding = self._guarding
        if guarding is None:
            from flagctl.client.guarding import attach  # noqa: PLC0415 - only apps with guards pay

            guarding = attach(self, self._monotonic)
        return guarding
