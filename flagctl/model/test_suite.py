"""Test files (`*.test.yaml`): what a flag is expected to answer for given contexts.

They are kept as written: combinations of a matrix and defaults of the environment are the test runner's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flagctl.model.json_value import UNSET, JsonValue, Unset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.diagnostics import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What an answer must be; parts that are UNSET are not looked at. None means that there must be none."""

    variant: str | Unset | None = UNSET
    value: JsonValue | Unset = UNSET
    reason: str | Unset = UNSET
    rule: str | Unset | None = UNSET
    error_code: str | Unset | None = UNSET
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCase:
    """One case.

    Attributes:
        name: What it shows.
        flag: Key of the flag: the case's own, or the file's.
        environments: Where it holds: the case's own, or the file's; None means all.
        at_ms: Instant, in milliseconds since the epoch: the case's own, or the file's; None means now.
        context: Put over the file's context (shallow).
        contexts: Each put over that; empty if the case has one context only.
        matrix: Attribute to its values; every combination is put over the contexts.
        default: The caller's default; UNSET if none is given.
        expect: What every evaluation must answer.
    """

    __test__ = False  # pytest collects classes named Test*

    name: str
    flag: str
    expect: Expectation
    environments: tuple[str, ...] | None = None
    at_ms: int | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    contexts: tuple[Mapping[str, Any], ...] = ()
    matrix: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    default: JsonValue | Unset = UNSET
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSuite:
    """One test file; `context` goes under each case's own."""

    __test__ = False

    path: str
    cases: tuple[TestCase, ...]
    context: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None
