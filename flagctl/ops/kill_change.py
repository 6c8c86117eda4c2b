"""The change in git that makes a kill permanent: ``enabled: false`` for one environment, on a branch of its own.

The file is edited as text, so comments and layout stay; the result is read back, and is only used if it says what the file
said before but for that one value.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.publish_model import result_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from flagctl.source import SourceDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class KillChange:
    """A change that was prepared.

    Attributes:
        path: File, relative to the flag repository's root.
        branch: Name of the branch; None if the flag is off there already, and nothing was to be done.
        commit: Its commit.
        base: Revision that it starts from.
    """

    path: str
    branch: str | None
    commit: str | None
    base: str

    def to_dict(self) -> dict[str, Any]:
        """Return the change as JSON values."""
        return result_document(self)


def propose_kill(root: Path, flag: str, environment: str, reason: str) -> KillChange:
    """Commit ``enabled: false`` for a flag in one environment, on a new branch off the default branch.

    Nothing that is checked out changes.

    Raises:
        UsageError: If the folder is in no git repository, or the file cannot be edited safely.
        NothingMatchedError: If the default branch has no such flag.
        FlagctlError: If git refuses.
    """
    from flagctl.source import load_tree
    from flagctl.vcs import GitRepository
    from flagctl.vcs.branches import commit_on_new_branch

    repository = GitRepository(root)
    base = repository.default_branch() or "HEAD"
    files = repository.read_tree(base)
    documents = load_tree(files).documents.values()
    document = next((found for found in documents if (found.kind, found.key) == ("flag", flag)), None)
    if document is None:
        raise NothingMatchedError(f"'{base}' has no flag '{flag}'", hint="set enabled: false where it is defined")
    data = document.data or {}
    own = (data.get("environments") or {}).get(environment) or {}
    if (own.get("enabled") if own.get("enabled") is not None else data.get("enabled", True)) is False:
        return KillChange(path=document.path, branch=None, commit=None, base=base)
    text = disabled(document, environment, files)
    message = f"Disable {flag} in {environment}: {reason}\n\nIt is forced off there by the kill list until this is published.\n"
    branch, commit = commit_on_new_branch(
        repository, f"kill/{environment}/{flag}", base, {document.path: text.encode()}, message
    )
    return KillChange(path=document.path, branch=branch, commit=commit, base=base)


def disabled(document: SourceDocument, environment: str, files: Mapping[str, bytes]) -> str:
    """Return a flag file's text with ``enabled: false`` for one environment.

    Raises:
        UsageError: If no edit of the text says exactly that.
    """
    from flagctl.source import load_tree

    wanted = deepcopy(document.data or {})
    overrides = wanted.get("environments") or {}
    wanted["environments"] = {**overrides, environment: {**(overrides.get(environment) or {}), "enabled": False}}
    for text in _candidates(document, environment):
        # With the byte order mark that the file may have had, which is not part of the document's text.
        mark = b"\xef\xbb\xbf" if files[document.path].startswith(b"\xef\xbb\xbf") else b""
        edited = {"flagctl.yaml": files.get("flagctl.yaml", b""), document.path: mark + text.encode()}
        read = load_tree(edited).documents.get(document.path)
        if read is not None and read.data == wanted:
            return mark.decode() + text
    raise UsageError(
        f"{document.path} cannot be edited safely", hint=f"set environments.{environment}.enabled: false by hand"
    )


def _candidates(document: SourceDocument, environment: str) -> Iterator[str]:
    """Yield edited texts, the neatest first."""
    text = document.text
    newline = "\r\n" if "\r\n" in text else "\n"
    value = document.node(("environments", environment, "enabled"))
    if value is not None:
        yield text[: value.start] + "false" + text[value.end :]
    for route, addition in (
        (("environments", environment), "enabled: false"),
        (("environments",), f"{environment}: {{enabled: false}}"),
    ):
        node = document.node(route)
        if node is None:
            continue
        written = text[node.start : node.end]
        if written.startswith("{"):
            inside = f"{addition}, " if node.children else addition
            yield text[: node.start + 1] + inside + text[node.start + 1 :]
        elif node.keys:
            first = min(start for start, _ in node.keys.values())
            line = max(text.rfind("\n", 0, first), text.rfind("\r", 0, first)) + 1
            yield text[:line] + text[line:first] + addition + newline + text[line:]
        else:
            yield text[: node.start] + f" {{{addition}}}" + text[node.end :]
            yield text[: node.start] + f"{{{addition}}}" + text[node.end :]
    end = "" if not text or text.endswith(("\n", "\r")) else newline
    yield f"{text}{end}environments:{newline}  {environment}: {{enabled: false}}{newline}"
