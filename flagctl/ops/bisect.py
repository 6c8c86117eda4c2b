"""`flagctl bisect`: which commit changed an answer.

Not a binary search: an answer may change and change back. Only commits that touched the flag or something it depends on are
looked at, and of those every one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import FlagctlError, NothingMatchedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flagctl.evaluator import EvaluationDetails
    from flagctl.vcs import CommitInfo, GitRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectOptions:
    """What to look for.

    Attributes:
        root: The flag repository's root.
        key: Of the flag.
        environment: Its name.
        context: Evaluation context.
        now_ms: Instant of the evaluations, milliseconds since the epoch.
        revision: Newest commit to look at.
        since: Oldest commit to look at; None is the first one.
    """

    root: Path
    key: str
    environment: str
    context: Mapping[str, Any]
    now_ms: int
    revision: str = "HEAD"
    since: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a commit answers; `error` says why it could not be evaluated."""

    commit: CommitInfo
    variant: str | None
    value: Any
    reason: str | None
    rule: str | None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as the JSON output has it."""
        return {
            "commit": self.commit.commit,
            "author": self.commit.author,
            "time_ms": self.commit.time_ms,
            "subject": self.commit.subject,
            "variant": self.variant,
            "value": self.value,
            "reason": self.reason,
            "rule": self.rule,
            "error": self.error,
        }

    def same_as(self, other: Answer) -> bool:
        """Whether both give the same value for the same reason by the same rule."""
        from flagctl.review.meaning import json_meaning

        def image(answer: Answer) -> tuple[Any, ...]:
            return (answer.variant, answer.reason, answer.rule, answer.error, json_meaning(answer.value))

        return image(self) == image(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectResult:
    """Each commit that changed the answer, newest first; the last one is the oldest answer there is."""

    key: str
    environment: str
    changes: tuple[Answer, ...]
    looked_at: int

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-bisect.schema.json`)."""
        return {
            "format_version": "1.0",
            "key": self.key,
            "environment": self.environment,
            "looked_at": self.looked_at,
            "changes": [answer.to_dict() for answer in self.changes],
        }


def bisect(options: BisectOptions) -> BisectResult:
    """Return the commits that changed the answer of a flag for one context.

    Raises:
        UsageError: If the folder is in no git repository or a revision does not exist.
        NothingMatchedError: If no commit ever had the flag.
    """
    from flagctl.vcs import GitRepository
    from flagctl.vcs.log import log

    vcs = GitRepository(options.root)
    stop = vcs.resolve(options.since) if options.since is not None else None
    commits: dict[str, CommitInfo] = {}
    for stem in sorted(_stems(vcs, options)):
        for commit in log(vcs, stem=stem, revision=options.revision):
            commits[commit.info.commit] = commit.info
    if not commits:
        raise NothingMatchedError(f"no commit has a file {options.key}.yaml", hint="flagctl list shows the keys")
    order = vcs.in_order(options.revision, commits)
    answers: list[Answer] = []
    looked_at = 0
    for commit_id in order:
        looked_at += 1
        answers.append(_answer(vcs, commits[commit_id], options))
        if commit_id == stop:
            break
    changed = [a for index, a in enumerate(answers) if index + 1 == len(answers) or not a.same_as(answers[index + 1])]
    return BisectResult(key=options.key, environment=options.environment, changes=tuple(changed), looked_at=looked_at)


def _stems(vcs: GitRepository, options: BisectOptions) -> set[str]:
    """Return the file stems of everything the flag depends on now, and of the configuration."""
    from flagctl.ops.closure import load_closure

    repository = load_closure(vcs, options.revision, [options.key]).repository
    stems = {options.key, "flagctl"}
    if repository is not None:
        if options.environment not in repository.config.environments:
            known = ", ".join(repository.config.environments)
            raise UsageError(f"there is no environment '{options.environment}'", hint=f"there are: {known}")
        stems.update(repository.flags, repository.segments, repository.experiments, repository.layers)
    return stems


def _answer(vcs: GitRepository, commit: CommitInfo, options: BisectOptions) -> Answer:
    from dataclasses import replace

    from flagctl.compiler import compile_environment
    from flagctl.evaluator import load
    from flagctl.ops.closure import load_closure

    failed = Answer(commit=commit, variant=None, value=None, reason=None, rule=None)
    repository = load_closure(vcs, commit.commit, [options.key]).repository
    if repository is None or options.environment not in repository.config.environments:
        return replace(failed, error="no such environment")
    if options.key not in repository.flags:
        return replace(failed, error="no such flag")
    try:
        bundle = compile_environment(repository, options.environment)
    except FlagctlError as error:
        return replace(failed, error=error.message)
    details: EvaluationDetails = load(bundle.data).evaluate(
        options.key, options.context, None, now=options.now_ms / 1000
    )
    return replace(failed, variant=details.variant, value=details.value, reason=str(details.reason), rule=details.rule)
