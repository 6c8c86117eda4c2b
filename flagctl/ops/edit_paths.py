"""What people type for routes, values and conditions: ``rules[ramp].percentage=50``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import did_you_mean
from flagctl.diagnostics.diagnostic import format_route
from flagctl.errors import UsageError
from flagctl.source.editing import EditError, exists, value_at

if TYPE_CHECKING:
    from flagctl.diagnostics import Route

_STEP = re.compile(r"""\.?(?:"([^"]*)"|([^.\[\]"=]+))|\[(?:"([^"]*)"|([^\]]*))\]""")


def parse_value(text: str) -> Any:
    """Return what a text means as a value in a flag file: ``50``, ``true``, ``on``, ``[DE, FR]``, ``{a: 1}``.

    A text that begins with ``@`` is the name of a file that holds the value as YAML or JSON.

    Raises:
        UsageError: If it can't be read.
    """
    from pathlib import Path

    from flagctl.source.plain import IrregularError, load_plain

    if text.startswith("@"):
        try:
            body = Path(text[1:]).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{text[1:]} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        text = body.rstrip()
        shown = "\n".join(f"  {line}" for line in text.splitlines())
        document = f"value:\n{shown}\n"
    else:
        document = f"value: {text}\n"
    try:
        data = load_plain(document)
    except IrregularError:
        data = {}
    if set(data) != {"value"}:
        raise UsageError(f"'{_short(text)}' is no value", hint="quote a text that has special characters: '\"a: b\"'")
    return data["value"]


def parse_assignment(text: str) -> tuple[str, Any]:
    """Return path and value of ``path=value``.

    Raises:
        UsageError: If it is none.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise UsageError(f"'{_short(text)}' sets nothing", hint="write it like --set rules[ramp].percentage=50")
    return path.strip(), parse_value(value)


def parse_route(text: str, data: Any) -> Route:
    """Return the route of a path such as ``rules[ramp].percentage`` or ``environments.production.enabled``.

    In brackets stands a position from 0, or the id (of a rule), flag (of a prerequisite) or name of a list's item. What has dots in it
    is put into double quotes.

    Raises:
        UsageError: If it is none, or a list has no such item.
    """
    route: list[str | int] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or match.end() == position:
            raise UsageError(f"'{text}' is no path", hint="write it like rules[ramp].percentage")
        step = next(group for group in match.groups() if group is not None)
        if match[4] is not None and not exists(data, tuple(route)):
            raise UsageError(
                f"'{text}': there is no list '{format_route(tuple(route))}'", hint="set the whole list, or use add-rule"
            )
        route.append(_item(text, tuple(route), step, data))
        position = match.end()
    if not route:
        raise UsageError("the path is empty")
    return tuple(route)


def _item(text: str, route: Route, step: str, data: Any) -> str | int:
    try:
        parent = value_at(data, route)
    except EditError:
        return step
    if not isinstance(parent, list):
        return step
    if step.isdecimal() and int(step) < len(parent):
        return int(step)
    names = [
        next((item[k] for k in ("id", "flag", "name") if isinstance(item, dict) and k in item), item) for item in parent
    ]
    if step in names:
        return names.index(step)
    known = [str(name) for name in names if isinstance(name, str)]
    close = did_you_mean(step, known)
    raise UsageError(
        f"'{text}': there is no item '{step}'",
        hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(known) or 'none'}",
    )


def parse_condition(text: str) -> dict[str, Any]:
    """Return a condition: ``country in [DE, FR]``, ``segment beta-testers``, ``not segment embargoed``, or a mapping in braces.

    Raises:
        UsageError: If it is none.
    """
    from flagctl.evaluator.operators import OPERATORS

    text = text.strip()
    if text.startswith("{"):
        value = parse_value(text)
        if isinstance(value, dict):
            return value
    words = text.split(None, 2)
    if words and words[0] == "not" and len(words) > 1:
        return {"not": parse_condition(text[3:])}
    if len(words) == 2 and words[0] == "segment":
        return {"segment": words[1]}
    if len(words) < 2:
        raise UsageError(f"'{text}' is no condition", hint="write it like 'country in [DE, FR]' or 'segment employees'")
    attribute, operator = words[0], words[1]
    base = operator.removeprefix("not_")
    if base not in OPERATORS:
        known = [*OPERATORS, *(f"not_{name}" for name in OPERATORS)]
        close = did_you_mean(operator, known)
        raise UsageError(
            f"there is no operator '{operator}'",
            hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(OPERATORS)}",
        )
    if base == "exists":
        return {"attribute": attribute, "operator": operator}
    if len(words) == 2:
        raise UsageError(f"'{text}' has no value", hint=f"write it like '{attribute} {operator} VALUE'")
    value = parse_value(words[2])
    if base in {"in", "contains_any", "contains_all"} and not isinstance(value, list):
        value = [part for part in (parse_value(part.strip()) for part in words[2].split(",")) if part is not None]
    if base == "matches" or base.startswith("semver_"):
        value = words[2] if not isinstance(value, str) else value
    return {"attribute": attribute, "operator": operator, "value": value}


def parse_percentage(text: str) -> int | float:
    """Return a percentage: 0 to 100 with at most three decimals.

    Raises:
        UsageError: If it is none.
    """
    from decimal import Decimal, InvalidOperation

    try:
        amount = Decimal(text.strip().removesuffix("%").strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= 100 or amount * 1000 != (amount * 1000).to_integral_value():
        raise UsageError(f"'{text}' is no percentage", hint="write 0 to 100 with at most three decimals")
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def parse_weights(items: list[str] | tuple[str, ...]) -> dict[str, int | float]:
    """Return weights given as ``variant=percent``.

    Raises:
        UsageError: If one is none, or a variant has two.
    """
    weights: dict[str, int | float] = {}
    for item in items:
        name, equals, share = item.rpartition("=")
        if not equals or not name:
            raise UsageError(f"'{item}' is no weight", hint="write a=20,b=80")
        if name in weights:
            raise UsageError(f"'{name}' has two weights")
        weights[name] = parse_percentage(share)
    return weights


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
