"""NAM101: a document whose key is not its file's name."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import Experiment, Flag, Layer, Segment

INFO = RuleInfo(
    code="NAM101",
    name="key-differs-from-file-name",
    severity=Severity.ERROR,
    summary="A document's key is not the name of its file.",
    why=(
        "People look for a flag by its file's name, and reviews, history and code owners go by paths. Two names for one"
        " thing also hide copies whose key was never changed. Rename the file: a key that is in use must not change."
    ),
    bad="""\
# file: checkout.yaml
kind: flag
key: new-checkout
type: boolean
default: off
""",
    good="""\
# file: new-checkout.yaml
kind: flag
key: new-checkout
type: boolean
default: off
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each document with another name."""
    repository = context.repository
    documents: Iterator[Flag | Segment | Experiment | Layer] = chain(
        repository.flags.values(),
        repository.segments.values(),
        repository.experiments.values(),
        repository.layers.values(),
    )
    for document in documents:
        key, path = document.key, document.path
        name = path[path.rfind("/") + 1 :]
        stem, _, extension = name.rpartition(".")
        if stem != key:
            yield Finding(
                place=Place(path, ("key",)),
                message=f"the key is '{key}', but the file's name is '{stem}'",
                help=f"rename the file to '{key}.{extension}', or correct the key if nothing uses it yet",
                key=key,
            )
