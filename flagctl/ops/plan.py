"""`flagctl plan`: what publishing would change against what is live, and a file that publishes exactly that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flagctl.bundle.manifest import Manifest
    from flagctl.compiler import CompiledBundle
    from flagctl.evaluator.document import Document
    from flagctl.ops.publishing import Origin
    from flagctl.ops.target import Target
    from flagctl.review import RepositoryDiff
    from flagctl.review.impact import GroupImpact
    from flagctl.review.risk import RatedFlag
    from flagctl.review.side import BundleSide
    from flagctl.source import LoadedRepository

_KIND = "flagctl.plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What is live: the verified manifest's place in the order, and its bundle."""

    epoch: int
    seq: int
    bundle_sha256: str
    commit: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the base as plan files have it."""
        return {"epoch": self.epoch, "seq": self.seq, "bundle_sha256": self.bundle_sha256, "commit": self.commit}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """What publishing would change.

    Attributes:
        project: Name of the project.
        environment: Name of the environment.
        url: The remote.
        base: What is live; None before the first publication.
        bundle_sha256: Digest of what would be live.
        commit: Git commit it was compiled from, or None.
        created_ms: When the plan was made.
        diff: The difference in this environment.
        impacts: Exact impact of every flag on both sides that may answer differently; None where arithmetic can't tell.
        risks: Every flag concerned, gravest first.
        against: With what it was compared instead of what is live, for people; None normally.
        edges: Who looks at whom directly, among what changed and what it reaches.
    """

    project: str
    environment: str
    url: str
    base: Base | None
    bundle_sha256: str
    commit: str | None
    created_ms: int
    diff: RepositoryDiff
    impacts: Mapping[str, tuple[GroupImpact, ...] | None]
    risks: tuple[RatedFlag, ...]
    against: str | None = None
    edges: tuple[tuple[str, str], ...] = ()

    @property
    def has_changes(self) -> bool:
        """Whether publishing would change anything."""
        return self.base is None or self.base.bundle_sha256 != self.bundle_sha256

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as its file and the JSON output have it (`schemas/output-plan.schema.json`)."""
        from flagctl import __version__
        from flagctl.review.risk import worst

        return {
            "format_version": "1.0",
            "kind": _KIND,
            "tool_version": __version__,
            "created_ms": self.created_ms,
            "project": self.project,
            "environment": self.environment,
            "url": self.url,
            "against": self.against,
            "base": self.base.to_dict() if self.base else None,
            "head": {"bundle_sha256": self.bundle_sha256, "commit": self.commit},
            "has_changes": self.has_changes,
            "risk": worst(self.risks).value,
            "risks": [flag.to_dict() for flag in self.risks],
            "impacts": {
                key: None if groups is None else [group.to_dict() for group in groups]
                for key, groups in self.impacts.items()
            },
            **self.diff.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is to be published.

    Attributes:
        loaded: The flag files, for places.
        bundle: What they compile to.
        commit: Their commit, or None outside git and for uncommitted changes.
    """

    loaded: LoadedRepository
    bundle: CompiledBundle
    commit: str | None


def read_live(target: Target, now_ms: int, *, accepted: set[str] | None = None) -> tuple[Manifest, Document] | None:
    """Return the verified manifest and bundle of a target, or None before the first publication.

    An expired manifest counts: it is what clients go on serving. `accepted` is as for `flagctl.ops.status.status`.

    Raises:
        RemoteError: If the remote cannot be reached or lacks the bundle.
        UntrustedError: If what is there is not to be trusted.
    """
    from flagctl.bundle.envelope import MAX_POINTER
    from flagctl.bundle.names import manifest_key
    from flagctl.ops.looking import pull_live
    from flagctl.ops.target import with_newest_root
    from flagctl.storage.remote import Fetched

    target = with_newest_root(target)
    fetched = target.remote.get(manifest_key(target.environment), max_bytes=MAX_POINTER)
    if not isinstance(fetched, Fetched):
        return None
    state = pull_live(target, fetched.data, accepted, now_ms / 1000).state
    if state.manifest is None or state.document is None:  # pragma: no cover  pull raises or has both
        return None
    return state.manifest, state.document


def plan(
    target: Target,
    proposal: Proposal,
    now_ms: int,
    *,
    origin: Origin | None = None,
    accepted: set[str] | None = None,
) -> PlanResult:
    """Compare what is live with what is proposed.

    Args:
        target: Environment and remote.
        proposal: What is to be published.
        now_ms: Instant at which ramps and schedules are looked at, milliseconds since the epoch.
        origin: Where to look for the commit of the live bundle, whose files give the places of what is gone; without it
            they are entries of the bundle.
        accepted: As for `flagctl.ops.status.status`.

    Raises:
        RemoteError: If the remote cannot be reached.
        UntrustedError: If what is live is not to be trusted.
    """
    from flagctl.evaluator.document import open_bundle
    from flagctl.ops.bundle_sides import nothing
    from flagctl.review.reach import affected_edges
    from flagctl.review.side import BundleSide, concerned_flags

    live = read_live(target, now_ms, accepted=accepted)
    planned = open_bundle(proposal.bundle.data)
    document = open_bundle(nothing(target)) if live is None else live[1]
    keys = concerned_flags(document, planned)
    commit = live[0].commit if live else None
    source = _source_of(document, commit, keys, origin) if commit is not None else None
    before, after = BundleSide(document, source, keys), BundleSide(planned, proposal.loaded, keys)
    diff, impacts, risks = _review(before, after, target.environment, now_ms)
    return PlanResult(
        project=target.project,
        environment=target.environment,
        url=target.remote.url,
        base=base_of(live[0]) if live else None,
        bundle_sha256=proposal.bundle.sha256,
        commit=proposal.commit,
        created_ms=now_ms,
        diff=diff,
        impacts=impacts,
        risks=risks,
        edges=affected_edges(diff, before.repository, after.repository),
    )


def plan_against(base: Proposal, proposal: Proposal, environment: str, now_ms: int) -> PlanResult:
    """Compare two states of the flag files as if the first one were live; nothing is fetched.

    Args:
        base: What stands for what is live; it has a commit.
        proposal: What is to be published.
        environment: Name of the environment.
        now_ms: Instant at which ramps and schedules are looked at, milliseconds since the epoch.
    """
    from flagctl.evaluator.document import open_bundle
    from flagctl.review.reach import affected_edges
    from flagctl.review.side import BundleSide, concerned_flags

    documents = (open_bundle(base.bundle.data), open_bundle(proposal.bundle.data))
    keys = concerned_flags(*documents)
    before, after = BundleSide(documents[0], base.loaded, keys), BundleSide(documents[1], proposal.loaded, keys)
    diff, impacts, risks = _review(before, after, environment, now_ms)
    commit = base.commit or ""
    return PlanResult(
        project=proposal.bundle.project,
        environment=environment,
        url=f"git:{commit}",
        base=Base(epoch=0, seq=0, bundle_sha256=base.bundle.sha256, commit=base.commit),
        bundle_sha256=proposal.bundle.sha256,
        commit=proposal.commit,
        created_ms=now_ms,
        diff=diff,
        impacts=impacts,
        risks=risks,
        against=f"commit {commit[:12]}, not what is live",
        edges=affected_edges(diff, before.repository, after.repository),
    )


def _source_of(document: Document, commit: str, keys: frozenset[str], origin: Origin | None) -> LoadedRepository | None:
    """Return the files of these flags at a commit, if this clone has them and they compile to the bundle's entries."""
    from flagctl.compiler import compile_environment
    from flagctl.errors import FlagctlError
    from flagctl.evaluator.document import open_bundle
    from flagctl.ops.closure import load_closure

    if origin is None or origin.history is None:
        return None
    there = [key for key in keys if document.has("flags", key)]
    try:
        loaded = load_closure(origin.history, commit, there)
        if loaded.repository is None:
            return None
        again = open_bundle(compile_environment(loaded.repository, document.header.env).data)
    except FlagctlError:  # not in this clone, or from a version that compiled differently: entries will do
        return None
    same = all(again.has("flags", key) and again.line("flags", key) == document.line("flags", key) for key in there)
    return loaded if same else None


def _review(
    before: BundleSide, after: BundleSide, environment: str, now_ms: int
) -> tuple[RepositoryDiff, dict[str, tuple[GroupImpact, ...] | None], tuple[RatedFlag, ...]]:
    from flagctl.ops.bundle_sides import difference
    from flagctl.review.facts import impacts_of
    from flagctl.review.risk import rate

    diff = difference(before, after)
    impacts = impacts_of(diff, before.repository, after.repository, environment, now_ms)
    return diff, impacts, rate(diff, impacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """The part of a plan file that publishing holds itself to."""

    project: str
    environment: str
    base: Base | None
    bundle_sha256: str
    commit: str | None


def read_plan(path: Path) -> SavedPlan:
    """Read a plan file.

    Raises:
        UsageError: If it is not one, or of a newer format.
    """
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not a plan: it is no JSON", hint="make one: flagctl plan ENV --out FILE"
        ) from error
    if not isinstance(data, dict) or data.get("kind") != _KIND:
        raise UsageError(f"{path} is not a plan", hint="make one: flagctl plan ENV --out FILE")
    if not str(data.get("format_version", "")).startswith("1."):
        raise UsageError(f"{path} is a plan of another format", hint="make it anew with this flagctl")
    try:
        base = data["base"]
        return SavedPlan(
            project=str(data["project"]),
            environment=str(data["environment"]),
            base=None
            if base is None
            else Base(
                epoch=int(base["epoch"]),
                seq=int(base["seq"]),
                bundle_sha256=str(base["bundle_sha256"]),
                commit=base["commit"],
            ),
            bundle_sha256=str(data["head"]["bundle_sha256"]),
            commit=data["head"]["commit"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is a damaged plan", hint="make it anew: flagctl plan ENV --out FILE") from error


def check_plan(saved: SavedPlan, environment: str, bundle_sha256: str, live: Base | None) -> None:
    """Check that publishing now would do exactly what was planned.

    Args:
        saved: The plan.
        environment: Where is published.
        bundle_sha256: Digest of what the flags at hand compile to.
        live: What is live now.

    Raises:
        ConflictError: If it would not; the message names what moved. A renewal of the same bundle moves nothing.
    """
    again = f"look at the new difference: flagctl plan {environment} --out FILE"
    check_environment_of(saved, environment)
    if saved.bundle_sha256 != bundle_sha256:
        raise ConflictError(
            "the flags at hand are not those of the plan", hint=f"check out what was planned, or {again}"
        )
    if live is None and saved.base is not None:
        raise ConflictError(f"nothing is published to '{environment}' any more", hint=again)
    if live is not None and (saved.base is None or saved.base.bundle_sha256 != live.bundle_sha256):
        planned = f"number {saved.base.seq}" if saved.base else "nothing"
        raise ConflictError(
            f"'{environment}' moved since the plan: it was made against {planned}, live is number {live.seq}",
            hint=again,
        )


def check_environment_of(saved: SavedPlan, environment: str) -> None:
    """Check that a plan is for this environment.

    Raises:
        ConflictError: If it is for another one.
    """
    if saved.environment != environment:
        raise ConflictError(
            f"the plan is for '{saved.environment}', not for '{environment}'",
            hint=f"plan this one: flagctl plan {environment} --out FILE",
        )


def write_plan(result: PlanResult, path: Path) -> None:
    """Write a plan file.

    Raises:
        UsageError: If it cannot be written.
    """
    from flagctl.ops.compile import write_file

    text = json.dumps(result.to_dict(), indent=2, ensure_ascii=False) + "\n"
    write_file(path, text.encode())


def base_of(manifest: Manifest) -> Base:
    """Return a manifest as plans refer to it."""
    return Base(epoch=manifest.epoch, seq=manifest.seq, bundle_sha256=manifest.bundle.sha256, commit=manifest.commit)
