"""SEC101: something that looks like a credential."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="SEC101",
    name="secret-in-flags",
    severity=Severity.WARNING,
    summary="A file contains what looks like a key, token or password.",
    why=(
        "Flag files lie in git for ever, and bundles go to every application and browser. Put the secret where secrets"
        " live, let the flag name it, and replace the one that leaked. A suppression of this rule needs a reason."
    ),
    bad="""\
kind: flag
key: maps-key
type: string
value: AKIAIOSFODNN7EXAMPLE
""",
    good="""\
kind: flag
key: maps-key
type: string
value: secrets/maps-key
""",
)

_KINDS: Final = (
    (("AKIA", "ASIA"), "an AWS access key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    (("PRIVATE KEY",), "a private key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    (("github_pat_",), "a GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{40,}\b"),
    (("glpat-",), "a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    (("xox",), "a Slack token", r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    (("_live_",), "a Stripe key", r"\b[sr]k_live_[A-Za-z0-9]{16,}\b"),
    (("AIza",), "a Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
    (("npm_",), "an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    (("eyJ",), "a JSON Web Token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    (("://",), "a password in a URL", r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]+:[^\s/:@'\"{}$<>*]{3,}@"),
)
"""What a text must contain to be worth a look, what it is, and how it looks."""

_HINTS: Final = tuple((hint, kind, pattern) for hints, kind, pattern in _KINDS for hint in hints)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each place that looks like a secret, in any file, comments included."""
    for path, document in context.documents.items():
        text = document.text
        for hint, kind, pattern in _HINTS:
            if hint in text:
                for match in re.finditer(pattern, text):
                    yield Finding(
                        place=Place(path, span=document.lines.span(match.start(), match.end())),
                        message=f"this looks like {kind}: '{match.group()[:4]}...'",
                        help="keep secrets out of git, and replace this one if it is real",
                        key=document.key,
                    )
