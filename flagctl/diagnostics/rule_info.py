"""What `flagctl rule CODE` says about a code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flagctl.diagnostics.diagnostic import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInfo:
    """Documentation of one diagnostic code.

    Attributes:
        code: Three letters and three digits, never reused.
        name: Kebab-case; reads well after "allow ...".
        severity: Severity of its findings unless the configuration says otherwise.
        summary: One sentence: what is wrong.
        why: One paragraph: what it leads to.
        bad: YAML that has the problem.
        good: The same YAML without it.
        fixable: Whether `validate --fix` can correct it.
    """

    code: str
    name: str
    severity: Severity
    summary: str
    why: str
    bad: str
    good: str
    fixable: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as `flagctl rule --output-format json` has it."""
        return {
            "code": self.code,
            "name": self.name,
            "severity": self.severity.value,
            "summary": self.summary,
            "why": self.why,
            "bad": self.bad,
            "good": self.good,
            "fixable": self.fixable,
        }
