"""`flagctl rebalance`: new shares of a rollout, with as few units moved as there can be."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import did_you_mean
from flagctl.errors import FindingsError, NothingMatchedError, UsageError
from flagctl.model import FULL, Rollout, RolloutArm
from flagctl.ops.loading import check_environment, find_flag, readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flagctl.model import EnvironmentOverride, Flag, Repository
    from flagctl.source import LoadedRepository

DEFAULT = "default"
"""Names the default's rollout, like a rule; no rule may be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceOptions:
    """What to change.

    Attributes:
        root: The flag repository's root.
        key: The flag.
        weights: ``variant=percent``, 100 together.
        environment: In this environment; None wherever the flag has its rollout.
        rule: Id of the rule, ``default``, or None for the only rollout there is.
        dry_run: Write nothing.
    """

    root: Path
    key: str
    weights: tuple[str, ...]
    environment: str | None = None
    rule: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceResult:
    """New ranges and what they move.

    Attributes:
        key: The flag.
        rule: Id of the rule, or ``default``.
        environments: Where the rollout holds.
        path: The file, relative to the root.
        ranges: ``(start, end, variant)``, ascending.
        moved: Buckets of 100 000 that change hands: the minimum.
        moved_by_weights: How many plain weights would have moved.
        patch: The edit as a unified difference.
        written: Whether the file was written.
    """

    key: str
    rule: str
    environments: tuple[str, ...]
    path: str
    ranges: tuple[tuple[int, int, str], ...]
    moved: int
    moved_by_weights: int
    patch: str
    written: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-rebalance.schema.json`)."""
        return {
            "key": self.key,
            "rule": self.rule,
            "environments": list(self.environments),
            "path": self.path,
            "ranges": [{"start": start, "end": end, "variant": variant} for start, end, variant in self.ranges],
            "moved": self.moved,
            "moved_by_weights": self.moved_by_weights,
            "patch": self.patch,
            "written": self.written,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A rollout in a flag's file, and the environments that use it."""

    rule: str
    rollout: Rollout
    environments: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.rule} [{', '.join(self.environments) or 'no environment'}]"


def rebalance(options: RebalanceOptions) -> RebalanceResult:
    """Pin ranges that give a rollout new shares and move the fewest units.

    Raises:
        NothingMatchedError: If there is no such flag.
        UsageError: If the rollout is not clear, or the weights are none.
        FindingsError: If the flag's file has errors.
    """
    from flagctl.ops.compile import write_file
    from flagctl.ops.rebalance_edit import pinned_text
    from flagctl.review.rebalance import moved, rebalanced
    from flagctl.source import load_tree, read_tree

    files = read_tree(options.root)
    loaded = load_tree(files)
    repository = readable(loaded)
    flag = find_flag(repository, options.key)
    shares = _shares(options.weights, flag)
    place = _find(flag, repository, options)
    before = place.rollout.ranges()
    try:
        after = rebalanced(before, shares)
    except (ValueError, IndexError):
        raise FindingsError(
            f"the rollout of {options.key} does not cover all buckets", hint=f"flagctl validate {flag.path}"
        ) from None
    arms = _arms(place.rollout, after, flag)
    document = loaded.documents[flag.path]
    text = pinned_text(document, place.rollout.route, arms)
    content = _faithful(files[flag.path], document.text, text)
    _check(loaded, {**files, flag.path: content}, flag, place, arms)
    plain = _weighted(place.rollout, shares, flag)
    changed = content != files[flag.path]
    if changed and not options.dry_run:
        write_file(options.root / flag.path, content)
    return RebalanceResult(
        key=options.key,
        rule=place.rule,
        environments=place.environments,
        path=flag.path,
        ranges=after,
        moved=moved(before, after),
        moved_by_weights=moved(before, plain),
        patch=_patch(flag.path, document.text, text),
        written=changed and not options.dry_run,
    )


def _shares(weights: Sequence[str], flag: Flag) -> dict[str, int]:
    known = [variant.name for variant in flag.variants]
    shares: dict[str, int] = {}
    for item in weights:
        name, equals, text = item.rpartition("=")
        if not equals:
            raise UsageError(f"'{item}' is no weight", hint="write --weights a=20,b=20,c=60")
        if name not in known:
            close = did_you_mean(name, known)
            raise UsageError(
                f"{flag.key} has no variant '{name}'",
                hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(known)}",
            )
        if name in shares:
            raise UsageError(f"'{name}' has two weights")
        shares[name] = _thousandths(text)
    total = sum(shares.values())
    if total != FULL:
        raise UsageError(f"the weights add up to {total / 1000:g} %, not to 100 %")
    return shares


def _thousandths(text: str) -> int:
    try:
        share = Decimal(text.strip().removesuffix("%").strip()) * 1000
    except InvalidOperation:
        share = Decimal("NaN")
    if not share.is_finite() or not (0 <= share <= FULL and share == share.to_integral_value()):
        raise UsageError(f"'{text}' is no weight", hint="a weight is 0 to 100 with at most three decimals")
    return int(share)


def _find(flag: Flag, repository: Repository, options: RebalanceOptions) -> _Place:
    environments = tuple(repository.config.environments)
    if options.environment is not None:
        check_environment(repository, options.environment)
    places = [
        place
        for place in _places(flag, environments)
        if (options.rule is None or place.rule == options.rule)
        and (options.environment is None or options.environment in place.environments)
    ]
    if len(places) == 1:
        return places[0]
    where = f" in {options.environment}" if options.environment else ""
    if places:
        raise UsageError(
            f"{flag.key} has several rollouts{where}: {'; '.join(place.name for place in places)}",
            hint="name one: --rule ID, --env NAME",
        )
    experiments = [rule for part in _parts(flag) for rule in part.rules if rule.experiment is not None]
    raise NothingMatchedError(
        f"{flag.key} has no rollout" + (f" '{options.rule}'" if options.rule else "") + where,
        hint="an experiment's weights stay as they are while it runs" if experiments else f"flagctl show {flag.key}",
    )


def _parts(flag: Flag) -> tuple[Flag | EnvironmentOverride, ...]:
    return (flag, *flag.environments.values())


def _places(flag: Flag, environments: Sequence[str]) -> list[_Place]:
    found: list[_Place] = []
    for part in _parts(flag):
        rollouts = [(rule.id, rule.rollout) for rule in part.rules]
        if isinstance(part.default, Rollout):
            rollouts.append((DEFAULT, part.default))
        for rule, rollout in rollouts:
            if rollout is not None:
                used = tuple(name for name in environments if _uses(flag, name, rollout))
                found.append(_Place(rule=rule, rollout=rollout, environments=used))
    return found


def _uses(flag: Flag, environment: str, rollout: Rollout) -> bool:
    state = flag.in_environment(environment)
    return state.default is rollout or any(rule.rollout is rollout for rule in state.rules)


def _arms(
    rollout: Rollout, ranges: Sequence[tuple[int, int, str]], flag: Flag
) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return the ranges by variant: those of the rollout in its order, then further ones in the flag's."""
    order = dict.fromkeys([*(arm.variant for arm in rollout.arms), *(variant.name for variant in flag.variants)])
    found = {name: tuple((start, end) for start, end, variant in ranges if variant == name) for name in order}
    return {name: part for name, part in found.items() if part}


def _weighted(rollout: Rollout, shares: Mapping[str, int], flag: Flag) -> tuple[tuple[int, int, str], ...]:
    """Return the ranges that plain weights would take, in the present order."""
    order = dict.fromkeys([*(arm.variant for arm in rollout.arms), *(variant.name for variant in flag.variants)])
    return Rollout(arms=tuple(RolloutArm(variant=name, weight=shares.get(name, 0)) for name in order)).ranges()


def _faithful(content: bytes, text: str, edited: str) -> bytes:
    """Return the edited text as the file's bytes, if nothing but the edit can change by writing it."""
    bom = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
    if bom + text.encode() != content:
        raise FindingsError("the flag's file can't be edited as it is written", hint="flagctl validate shows why")
    return bom + edited.encode()


def _check(
    loaded: LoadedRepository,
    files: Mapping[str, bytes],
    flag: Flag,
    place: _Place,
    arms: Mapping[str, tuple[tuple[int, int], ...]],
) -> None:
    """Read the edited file back, and refuse to write one that says anything else than what was meant."""
    from flagctl.source import load_tree

    wanted = replace(
        place.rollout, arms=tuple(RolloutArm(variant=variant, ranges=ranges) for variant, ranges in arms.items())
    )
    again = load_tree(files)
    found = again.repository.flags.get(flag.key) if again.repository else None
    if found is None or len(again.diagnostics) > len(loaded.diagnostics):
        raise FindingsError(f"the edited {flag.path} could not be read, so nothing was written")
    if _meaning(found) != _meaning(_with(flag, place.rollout, wanted)):
        raise FindingsError(f"the edited {flag.path} would mean something else, so nothing was written")


def _meaning(flag: Flag) -> Any:
    from flagctl.review.meaning import meaning

    overrides = {name: meaning(override) for name, override in flag.environments.items()}
    return meaning(replace(flag, environments={})), overrides


def _with(flag: Flag, old: Rollout, new: Rollout) -> Flag:
    """Return the flag with one rollout replaced by another."""

    def part(item: Any) -> Any:
        rules = tuple(replace(rule, rollout=new) if rule.rollout is old else rule for rule in item.rules)
        return replace(item, rules=rules, default=new if item.default is old else item.default)

    environments = {name: part(override) for name, override in flag.environments.items()}
    return replace(part(flag), environments=environments)  # type: ignore[no-any-return]


def _patch(path: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
