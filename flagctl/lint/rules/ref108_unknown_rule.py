"""REF108: a test that expects a rule the flag does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.edits import rename
from flagctl.lint.expectations import expected_rules
from flagctl.lint.finding import Finding
from flagctl.lint.words import advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import Flag

INFO = RuleInfo(
    code="REF108",
    name="unknown-rule",
    severity=Severity.ERROR,
    summary="A test expects a rule that the flag does not have in any environment.",
    why="No evaluation can name a rule that is not there, so the test can only fail; the rule was renamed, or it is a typo.",
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: beta
    when: [{attribute: beta, operator: equals, value: true}]
    serve: on
---
# file: dark-mode.test.yaml
kind: test
flag: dark-mode
cases:
  - name: beta testers see it
    context: {beta: true}
    expect: {rule: betas}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: beta
    when: [{attribute: beta, operator: equals, value: true}]
    serve: on
---
# file: dark-mode.test.yaml
kind: test
flag: dark-mode
cases:
  - name: beta testers see it
    context: {beta: true}
    expect: {rule: beta}
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each expectation of an unknown rule."""
    for flag_key, name, place in expected_rules(context):
        flag = context.repository.flags.get(flag_key)
        if flag is None or context.is_broken("flag", flag_key):
            continue
        known = _rules(flag)
        if name not in known:
            yield Finding(
                place=place,
                message=f"flag '{flag_key}' has no rule '{name}'",
                help=advice(name, known, kind="rules"),
                fix=rename(context, place, name, known),
            )


def _rules(flag: Flag) -> dict[str, None]:
    names = dict.fromkeys(rule.id for rule in flag.rules)
    prerequisites = list(flag.prerequisites)
    has_targets = bool(flag.targets)
    for override in flag.environments.values():
        names.update(dict.fromkeys(rule.id for rule in override.rules))
        prerequisites.extend(override.prerequisites)
        has_targets = has_targets or bool(override.targets)
    names.update(dict.fromkeys(f"prerequisite:{prerequisite.flag}" for prerequisite in prerequisites))
    if has_targets:
        names["target"] = None
    return names
