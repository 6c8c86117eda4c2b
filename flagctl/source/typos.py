"""Keys and choices that are not known, and what was probably meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Applicability
from flagctl.source.document import Detail
from flagctl.source.validator import UNKNOWN_KEY
from flagctl.source.words import ALIASES, OPERATOR_ALIASES, close_matches, listed, quoted, shortened

if TYPE_CHECKING:
    from jsonschema import ValidationError

    from flagctl.diagnostics import Diagnostic, Route
    from flagctl.source.document import SourceDocument

_RESERVED: Final = {
    "bucketing": "other products' bucketing recipes are not supported yet; every flag uses flagctl's own"
}

_HOMES: Final = {
    **dict.fromkeys(("id", "when", "serve", "percentage", "rollout", "experiment", "priority"), "a rule"),
    **dict.fromkeys(("attribute", "operator", "segment", "ignore_case"), "a condition, in the list 'when'"),
    **dict.fromkeys(("off", "enabled", "targets", "prerequisites", "environments", "variants"), "the flag itself"),
    **dict.fromkeys(("owner", "tags", "lifecycle", "type", "value_schema"), "the top level of the file"),
    **dict.fromkeys(("include", "exclude"), "a segment"),
    **dict.fromkeys(("steps", "linear"), "'percentage'"),
    **dict.fromkeys(("layer", "slots", "control", "winner", "traffic", "metrics", "hypothesis"), "an experiment"),
}
"""Where keys belong that are known, but not here."""


def corrections(error: ValidationError, key: str) -> list[str]:
    """Return what an unknown key or choice was probably meant to be, the closest first.

    Args:
        error: Of `flagctl.source.validator`.
        key: The unknown key; of no interest for choices.
    """
    instance: Any = error.instance
    if error.validator == UNKNOWN_KEY:
        choices = _allowed(error)
        alias = ALIASES.get(key.casefold())
        if key in _RESERVED:
            return []
        return [alias] if alias in choices else close_matches(key, choices)
    if not isinstance(instance, str):
        return []
    choices = _choices(error)
    alias = OPERATOR_ALIASES.get(instance.casefold().replace("-", "_").replace(" ", "_"))
    return [alias] if alias in choices else close_matches(instance, choices)


def _allowed(error: ValidationError) -> list[str]:
    """Return the keys that could still be given."""
    where: Any = error.schema
    instance: Any = error.instance
    return [name for name in where["properties"] if name not in instance]


def _choices(error: ValidationError) -> list[str]:
    values: Any = error.validator_value
    return [choice for choice in values if isinstance(choice, str)]


def unknown_key(document: SourceDocument, error: ValidationError, route: Route) -> Diagnostic:
    """Return the finding of a key that its schema does not know."""
    key = str(route[-1])
    if key in _RESERVED:
        return document.finding(
            "SCH114", f"the key '{key}' is reserved", route, Detail(help=_RESERVED[key], part="key")
        )
    matches, allowed = corrections(error, key), _allowed(error)
    close = close_matches(key, allowed)
    replacement = None
    if matches and close == matches:
        replacement = (f"Rename '{shortened(key)}' to '{close[0]}'", close[0], Applicability.SAFE)
    advice = f"possible here: {', '.join(sorted(allowed))}" if allowed else None
    if matches:
        advice = f"did you mean '{matches[0]}'?"
    elif key in _HOMES:
        advice = f"'{key}' belongs in {_HOMES[key]}"
    detail = Detail(help=advice, replacement=replacement, part="key")
    return document.finding("SCH102", f"unknown key '{shortened(key)}'", route, detail)


def wrong_choice(document: SourceDocument, error: ValidationError, route: Route) -> Diagnostic:
    """Return the finding of a value that is none of the possible ones."""
    choices, matches = _choices(error), corrections(error, "")
    name = route[-1] if route and isinstance(route[-1], str) else "value"
    instance: Any = error.instance
    value = f"'{shortened(instance)}'" if isinstance(instance, str) else quoted(instance)
    if matches:
        advice = f"did you mean '{matches[0]}'?"
    else:
        # Twins with not_ would double a list that is long anyway.
        shown = [choice for choice in choices if not choice.startswith("not_")]
        advice = f"choose {listed(shown)}" + ("" if shown == choices else "; each also with not_ in front")
    replacement = (f"Write '{matches[0]}'", matches[0], Applicability.UNSAFE) if len(matches) == 1 else None
    detail = Detail(help=advice, replacement=replacement)
    return document.finding("SCH105", f"{value} is not a known {name}", route, detail)
