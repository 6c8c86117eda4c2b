"""The page of all codes, made from the rules' own documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.lint.registry import all_rules
from flagctl.lint.suppressions import is_essential

if TYPE_CHECKING:
    from flagctl.diagnostics import RuleInfo

_FAMILIES: Final = {
    "SYN": "Syntax",
    "SCH": "Shape of documents",
    "REF": "References",
    "NAM": "Names",
    "TYP": "Types and constants",
    "TGT": "Targeting",
    "ROL": "Rollouts",
    "EXP": "Experiments",
    "BRK": "Breakers",
    "OWN": "Ownership",
    "SEC": "Secrets",
    "SUP": "Suppressions",
}

_INTRODUCTION: Final = """\
# Rules

<!-- Made from the rules themselves by `python -m tests.regenerate_rules`; a test keeps it equal. -->

Every finding of `flagctl validate` has a code. `flagctl rule CODE` shows what stands here; `flagctl rule --all` lists
all of them.

- **Errors** stop a publication, **warnings** do not, **infos** are shown with `--pedantic`.
- *Fixable* findings carry a correction: `flagctl validate --fix` applies the safe ones, `--unsafe-fixes` also those that are guesses, or that
  change who gets what.
- A comment `# flagctl: ignore[CODE] reason` silences a finding: behind something for its line, on a line of its own for
  the line below and, if a mapping, list item or key begins there, for everything in it.
- `lint: {select: [...], ignore: [...], severity: {CODE: warning}}` in `flagctl.yaml` does it for the whole repository.
- *Essential* findings mean that no bundle could be made. They can be neither silenced nor made milder.
"""


def rules_page() -> str:
    """Return the page in Markdown."""
    rules = all_rules()
    parts = [_INTRODUCTION]
    for prefix, title in _FAMILIES.items():
        family = [info for code, info in rules.items() if code.startswith(prefix)]
        if family:
            parts.append(f"## {title}\n")
            parts.append(_table(family))
            parts.extend(_section(info) for info in family)
    return "\n".join(parts)


def _table(family: list[RuleInfo]) -> str:
    rows = [f"| [{info.code}](#{_anchor(info)}) | {info.name} | {_traits(info)} |" for info in family]
    return "| code | name | |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _section(info: RuleInfo) -> str:
    bad, good = _visible(info.bad), _visible(info.good)
    return (
        f"### {info.code} {info.name}\n\n{info.summary} ({_traits(info)})\n\n{info.why}\n\n"
        f"Wrong:\n\n```yaml\n{bad}\n```\n\nRight:\n\n```yaml\n{good}\n```\n"
    )


def _visible(example: str) -> str:
    """Show control characters by their pictures, such as the bell."""
    return "".join(chr(0x2400 + ord(char)) if char < " " and char not in "\n\t" else char for char in example.rstrip())


def _traits(info: RuleInfo) -> str:
    traits = [info.severity.value]
    if info.fixable:
        traits.append("fixable")
    if is_essential(info.code):
        traits.append("essential")
    return ", ".join(traits)


def _anchor(info: RuleInfo) -> str:
    return f"{info.code.lower()}-{info.name}"
