"""`flagctl plan --refresh-only`: whether what is live is what its own records say. Nothing is proposed.

A manifest names the commit that its bundle was compiled from, and the log has a copy of each manifest. So a bundle that its
commit does not compile to, or a manifest that the log does not end with, was not made by the usual way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from flagctl.bundle.manifest import Manifest
    from flagctl.evaluator.document import Document
    from flagctl.ops.plan import Base
    from flagctl.ops.publishing import Origin
    from flagctl.ops.target import Target
    from flagctl.review import RepositoryDiff
    from flagctl.source import LoadedRepository

SourceState = Literal["same", "differs", "unknown"]
LogState = Literal["same", "missing-copy", "older-than-log", "another-of-this-number", "manifest-gone", "empty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftResult:
    """What is live, compared with its own records.

    Attributes:
        project: Name of the project.
        environment: Name of the environment.
        url: The remote.
        base: The verified manifest; None if there is none.
        source: Whether its commit compiles to its bundle; ``unknown`` where that cannot be found out.
        source_detail: Why it is unknown, or what it compiles to.
        diff: What is live and its commit does not say, where they differ.
        log: How the newest verified copy in the log relates to it.
        log_seq: Number of that copy.
    """

    project: str
    environment: str
    url: str
    base: Base | None
    source: SourceState
    source_detail: str | None
    diff: RepositoryDiff | None
    log: LogState
    log_seq: int | None

    @property
    def has_drift(self) -> bool:
        """Whether something is not as the records say; a copy that is still to be written is none."""
        return self.source == "differs" or self.log in {"older-than-log", "another-of-this-number", "manifest-gone"}

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-drift.schema.json`)."""
        return {
            "format_version": "1.0",
            "kind": "flagctl.drift",
            "project": self.project,
            "environment": self.environment,
            "url": self.url,
            "base": self.base.to_dict() if self.base else None,
            "has_drift": self.has_drift,
            "source": {"state": self.source, "detail": self.source_detail},
            "log": {"state": self.log, "seq": self.log_seq},
            "changes": [] if self.diff is None else [change.to_dict() for change in self.diff.changes],
        }


def drift(target: Target, origin: Origin, now_ms: int) -> DriftResult:
    """Compare what is live with the commit it names and with the log.

    Args:
        target: Environment and remote.
        origin: The git repository in which the commit is looked for.
        now_ms: Instant, milliseconds since the epoch.

    Raises:
        RemoteError: If the remote cannot be reached or lacks the bundle.
        UntrustedError: If what is live is not to be trusted.
    """
    from flagctl.ops.manifest_log import newest_entry
    from flagctl.ops.plan import base_of, read_live
    from flagctl.ops.target import with_newest_root

    target = with_newest_root(target)
    live = read_live(target, now_ms)
    newest = newest_entry(target)
    source, detail, diff = ("unknown", "nothing is published", None) if live is None else _source(target, live, origin)
    return DriftResult(
        project=target.project,
        environment=target.environment,
        url=target.remote.url,
        base=base_of(live[0]) if live else None,
        source=source,
        source_detail=detail,
        diff=diff,
        log=_log(live[0] if live else None, newest),
        log_seq=newest.seq if newest else None,
    )


def _log(live: Manifest | None, newest: Manifest | None) -> LogState:
    if newest is None:
        return "empty" if live is None else "missing-copy"
    if live is None:
        return "manifest-gone"
    if newest.digest == live.digest:
        return "same"
    if newest.seq == live.seq:
        return "another-of-this-number"
    return "missing-copy" if newest.seq < live.seq else "older-than-log"


def _source(
    target: Target, live: tuple[Manifest, Document], origin: Origin
) -> tuple[SourceState, str | None, RepositoryDiff | None]:
    from flagctl.compiler import compile_environment
    from flagctl.errors import FlagctlError
    from flagctl.source import load_tree

    manifest, document = live
    if manifest.commit is None:
        return "unknown", "it was not published from a git commit", None
    if origin.history is None:
        return "unknown", "there is no git repository here", None
    try:
        loaded = load_tree(origin.history.read_tree(manifest.commit))
        if loaded.repository is None:
            return "unknown", f"flagctl.yaml of commit {manifest.commit[:12]} cannot be read", None
        bundle = compile_environment(loaded.repository, target.environment)
    except FlagctlError as error:
        return "unknown", f"commit {manifest.commit[:12]} cannot be compiled here: {error.message}", None
    if bundle.sha256 == manifest.bundle.sha256:
        return "same", None, None
    detail = f"commit {manifest.commit[:12]} compiles to {bundle.sha256[:12]}, live is {manifest.bundle.sha256[:12]}"
    return "differs", detail, _difference(target, document, bundle.data, loaded)


def _difference(target: Target, document: Document, compiled: bytes, loaded: LoadedRepository) -> RepositoryDiff:
    """Return what changed from what the commit says to what is live."""
    from flagctl.evaluator.document import open_bundle
    from flagctl.ops.bundle_sides import bundle_sides

    _, _, diff = bundle_sides(target, open_bundle(compiled), (document, loaded))
    return diff
