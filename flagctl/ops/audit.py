"""`flagctl audit`: who changed what meaning, who published it where, and which flags were forced off; newest first.

Three records are put together: git (changes and who agreed to them), the log of manifests at each remote, and the copies
of kill lists there. The last two count only if their signatures hold. Every published bundle is compiled again from the
commit that its manifest names: the bytes must be the same. Manifests and kill lists name the one before, so that it shows
if one is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from flagctl.bundle.accept import read_manifest
from flagctl.bundle.accept_kills import read_kill_list
from flagctl.bundle.envelope import MAX_POINTER, parse_envelope
from flagctl.bundle.names import kill_key, kills_prefix, manifest_key
from flagctl.errors import FlagctlError, UntrustedError
from flagctl.ops.manifest_log import Logged, verified_entries
from flagctl.ops.target import with_newest_root
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from flagctl.bundle.kill import Kill, KillList
    from flagctl.bundle.manifest import Manifest
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
            logged = _logged(newest)
            published = list(_publications(newest, logged, vcs, options))
            entries += [one for one in published if options.key is None]
            problems += [
                f"{environment}: manifest {one.seq} was published from commit {(one.commit or '?')[:12]},"
                " which does not compile to its bytes"
                for one in published
                if one.rebuilt == "differs"
            ]
            lists = _kill_lists(newest, {})
            forced = _forced(environment, lists)
            entries += [one for one in forced if options.key is None or options.key in one.keys]
            manifests = [one.manifest for one in logged]
            gaps = [*_gaps("manifest", manifests), *_gaps("kill list", lists), *_lost_floor(manifests, lists)]
            problems += [f"{environment}: {one}" for one in gaps]
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


def _logged(target: Target) -> list[Logged]:
    """Return the verified manifests of an environment, newest first: of the log, and the current one, which may not be there yet."""
    logged = list(verified_entries(target))
    fetched = target.remote.get(manifest_key(target.environment), max_bytes=MAX_POINTER)
    if not isinstance(fetched, Fetched):
        return logged
    try:
        current = Logged(read_manifest(target.reader(), fetched.data), fetched.data)
    except UntrustedError:
        return logged  # applications refuse it, too; `flagctl status` says why
    if all(one.manifest.digest != current.manifest.digest for one in logged):
        logged.append(current)
        logged.sort(key=lambda one: -one.manifest.seq)
    return logged


def _gaps(what: str, links: Sequence[Manifest | KillList]) -> Iterator[str]:
    """Yield what is missing from a log whose entries name the digest of the one before; numbers alone may leave one out."""
    known = {one.digest for one in links}
    for one in links:
        if one.seq > 1 and one.previous is not None and one.previous not in known:
            yield f"the {what} before number {one.seq} was removed from the log, or changed there"


def _lost_floor(manifests: Sequence[Manifest], lists: Sequence[KillList]) -> Iterator[str]:
    """Yield that the newest kill list that a manifest pins is not among those there are."""
    pinned = max((one.kill_floor.seq for one in manifests if one.kill_floor is not None), default=0)
    if pinned > max((one.seq for one in lists), default=0):
        yield f"kill list {pinned}, which a manifest pins, was removed, or changed"


def _publications(
    target: Target, logged: Sequence[Logged], vcs: GitRepository, options: AuditOptions
) -> Iterator[AuditEntry]:
    """Yield what each verified manifest of an environment did, the oldest first."""
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
            actor=_signers(entry.data),
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
    yield from _forced(target.environment, _kill_lists(target, {} if known is None else known))


def _forced(environment: str, lists: Sequence[KillList]) -> Iterator[AuditEntry]:
    before: dict[str, Kill] = {}
    for one in lists:
        after = {kill.flag: kill for kill in one.kills}
        for flag, kill in after.items():
            if flag not in before or before[flag].time != kill.time:
                yield AuditEntry(
                    time_ms=kill.time * 1000,
                    action="kill",
                    actor=kill.actor,
                    environment=environment,
                    keys=(flag,),
                    summary=f"{flag} is forced off: {kill.reason}",
                    details=(kill.reason,),
                    seq=one.seq,
                )
        for flag in sorted(before.keys() - after.keys()):
            yield AuditEntry(
                time_ms=one.issued * 1000,
                action="unkill",
                actor=_signers(one.data),
                environment=environment,
                keys=(flag,),
                summary=f"{flag} is no longer forced off",
                seq=one.seq,
            )
        before = after


def _signers(data: bytes) -> str:
    return ", ".join(signature.keyid[:12] for signature in parse_envelope(data).signatures)


def _kill_lists(target: Target, known: dict[str, KillList]) -> list[KillList]:
    """Return the verified kill lists of an environment, oldest first: the copies, and the current one, which may have none yet."""
    lists: dict[str, KillList] = {}
    for key in target.remote.list(kills_prefix(target.environment))[:_MOST_COPIES]:
        if key not in known:
            read = _read_kill_list(target, key)
            if read is None:
                continue
            known[key] = read
        lists[known[key].digest] = known[key]
    current = _read_kill_list(target, kill_key(target.environment))
    if current is not None:
        lists[current.digest] = current
    return sorted(lists.values(), key=lambda one: (one.epoch, one.seq))


def _read_kill_list(target: Target, key: str) -> KillList | None:
    """Return a kill list; None if there is none or it is not signed as it should be: a name is only a claim."""
    fetched = target.remote.get(key, max_bytes=MAX_POINTER)
    if not isinstance(fetched, Fetched):
        return None
    try:
        return read_kill_list(target.reader(), fetched.data)
    except UntrustedError:
        return None
