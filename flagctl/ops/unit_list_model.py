"""Results of everything about membership lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flagctl.ops.publish_model import result_document


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFile:
    """A list's file.

    Attributes:
        list: Name of the list.
        file: Where it was written; None for one that is published.
        units: Units in it, each once.
        size: Bytes.
        sha256: Of the file.
        generated: When its units were put together, RFC 3339.
        false_positives: Probability that a unit which is no member counts as one.
        seconds: How long it took to make.
    """

    list: str
    file: str | None
    units: int
    size: int
    sha256: str
    generated: str
    false_positives: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values (`schemas/output-segment-build.schema.json`)."""
        return result_document(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedList:
    """A version of a list at a remote.

    Attributes:
        action: ``published``, or ``unchanged`` if the same units were live already.
        list: Name of the list.
        environment: Environment.
        url: The remote.
        epoch: Epoch.
        seq: Number of the version.
        previous_seq: Number of the version it replaced; None for the first of an epoch.
        units: Units in it.
        size: Bytes of the file.
        sha256: Of the file.
        generated: When its units were put together, RFC 3339.
        stale_after: Seconds after which it is stale; None: never.
    """

    action: str
    list: str
    environment: str
    url: str
    epoch: int
    seq: int
    previous_seq: int | None
    units: int
    size: int
    sha256: str
    generated: str
    stale_after: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values (`schemas/output-segment-publish.schema.json`)."""
        return result_document(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """A list that a segment names, at a remote.

    Attributes:
        list: Name of the list.
        segments: Segments that name it.
        state: ``live``, ``stale``, ``missing`` or ``untrusted``.
        seq: Number of the version; None unless there is one.
        units: Units in it.
        generated: When its units were put together, RFC 3339.
        problem: What is wrong, or None.
    """

    list: str
    segments: tuple[str, ...]
    state: str
    seq: int | None = None
    units: int | None = None
    generated: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListStates:
    """All lists of an environment that segments name."""

    environment: str
    url: str
    lists: tuple[ListState, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values (`schemas/output-segment-status.schema.json`)."""
        return result_document(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Whether a unit is in a list.

    Attributes:
        list: Name of the list.
        unit: The unit.
        member: Whether it is.
        seq: Number of the version that was looked at; None for a file.
        units: Units in the list.
        generated: When they were put together, RFC 3339.
    """

    list: str
    unit: str
    member: bool
    seq: int | None
    units: int
    generated: str

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values (`schemas/output-segment-check.schema.json`)."""
        return result_document(self)
