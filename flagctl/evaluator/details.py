"""What an evaluation answers: immutable details, shared by all calls that come to the same outcome."""

from __future__ import annotations

import marshal
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.evaluator.plan import Path
    from flagctl.evaluator.tally import Tally


class Reason(StrEnum):
    """Why an answer is what it is; OpenFeature's names."""

    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DISABLED = "DISABLED"
    STALE = "STALE"
    ERROR = "ERROR"


class ErrorCode(StrEnum):
    """What went wrong; OpenFeature's names."""

    PROVIDER_NOT_READY = "PROVIDER_NOT_READY"
    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    PARSE_ERROR = "PARSE_ERROR"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    GENERAL = "GENERAL"


class Variant(NamedTuple):
    """A variant that an experiment assigned."""

    name: str
    value: Any


class FlagFacts:
    """What is known about a flag beside its answers, put together when somebody first asks for it.

    Args:
        line: The flag's line in its bundle, as far as it was read from one.
        owner: As written.
        tags: As written.
    """

    __slots__ = ("_line", "_mapping", "_owner", "_tags")

    def __init__(self, line: bytes, owner: str | None, tags: tuple[str, ...]) -> None:
        self._line = line
        self._owner = owner
        self._tags = tags
        self._mapping: Mapping[str, Any] | None = None

    def mapping(self) -> Mapping[str, Any]:
        """Return the metadata of details: `digest`, `owner`, `tags`."""
        if self._mapping is None:
            facts: dict[str, Any] = {"digest": line_digest(self._line)}
            if self._owner is not None:
                facts["owner"] = self._owner
            if self._tags:
                facts["tags"] = self._tags
            self._mapping = MappingProxyType(facts)
        return self._mapping


def line_digest(line: bytes) -> str:
    """Return the digest of a bundle's line: 16 hexadecimal digits of the SHA-256 of it without its comma."""
    return sha256(line.removesuffix(b",")).hexdigest()[:16]


NO_METADATA: Final[Mapping[str, Any]] = MappingProxyType({})


class EvaluationDetails:
    """The answer to one evaluation. Immutable; calls with the same outcome may share one instance.

    Attributes:
        value: The variant's value, or the caller's default. A JSON object or array is the caller's own copy.
        variant: Name of the variant, or None if the caller's default is the answer.
        reason: Why; see `Reason`.
        error_code: What went wrong if the reason is ``ERROR``, else None.
        error_message: The same as a sentence, else None.
        rule: Id of the rule that decided, ``target``, ``prerequisite:<flag>``, or None.
        metadata: `owner`, `tags` (a tuple) and `digest` of the flag, as far as known.
    """

    __slots__ = ("_stale", "error_code", "error_message", "metadata", "reason", "rule", "value", "variant")

    value: Any
    variant: str | None
    reason: Reason
    error_code: ErrorCode | None
    error_message: str | None
    rule: str | None
    metadata: Mapping[str, Any]
    _stale: EvaluationDetails | None

    def __init__(  # noqa: PLR0913, PLR0917 - the fields of OpenFeature's details
        self,
        value: Any,
        variant: str | None,
        reason: Reason,
        error_code: ErrorCode | None = None,
        error_message: str | None = None,
        rule: str | None = None,
        metadata: Mapping[str, Any] = NO_METADATA,
    ) -> None:
        _set_value(self, value)
        _set_variant(self, variant)
        _set_reason(self, reason)
        _set_error_code(self, error_code)
        _set_error_message(self, error_message)
        _set_rule(self, rule)
        _set_metadata(self, metadata)
        _set_stale(self, None)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"evaluation details are immutable: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"evaluation details are immutable: {name}")

    def _fields(self) -> tuple[Any, ...]:
        return (
            self.value,
            self.variant,
            self.reason,
            self.error_code,
            self.error_message,
            self.rule,
            dict(self.metadata),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EvaluationDetails) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((self.variant, self.reason, self.error_code, self.rule))  # values may be unhashable

    def __repr__(self) -> str:
        value, variant, reason, code, message, rule, metadata = self._fields()
        return (
            f"EvaluationDetails(value={value!r}, variant={variant!r}, reason={reason.value!r}, "
            f"error_code={code and code.value!r}, error_message={message!r}, rule={rule!r}, metadata={metadata!r})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return EvaluationDetails, self._fields()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data with the attributes as keys; tags become a list."""
        value, variant, reason, code, message, rule, metadata = self._fields()
        if "tags" in metadata:
            metadata["tags"] = list(metadata["tags"])
        return {
            "value": value,
            "variant": variant,
            "reason": reason.value,
            "error_code": code and code.value,
            "error_message": message,
            "rule": rule,
            "metadata": metadata,
        }


# Slots' own setters: `__setattr__` above refuses, and `object.__setattr__` would look the name up each time.
_set_value = EvaluationDetails.__dict__["value"].__set__
_set_variant = EvaluationDetails.__dict__["variant"].__set__
_set_reason = EvaluationDetails.__dict__["reason"].__set__
_set_error_code = EvaluationDetails.__dict__["error_code"].__set__
_set_error_message = EvaluationDetails.__dict__["error_message"].__set__
_set_rule = EvaluationDetails.__dict__["rule"].__set__
_set_metadata = EvaluationDetails.__dict__["metadata"].__set__
_set_stale = EvaluationDetails.__dict__["_stale"].__set__

_FRESH: Final = frozenset({Reason.STATIC, Reason.DEFAULT, Reason.TARGETING_MATCH, Reason.SPLIT})


def stale(details: EvaluationDetails) -> EvaluationDetails:
    """Return the same answer as one of a snapshot that has expired; disabled flags and errors stay what they are."""
    if details.reason not in _FRESH:
        return details
    twin = details._stale  # noqa: SLF001 - module-private slot
    if twin is None:
        twin = EvaluationDetails(
            details.value, details.variant, Reason.STALE, None, None, details.rule, details.metadata
        )
        _set_stale(details, twin)
    return twin


class Answer(list[Any]):
    """One outcome of one flag, prepared when the flag is built. Internal to the evaluator.

    It is an empty list at heart and never anything else, because an empty list is false without a call: that is how
    the fast path tells a flag that has one answer from one that has a function, in two instructions.

    Attributes:
        value: The value; for JSON objects and arrays None, see `frozen`.
        kind: Type whose typed calls get `value` as it is, or None if it takes a closer look.
        frozen: Marshalled JSON object or array, else None; loading it makes a call's own copy.
        details: What `evaluate` hands out, once it was asked for; None as long as calls must make their own.
        variant: As in the details, likewise `reason`, `error_code`, `error_message` and `rule`.
        facts: Where the details' metadata come from; None: there are none.
        has_value: False if the caller's default is the answer.
        experiment: Key of the experiment whose rule decided, or None.
        unit: Path of the attribute by which that experiment, if it is running, draws its units; else None.
        tally: What observed flags count this outcome in; not there until it first was.
        quick: `kind` if a look at the top of the context tells the unit, else None; likewise.
    """

    __slots__ = (
        "details",
        "error_code",
        "error_message",
        "experiment",
        "facts",
        "frozen",
        "has_value",
        "kind",
        "quick",
        "reason",
        "rule",
        "tally",
        "unit",
        "value",
        "variant",
    )

    tally: Tally
    quick: type | None

    __eq__ = object.__eq__
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __init__(  # noqa: PLR0913, PLR0917 - an outcome has this many parts
        self,
        reason: Reason,
        facts: FlagFacts | None = None,
        variant: tuple[str, Any] | None = None,
        rule: str | None = None,
        experiment: str | None = None,
        error: tuple[ErrorCode, str] | None = None,
    ) -> None:
        self.reason = reason
        self.facts = facts
        self.rule = rule
        self.experiment = experiment
        self.unit: Path | None = None
        self.error_code: ErrorCode | None = None
        self.error_message: str | None = None
        if error is not None:
            self.error_code, self.error_message = error
        self.details: EvaluationDetails | None = None
        self.frozen: bytes | None = None
        self.value: Any = None
        self.kind: type | None = None
        if variant is None:
            self.has_value = False
            self.variant: str | None = None
            return
        self.has_value = True
        self.variant, value = variant
        kind = type(value)
        if kind is dict or kind is list:
            self.frozen = marshal.dumps(value)
        else:
            self.value = value
            self.kind = kind

    def own_value(self) -> Any:
        """Return the value, a fresh copy if it is a JSON object or array."""
        return self.value if self.frozen is None else marshal.loads(self.frozen)  # noqa: S302 - dumped above

    def own_details(self, default: Any) -> EvaluationDetails:
        """Return details; `default` is the value if this outcome has none. They are kept if all calls may share them."""
        if self.details is not None:
            return self.details
        details = EvaluationDetails(
            self.own_value() if self.has_value else default,
            self.variant,
            self.reason,
            self.error_code,
            self.error_message,
            self.rule,
            NO_METADATA if self.facts is None else self.facts.mapping(),
        )
        if self.has_value and self.frozen is None:
            self.details = details
        return details


def typed_value(answer: Answer, default: Any, kind: type | None = None) -> tuple[bool, Any]:
    """Fit an answer to a typed call, whose type is `kind`; without one, its default's.

    A boolean is never a number; an integer default takes integral numbers and gets an `int`; a float default takes
    any number and gets a `float`; a dict or list takes any JSON object or array; None takes anything.

    Returns:
        Whether the answer has a value that fits, and that value (a copy if it is an object or array).
    """
    if not answer.has_value:
        return False, default
    if kind is None:
        if default is None:
            return True, answer.own_value()
        kind = type(default)
    if answer.frozen is not None:
        return (True, answer.own_value()) if issubclass(kind, (dict, list)) else (False, default)
    value = answer.value
    if issubclass(kind, bool):
        return (True, value) if type(value) is bool else (False, default)
    if issubclass(kind, str):
        return (True, value) if type(value) is str else (False, default)
    if type(value) is int or type(value) is float:
        if issubclass(kind, int):
            return (True, int(value)) if value == value // 1 else (False, default)
        if issubclass(kind, float):
            try:
                return True, float(value)
            except OverflowError:
                return False, default
    return False, default


_HAS: Final = {
    bool: "a boolean",
    str: "a string",
    int: "a number",
    float: "a number",
    dict: "a JSON object",
    list: "a JSON array",
    type(None): "null",
}
_WANTS: Final[dict[object, str]] = {
    bool: "a boolean",
    str: "a string",
    int: "an integer",
    float: "a number that a float can hold",
    dict: "an object or array",
    list: "an object or array",
}


def typed_details(answer: Answer, default: Any, kind: object) -> tuple[bool, EvaluationDetails]:
    """Return details for a typed call; see `typed_value`.

    Returns:
        Whether the answer's value, if it has one, fits; and the details: an error with the default where it does not.
    """
    if not answer.has_value:
        return True, answer.own_details(default)
    asked = kind if kind is None or isinstance(kind, type) else type  # no value is a type, so nothing fits
    fits, value = typed_value(answer, default, asked)
    if fits and type(value) is answer.kind:
        return True, answer.own_details(default)
    metadata = NO_METADATA if answer.facts is None else answer.facts.mapping()
    if fits:
        return True, EvaluationDetails(value, answer.variant, answer.reason, None, None, answer.rule, metadata)
    has, wants = _HAS[type(answer.own_value())], _WANTS.get(asked or type(default), "what was asked for")
    message = f"the flag's value is {has}, which is not {wants}"
    return False, EvaluationDetails(
        default, None, Reason.ERROR, ErrorCode.TYPE_MISMATCH, message, answer.rule, metadata
    )
