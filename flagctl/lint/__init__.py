"""What is wrong with flags that can be read: references, cycles, types, targeting, rollouts, experiments, ownership.

Each rule is a module of `flagctl.lint.rules` with its documentation (`INFO`) and a generator (`check`) of findings whose places are
symbolic; the runner looks the places up, applies suppressions and the configuration, and sorts. A rule sees the whole
repository through `LintContext`, which builds each index once.
"""

from flagctl.lint.policy import LintOptions
from flagctl.lint.registry import all_rules
from flagctl.lint.runner import LintResult, lint

__all__ = ["LintOptions", "LintResult", "all_rules", "lint"]
