"""`flagctl policy check`, and the guard that publishing passes: a change weighed against the policy of `flagctl.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagctl.bundle.manifest import Manifest, Override
    from flagctl.evaluator.document import Document
    from flagctl.model import RepositoryConfig
    from flagctl.ops.measure import PopulationOptions
    from flagctl.ops.publishing import Origin
    from flagctl.ops.target import Target
    from flagctl.review import RepositoryDiff
    from flagctl.review.approvals import Approvals
    from flagctl.review.policy import Circumstances, Sides
    from flagctl.review.verdicts import Verdict
    from flagctl.source import LoadedRepository

TRAILERS = "trailers"
"""Instead of a file of reviews: read approvals from the commits."""

_CONFIG = "flagctl.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions:
    """What to weigh.

    Attributes:
        root: The flag repository's root.
        now_ms: Instant of the change, milliseconds since the epoch.
        base: Side in force; None is the merge base of HEAD and the default branch. ``A..B`` names both sides.
        head: Side that is proposed; None is the work tree.
        environments: Only these; empty takes all that have a policy.
        approvals: Files with a pull request's reviews, or ``trailers``; empty: nobody was asked.
        overrides: ``RULE=reason`` each.
        actor: Login or e-mail address of whoever does this, if it is known.
        population: Contexts to measure on what arithmetic cannot tell; None measures nothing.
    """

    root: Path
    now_ms: int
    base: str | None = None
    head: str | None = None
    environments: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    actor: str | None = None
    population: PopulationOptions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """What the policy says about a change.

    Attributes:
        base: Label of the side in force.
        head: Label of the side proposed.
        environments: Those that were looked at.
        verdicts: By environment, in the order of rules.
        overrides: Overrides that set something aside.
        unused: Rules whose override was not needed.
    """

    base: str
    head: str
    environments: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    overrides: tuple[Override, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def refusals(self) -> tuple[Verdict, ...]:
        """Verdicts for which the change may not go on."""
        return tuple(verdict for verdict in self.verdicts if verdict.refuses)

    @property
    def passed(self) -> bool:
        """Whether the change may go on."""
        return not self.refusals

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-policy.schema.json`)."""
        return {
            "format_version": "1.0",
            "base": self.base,
            "head": self.head,
            "passed": self.passed,
            "environments": list(self.environments),
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "overrides": [override._asdict() for override in self.overrides],
            "unused_overrides": list(self.unused),
            "summary": {
                "passed": sum(verdict.passed for verdict in self.verdicts),
                "refused": len(self.refusals),
                "overridden": sum(verdict.overridden is not None for verdict in self.verdicts),
            },
        }


def check_policy(options: PolicyOptions) -> PolicyResult:
    """Weigh the difference between two sides of a flag repository against the policy, without asking any server.

    The policies of both sides count: a change can neither loosen the rules it is weighed by, nor break those that it brings.

    Raises:
        UsageError: If a side, an environment, an override or the approvals are not usable.
        FindingsError: If flag files of the proposed side have errors.
    """
    from flagctl.ops.diff import named_sides
    from flagctl.ops.loading import InvalidFlagsError, errors_of
    from flagctl.review import diff_repositories
    from flagctl.review.policy import Circumstances, Sides, environments_with_policy, evaluate

    before, after = named_sides(options.base, options.head, options.root, complete=options.population is not None)
    old, new = before.loaded.repository, after.loaded.repository
    if old is None or new is None:  # pragma: no cover  named_sides has refused it
        raise UsageError("flagctl.yaml cannot be read")
    errors = errors_of(after.loaded.diagnostics)
    if errors:
        raise InvalidFlagsError(f"flag files of {after.label} have errors", errors)
    configs = (old.config, new.config)
    overrides = _overrides(options.overrides, options.actor)
    sides = Sides(
        before=old, after=new, diff=diff_repositories(before.loaded, after.loaded), configs=configs, owned=(old, new)
    )
    environments = _selected(options.environments, configs, environments_with_policy(configs))
    circumstances = Circumstances(
        now_ms=options.now_ms,
        approvals=read_approvals(options.approvals, options.root, before.commit, after.commit or "HEAD"),
        publisher=_person(options.actor),
        tested=tested_flags(after.loaded),
        measured=_measured(sides, options, environments),
    )
    found = [verdict for name in environments for verdict in evaluate(sides, name, circumstances)]
    return _result((before.label, after.label), environments, found, overrides)


def _measured(sides: Sides, options: PolicyOptions, environments: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the share of the population whose answer changes, by environment and flag."""
    if options.population is None or not environments:
        return {}
    from flagctl.ops.measure import measure_change

    both = (sides.before, sides.after)
    return measure_change(sides.diff, both, options.population, environments, options.now_ms).shares()


def _result(
    labels: tuple[str, str], environments: Sequence[str], found: Sequence[Verdict], overrides: Sequence[Override]
) -> PolicyResult:
    from flagctl.review.verdicts import apply_overrides

    refused = {verdict.rule for verdict in found if not verdict.passed}
    return PolicyResult(
        base=labels[0],
        head=labels[1],
        environments=tuple(environments),
        verdicts=apply_overrides(found, overrides),
        overrides=tuple(override for override in overrides if override.rule in refused),
        unused=tuple(override.rule for override in overrides if override.rule not in refused),
    )


def _overrides(words: Sequence[str], actor: str | None) -> tuple[Override, ...]:
    from flagctl.review.policy import rule_names
    from flagctl.review.verdicts import parse_overrides

    return parse_overrides(words, rule_names(), by=actor)


def _person(actor: str | None) -> Any:
    from flagctl.review.approvals import person

    if not actor:
        return None
    return person(email=actor) if "@" in actor.removeprefix("@") else person(login=actor)


def _selected(
    wanted: tuple[str, ...], configs: Sequence[RepositoryConfig], with_policy: tuple[str, ...]
) -> tuple[str, ...]:
    from flagctl.diagnostics import did_you_mean

    known = {name: None for config in configs for name in config.environments}
    for name in wanted:
        if name not in known:
            close = did_you_mean(name, known)
            raise UsageError(
                f"there is no environment '{name}'",
                hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(known)}",
            )
    return tuple(dict.fromkeys(wanted)) or with_policy


def read_approvals(sources: Sequence[str], root: Path, base: str | None, head: str) -> Approvals | None:
    """Read who agreed to a change.

    Args:
        sources: Files with reviews, and ``trailers`` for the commits from `base` to `head`; empty gives None.
        root: The flag repository's root.
        base: Commit in force; None if there is none.
        head: Revision that is proposed.

    Raises:
        UsageError: If a file cannot be read or holds something else, or there are no commits to look at.
    """
    from flagctl.review.approvals import merge, parse_reviews, parse_trailers

    parts = []
    for source in sources:
        if source == TRAILERS:
            from flagctl.vcs import GitRepository
            from flagctl.vcs.trailers import read_trailers

            if base is None:
                raise UsageError("trailers are read from the commits of a change, and its base is no commit")
            parts.append(parse_trailers(read_trailers(GitRepository(root), base, head)))
            continue
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise UsageError(f"the approvals {source} cannot be read: {error.strerror}") from error
        parts.append(parse_reviews(data, name=source))
    return merge(*parts) if parts else None


def tested_flags(loaded: LoadedRepository) -> Mapping[str, frozenset[str]]:
    """Return, by environment, the flags that a test case asks for there."""
    names = tuple(loaded.repository.config.environments) if loaded.repository else ()
    found: dict[str, set[str]] = {name: set() for name in names}
    for suite in loaded.tests:
        for case in suite.cases:
            for name in case.environments or names:
                found.setdefault(name, set()).add(case.flag)
    return {name: frozenset(keys) for name, keys in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is to be published, for the guard.

    Attributes:
        target: Where to.
        loaded: The flag files.
        bundle: What they compile to.
        sha256: Its digest.
        origin: Where they come from.
    """

    target: Target
    loaded: LoadedRepository
    bundle: bytes
    sha256: str
    origin: Origin


class PolicyGuard:
    """Weighs a publication against what it replaces, each time that is read: a guard for `PublishOptions.check_live`.

    Attributes:
        result: What the policy said last; None before, and where nothing is weighed.
    """

    def __init__(self, publication: Publication, options: PolicyOptions) -> None:
        self.result: PolicyResult | None = None
        self._publication = publication
        self._options = options
        self._overrides = _overrides(options.overrides, options.actor)

    def __call__(self, live: Manifest | None) -> tuple[Override, ...]:
        """Return the overrides that this publication needs, for its manifest.

        Raises:
            ConflictError: If a rule refuses.
            RemoteError: If the current bundle cannot be read.
        """
        from flagctl.review.policy import environments_with_policy

        publication = self._publication
        environment = publication.target.environment
        base = live or self._last()
        configs = self._configs(base)
        if environment not in environments_with_policy(configs) or (base and base.bundle.sha256 == publication.sha256):
            self.result = None
            return ()
        self.result = self._weigh(base, configs)
        if not self.result.passed:
            refuse(self.result, environment)
        return self.result.overrides

    def _last(self) -> Manifest | None:
        """Return the newest manifest of the log, for when the current one is missing or cannot be verified."""
        from flagctl.ops.manifest_log import newest_entry

        return newest_entry(self._publication.target)

    def _configs(self, base: Manifest | None) -> tuple[RepositoryConfig, ...]:
        """Return the configuration of the commit that is live, if this clone has it, and the one at hand."""
        from flagctl.errors import FlagctlError
        from flagctl.source import load_tree

        repository = self._publication.loaded.repository
        configs = [repository.config] if repository is not None else []
        history = self._publication.origin.history
        if history is not None and base is not None and base.commit is not None:
            try:
                files = history.read_paths(base.commit, [_CONFIG])
            except FlagctlError:  # not in this clone
                files = {}
            loaded = load_tree(files).repository if files else None
            configs = [loaded.config, *configs] if loaded is not None else configs
        return tuple(configs)

    def _weigh(self, base: Manifest | None, configs: tuple[RepositoryConfig, ...]) -> PolicyResult:
        from flagctl.evaluator.document import open_bundle
        from flagctl.ops.bundle_sides import bundle_sides, nothing
        from flagctl.review.policy import Sides, evaluate

        publication = self._publication
        environment = publication.target.environment
        live, proposed = (
            self._document(base) or open_bundle(nothing(publication.target)),
            open_bundle(publication.bundle),
        )
        before, after, diff = bundle_sides(publication.target, live, (proposed, publication.loaded))
        at_hand = publication.loaded.repository
        sides = Sides(
            before=before.repository,
            after=after.repository,
            diff=diff,
            configs=configs,
            owned=(before.repository, *((at_hand,) if at_hand is not None else ())),
        )
        measured = self._measured(diff, (live, proposed))
        verdicts = evaluate(sides, environment, replace(self._circumstances(base), measured=measured))
        labels = (f"number {base.seq}" if base else "nothing", f"bundle {publication.sha256[:12]}")
        return _result(labels, (environment,), verdicts, self._overrides)

    def _measured(self, diff: RepositoryDiff, both: tuple[Document, Document]) -> dict[str, dict[str, float]]:
        population, at_hand = self._options.population, self._publication.loaded.repository
        if population is None or at_hand is None:
            return {}
        from flagctl.ops.measure import measure_bundles

        return measure_bundles(diff, both, population, at_hand.config.context, self._options.now_ms).shares()

    def _document(self, base: Manifest | None) -> Document | None:
        from flagctl.bundle.blob import unpack
        from flagctl.client.sync import read_stored_bundle
        from flagctl.evaluator.document import open_bundle

        if base is None:
            return None
        return open_bundle(unpack(base.bundle, read_stored_bundle(self._publication.target.remote, base)))

    def _circumstances(self, base: Manifest | None) -> Circumstances:
        from flagctl.review.policy import Circumstances

        options, origin = self._options, self._publication.origin
        commit = base.commit if base else None
        return Circumstances(
            now_ms=options.now_ms,
            approvals=read_approvals(options.approvals, options.root, commit, origin.commit or "HEAD"),
            publisher=_person(options.actor),
            tested=tested_flags(self._publication.loaded),
        )


def refuse(result: PolicyResult, environment: str) -> None:
    """Raise the refusal of a publication: the first reason, and how many more there are.

    Raises:
        ConflictError: Always.
    """
    first, *others = result.refusals
    more = f" (and {len(others)} more)" if others else ""
    raise PolicyRefusedError(
        f"the policy of '{environment}' refuses this publication: {first.message}"
        f" [{first.code} {first.rule}: {first.measured}, {first.limit}]{more}",
        hint=first.help,
        result=result,
    )


class PolicyRefusedError(ConflictError):
    """A rule of the policy refused a publication; `result` has all verdicts."""

    def __init__(self, message: str, *, hint: str | None, result: PolicyResult) -> None:
        super().__init__(message, hint=hint)
        self.result = result
