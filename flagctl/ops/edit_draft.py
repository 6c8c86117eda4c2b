"""A draft: several edits of several files, collected in memory until they are planned and written together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import did_you_mean
from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.edit_model import bytes_of, text_of
from flagctl.ops.edit_plan import make_plan
from flagctl.source.editing import Edit, EditError, edit_text, exists, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.diagnostics import Route
    from flagctl.ops.edit_model import EditPlan
    from flagctl.ops.workspace import Workspace

KINDS = ("flag", "segment", "experiment", "layer")


class BaseDraft:
    """What all edits build on.

    Args:
        workspace: The files as they are.
        now_ms: Instant for rules about time and for ramps, milliseconds since the epoch.
    """

    def __init__(self, workspace: Workspace, now_ms: int) -> None:
        self.workspace = workspace
        self.now_ms = now_ms
        self.notes: list[str] = []
        self.titles: list[str] = []
        self.forced = False
        self._contents: dict[str, bytes | None] = {}
        self._paths: dict[tuple[str, str], str] = {}

    # --- files ---

    def content(self, path: str) -> bytes | None:
        """Return a file's bytes as they would be; None if it is not there."""
        return self._contents[path] if path in self._contents else self.workspace.files.get(path)

    def text(self, path: str) -> str:
        """Return a file's text as it would be.

        Raises:
            NothingMatchedError: If there is no such file.
        """
        text = text_of(self.content(path))
        if text is None:
            raise NothingMatchedError(f"there is no file {path}")
        return text

    def data(self, path: str) -> dict[str, Any]:
        """Return what a file would say.

        Raises:
            EditError: If it can't be read.
        """
        return readable_data(path, self.text(path))

    def edit(self, path: str, *edits: Edit) -> None:
        """Edit a file.

        Raises:
            EditError: If an edit does not fit, or the file's layout can't be kept.
        """
        text, before = self.text(path), self.content(path)
        kind = readable_data(path, text).get("kind")
        try:
            after = edit_text(text, edits, kind=kind if isinstance(kind, str) else None)
        except EditError as error:
            raise EditError(f"{path}: {error.message}", hint=error.hint) from error
        if after != text:
            self._contents[path] = bytes_of(after, before)

    def write(self, path: str, text: str | None) -> None:
        """Give a file another text, whatever it was; None removes it."""
        self._contents[path] = None if text is None else bytes_of(text, self.content(path))
        self._paths.clear()

    def note(self, text: str) -> None:
        """Say something that whoever edits should know."""
        if text not in self.notes:
            self.notes.append(text)

    def plan(self, title: str | None = None) -> EditPlan:
        """Return what writing the draft would do: checked and compared, nothing is written yet."""
        named = title or ("; ".join(dict.fromkeys(self.titles)) if self.titles else "")
        plan = make_plan(self.workspace, self._contents, self.now_ms, title=named, notes=self.notes)
        return replace(plan, forced=True) if self.forced else plan

    # --- documents ---

    def find(self, key: str, kind: str = "flag") -> str:
        """Return the path of a document.

        Raises:
            NothingMatchedError: If there is none; the hint names the closest key.
            EditError: If its file can't be read.
        """
        known = self._paths.get((kind, key))
        if known is not None:
            return known
        path = next((path for path in self._candidates(key) if self._is(path, kind, key)), None)
        if path is None:
            close = did_you_mean(key, self.keys(kind))
            raise NothingMatchedError(
                f"there is no {kind} '{key}'",
                hint=f"did you mean '{close}'?"
                if close
                else "flagctl list shows all flags"
                if kind == "flag"
                else None,
            )
        self._paths[kind, key] = path
        return path

    def has(self, key: str, kind: str = "flag") -> bool:
        """Return whether there would be a document."""
        return (kind, key) in self._paths or any(self._is(path, kind, key) for path in self._candidates(key))

    def keys(self, kind: str = "flag") -> list[str]:
        """Return the keys of all documents of a kind; only called when something was not found."""
        repository = self.workspace.loaded().repository
        if repository is None:
            return []
        found: Mapping[str, Mapping[str, object]] = {
            "flag": repository.flags,
            "segment": repository.segments,
            "experiment": repository.experiments,
            "layer": repository.layers,
        }
        return list(found.get(kind, {}))

    def paths(self) -> list[str]:
        """Return the paths of all files as they would be."""
        names = {path for path in (*self.workspace.files, *self._contents) if self.content(path) is not None}
        return sorted(names)

    def value(self, path: str, route: Route, default: Any = None) -> Any:
        """Return a value of a file as it would be, or the default."""
        data = self.data(path)
        return value_at(data, route) if exists(data, route) else default

    def environments(self) -> tuple[str, ...]:
        """Return the names of the environments."""
        data = self.data("flagctl.yaml").get("environments")
        return tuple(data) if isinstance(data, dict) else ()

    def check_environment(self, name: str | None) -> None:
        """Go on only if there is such an environment, or none is named.

        Raises:
            UsageError: If there is none of that name.
        """
        known = self.environments()
        if name is not None and name not in known:
            close = did_you_mean(name, known)
            raise UsageError(
                f"there is no environment '{name}'",
                hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(known)}",
            )

    def _candidates(self, key: str) -> Iterator[str]:
        """Yield the paths where a document may be: a key is its file's name, but for those that lint complains about."""
        paths = self.paths()
        named = [path for path in paths if path.rpartition("/")[2].rpartition(".")[0] == key]
        yield from named
        word = key.encode()
        others = (path for path in paths if path not in named and word in (self.content(path) or b""))
        yield from (path for path in others if f"key: {key}" in self.text(path))

    def _is(self, path: str, kind: str, key: str) -> bool:
        from flagctl.source.selection import is_test_file

        if is_test_file(path):
            return False
        try:
            data = self.data(path)
        except EditError:
            if path.rpartition("/")[2].rpartition(".")[0] == key and kind == "flag":
                raise
            return False
        return data.get("kind") == kind and data.get("key") == key


def readable_data(path: str, text: str) -> dict[str, Any]:
    """Return what a text says.

    Raises:
        EditError: If it breaks the dialect.
    """
    from flagctl.source.plain import IrregularError, load_plain

    try:
        return load_plain(text)
    except IrregularError:
        from flagctl.source import SourceDocument

        tree = SourceDocument(path, text).tree
        if tree.data is None or tree.problems:
            raise EditError(
                f"{path} has errors, so it can't be edited", hint=f"flagctl validate {path} shows them"
            ) from None
        return tree.data
