"""Where an environment is published, opened from the repository's configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from flagctl.bundle.accept import Trusted, trusting
from flagctl.bundle.trust import TrustRoot, read_trust
from flagctl.client.sync import follow_chain
from flagctl.diagnostics.suggest import did_you_mean
from flagctl.errors import UsageError
from flagctl.ops.push import check_l2
from flagctl.storage import Remote, RemoteOptions, open_remote

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.model import RepositoryConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOverrides:
    """Options of a command that win over the configuration."""

    url: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    trust: Path | None = None
    l2: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An environment at a remote, and the root of trust it is published under.

    Attributes:
        remote: Where.
        environment: Name of the environment.
        trust: Root of trust.
        l2: Location of the shared cache that is told of what is published; None for none.
    """

    remote: Remote
    environment: str
    trust: TrustRoot
    l2: str | None = None

    @property
    def project(self) -> str:
        """Name of the project."""
        return self.trust.project

    def reader(self) -> Trusted:
        """Return the state of a reader of this environment that holds nothing yet."""
        return trusting(self.trust, self.environment)


class Configured(NamedTuple):
    """Where an environment is published, as the configuration and a command's options say.

    Attributes:
        url: The remote.
        options: Its settings.
        trust: Root of trust.
        l2: Location of the shared cache, None for none.
    """

    url: str
    options: RemoteOptions
    trust: TrustRoot
    l2: str | None


def open_target(
    root: Path, config: RepositoryConfig, environment: str, overrides: TargetOverrides | None = None
) -> Target:
    """Open the place that an environment is published to.

    Args:
        root: Root of the flag repository; the path of the root of trust is relative to it.
        config: Content of ``flagctl.yaml``.
        environment: Name of the environment.
        overrides: Options that win over the configuration.

    Returns:
        The target with the root of trust in the repository; nothing is read from the remote yet.

    Raises:
        UsageError: If there is no such environment, no location or root of trust is configured, or the root of trust is
            another project's.
        UntrustedError: If the root of trust is no intact one, or has no such environment.
    """
    source = configured_source(root, config, environment, overrides)
    check_store(source.url)
    remote = open_remote(source.url, options=source.options)
    target = Target(remote=remote, environment=environment, trust=source.trust, l2=source.l2)
    target.reader()
    return target


def configured_source(
    root: Path, config: RepositoryConfig, environment: str, overrides: TargetOverrides | None = None
) -> Configured:
    """Return where an environment is published; as `open_target`, without opening it.

    Raises:
        UsageError: As `open_target`.
        UntrustedError: If the root of trust is no intact one.
    """
    overrides = overrides or TargetOverrides()
    if environment not in config.environments:
        near = did_you_mean(environment, config.environments)
        known = ", ".join(config.environments)
        raise UsageError(
            f"there is no environment '{environment}'",
            hint=f"did you mean '{near}'?" if near else f"there are: {known}",
        )
    configured = config.environments[environment].remote
    url = overrides.url or (configured.url if configured else None)
    if url is None:
        raise UsageError(
            f"the environment '{environment}' has no remote",
            hint="add to flagctl.yaml: remote: {url: 's3://bucket/prefix', trust: trust.json}",
        )
    options = RemoteOptions(
        endpoint_url=overrides.endpoint_url or (configured.endpoint_url if configured else None),
        region=overrides.region or (configured.region if configured else None),
        project=config.project,
    )
    trust_path = overrides.trust or (root / configured.trust if configured and configured.trust else None)
    if trust_path is None:
        raise UsageError(
            f"the remote of '{environment}' names no root of trust",
            hint="give the one your applications ship: --trust FILE, or in flagctl.yaml remote: {trust: trust.json}; "
            "only a first set-up makes one: flagctl trust init",
        )
    trust = read_trust_file(trust_path)
    if trust.project != config.project:
        raise UsageError(
            f"{trust_path} is the root of trust of '{trust.project}', flagctl.yaml is of '{config.project}'"
        )
    l2 = check_l2(overrides.l2 or (configured.l2 if configured else None))
    return Configured(url, options, trust, l2)


def check_store(url: str) -> None:
    """Refuse to publish to a place that may forget everything.

    Raises:
        UsageError: If it is Redis.
    """
    if url.startswith(("redis:", "rediss:")):
        raise UsageError(
            "Redis is a cache: what is published needs a place that lasts",
            hint="publish to s3:// or file://, and name the cache with --l2 or l2: in flagctl.yaml",
        )


def open_plain_target(url: str, trust: Path, environment: str, overrides: TargetOverrides | None = None) -> Target:
    """Open the place that an environment is published to, without a flag repository.

    Args:
        url: Location of the remote.
        trust: File of the root of trust.
        environment: Name of the environment.
        overrides: Address and region of the store.

    Raises:
        UsageError: If the location cannot be used or the file cannot be read.
        UntrustedError: If the root of trust is no intact one, or has no such environment.
    """
    overrides = overrides or TargetOverrides()
    check_store(url)
    options = RemoteOptions(endpoint_url=overrides.endpoint_url, region=overrides.region)
    root, l2 = read_trust_file(trust), check_l2(overrides.l2)
    target = Target(remote=open_remote(url, options=options), environment=environment, trust=root, l2=l2)
    target.reader()
    return target


def with_newest_root(target: Target) -> Target:
    """Return the target with the newest root of trust that the remote's chain leads to.

    Raises:
        RemoteError: If the remote cannot be reached.
        UntrustedError: If the next root is refused, or has no such environment.
    """
    state, refusal = follow_chain(target.remote, target.reader())
    if refusal is not None:
        raise refusal
    newest = replace(target, trust=state.root or target.trust)
    newest.reader()
    return newest


def read_trust_file(path: Path) -> TrustRoot:
    """Read a root of trust from a file.

    Raises:
        UsageError: If the file cannot be read.
        UntrustedError: If it is no intact root of trust.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the root of trust {path} cannot be read: {error.strerror}",
            hint="it is the file in --trust, else the one that the remote in flagctl.yaml names: the one your applications "
            "ship; only a first set-up makes one: flagctl trust init",
        ) from error
    return read_trust(data)
