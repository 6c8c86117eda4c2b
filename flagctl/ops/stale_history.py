"""How long flags have been what they are, from git: one look at the log, one bulk read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flagctl.model import LinearPercentage, SteppedPercentage
from flagctl.ops.one_answer import one_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from flagctl.model import EnvironmentOverride, Flag
    from flagctl.source import LoadedRepository
    from flagctl.vcs import CommitInfo, GitRepository
    from flagctl.vcs.log import FileChange

_BULK: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagPast:
    """A flag's past.

    Attributes:
        created_ms: When its file came, milliseconds since the epoch.
        changed_ms: When it last changed.
        answer: The variant that everybody gets in every environment, or None.
        answer_since_ms: From when on, or None.
        answer_commit: The commit that made it so.
    """

    created_ms: int
    changed_ms: int
    answer: str | None = None
    answer_since_ms: int | None = None
    answer_commit: str | None = None


def read_past(root: Path, loaded: LoadedRepository, now_ms: int) -> dict[str, FlagPast]:
    """Return the past of each flag whose file is in git, by key.

    Raises:
        UsageError: If the folder is in no git repository, or has no commit.
    """
    from flagctl.ops.loading import readable
    from flagctl.vcs import GitRepository
    from flagctl.vcs.log import log

    git = GitRepository(root)
    changes: dict[str, list[tuple[CommitInfo, FileChange]]] = {}
    for commit in log(git):
        for change in commit.changes:
            stem = change.path.rpartition("/")[2].rpartition(".")[0]
            changes.setdefault(stem, []).append((commit.info, change))
    repository = readable(loaded)
    found: dict[str, FlagPast] = {}
    frozen: dict[str, str] = {}
    for key, flag in repository.flags.items():
        steps = [step for step in changes.get(key, ()) if step[1].after is not None]
        if not steps:
            continue
        found[key] = FlagPast(created_ms=steps[-1][0].time_ms, changed_ms=steps[0][0].time_ms)
        answer = everywhere(flag, tuple(repository.config.environments), now_ms)
        if answer is not None and not flag.is_value_flag:
            frozen[key] = answer
    texts = _texts(git, {key: changes[key] for key in frozen})
    for key, answer in frozen.items():
        steps = [step for step in changes[key] if step[1].after is not None]
        since = _since(
            loaded, repository.flags[key], answer, now_ms, [(info, texts[str(c.after)]) for info, c in steps]
        )
        if since is not None:
            at_ms, commit_id = since
            found[key] = FlagPast(
                created_ms=found[key].created_ms,
                changed_ms=found[key].changed_ms,
                answer=answer,
                answer_since_ms=at_ms,
                answer_commit=commit_id,
            )
    return found


def everywhere(flag: Flag, environments: Sequence[str], now_ms: int) -> str | None:
    """Return the variant that everybody gets in every environment, or None."""
    answers = {one_answer(flag, environment, now_ms) for environment in environments}
    return answers.pop() if len(answers) == 1 else None


def _texts(git: GitRepository, changes: dict[str, list[tuple[CommitInfo, FileChange]]]) -> dict[str, bytes]:
    from flagctl.vcs.plumbing import read_blobs

    ids = list(dict.fromkeys(str(c.after) for steps in changes.values() for _, c in steps if c.after is not None))
    found: dict[str, bytes] = {}
    for start in range(0, len(ids), _BULK):
        part = ids[start : start + _BULK]
        found.update(zip(part, read_blobs(git.folder, part), strict=True))
    return found


def _since(
    loaded: LoadedRepository, flag: Flag, answer: str, now_ms: int, steps: list[tuple[CommitInfo, bytes]]
) -> tuple[int, str] | None:
    """Return from when on a flag has had one answer, and the commit that made it so; None if not committed yet."""
    environments = tuple(loaded.repository.config.environments) if loaded.repository else ()
    if steps[0][1].decode("utf-8", "replace").lstrip("\ufeff") != loaded.documents[flag.path].text:
        return None
    first: CommitInfo | None = None
    seen: dict[bytes, str | None] = {}
    for info, text in steps:
        if text not in seen:
            before = _parsed(loaded, flag, text)
            seen[text] = None if before is None else everywhere(before, environments, now_ms)
        if seen[text] != answer:
            break
        first = info
    if first is None:
        return None
    over = [instant for instant in _instants(flag) if instant <= now_ms]
    return max([first.time_ms, *over]), first.commit


def _parsed(loaded: LoadedRepository, flag: Flag, text: bytes) -> Flag | None:
    from flagctl.source import load_tree

    config = loaded.documents["flagctl.yaml"].text.encode() if "flagctl.yaml" in loaded.documents else None
    if config is None:
        return None
    repository = load_tree({"flagctl.yaml": config, flag.path: text}).repository
    return repository.flags.get(flag.key) if repository else None


def _instants(flag: Flag) -> Iterator[int]:
    """Yield instants at which a flag's answers change by themselves."""
    parts: tuple[Flag | EnvironmentOverride, ...] = (flag, *flag.environments.values())
    for part in parts:
        schedules = [part.schedule, *(rule.schedule for rule in part.rules)]
        yield from (one.from_ms for one in schedules if one is not None and one.from_ms is not None)
        for rule in part.rules:
            if isinstance(rule.percentage, SteppedPercentage):
                yield from (step.from_ms for step in rule.percentage.steps)
            elif isinstance(rule.percentage, LinearPercentage):
                yield rule.percentage.to_ms
