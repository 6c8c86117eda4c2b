"""All flags at once: what never changes is copied, and only the others are evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.evaluator.closures import Interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.evaluator.details import Answer

    Everything = tuple[dict[str, Any], tuple[tuple[str, Any], ...]]
    """Values by key, in the order of keys; and key and function, or answer, of those that change or must be copied."""

MANY: Final = 1_000
"""With more flags it does not pay to compile those that are only asked for together: it is not the work that takes time."""


def part(plans: Mapping[str, Any]) -> Everything:
    """Part all flags into those with one plain value, and the others.

    Args:
        plans: For each key a function, which is true, or an `Answer`, which is false.
    """
    constant: dict[str, Any] = {}
    others = []
    many = len(plans) > MANY
    for key in sorted(plans):
        answer = plans[key]
        if answer or answer.frozen is not None:
            constant[key] = None
            others.append((key, _beside(answer) if many else answer))
        else:
            constant[key] = answer.value
    return constant, tuple(others)


def _beside(answer: Any) -> Any:
    """Return a flag's function next to that of the flag before, if it is one that can be copied."""
    interpreter = getattr(answer, "__self__", None)
    return interpreter.again().evaluate if type(interpreter) is Interpreter else answer


def values_of(
    everything: Everything, context: dict[str, Any], now: int, ask: Callable[[str, Any, int], Answer]
) -> dict[str, Any]:
    """Return the value of every flag by key; None where a caller's default would be served.

    Args:
        everything: What `part` returned.
        context: Attributes of whom the answers are for.
        now: The instant, milliseconds since the epoch.
        ask: Evaluates (key, context, instant) where a function could not.
    """
    constant, others = everything
    values = constant.copy()
    for key, answer in others:
        try:
            if answer:
                answer = answer(context, now)  # noqa: PLW2901 - names the same thing as in the methods of `FlagSet`
            value = answer.value
            values[key] = answer.own_value() if value is None else value
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - told apart where it is asked
            values[key] = ask(key, context, now).own_value()
    return values
