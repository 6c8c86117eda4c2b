"""The playground: a context in, an answer and every step to it out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import UsageError
from flagctl.evaluator.instants import parse_instant
from flagctl.ops.evaluate import EvaluateOptions, evaluate_loaded
from flagctl.ops.steps import step_lines
from flagctl.server.ui.pages.page import Page

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.server.ui.rendering import Ask

_EXAMPLE: Final = '{\n  "targeting_key": "user-1"\n}'


def play(ask: Ask) -> Response:
    """Show the form, filled in from the address, so that a question can be sent to somebody else."""
    model = ask.desk.model()
    environments = tuple(model.config.environments)
    attributes = [attribute for attribute in model.config.context.attributes.values() if len(attribute.path) == 1]
    return ask.page(
        "play.html",
        key=ask.query("flag"),
        environment=ask.query("env") or environments[-1],
        environments=environments,
        context=ask.query("context") or _EXAMPLE,
        at=ask.query("at"),
        revision=ask.query("revision"),
        default=ask.query("default"),
        keys=list(model.flags),
        attributes=attributes,
        protected=[name for name, one in model.config.environments.items() if one.protected],
    )


def answer(ask: Ask) -> Response:
    """Evaluate, and show the steps."""
    revision = ask.field("revision").strip()
    now_ms = _instant(ask.field("at"), ask.desk.now_ms)
    options = EvaluateOptions(
        root=ask.desk.root,
        key=ask.field("flag").strip(),
        environment=ask.field("env"),
        context=_context(ask.field("context")),
        now_ms=now_ms,
        check_ms=ask.desk.now_ms,
        default=_json(ask.field("default"), "the default") if ask.field("default").strip() else None,
        revision=revision or None,
    )
    result = evaluate_loaded(ask.desk.loaded(revision), options)
    query = {name: ask.field(name) for name in ("flag", "env", "context", "at", "revision", "default")}
    steps = step_lines(result.trace, result.places)
    return ask.page("part_answer.html", result=result, steps=steps, link=ask.url("/play", **query))


def _context(text: str) -> dict[str, Any]:
    data = _json(text, "the context") if text.strip() else {}
    if not isinstance(data, dict):
        raise UsageError("the context is no JSON object", hint='{"targeting_key": "user-1", "country": "DE"}')
    return data


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{what} is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{what} is no JSON that can be used") from error


def _instant(text: str, now_ms: int) -> int:
    """Return an instant as the form gives it: RFC 3339, or without a zone, which is then UTC; nothing is now."""
    text = text.strip()
    if not text:
        return now_ms
    found = parse_instant(text)
    if found is not None:
        return found // 1000
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise UsageError("the instant can't be read", hint="2026-12-01T08:00:00Z") from error


ROUTES: Final = (
    Page("GET", "/play", play),
    Page("POST", "/play", answer),
)
