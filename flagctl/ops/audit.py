"""`flagctl audit`: who changed what meaning, who published it where, and which flags were forced off; newest first.

Three records are put together: git (changes and who agreed to them), the log of manifests at each remote, and the copies
of kill lists there. The last two count only if their signatures hold. Every published bundle is compiled again from the
commit that its manifest names: the bytes must be the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from flagctl.bundle.envelope import MAX_POINTER, parse_envelope
from flagctl.bundle.names import kills_prefix
from flagctl.errors import FlagctlError, UntrustedError
from flagctl.ops.manifest_log import verified_entries
from flagctl.ops.target import with_newest_root
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from flagctl.bundle.kill import KillList
    from flagctl.ops.manifest_log import Logged
    from flagctl.ops.target import Target
    from flagctl.vcs import GitRepository

Rebuilt = Literal["same", "differs", "unknown", "not-checked"]
APPROVALS = ("Approved-by", "Reviewed-by", "Acked-by")
_MOST_COPIES = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """What to look at.

    Attributes:
        root: The flag repository's root.
        since_ms: Only what happened from then on, milliseconds since the epoch.
        key: Only of this flag, segment, experiment or layer.
        revision: Where the git history starts.
        rebuild: Whether published bundles are compiled again.
        progress: Called with what is done next.
    """

    root: Path
    since_ms: int
    key: str | None = None
    revision: str = "HEAD"
    rebuild: bool = True
    progress: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that happened.

    Attributes:
        time_ms: When, milliseconds since the epoch.
        action: ``change``, ``publish``, ``heartbeat``, ``rollback``, ``kill``, ``unkill``.
        actor: Who: a commit's author, the ids of the keys that signed, or whom a kill list names.
        environment: Where, None for git.
        keys: Flags, segments, experiments and layers concerned.
        summary: One line.
        details: What changed in meaning, or why.
        approved_by: From the commits' trailers.
        commit: Of git.
        seq: Of the manifest or the kill list.
        bundle_sha256: Of the published bundle.
        rebuilt: Whether the commit compiles to the published bytes.
        overrides: Rules of the policy that were set aside, with the reasons.
    """

    time_ms: int
    action: str
    actor: str
    environment: str | None
    keys: tuple[str, ...]
    summary: str
    details: tuple[str, ...] = ()
    approved_by: tuple[str, ...] = ()
    commit: str | None = None
    seq: int | None = None
    bundle_sha256: str | None = None
    rebuilt: Rebuilt = "not-checked"
    overrides: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """What happened, newest first.

    Attributes:
        entries: Everything.
        problems: What could not be read or verified, and what is not as it should be.
    """

    entries: tuple[AuditEntry, ...]
    problems: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every published bundle is what its commit compiles to, and everything could be read."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-audit.schema.json`)."""
        return {"entries": [one.to_dict() for one in self.entries], "problems": list(self.problems)}


def audit(options: AuditOptions, targets: Mapping[str, Callable[[], Target]]) -> AuditResult:
    """Put the records together.

    Args:
        options: What to look at.
        targets: Opens each environment, by its name; trouble with one is a problem in the result, not an exception.

    Raises:
        UsageError: If the folder is in no git repository or the revision does not exist.
    """
    from flagctl.vcs import GitRepository

    vcs = GitRepository(options.root)
    problems: list[str] = []
    entries = list(_changes(vcs, options))
    for environment, open_target in targets.items():
        _say(options, f"reading {environment}")
        try:
            newest = with_newest_root(open_target())
            published = list(_publications(newest, vcs, options))
            entries += [one for one in published if options.key is None]
            problems += [
                f"{environment}: manifest {one.seq} was published from commit {(one.commit or '?')[:12]},"
                " which does not compile to its bytes"
                for one in published
                if one.rebuilt == "differs"
            ]
            entries += [one for one in kills(newest) if options.key is None or options.key in one.keys]
        except FlagctlError as error:
            problems.append(f"{environment}: {error.message}")
    kept = [one for one in entries if one.time_ms >= options.since_ms]
    return AuditResult(entries=tuple(sorted(kept, key=_order)), problems=tuple(problems))


def _order(entry: AuditEntry) -> tuple[int, str, int]:
    return -entry.time_ms, entry.environment or "", -(entry.seq or 0)


def _say(options: AuditOptions, text: str) -> None:
    if options.progress is not None:
        options.progress(text)


def _changes(vcs: GitRepository, options: AuditOptions) -> Iterator[AuditEntry]:
    from flagctl.errors import NothingMatchedError
    from flagctl.ops.past import PastOptions, past

    _say(options, "reading git")
    try:
        history = past(PastOptions(root=options.root, key=options.key, revision=options.revision))
    except NothingMatchedError:
        return
    entries = [entry for entry in history.entries if entry.commit.time_ms >= options.since_ms]
    agreed = approvals(vcs, options.revision) if entries else {}
    for entry in entries:
        keys = dict.fromkeys(change.key for change in entry.changes)
        yield AuditEntry(
            time_ms=entry.commit.time_ms,
            action="change",
            actor=f"{entry.commit.author} <{entry.commit.email}>",
            environment=None,
            keys=tuple(keys),
            summary=entry.commit.subject,
            details=tuple(f"{change.kind} {change.key}: {change.message}" for change in entry.changes),
            approved_by=agreed.get(entry.commit.commit, ()),
            commit=entry.commit.commit,
        )


def approvals(vcs: GitRepository, revision: str) -> dict[str, tuple[str, ...]]:
    """Return who agreed to each commit of a history: by its own trailers, or by those of the merge that brought it.

    Args:
        vcs: The repository.
        revision: Where the history ends.

    Raises:
        UsageError: If there is no such revision.
    """
    from flagctl.vcs.trailers import read_all_trailers

    found: dict[str, tuple[str, ...]] = {}
    for one in read_all_trailers(vcs, revision):
        names = tuple(value for name, value in one.trailers if name.title() in {a.title() for a in APPROVALS})
        if names:
            for commit in (one.commit, *one.brought):
                found[commit] = tuple(dict.fromkeys((*found.get(commit, ()), *names)))
    return found


def _publications(target: Target, vcs: GitRepository, options: AuditOptions) -> Iterator[AuditEntry]:
    """Yield the publications of an environment, with what each was."""
    logged = list(verified_entries(target))
    seen: set[str] = set()
    built: dict[str, Rebuilt] = {}
    previous: Logged | None = None
    for entry in reversed(logged):
        manifest = entry.manifest
        action = "publish"
        if previous is not None and previous.manifest.bundle.sha256 == manifest.bundle.sha256:
            action = "heartbeat"
        elif manifest.bundle.sha256 in seen:
            action = "rollback"
        seen.add(manifest.bundle.sha256)
        commit = f"commit {manifest.commit[:12]}" if manifest.commit else "no commit"
        result = AuditEntry(
            time_ms=manifest.issued * 1000,
            action=action,
            actor=", ".join(signature.keyid[:12] for signature in parse_envelope(entry.data).signatures),
            environment=target.environment,
            keys=(),
            summary=f"manifest {manifest.seq}: bundle {manifest.bundle.sha256[:12]}, {commit}",
            commit=manifest.commit,
            seq=manifest.seq,
            bundle_sha256=manifest.bundle.sha256,
            overrides=tuple(
                f"{one.rule}: {one.reason}" + (f" ({one.by})" if one.by else "") for one in manifest.overrides
            ),
        )
        if options.rebuild and result.time_ms >= options.since_ms:
            place = f"{manifest.commit} {manifest.bundle.sha256}"
            if place not in built:
                _say(options, f"compiling {commit} for {target.environment}")
                built[place] = _rebuild(vcs, manifest.commit, target.environment, manifest.bundle.sha256)
            result = replace(result, rebuilt=built[place])
        yield result
        previous = entry


def _rebuild(vcs: GitRepository, commit: str | None, environment: str, sha256: str) -> Rebuilt:
    from flagctl.compiler import compile_environment
    from flagctl.source import load_tree

    if commit is None:
        return "unknown"
    try:
        loaded = load_tree(vcs.read_tree(commit))
        if loaded.repository is None:
            return "unknown"
        bundle = compile_environment(loaded.repository, environment)
    except FlagctlError:
        # An older commit may not compile with today's version, or not be in this clone.
        return "unknown"
    return "same" if bundle.sha256 == sha256 else "differs"


def kills(target: Target, known: dict[str, KillList] | None = None) -> Iterator[AuditEntry]:
    """Yield what was forced off and lifted, from one list to the next.

    Args:
        target: Environment and remote, with the newest root of trust.
        known: Lists that were read and verified before, by their names, which are those of their contents; gets what is read now.

    Raises:
        RemoteError: If the remote cannot be reached.
    """
    lists = sorted(_kill_lists(target, {} if known is None else known), key=lambda one: (one.epoch, one.seq))
    before: dict[str, Any] = {}
    for one in lists:
        after = {kill.flag: kill for kill in one.kills}
        for flag, kill in after.items():
            known = before.get(flag)
            if known is None or known.time != kill.time:
                yield AuditEntry(
                    time_ms=kill.time * 1000,
                    action="kill",
                    actor=kill.actor,
                    environment=target.environment,
                    keys=(flag,),
                    summary=f"{flag} is forced off: {kill.reason}",
                    details=(kill.reason,),
                    seq=one.seq,
                )
        for flag in before.keys() - after.keys():
            yield AuditEntry(
                time_ms=one.issued * 1000,
                action="unkill",
                actor=", ".join(signature.keyid[:12] for signature in parse_envelope(one.data).signatures),
                environment=target.environment,
                keys=(flag,),
                summary=f"{flag} is no longer forced off",
                seq=one.seq,
            )
        before = after


def _kill_lists(target: Target, known: dict[str, KillList]) -> Iterator[KillList]:
    from flagctl.bundle.accept_kills import read_kill_list

    for key in target.remote.list(kills_prefix(target.environment))[:_MOST_COPIES]:
        if key not in known:
            fetched = target.remote.get(key, max_bytes=MAX_POINTER)
            if not isinstance(fetched, Fetched):
                continue
            try:
                known[key] = read_kill_list(target.reader(), fetched.data)
            except UntrustedError:
                continue  # a name is only a claim; what is not signed does not count
        yield known[key]
