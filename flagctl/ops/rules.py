"""`flagctl rule` and `flagctl schema`: what flagctl can say about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import did_you_mean
from flagctl.errors import NothingMatchedError, UsageError
from flagctl.resources import data_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.diagnostics import RuleInfo

_SUFFIX = ".schema.json"


def select_rules(rules: Mapping[str, RuleInfo], words: Iterable[str]) -> tuple[RuleInfo, ...]:
    """Return the rules that codes, beginnings of codes, or names stand for, in the order of `rules`.

    Raises:
        NothingMatchedError: If a word stands for none.
    """
    chosen: set[str] = set()
    for word in words:
        wanted = word.upper()
        found = {code for code, info in rules.items() if code.startswith(wanted) or info.name == word.lower()}
        if not found:
            close = did_you_mean(word, [*rules, *(info.name for info in rules.values())])
            raise NothingMatchedError(
                f"there is no rule '{word}'",
                hint=f"did you mean '{close}'?" if close else "flagctl rule --all lists them",
            )
        chosen |= found
    return tuple(info for code, info in rules.items() if code in chosen)


def schema_names() -> tuple[str, ...]:
    """Return the names of all published schemas, sorted."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in data_path("schemas").glob(f"*{_SUFFIX}")))


def schema_text(name: str) -> str:
    """Return a published schema.

    Raises:
        UsageError: If there is none of this name.
    """
    names = schema_names()
    wanted = name.removesuffix(".json").removesuffix(".schema")
    if wanted not in names:
        close = did_you_mean(wanted, names)
        raise UsageError(
            f"there is no schema '{name}'",
            hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(names)}",
        )
    return (data_path("schemas") / f"{wanted}{_SUFFIX}").read_text(encoding="utf-8")
