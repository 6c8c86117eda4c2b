"""`flagctl rollout check`: look at the metrics of everything that is guarded, and write the next commit.

A check advances a step that is due and waits for its guard, if nothing is shown to be wrong. It never advances on missing, old or
implausible numbers, and after too many checks in a row without usable ones it fails closed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import ConflictError, NothingMatchedError, UsageError
from flagctl.model import FULL
from flagctl.ops.guard_arms import arms_of
from flagctl.ops.guard_data import IN_LINE, GuardDataError, GuardVerdict, Question, healthy, judge
from flagctl.ops.loading import find_flag, load, one_environment, readable
from flagctl.ops.rollout import strategy_of
from flagctl.ops.rollout_move import Which, abort, advance, find, hold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from flagctl.model import Flag, Rule
    from flagctl.model.strategy import Strategy
    from flagctl.ops.edit import Draft
    from flagctl.ops.edit_apply import ApplyOptions
    from flagctl.ops.edit_model import EditResult
    from flagctl.ops.guard_data import GuardData, GuardSource

ACTIONS: Final = ("none", "wait", "advance", "hold", "revert", "kill")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What to check.

    Attributes:
        root: The flag repository's root.
        now_ms: The instant, milliseconds since the epoch.
        source: Where numbers come from.
        environment: Whose rules and numbers; None is the only one there is.
        key: Of one flag; None for all.
        state: File that remembers checks without data from one run to the next; None forgets them.
    """

    root: Path
    now_ms: int
    source: GuardSource
    environment: str | None = None
    key: str | None = None
    state: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done about one rollout.

    Attributes:
        key: Of the flag.
        rule: Id of its rule.
        action: ``none``, ``wait``, ``advance``, ``hold``, ``revert`` or ``kill``.
        reason: In plain words.
        percent: Share of the units that have it now.
        verdict: What the metrics say; None if nobody asked.
        stale: Checks in a row without usable data, this one included.
        strategy: As it was looked at.
        shared: Whether the rule is one of all environments.
    """

    key: str
    rule: str
    action: str
    reason: str
    percent: float
    verdict: GuardVerdict | None
    stale: int
    strategy: Strategy
    shared: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "key": self.key,
            "rule": self.rule,
            "action": self.action,
            "reason": self.reason,
            "percent": self.percent,
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
            "stale_checks": self.stale,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found and did.

    Attributes:
        environment: Where.
        now_ms: When.
        decisions: One for each guarded rollout.
        edit: What was written; None if nothing was to be.
    """

    environment: str
    now_ms: int
    decisions: tuple[Decision, ...]
    edit: EditResult | None = None

    @property
    def broken(self) -> bool:
        """Whether something went wrong: a guard is broken, or was blind for too long."""
        return any(decision.action in {"hold", "revert", "kill"} for decision in self.decisions)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-rollout-check.schema.json`)."""
        return {
            "environment": self.environment,
            "now_ms": self.now_ms,
            "broken": self.broken,
            "decisions": [decision.to_dict() for decision in self.decisions],
            "edit": None if self.edit is None else self.edit.to_dict(),
        }


def check(options: CheckOptions) -> CheckResult:
    """Ask for the metrics of every guarded rollout, and decide; writes nothing but the file of `state`.

    Raises:
        NothingMatchedError: If there is no such flag, or nothing in it is guarded.
        UsageError: If there is no such environment.
        FindingsError: If the flag files have errors.
    """
    repository = readable(load(options.root))
    environment = one_environment(repository, options.environment)
    flags = repository.flags.values() if options.key is None else [find_flag(repository, options.key)]
    remembered = _read_state(options.state)
    decisions = []
    for flag, rule, strategy in _guarded(flags, environment):
        name = f"{environment}/{flag.key}/{rule.id}"
        decision = _decide(options, environment, (flag, rule, strategy), remembered.get(name, 0))
        remembered = {**remembered, name: decision.stale}
        decisions.append(decision)
    if options.key is not None and not decisions:
        raise NothingMatchedError(
            f"nothing in {options.key} is guarded in {environment}", hint="give its strategy a `guard`"
        )
    _write_state(options.state, remembered)
    return CheckResult(environment=environment, now_ms=options.now_ms, decisions=tuple(decisions))


def act(result: CheckResult, root: Path, options: ApplyOptions) -> CheckResult:
    """Write what a check decided, as one edit.

    Raises:
        ConflictError: If a file changed since the check.
        EditRefusedError: If the edit would bring errors.
    """
    from flagctl.ops.edit import Draft
    from flagctl.ops.edit_apply import apply_plan
    from flagctl.ops.edit_lock import edit_lock
    from flagctl.ops.workspace import Workspace

    moving = [one for one in result.decisions if one.action in {"advance", "hold", "revert", "kill"}]
    if not moving:
        return result
    with edit_lock(root):
        draft = Draft(Workspace(root), result.now_ms)
        for decision in moving:
            _apply(draft, decision, result.environment)
        plan = draft.plan()
        plan = replace(plan, message=_message(moving, result.environment, plan.message))
        return replace(result, edit=apply_plan(root, plan, options))


def _message(moving: Sequence[Decision], environment: str, meaning: str) -> str:
    """Return a commit message: what is done, what it means, and the evidence."""
    words = {"advance": "Advance", "hold": "Hold", "revert": "Revert", "kill": "Kill"}
    subject = f"{words[moving[0].action]} rollout {moving[0].key} in {environment}, as its guard says"
    if len(moving) > 1:
        subject = f"Move {len(moving)} rollouts in {environment}, as their guards say"
    evidence = [f"- {one.key}, rule {one.rule}: {one.action}: {one.reason}" for one in moving]
    return "\n".join([subject, "", *evidence, "", meaning])


def _apply(draft: Draft, decision: Decision, environment: str) -> None:
    which = Which(key=decision.key, rule=decision.rule, environment=None if decision.shared else environment)
    if find(draft, which).strategy != decision.strategy:
        raise ConflictError(f"{decision.key} changed while its metrics were looked at", hint="check again")
    if decision.action == "advance":
        advance(draft, which)
    elif decision.action == "hold":
        hold(draft, which, decision.reason)
    else:
        abort(draft, which, decision.reason)


def decide(strategy: Strategy, verdict: GuardVerdict, now_ms: int, stale: int) -> tuple[str, str]:
    """Return what to do about a running strategy, and why.

    Args:
        strategy: With a guard.
        verdict: What its metrics say.
        now_ms: The instant.
        stale: Checks in a row without usable data, this one included.
    """
    guard, held = strategy.guard, strategy.state(now_ms) == "held"
    if guard is None:
        return "none", "nothing guards it"
    if verdict.state == "harmed":
        return ("none", "held") if held and guard.on_failure == "hold" else (guard.on_failure, verdict.reason)
    if verdict.state == "no_data":
        if stale < guard.stale_checks:
            return "wait", f"{verdict.reason} (check {stale} of {guard.stale_checks} without data)"
        blind = f"no usable data in {stale} checks: {verdict.reason}"
        return ("none", "held") if held and guard.on_stale == "hold" else (guard.on_stale, blind)
    if held:
        return "none", "held"
    if verdict.state == "untrusted":
        return "hold", verdict.reason
    step = strategy.next_step(now_ms)
    if step is None or step.waits_for != "guardrail":
        return "none", verdict.reason
    if step.due_ms is not None and step.due_ms > now_ms:
        return "wait", f"the next step is not due yet; {verdict.reason}"
    return ("advance" if healthy(guard, verdict) else "wait"), verdict.reason


def _decide(options: CheckOptions, environment: str, place: tuple[Flag, Rule, Strategy], stale: int) -> Decision:
    flag, rule, strategy = place
    override = flag.environments.get(environment)
    shared = override is None or "rules" not in override.given
    share = strategy.share_at(options.now_ms)
    base = Decision(
        key=flag.key,
        rule=rule.id,
        action="none",
        reason=strategy.state(options.now_ms),
        percent=share / 1000,
        verdict=None,
        stale=0,
        strategy=strategy,
        shared=shared,
    )
    current = strategy.current(options.now_ms)
    if strategy.guard is None or current is None or current.begins_ms is None or _is_over(strategy, options.now_ms):
        return base
    state = flag.in_environment(environment)
    question = Question(
        flag=flag.key,
        environment=environment,
        guard=strategy.guard,
        treatment=rule.serve or rule.id,
        control=state.default if isinstance(state.default, str) else None,
        since_ms=current.begins_ms,
        now_ms=options.now_ms,
        arms=arms_of(flag, rule, strategy, options.now_ms),
    )
    try:
        data = options.source.read(question)
        verdict = judge(strategy.guard, data, options.now_ms, risk=_risk(data, question, strategy))
    except GuardDataError as error:
        verdict = GuardVerdict(state="no_data", results=(), reason=str(error))
    count = stale + 1 if verdict.state == "no_data" else 0
    action, reason = decide(strategy, verdict, options.now_ms, count)
    return replace(base, action=action, reason=reason, verdict=verdict, stale=count)


def _risk(data: GuardData, question: Question, strategy: Strategy) -> float:
    """Return the share of the risk of this test: one of the whole rollout, or one of as many as there are steps."""
    if data.control == IN_LINE:
        return 1.0 if question.arms is None else question.arms.risk
    return 1 / len(strategy.steps)


def _is_over(strategy: Strategy, now_ms: int) -> bool:
    return strategy.state(now_ms) in {"aborted", "planned"} or strategy.share_at(now_ms) >= FULL


def _guarded(flags: Any, environment: str) -> Iterator[tuple[Flag, Rule, Strategy]]:
    for flag in flags:
        for rule in flag.in_environment(environment).rules:
            strategy = strategy_of(rule)
            if strategy is not None and strategy.guard is not None:
                yield flag, rule, strategy


def _read_state(path: Path | None) -> Mapping[str, int]:
    if path is None or not path.exists():
        return {}
    try:
        counts = json.loads(path.read_text(encoding="utf-8"))["stale_checks"]
        return {str(name): int(count) for name, count in counts.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is not what a check wrote there", hint="remove it; the count of checks without data begins anew"
        ) from error


def _write_state(path: Path | None, counts: Mapping[str, int]) -> None:
    if path is None:
        return
    text = json.dumps({"format_version": "1.0", "stale_checks": {k: v for k, v in sorted(counts.items()) if v}})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)
