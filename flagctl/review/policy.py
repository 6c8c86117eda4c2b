"""Weigh a change against the policy in `flagctl.yaml`.

Pure: the same facts give the same verdicts, whether they come from two commits or from what is live and what would be. Every
rule of `RULES` that the policy asks for gives at least one verdict, so that a report shows what was looked at and how far from the
limit the change is; a rule that is not asked for gives none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flagctl.review.facts import Facts, impacts_of, in_environment
from flagctl.review.policy_measures import check_experiments, check_radius, check_step, check_switching, check_tests
from flagctl.review.policy_people import check_approvals, check_breaking, check_duties, check_freeze

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flagctl.model import FreezeWindow, Owner, Repository, RepositoryConfig
    from flagctl.review.approvals import Approvals, Person
    from flagctl.review.changes import RepositoryDiff
    from flagctl.review.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """One rule.

    Attributes:
        name: The setting in `flagctl.yaml`; overrides name it, too.
        codes: Codes of its verdicts, with what each refuses.
        check: Yields verdicts; none if the policy does not ask for the rule.
    """

    name: str
    codes: Mapping[str, str]
    check: Callable[[Facts], Iterator[Verdict]]


RULES: Final[tuple[PolicyRule, ...]] = (
    PolicyRule(name="freeze", codes={"POL101": "a change in a freeze window"}, check=check_freeze),
    PolicyRule(
        name="approvals",
        codes={
            "POL201": "too few people agreed",
            "POL202": "no owner of a changed file agreed",
            "POL203": "somebody asks for changes",
            "POL205": "a commit carries no approval",
        },
        check=check_approvals,
    ),
    PolicyRule(
        name="separation_of_duties",
        codes={"POL204": "only the author or the publisher agreed"},
        check=check_duties,
    ),
    PolicyRule(name="max_percentage_step", codes={"POL301": "a percentage grows too far at once"}, check=check_step),
    PolicyRule(
        name="max_switching",
        codes={"POL302": "too large a share of a group switches", "POL303": "the share cannot be computed"},
        check=check_switching,
    ),
    PolicyRule(name="blast_radius", codes={"POL304": "too many flags change at once"}, check=check_radius),
    PolicyRule(name="tests_required", codes={"POL305": "a changed flag has no test case"}, check=check_tests),
    PolicyRule(
        name="breaking",
        codes={
            "BRK101": "a flag is removed",
            "BRK102": "a flag's type changes",
            "BRK103": "a variant is removed or renamed",
            "BRK104": "the project is renamed",
            "BRK105": "the environment is removed",
        },
        check=check_breaking,
    ),
    PolicyRule(
        name="locked_experiments",
        codes={"BRK201": "units of a running experiment are moved"},
        check=check_experiments,
    ),
)
"""All rules, in the order of reports."""


def rule_names() -> dict[str, str]:
    """Return what may stand for a rule in an override, in lower case: its name and its codes."""
    names = {rule.name: rule.name for rule in RULES}
    return names | {code.lower(): rule.name for rule in RULES for code in rule.codes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What surrounds a change.

    Attributes:
        now_ms: Instant, milliseconds since the epoch.
        approvals: Who agreed; None if nobody was asked.
        publisher: Who publishes, if that is known.
        tested: Keys of flags with test cases, by environment.
        measured: Share of a population's contexts whose answer changes, by environment and flag.
    """

    now_ms: int
    approvals: Approvals | None = None
    publisher: Person | None = None
    tested: Mapping[str, frozenset[str]] = field(default_factory=dict)
    measured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """A change: two repositories, their difference, and the configurations whose policies apply.

    Attributes:
        before: What is in force, or live.
        after: What is proposed.
        diff: The difference.
        owned: Repositories that say who owns a document, the one in force first; empty for `before` and `after`.
        configs: Configurations to be obeyed, the one in force first. The proposed one alone would let a change loosen the rules
            that it is weighed by, the one in force alone would let it pass rules that it brings.
    """

    before: Repository
    after: Repository
    diff: RepositoryDiff
    configs: Sequence[RepositoryConfig]
    owned: tuple[Repository, ...] = ()


def environments_with_policy(configs: Sequence[RepositoryConfig]) -> tuple[str, ...]:
    """Return the environments that some configuration has rules or freeze windows for, in the order written."""
    names: dict[str, None] = {}
    for config in configs:
        for name in {**config.environments, **config.policy.environments}:
            if name in config.policy.environments or windows_of(config, name):
                names[name] = None
    return tuple(names)


def windows_of(config: RepositoryConfig, environment: str) -> tuple[FreezeWindow, ...]:
    """Return the freeze windows that apply to an environment; those that name none apply to protected ones."""
    known = config.environments.get(environment)
    protected = known is not None and known.protected
    return tuple(
        window
        for window in config.policy.freeze
        if (protected if window.environments is None else environment in window.environments)
    )


def evaluate(sides: Sides, environment: str, circumstances: Circumstances) -> tuple[Verdict, ...]:
    """Return what the policies say about a change in one environment.

    Where several configurations apply, each is asked, and a rule passes only if it passes by all of them.

    Args:
        sides: The change.
        environment: Name of the environment.
        circumstances: What surrounds it.
    """
    from flagctl.model import EnvironmentPolicy  # noqa: PLC0415  a default, needed nowhere else

    diff = in_environment(sides.diff, environment, sides.before, sides.after)
    impacts = impacts_of(diff, sides.before, sides.after, environment, circumstances.now_ms)
    owners = _owners(sides.configs)
    found: list[Verdict] = []
    for config in sides.configs:
        facts = Facts(
            environment=environment,
            policy=config.policy.environments.get(environment, EnvironmentPolicy()),
            freeze=windows_of(config, environment),
            diff=diff,
            impacts=impacts,
            before=sides.before,
            after=sides.after,
            owners=owners,
            owned=sides.owned or (sides.before, sides.after),
            approvals=circumstances.approvals,
            publisher=circumstances.publisher,
            tested=circumstances.tested.get(environment, frozenset()),
            measured=circumstances.measured.get(environment, {}),
            now_ms=circumstances.now_ms,
        )
        for rule in RULES:
            found.extend(rule.check(facts))
    return _strictest(found)


def _owners(configs: Sequence[RepositoryConfig]) -> dict[str, Owner]:
    """Return who stands behind each name: the configuration in force decides, others add names that it does not have."""
    owners: dict[str, Owner] = {}
    for config in configs:
        for name, owner in config.owners.items():
            owners.setdefault(name, owner)
    return owners


def _strictest(verdicts: list[Verdict]) -> tuple[Verdict, ...]:
    """Leave out repetitions, and what passed by one configuration and was refused by the other."""
    refused = {(v.rule, v.code) for v in verdicts if not v.passed}
    rules = {v.rule for v in verdicts if not v.passed and v.code.startswith("BRK")}
    order = [rule.name for rule in RULES]
    kept: dict[tuple[str, str, str | None, str], Verdict] = {}
    for verdict in verdicts:
        if verdict.passed and ((verdict.rule, verdict.code) in refused or verdict.rule in rules):
            continue
        kept.setdefault((verdict.code, verdict.limit, verdict.subject, verdict.message), verdict)
    return tuple(sorted(kept.values(), key=lambda verdict: order.index(verdict.rule)))
