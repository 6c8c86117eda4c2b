"""REF106: an environment that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.edits import rename
from flagctl.lint.expectations import tested_environments
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import RepositoryConfig

INFO = RuleInfo(
    code="REF106",
    name="unknown-environment",
    severity=Severity.ERROR,
    summary="A flag, a test or a policy names an environment that `flagctl.yaml` does not have.",
    why=(
        "An override for an environment that does not exist never takes effect: what was meant for production stays what"
        " the flag says for all environments, and nobody notices."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: on
environments:
  prodution: {enabled: false}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: on
environments:
  production: {enabled: false}
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each use of an unknown environment."""
    known = context.environments
    for flag in context.repository.flags.values():
        for name, override in flag.environments.items():
            if name not in known:
                yield _finding(context, name, Place(flag.path, override.route, "key"), flag.key)
    for name, place in tested_environments(context):
        if name not in known:
            yield _finding(context, name, place, None)
    for name, place in _of_policy(context.repository.config):
        if name not in known:
            yield _finding(context, name, place, None)


def _of_policy(config: RepositoryConfig) -> Iterator[tuple[str, Place]]:
    for name, rules in config.policy.environments.items():
        yield name, Place(config.path, rules.route, "key")
    for window in config.policy.freeze:
        for position, name in enumerate(window.environments or ()):
            yield name, Place(config.path, (*window.route, "environments", position))


def _finding(context: LintContext, name: str, place: Place, key: str | None) -> Finding:
    return Finding(
        place=place,
        message=f"there is no environment '{name}'",
        help=advice(name, context.environments, kind="environments"),
        fix=rename(context, place, name, context.environments),
        related=((Place(context.repository.config.path, ("environments",), "key"), "environments are listed here"),),
        key=key,
    )
