"""Expressions of GitHub workflows, as far as ours use them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:(&&|\|\||==|!=|[!(),])|'((?:[^']|'')*)'|(\d+)|([A-Za-z_][\w-]*(?:\.[\w-]+)*))")
_HOLE = re.compile(r"\$\{\{((?:(?!\}\}).)*)\}\}", re.DOTALL)


def text_of(value: Any) -> str:
    """Return a value as it is put into text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def fill(value: Any, context: Mapping[str, Any]) -> Any:
    """Return a YAML value with its expressions evaluated; a text that is one expression keeps its type."""
    if not isinstance(value, str):
        return value
    whole = _HOLE.fullmatch(value.strip())
    if whole:
        return evaluate(whole[1], context)
    return _HOLE.sub(lambda match: text_of(evaluate(match[1], context)), value)


def evaluate(text: str, context: Mapping[str, Any]) -> Any:
    """Return the value of an expression."""
    parser = _Parser(text, context)
    value = parser.either()
    assert parser.peek() is None, f"not understood: {text!r} at {parser.peek()}"
    return value


class _Parser:
    def __init__(self, text: str, context: Mapping[str, Any]) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        text = text.strip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            assert match, f"not understood: {text!r} at {at}"
            kind = ("sign", "string", "number", "name")[next(i for i in range(4) if match[i + 1] is not None)]
            self.tokens.append((kind, next(part for part in match.groups() if part is not None)))
            at = match.end()
        self.context = context
        self.at = 0

    def peek(self) -> tuple[str, str] | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, sign: str) -> bool:
        if self.peek() == ("sign", sign):
            self.at += 1
            return True
        return False

    def either(self) -> Any:
        value = self.both()
        while self.take("||"):
            other = self.both()
            value = value or other
        return value

    def both(self) -> Any:
        value = self.equal()
        while self.take("&&"):
            other = self.equal()
            value = value and other
        return value

    def equal(self) -> Any:
        value = self.atom()
        while (same := self.take("==")) or self.take("!="):
            other = self.atom()
            value = (text_of(value).lower() == text_of(other).lower()) is same
        return value

    def atom(self) -> Any:
        if self.take("!"):
            return not self.atom()
        if self.take("("):
            value = self.either()
            assert self.take(")")
            return value
        token = self.peek()
        assert token, "the expression ends too early"
        kind, text = token
        self.at += 1
        if kind == "string":
            return text.replace("''", "'")
        if kind == "number":
            return int(text)
        if self.take("("):
            arguments = []
            while not self.take(")"):
                arguments.append(self.either())
                self.take(",")
            return self.call(text, arguments)
        if text in {"true", "false", "null"}:
            return {"true": True, "false": False, "null": None}[text]
        return self.look_up(text)

    def call(self, name: str, arguments: list[Any]) -> Any:
        functions: dict[str, Callable[..., Any]] = {
            "format": lambda pattern, *parts: pattern.format(*map(text_of, parts)),
            "fromJSON": json.loads,
            "cancelled": lambda: False,
            "success": lambda: True,
        }
        return functions[name](*arguments)

    def look_up(self, path: str) -> Any:
        first, *steps = path.split(".")
        assert first in self.context, f"there is no context '{first}' here"
        value = self.context[first]
        for step in steps:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value
