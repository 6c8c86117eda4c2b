"""The sentence for each way a value can break its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Applicability, format_route
from flagctl.source.document import Detail
from flagctl.source.validator import FORBIDDEN, KeyNameError
from flagctl.source.words import quoted, shortened, types_in_words

if TYPE_CHECKING:
    from jsonschema import ValidationError

    from flagctl.diagnostics import Route
    from flagctl.source.document import SourceDocument

_OLD_BOOLEANS: Final = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_OUTCOMES: Final = ("serve", "value", "rollout", "experiment")
_CONDITION_PARTS: Final = ("attribute", "segment", "any", "all", "not")
_PATTERNS: Final = {
    "key": "use lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit",
    "project": "use lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit",
    "id": "use letters, digits and . _ : / -, beginning with a letter or digit",
    "expires": "write a date as YYYY-MM-DD, such as 2027-03-01",
    "attribute": "a path has no empty steps; to use a name with odd dots write it as a list: [a..b]",
    "bucket_by": "a path has no empty steps; to use a name with odd dots write it as a list: [a..b]",
    "error_rate": "write a share in percent with its sign, such as 5% or 0.5%",
    "window": "write a whole number with s, m, h or d, such as 60s",
    "cool_down": "write a whole number with s, m, h or d, such as 5m",
    **dict.fromkeys(("after", "bake", "hold", "max_age"), "write a whole number with s, m, h or d, such as 2d"),
    "owners": "write @person, @organisation/team or an e-mail address, in quotes",
}


Message = tuple[str, str, Detail]
"""Code, sentence, and the optional parts of a finding."""


def message_of(document: SourceDocument, error: ValidationError, route: Route) -> Message:
    """Return how to tell a schema error.

    Args:
        document: The file.
        error: Of the validator of `flagctl.source.explain`.
        route: Place of the error in the file.
    """
    if error.validator == FORBIDDEN:
        return _forbidden(error, route)
    if isinstance(error.cause, KeyNameError):
        return _bad_name(error, route)
    match error.validator:
        case "required":
            return _missing(error, route)
        case "type":
            return _wrong_type(document, error, route)
        case "pattern":
            return _no_match(error, route)
        case "const":
            return _not_constant(error, route)
        case "minItems" | "minLength" | "minProperties" | "maxItems" | "maxLength" | "maxProperties":
            return _wrong_size(error, route)
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            return _out_of_range(error, route)
        case other:
            return "SCH104", f"{_subject(route)} is not allowed here ({other})", Detail()


def _subject(route: Route) -> str:
    """Return what a message is about: the last key, with the list position behind it."""
    if not route:
        return "the document"
    last = len(route) - 1
    while last > 0 and isinstance(route[last], int):
        last -= 1
    return f"'{format_route(route[last:])}'"


def _has_step(error: ValidationError, *steps: str) -> bool:
    path = [step for step in error.absolute_schema_path if isinstance(step, str)]
    return any(step in path for step in steps)


def conflicting_key(error: ValidationError) -> str | None:
    """Return the key beside which another one is forbidden; None if a condition's operator forbids it."""
    if isinstance(error.cause, SwappedError):
        return error.cause.first
    path = [str(step) for step in error.absolute_schema_path]
    if "dependencies" not in path:
        return None
    position = len(path) - 1 - path[::-1].index("dependencies")
    return path[position + 1] if "then" not in path[position:] else None


def point_at_second(error: ValidationError) -> None:
    """Let the error of a forbidden key be about the later one of the two keys that exclude each other."""
    other = conflicting_key(error)
    instance: Any = error.instance
    keys = list(instance)
    key = error.path[-1]
    if other is not None and other in keys and keys.index(other) > keys.index(key):
        error.path[-1] = other
        error.cause = SwappedError(str(key))


class SwappedError(Exception):
    """Cause of an error about two keys that exclude each other when the forbidden one was written `first`."""

    def __init__(self, first: str) -> None:
        super().__init__(first)
        self.first = first


def _forbidden(error: ValidationError, route: Route) -> Message:
    """A key that may not stand beside another one."""
    key = str(route[-1])
    other = conflicting_key(error)
    if other is None:
        return (
            "SCH107",
            f"'{key}' does not go with this operator",
            Detail(
                help=f"remove '{key}'" if key == "value" else "it goes with text operators other than matches",
                part="key",
            ),
        )
    advice = f"keep one of '{other}' and '{key}'"
    if key in _OUTCOMES and other in _OUTCOMES:
        advice = "a rule has exactly one of serve, value, rollout and experiment"
    elif other in _CONDITION_PARTS:
        advice = "a condition is one of attribute, segment, any, all and not; write two conditions as two list items"
    elif "percentage" in {key, other}:
        advice = "percentage goes with serve or value; a rollout carries its own shares, an experiment its traffic"
    elif "value" in {key, other}:
        advice = "a flag with 'value' has that one variant, called default, and always falls back to it"
    elif "layer" in {key, other}:
        advice = "in a layer, slots say how many units the experiment takes in"
    related = ((*route[:-1], other), "key", f"'{other}' stands here")
    return "SCH107", f"'{key}' cannot stand beside '{other}'", Detail(help=advice, part="key", related=related)  # type: ignore[arg-type]


def _bad_name(error: ValidationError, route: Route) -> Message:
    name = shortened(str(route[-1]))
    parent = route[-2] if len(route) > 1 else ""
    if parent == "severity":
        return "SCH106", f"'{name}' is not the code of a finding", Detail(help="a code is like TGT102", part="key")
    if parent == "attributes":
        return "SCH106", f"'{name}' is not an attribute path", Detail(help="a path has no empty steps", part="key")
    if not route[-1]:
        return "SCH106", "an empty name", Detail(help="every name has at least one character", part="key")
    advice = "use lower-case letters, digits, '.', '_' and '-', at most 63 of them, beginning with a letter or digit"
    if error.validator == "maxLength":
        return "SCH110", f"the name '{name}' is longer than {error.validator_value} characters", Detail(part="key")
    return "SCH106", f"'{name}' is not a valid name here", Detail(help=advice, part="key")


def _missing(error: ValidationError, route: Route) -> Message:
    name = str(error.validator_value)
    where = f" in {_subject(route)}" if route else ""
    conditional = _has_step(error, "then")
    if name == "serve" and conditional:
        text = f"the rule{where} says nothing to serve"
        return "SCH103", text, Detail(help="give it one of serve, value, rollout and experiment", part="head")
    if name == "attribute" and conditional and not error.instance:
        text = f"the condition{where} is empty"
        return (
            "SCH103",
            text,
            Detail(help="give it attribute and operator, or one of segment, any, all and not", part="head"),
        )
    if name == "when" and conditional:
        text = "the segment has neither 'include' nor 'members' nor 'when', so nobody can be in it"
        return (
            "SCH103",
            text,
            Detail(help="list units under include, conditions under when, or name a list under members", part="head"),
        )
    if name == "latency_p95_ms" and conditional:
        return (
            "SCH103",
            "the breaker has no limit",
            Detail(help="give it error_rate, latency_p95_ms or both", part="head"),
        )
    if name == "variants" and conditional:
        text = "the flag has no values"
        return "SCH103", text, Detail(help="name them under variants, or give a single one as value", part="head")
    advice = None
    if name == "type" and not route:
        advice = "write type: boolean, string, number or json"
    return "SCH103", f"the key '{name}' is missing{where}", Detail(help=advice, part="head")


def _wrong_type(document: SourceDocument, error: ValidationError, route: Route) -> Message:
    expected: Any = error.validator_value
    names = [expected] if isinstance(expected, str) else list(expected)
    value = error.instance
    message = f"{_subject(route)} must be {types_in_words(names)}, not {quoted(value)}"
    return "SCH104", message, _type_detail(document, names, value, route)


def _type_detail(document: SourceDocument, names: list[str], value: Any, route: Route) -> Detail:
    if names == ["boolean"] and isinstance(value, str) and value.casefold() in _OLD_BOOLEANS:
        boolean = _OLD_BOOLEANS[value.casefold()]
        return Detail(
            help=f"in YAML 1.2 '{value}' is a text; write {boolean}",
            replacement=(f"Write {boolean}", boolean, Applicability.UNSAFE),
        )
    if names == ["boolean"] and isinstance(value, str) and value.casefold() in {"true", "false"}:
        return Detail(
            help="remove the quotes",
            replacement=(f"Write {value.casefold()}", value.casefold(), Applicability.UNSAFE),
        )
    if "string" in names and isinstance(value, (int, float)) and not isinstance(value, bool):
        source = document.source_of(route) or str(value)
        return Detail(
            help=f'a text that looks like a number needs quotes: "{source}"',
            replacement=("Put it into quotes", f'"{source}"', Applicability.SAFE),
        )
    if "string" in names and isinstance(value, bool):
        if route and route[-1] in {"serve", "default", "off", "control", "winner"}:
            return Detail(help="name a variant, such as on or off, not its value")
        return Detail(help="a text that looks like a boolean needs quotes")
    if "number" in names and isinstance(value, str) and value.strip().endswith("%"):
        return Detail(help="write the number of percent without the sign")
    if names in (["number"], ["integer"]) and isinstance(value, str):
        return Detail(help="remove the quotes" if document.source_of(route) != value else None)
    if "array" in names and value is not None and not isinstance(value, dict):
        return Detail(help="write a list, even of one item: [a]")
    return Detail()


def _no_match(error: ValidationError, route: Route) -> Message:
    name = str(route[-1]) if route else ""
    if route[:1] == ("owners",):
        advice = _PATTERNS["owners"]
        return "SCH106", f"'{shortened(str(error.instance))}' is not a handle", Detail(help=advice)
    return (
        "SCH106",
        f"'{shortened(str(error.instance))}' is not a valid {name if isinstance(route[-1], str) else 'value'}",
        Detail(help=_PATTERNS.get(name)),
    )


def _not_constant(error: ValidationError, route: Route) -> Message:
    if route == ("version",):
        return (
            "SCH118",
            f"version {shortened(str(error.instance))} of flagctl.yaml is not known here",
            Detail(help="this flagctl reads version 1; a newer file needs a newer flagctl"),
        )
    return "SCH105", f"{_subject(route)} must be {error.validator_value}", Detail()


def _wrong_size(error: ValidationError, route: Route) -> Message:
    limit: Any = error.validator_value
    value: Any = error.instance
    if error.validator in {"minProperties", "maxProperties"} and route and route[-1] == "percentage":
        return "SCH107", "a percentage schedule is either 'steps' or 'linear'", Detail(part="head")
    if not value:
        what = {"minItems": "list", "minLength": "text", "minProperties": "mapping"}.get(str(error.validator), "value")
        advice = "remove the key, or say what belongs there"
        return "SCH109", f"{_subject(route)} is an empty {what}", Detail(help=advice)
    if error.validator in {"minItems", "maxItems"} and limit == 2:
        return "SCH110", f"{_subject(route)} must be a pair [start, end], not {len(value)} numbers", Detail()
    unit = {"Items": "items", "Length": "characters", "Properties": "keys"}[str(error.validator)[3:]]
    word = "at least" if str(error.validator).startswith("min") else "at most"
    return "SCH110", f"{_subject(route)} has {len(value)} {unit}, but {word} {limit} are allowed", Detail()


def _out_of_range(error: ValidationError, route: Route) -> Message:
    limits_of: Any = error.schema
    low, high = limits_of.get("minimum"), limits_of.get("maximum")
    limits = [
        f"{words} {limits_of[keyword]}"
        for keyword, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if keyword in limits_of
    ]
    text = f"from {low} to {high}" if low is not None and high is not None else " and ".join(limits)
    return "SCH110", f"{_subject(route)} is {error.instance!r}, but must be {text}", Detail()
