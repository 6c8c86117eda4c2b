"""Finding flags among ten thousand, as somebody types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flagctl.model import FixedPercentage, LinearPercentage, SteppedPercentage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.model import EnvironmentOverride, Flag, Rule, Schedule

STATES: Final = {
    "on": "on",
    "off": "off",
    "rolling-out": "rolling out",
    "experiment": "in an experiment",
    "scheduled": "scheduled",
    "temporary": "temporary",
    "permanent": "permanent",
    "expired": "expired",
    "problems": "with findings",
}
"""Values of the filter by state, and their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for; empty parts fit everything.

    Attributes:
        text: Words, each of which must be in key, name, description, owner or tags.
        environment: Where a state must hold; empty for anywhere.
        tag: A tag.
        owner: An owner.
        type: A type.
        state: One of `STATES`.
    """

    text: str = ""
    environment: str = ""
    tag: str = ""
    owner: str = ""
    type: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    flag: Flag
    key: str
    text: str


class FlagIndex:
    """The flags of a repository with the text that is searched; entries of unchanged flags are taken over.

    Args:
        flags: By key.
        before: The index of an earlier state.
    """

    def __init__(self, flags: Mapping[str, Flag], before: FlagIndex | None = None) -> None:
        known = before.entries if before is not None else {}
        self.entries: dict[str, _Entry] = {}
        for key, flag in flags.items():
            entry = known.get(key)
            self.entries[key] = entry if entry is not None and entry.flag is flag else _entry(flag)

    def find(self, wanted: Wanted, *, today: str, problems: Iterable[str] = ()) -> list[Flag]:
        """Return the flags that fit, best first: by key where nothing is looked for.

        Args:
            wanted: What is looked for.
            today: ``YYYY-MM-DD``.
            problems: Paths of files with findings.
        """
        words = wanted.text.casefold().split()
        paths = frozenset(problems) if wanted.state == "problems" else frozenset()
        found = [
            entry
            for entry in self.entries.values()
            if all(word in entry.text for word in words) and _fits(entry.flag, wanted, today, paths)
        ]
        if words:
            found.sort(key=lambda entry: (_distance(entry.key, words), entry.key))
        return [entry.flag for entry in found]


def _entry(flag: Flag) -> _Entry:
    parts = (flag.key, flag.name or "", flag.description or "", flag.owner or "", *flag.tags)
    return _Entry(flag, flag.key.casefold(), "\n".join(parts).casefold())


def _distance(key: str, words: list[str]) -> int:
    """Return how far a key is from what was typed: itself, begins so, has it, does not."""
    joined = "-".join(words)
    if key == joined:
        return 0
    if key.startswith(joined):
        return 1
    if joined in key:
        return 2
    return 3 if all(word in key for word in words) else 4


def _fits(flag: Flag, wanted: Wanted, today: str, problems: frozenset[str]) -> bool:
    if wanted.tag and wanted.tag not in flag.tags:
        return False
    if wanted.owner and flag.owner != wanted.owner:
        return False
    if wanted.type and flag.type.value != wanted.type:
        return False
    return not wanted.state or _has_state(flag, wanted, today, problems)


def _has_state(flag: Flag, wanted: Wanted, today: str, problems: frozenset[str]) -> bool:
    lifecycle = flag.lifecycle
    match wanted.state:
        case "temporary":
            return bool(lifecycle and lifecycle.temporary)
        case "permanent":
            return not (lifecycle and lifecycle.temporary)
        case "expired":
            return bool(lifecycle and lifecycle.expires and lifecycle.expires <= today)
        case "problems":
            return flag.path in problems
        case "on" | "off":
            return (wanted.state == "on") in _enabled(flag, wanted.environment)
        case "scheduled":
            return any(part is not None for part in _schedules(flag, wanted.environment))
        case "experiment":
            return any(rule.experiment is not None for rule in _rules(flag, wanted.environment))
        case "rolling-out":
            return any(is_partial(rule) for rule in _rules(flag, wanted.environment))
        case _:
            return False


def _enabled(flag: Flag, environment: str) -> set[bool]:
    if environment:
        override = flag.environments.get(environment)
        return {flag.enabled if override is None or override.enabled is None else override.enabled}
    return {flag.enabled, *(part.enabled for part in flag.environments.values() if part.enabled is not None)}


def _rules(flag: Flag, environment: str) -> list[Rule]:
    if environment:
        return list(flag.in_environment(environment).rules)
    return [*flag.rules, *(rule for part in flag.environments.values() for rule in part.rules)]


def _schedules(flag: Flag, environment: str) -> list[Schedule | None]:
    if environment:
        state = flag.in_environment(environment)
        return [state.schedule, *(rule.schedule for rule in state.rules)]
    parts: tuple[Flag | EnvironmentOverride, ...] = (flag, *flag.environments.values())
    return [*(part.schedule for part in parts), *(rule.schedule for rule in _rules(flag, ""))]


def is_partial(rule: Rule) -> bool:
    """Return whether a rule is for a share of the units that is neither none nor all."""
    match rule.percentage:
        case FixedPercentage(thousandths=amount):
            return 0 < amount < 100_000
        case SteppedPercentage() | LinearPercentage():
            return True
        case _:
            return False
