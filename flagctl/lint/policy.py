"""Which findings count, and how much: configuration and options put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.diagnostics import Severity, did_you_mean
from flagctl.errors import UsageError
from flagctl.lint.registry import all_rules, matching_codes
from flagctl.lint.suppressions import is_essential

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.diagnostics import Route

ABOUT_CONFIGURATION: Final = "SUP"
"""Codes about suppressions and the configuration itself: a configured selection does not leave them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintOptions:
    """What one run of the linter should look at.

    Attributes:
        now_ms: Current instant, milliseconds since the epoch.
        select: Codes, beginnings of codes or names to look for, instead of all; findings of syntax and shape always
            count, since nothing can be said about a file that can't be read.
        ignore: The same, to leave out; together with the configuration's.
        pedantic: Whether findings of severity info count.
    """

    now_ms: int
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    pedantic: bool = False


class ConfiguredSelector(NamedTuple):
    """A code or name in the section `lint` of flagctl.yaml, and where."""

    text: str
    route: Route
    is_key: bool


class Policy:
    """The decision for each code.

    Args:
        config: The section `lint` of flagctl.yaml, checked for shape.
        options: Of this run.

    Raises:
        UsageError: If an option names no known rule.
    """

    def __init__(self, config: Mapping[str, Any], options: LintOptions) -> None:
        known = frozenset(all_rules())
        essential = frozenset(code for code in known if is_essential(code))
        configured = _codes(config.get("select") or ())
        if configured:
            configured |= _codes((ABOUT_CONFIGURATION,))
        active = (configured or known) - _codes(config.get("ignore") or ()) | essential
        if options.select:
            asked = _checked(options.select)
            active = asked - _codes(config.get("ignore") or ()) | (asked & essential)
        else:
            asked = frozenset()
        self.active = active - _checked(options.ignore)
        self._severity: dict[str, Severity] = {}
        for selector, name in (config.get("severity") or {}).items():
            for code in matching_codes(selector):
                if not is_essential(code):
                    self._severity[code] = Severity(name)
        if not options.pedantic:
            quiet = {code for code in known if self._severity_of(code) is Severity.INFO}
            self.active -= quiet - asked

    def _severity_of(self, code: str) -> Severity:
        return self._severity.get(code) or all_rules()[code].severity

    def severity(self, code: str, own: Severity | None) -> Severity:
        """Return the severity of a finding: the configured one, else the finding's own, else its rule's."""
        return self._severity.get(code) or own or all_rules()[code].severity


def configured_selectors(config: Mapping[str, Any]) -> Iterable[ConfiguredSelector]:
    """Yield every code or name in the section `lint` of flagctl.yaml."""
    for part in ("select", "ignore"):
        for index, text in enumerate(config.get(part) or ()):
            yield ConfiguredSelector(text, ("lint", part, index), is_key=False)
    for text in config.get("severity") or {}:
        yield ConfiguredSelector(text, ("lint", "severity", text), is_key=True)


def _codes(selectors: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*(matching_codes(selector) for selector in selectors))


def _checked(selectors: Iterable[str]) -> frozenset[str]:
    selectors = tuple(selectors)
    for selector in selectors:
        if not matching_codes(selector):
            rules = all_rules()
            names = [*rules, *(info.name for info in rules.values())]
            closest = did_you_mean(selector, names)
            raise UsageError(
                f"there is no rule '{selector}'",
                hint=f"did you mean '{closest}'?" if closest else "run: flagctl rule --all",
            )
    return _codes(selectors)
