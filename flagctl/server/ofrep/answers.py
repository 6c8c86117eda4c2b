"""The protocol's bodies: what an evaluation becomes, and how a request's context is read.

Facts of OFREP 0.3: an evaluation is ``key``, ``reason``, ``variant``, ``value`` and flat ``metadata``; without ``value`` the
application's own default holds. Failures are ``key``, ``errorCode`` and ``errorDetails``: 404 for an unknown flag, else 400.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from flagctl.evaluator.details import ErrorCode
from flagctl.server.web.bodies import NotJsonError, parse_json
from flagctl.server.web.problems import HttpProblemError

if TYPE_CHECKING:
    from flagctl.evaluator.details import EvaluationDetails

NO_VALUE: Final = object()
"""Default that evaluations are given here; as an answer's value: the application's default holds."""

PUBLIC_CODES: Final = frozenset(
    {
        ErrorCode.PARSE_ERROR,
        ErrorCode.TARGETING_KEY_MISSING,
        ErrorCode.INVALID_CONTEXT,
        ErrorCode.GENERAL,
        ErrorCode.FLAG_NOT_FOUND,
    }
)


def read_context(data: bytes, depth: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context of a request, with ``targetingKey`` under flagctl's name for it.

    Args:
        data: Body of the request.
        depth: Nesting that is allowed.
        fields: What else stands in an answer that refuses it.

    Raises:
        HttpProblemError: 400 with ``PARSE_ERROR`` or ``INVALID_CONTEXT``.
    """
    try:
        body = parse_json(data, depth)
    except NotJsonError as error:
        raise _refusal(fields, ErrorCode.PARSE_ERROR, str(error)) from None
    if type(body) is not dict:
        raise _refusal(fields, ErrorCode.PARSE_ERROR, 'the body is a JSON object: {"context": {…}}')
    context = body.get("context", {})
    if type(context) is not dict:
        raise _refusal(fields, ErrorCode.INVALID_CONTEXT, "the context is a JSON object")
    if "targetingKey" in context:
        unit = context.pop("targetingKey")
        if unit is not None and type(unit) not in {str, int}:
            raise _refusal(fields, ErrorCode.INVALID_CONTEXT, "targetingKey is a string")
        context["targeting_key"] = unit
    return context


def _refusal(fields: Mapping[str, Any], code: ErrorCode, details: str) -> HttpProblemError:
    return HttpProblemError(400, details, fields={**fields, "errorCode": code.value})


def success(key: str, details: EvaluationDetails) -> dict[str, Any]:
    """Return the body of an evaluation that has an answer."""
    metadata: dict[str, Any] = {}
    for name, fact in details.metadata.items():
        metadata[name] = _flat(fact)
    if details.rule is not None:
        metadata["rule"] = details.rule
    # A variant always: providers exist that cannot do without, though the protocol can.
    body = {"key": key, "reason": details.reason.value, "variant": details.variant or "", "metadata": metadata}
    if details.value is not NO_VALUE and details.value is not None:
        body["value"] = details.value
    return body


def _flat(fact: Any) -> Any:
    """Return a fact as the protocol's metadata may hold it: text, a number or a boolean."""
    if isinstance(fact, tuple):
        return ",".join(fact)
    if isinstance(fact, Mapping):
        return ",".join(f"{name}={value}" for name, value in sorted(fact.items()))
    return fact


def failure(key: str, details: EvaluationDetails) -> dict[str, Any]:
    """Return the body of an evaluation that has no answer."""
    code = details.error_code if details.error_code in PUBLIC_CODES else ErrorCode.GENERAL
    return {
        "key": key,
        "errorCode": (code or ErrorCode.GENERAL).value,
        "errorDetails": details.error_message or "the flag could not be evaluated",
    }


def status_of(details: EvaluationDetails) -> int:
    """Return the HTTP status of an evaluation."""
    if details.error_code is None:
        return 200
    if details.error_code is ErrorCode.PROVIDER_NOT_READY:
        return 503
    return 404 if details.error_code is ErrorCode.FLAG_NOT_FOUND else 400
