"""What weighing a change against a policy gives: one verdict for each thing that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flagctl.bundle.manifest import MAX_OVERRIDES, Override
from flagctl.diagnostics import did_you_mean
from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flagctl.review.changes import Place

MAX_REASON = 200
"""Most characters of a reason."""
MAX_REASONS = 1200
"""Most bytes of all reasons and names of one publication: they travel in the manifest, which has 4096."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says about a change in one environment.

    Attributes:
        code: Stable code, such as ``POL201``.
        rule: The setting that asks for it, such as ``max_switching``; overrides name it.
        environment: Where it was asked.
        passed: Whether the change does what the rule asks for.
        message: What was found, in one sentence.
        measured: The figure, such as ``40 %``.
        limit: The most, or least, that the rule allows.
        subject: Key of the flag, experiment or environment it is about; None for the change as a whole.
        place: Where that is written.
        help: How to proceed; None if it passed.
        overridden: The reason for which a refusal is set aside.
    """

    code: str
    rule: str
    environment: str
    passed: bool
    message: str
    measured: str
    limit: str
    subject: str | None = None
    place: Place | None = None
    help: str | None = None
    overridden: str | None = None

    @property
    def refuses(self) -> bool:
        """Whether the change may not go on because of this."""
        return not self.passed and self.overridden is None

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as the JSON output has it."""
        return {
            "code": self.code,
            "rule": self.rule,
            "environment": self.environment,
            "verdict": "passed" if self.passed else "refused" if self.overridden is None else "overridden",
            "message": self.message,
            "measured": self.measured,
            "limit": self.limit,
            "subject": self.subject,
            "place": None if self.place is None else {"path": self.place.path, "line": self.place.line},
            "help": self.help,
            "reason": self.overridden,
        }


def parse_overrides(words: Sequence[str], rules: Mapping[str, str], *, by: str | None = None) -> tuple[Override, ...]:
    """Read ``RULE=reason`` from the command line.

    Args:
        words: As typed.
        rules: What may stand for a rule, in lower case, and the rule's name.
        by: Who overrides.

    Raises:
        UsageError: If a rule is unknown or given twice, or a reason is missing or too long.
    """
    found: dict[str, Override] = {}
    by = "".join(character if character.isprintable() else "?" for character in by)[:100] if by else None
    for word in words:
        name, _, reason = word.partition("=")
        rule = rules.get(name.strip().lower())
        reason = " ".join(reason.split())
        if rule is None:
            names = sorted(set(rules.values()))
            close = did_you_mean(name.strip(), names)
            raise UsageError(
                f"there is no policy rule '{name.strip()[:80]}'",
                hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(names)}",
            )
        if not reason:
            raise UsageError(f"an override needs a reason: --override {rule}='why this is right'")
        if len(reason) > MAX_REASON or not reason.isprintable():
            raise UsageError(f"the reason for {rule} must be printable and have at most {MAX_REASON} characters")
        if rule in found:
            raise UsageError(f"the rule {rule} is overridden twice")
        found[rule] = Override(rule=rule, reason=reason, by=by)
    size = sum(len(override.reason.encode()) + len((override.by or "").encode()) for override in found.values())
    if size > MAX_REASONS or len(found) > MAX_OVERRIDES:
        raise UsageError(f"at most {MAX_OVERRIDES} overrides with {MAX_REASONS} bytes of reasons fit into a manifest")
    return tuple(found.values())


def apply_overrides(verdicts: Iterable[Verdict], overrides: Iterable[Override]) -> tuple[Verdict, ...]:
    """Return the verdicts with the refusals of overridden rules set aside."""
    reasons = {override.rule: override.reason for override in overrides}
    return tuple(
        verdict if verdict.passed or verdict.rule not in reasons else replace(verdict, overridden=reasons[verdict.rule])
        for verdict in verdicts
    )
