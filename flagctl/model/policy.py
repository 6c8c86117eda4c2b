"""What a flag repository allows: the sections `policy`, `owners` and `owner` of `flagctl.yaml`.

Pure data. `flagctl.review.policy` weighs a change against it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.diagnostics import Route


class Breaking(Enum):
    """What a change that may break calling code needs."""

    OWNERS = "owners"
    """An approval by an owner of what breaks."""
    FORBID = "forbid"
    """An override."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPolicy:
    """How many people have to agree, and whether owners of what changes must be among them."""

    required: int = 1
    from_owners: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeWindow:
    """A half-open window of time in which nothing is published; `environments` None means the protected ones."""

    from_ms: int
    until_ms: int
    reason: str
    environments: tuple[str, ...] | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPolicy:
    """The rules of one environment; what is None, false or not given is not asked for.

    Attributes:
        approvals: Who has to agree.
        separation_of_duties: Whether somebody has to agree who neither wrote nor publishes the change.
        max_percentage_step: Most that a percentage may grow at once, in thousandths of a percent.
        max_switching: Largest share of the units of any group that may switch variant, in thousandths of a percent.
        max_flags: Most flags whose answers may change at once.
        tests_required: Whether flags that change need test cases.
        locked_experiments: Whether units of running experiments have to stay where they are.
        breaking: What a change needs that may break calling code.
        route: Where the rules stand.
    """

    approvals: ApprovalPolicy | None = None
    separation_of_duties: bool = False
    max_percentage_step: int | None = None
    max_switching: int | None = None
    max_flags: int | None = None
    tests_required: bool = False
    locked_experiments: bool = False
    breaking: Breaking | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All rules: by environment, and the windows in which nothing is published."""

    environments: Mapping[str, EnvironmentPolicy] = field(default_factory=dict)
    freeze: tuple[FreezeWindow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who stands behind the name that files give as `owner`.

    Attributes:
        name: As the files have it.
        handle: As CODEOWNERS has it: ``@person``, ``@organisation/team``, or an e-mail address.
        members: Logins or e-mail addresses of a team's members, without ``@`` in front.
        route: Where it stands.
    """

    name: str
    handle: str
    members: tuple[str, ...] = ()
    route: Route = ()

    @property
    def is_team(self) -> bool:
        """Whether the handle is a team's, whose members nobody knows offline."""
        return self.handle.startswith("@") and "/" in self.handle

    @property
    def people(self) -> frozenset[str]:
        """Logins and e-mail addresses, in lower case, whose approval is this owner's; empty if they are not known."""
        alone = () if self.is_team else (self.handle,)
        return frozenset(person.removeprefix("@").lower() for person in (*self.members, *alone))
