"""The configuration of a flag repository: `flagctl.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from flagctl.model.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.diagnostics import Route
    from flagctl.model.json_value import Scalar
    from flagctl.model.policy import Owner


class AttributeType(Enum):
    """Type of a declared context attribute."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    SEMVER = "semver"
    DATETIME = "datetime"
    IP = "ip"
    LIST = "list"
    OBJECT = "object"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A declared attribute of the evaluation context; `path` is its name split at dots."""

    path: tuple[str, ...]
    type: AttributeType
    enum: tuple[Scalar, ...] | None = None
    required: bool = False
    pii: bool = False
    description: str | None = None
    route: Route = ()

    @property
    def name(self) -> str:
        """The attribute as a flag file writes it."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSchema:
    """The declared evaluation context. With `additional` false, an undeclared attribute in a flag is an error.

    An attribute declared as ``object`` allows any path below it.
    """

    attributes: Mapping[tuple[str, ...], Attribute] = field(default_factory=dict)
    additional: bool = True

    def lookup(self, path: tuple[str, ...]) -> Attribute | None:
        """Return the declaration of exactly this path, or None."""
        return self.attributes.get(path)

    def allows(self, path: tuple[str, ...]) -> bool:
        """Return whether a flag may read `path`."""
        if self.additional or path in self.attributes or path == ("targeting_key",):
            return True
        for length in range(1, len(path)):
            parent = self.attributes.get(path[:length])
            if parent is not None and parent.type is AttributeType.OBJECT:
                return True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteConfig:
    """Where an environment is published. `trust` is a path relative to the flag repository's root, `l2` a shared cache."""

    url: str
    endpoint_url: str | None = None
    region: str | None = None
    trust: str | None = None
    l2: str | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A place flags are published to. `remote` is the environment's own or the repository's, with its trust root."""

    name: str
    protected: bool = False
    description: str | None = None
    remote: RemoteConfig | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryConfig:
    """What `flagctl.yaml` says.

    Attributes:
        path: Of the file, relative to the repository's root: always ``flagctl.yaml``.
        version: Of the file format: 1.
        project: Name that everything signed carries.
        environments: By name, in the order written.
        context: Declared evaluation context.
        lint: Raw section `lint`: ``{select: [...], ignore: [...], severity: {CODE: warning}}``.
        owner: Owner of `flagctl.yaml` itself.
        owners: Who stands behind the owners that files name, by that name.
        policy: What a change needs before it may go live.
        references: Raw section `references`: how keys are looked for in code.
    """

    path: str
    version: int
    project: str
    environments: Mapping[str, Environment]
    context: ContextSchema = field(default_factory=ContextSchema)
    lint: Mapping[str, Any] = field(default_factory=dict)
    owner: str | None = None
    owners: Mapping[str, Owner] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    references: Mapping[str, Any] = field(default_factory=dict)
