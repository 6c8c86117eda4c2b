"""Edits of whole documents: create, delete, archive; members of segments; any value by its path."""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.edit_draft import KINDS
from flagctl.ops.edit_rules import RuleEdits
from flagctl.source.editing import Delete, Rename, Set, exists

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flagctl.diagnostics import Route

ARCHIVED: Final = "archived"
"""Tag of archived flags."""

_DAYS: Final = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFlag:
    """What a new flag begins with; what a template does not use is left out.

    Attributes:
        key: Of the flag.
        template: Name of the template; None writes the smallest flag of `type`.
        type: ``boolean``, ``string``, ``number`` or ``json``.
        owner: Who is responsible; None is the owner that `flagctl.yaml` names.
        name: For people; None makes one of the key.
        description: For people.
        tags: Further tags.
        folder: Where the file goes, relative to the root; None is where most files of the owner are.
        expires: Date ``YYYY-MM-DD``; None is 90 days from now where a template asks for one.
        values: Further placeholders of the template.
    """

    key: str
    template: str | None = None
    type: str = "boolean"
    owner: str | None = None
    name: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    folder: str | None = None
    expires: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)


class DocumentEdits(RuleEdits):
    """Edits of documents of every kind."""

    # --- new ones ---

    def create(self, new: NewFlag) -> None:
        """Make a flag from a template.

        Raises:
            UsageError: If the key is taken, no owner is known, or the template needs more, less or another type.
            NothingMatchedError: If there is no such template.
        """
        owner = new.owner or self.value("flagctl.yaml", ("owner",))
        if not owner:
            raise UsageError("who owns the flag?", hint="name a team: --owner team-checkout")
        from flagctl.ops.edit_templates import check_names, filled, template_text

        text = _smallest(new.type) if new.template is None else template_text(self.workspace.root, new.template)
        check_names(text, new.values)
        documents = filled(text, self._values(new, str(owner)))
        folder = new.folder.strip("/") if new.folder is not None else self._usual_folder(str(owner))
        for document in documents:
            self._new_document(document, folder)
        path = self.find(new.key)
        present = self.value(path, ("tags",)) or []
        if new.tags:
            self.edit(path, Set(("tags",), [*present, *(tag for tag in new.tags if tag not in present)]))
        if new.description is None and self.value(path, ("description",)) == "":
            self.edit(path, Delete(("description",)))
        if new.type != "boolean" and self.value(path, ("type",)) != new.type:
            made = self.value(path, ("type",))
            raise UsageError(f"the template {new.template} makes a {made} flag", hint="leave out --type")
        if new.expires is not None and str(self.value(path, ("lifecycle", "expires"))) != new.expires:
            self.set_expiry(new.key, new.expires)
            self.titles.pop()
        self.titles.append(f"Create {new.key}")

    def create_document(self, data: Mapping[str, Any], *, folder: str | None = None) -> str:
        """Make a document of any kind from plain data, and return its path.

        Raises:
            UsageError: If it has no kind or key, or the key is taken.
        """
        from flagctl.source.editing.layout import key_order
        from flagctl.source.editing.render import Style, block_lines

        kind, key = data.get("kind", "flag"), data.get("key")
        if kind not in KINDS or not isinstance(key, str):
            raise UsageError("a new document needs a kind and a key", hint="kind: flag, segment, experiment or layer")
        order = {name: rank for rank, name in enumerate(key_order(kind, ()))}
        whole = {"kind": kind, **data}
        ordered = dict(sorted(whole.items(), key=lambda item: order.get(item[0], len(order))))
        text = "\n".join(block_lines(ordered, (), 0, Style())) + "\n"
        usual = self._usual_folder(str(data.get("owner"))) if kind == "flag" else f"{kind}s"
        path = self._new_document(text, folder.strip("/") if folder is not None else usual)
        self.titles.append(f"Create {'' if kind == 'flag' else kind + ' '}{key}")
        return path

    def _new_document(self, text: str, folder: str) -> str:
        from flagctl.ops.edit_draft import readable_data

        data = readable_data("the template", text)
        kind, key = str(data.get("kind")), str(data.get("key"))
        if kind in KINDS and self.has(key, kind):
            raise UsageError(
                f"there is {'an' if kind == 'experiment' else 'a'} {kind} '{key}' already: {self.find(key, kind)}"
            )
        place = folder if kind == "flag" or folder.startswith(f"{kind}s") else f"{kind}s"
        path = posixpath.normpath(posixpath.join(place, f"{key}.yaml"))
        if self.content(path) is not None:
            raise UsageError(f"there is a file {path} already")
        self.write(path, self._with_modeline(path, kind, text))
        return path

    def _values(self, new: NewFlag, owner: str) -> dict[str, str]:
        soon = datetime.fromtimestamp(self.now_ms / 1000, UTC) + timedelta(days=_DAYS)
        name = new.name or new.key.replace("-", " ").replace("_", " ").replace(".", " ").capitalize()
        return {
            "key": new.key,
            "name": name,
            "owner": owner,
            "description": new.description or "",
            "expires": new.expires or soon.date().isoformat(),
            "type": new.type if new.type != "boolean" or new.template is None else "json",
            "value": {"number": "0", "string": '""', "boolean": "false"}.get(new.type, "{}")
            if new.template is None or new.type != "boolean"
            else "{}",
            **new.values,
        }

    def _usual_folder(self, owner: str) -> str:
        """Return the folder where most flags of an owner are; for a new owner, the one that all flags are below."""
        line = f"owner: {owner}".encode()
        flags = {path: content for path, content in self.workspace.files.items() if b"kind: flag" in content}
        folders = Counter(posixpath.dirname(path) for path, content in flags.items() if line in content)
        if folders:
            return folders.most_common(1)[0][0]
        return posixpath.commonpath([posixpath.dirname(path) for path in flags]) if flags else ""

    def _with_modeline(self, path: str, kind: str, text: str) -> str:
        """Put the comment that names the schema on top, if the neighbours have one."""
        from flagctl.source import SourceDocument, modeline_text, read_modeline, relative_schema

        if text.startswith("# yaml-language-server"):
            return text
        for other in list(self.workspace.files)[:20]:
            schema = read_modeline(SourceDocument(other, self.text(other)))
            if schema and not schema.startswith(("http:", "https:", "urn:", "/")) and schema.endswith(".schema.json"):
                depth = posixpath.normpath(posixpath.join("/a/a/a/a/a/a", posixpath.dirname(other), schema))
                folder = posixpath.relpath(posixpath.dirname(depth), "/a/a/a/a/a/a")
                return modeline_text(relative_schema(path, kind, folder)) + "\n" + text
        return text

    # --- the end of documents ---

    def delete(
        self, key: str, *, kind: str = "flag", with_tests: bool = False, force: bool = False, in_code: bool = True
    ) -> None:
        """Delete a document that nobody needs any more.

        Args:
            key: Of the document.
            kind: ``flag``, ``segment``, ``experiment`` or ``layer``.
            with_tests: Delete test files, too, that are about nothing else.
            force: Delete it although it is needed; `notes` say by whom.
            in_code: Look for it in code, too.

        Raises:
            NeededError: If other documents, tests or code need it.
        """
        from flagctl.ops.edit_references import NeededError, find_in_code, find_references, is_only_about

        path = self.find(key, kind)
        found = list(find_references(self, kind, key))
        if with_tests or force:
            tests = [one for one in found if one.kind == "test" and is_only_about(self, one.path, key)]
            for one in tests:
                self.write(one.path, None)
                found.remove(one)
        if in_code and kind in {"flag", "experiment"}:
            found += find_in_code(self, key)
        if found and not force:
            raise NeededError(kind, key, found)
        for one in found:
            self.note(f"still needed by {one}")
        self.forced = self.forced or bool(found)
        self.write(path, None)
        self.titles.append(f"Delete {'' if kind == 'flag' else kind + ' '}{key}")

    def archive(self, key: str, *, serve: str | None = None, with_tests: bool = False) -> None:
        """Freeze a flag: everybody gets one answer everywhere, until the code stops asking and the file can be deleted.

        Rules, targets, prerequisites, schedules and what environments say otherwise go; the tag ``archived`` comes. Applications go on
        getting an answer, which a flag that is simply gone would not give them.

        Args:
            key: Of the flag.
            serve: Variant for everybody; None is the one that is served everywhere already.
            with_tests: Delete test files that are about nothing else: they expect what the flag no longer does.

        Raises:
            UsageError: If environments serve different variants, or something else than one variant.
        """
        from flagctl.ops.edit_references import find_references, is_only_about

        path = self.find(key)
        data = self.data(path)
        if "value" in data:
            answer: Any = None
        else:
            answer = serve if serve is not None else self._only_answer(key, data)
            self._known_variant(key, str(answer))
        for name in ("environments", "rules", "targets", "prerequisites", "schedule"):
            if name in data:
                self.edit(path, Delete((name,)))
        if answer is not None:
            self.edit(path, Set(("default",), answer))
            if "off" in data and data.get("enabled") is False:
                self.edit(path, Set(("off",), answer))
        if data.get("enabled") is False and answer is not None:
            self.edit(path, Delete(("enabled",)))
        if with_tests:
            for one in find_references(self, "flag", key):
                if one.kind == "test" and is_only_about(self, one.path, key):
                    self.write(one.path, None)
        self.add_tags(key, [ARCHIVED])
        self.titles[-1] = f"Archive {key}"

    def _only_answer(self, key: str, data: Mapping[str, Any]) -> str:
        answers = {}
        for env in self.environments():
            part = (data.get("environments") or {}).get(env) or {}
            state = {**data, **part}
            if state.get("enabled") is False:
                answers[env] = str(state.get("off") or ("off" if data.get("type") == "boolean" else "?"))
            elif any(state.get(name) for name in ("rules", "targets", "prerequisites", "schedule")):
                answers[env] = "several variants"
            else:
                default = state.get("default")
                answers[env] = default if isinstance(default, str) else "several variants"
        distinct = set(answers.values())
        if len(distinct) == 1 and distinct <= set(self.variants(key)):
            return distinct.pop()
        told = ", ".join(f"{env} {answer}" for env, answer in answers.items())
        raise UsageError(
            f"{key} does not serve one variant everywhere: {told}", hint="say which one stays: --serve VARIANT"
        )

    # --- owners ---

    def rename_owner(self, old: str, new: str) -> None:
        """Hand everything of one owner to another one: all documents, and what `flagctl.yaml` says of owners.

        Raises:
            NothingMatchedError: If nothing has this owner.
        """
        word = old.encode()
        touched = 0
        for path in self.paths():
            if word not in (self.content(path) or b""):
                continue
            if self.value(path, ("owner",)) == old:
                self.edit(path, Set(("owner",), new))
                touched += 1
            owners = self.value(path, ("owners",)) if path == "flagctl.yaml" else None
            if isinstance(owners, dict) and old in owners:
                self.edit(path, Delete(("owners", old)) if new in owners else Rename(("owners", old), new))
                touched += 1
        if not touched:
            raise NothingMatchedError(f"nothing is owned by '{old}'", hint="flagctl owners lists all owners")
        self.titles.append(f"Rename owner {old} to {new}")

    # --- segments ---

    def add_members(self, segment: str, units: Sequence[str], *, to: str = "include") -> None:
        """Put single units into a segment's ``include`` or ``exclude``; the other list loses them."""
        path = self.find(segment, "segment")
        other = "exclude" if to == "include" else "include"
        taken = [unit for unit in map(str, self.value(path, (other,)) or []) if unit in units]
        if taken:
            self.remove_members(segment, taken, of=other)
            self.titles.pop()
        present = list(self.value(path, (to,)) or [])
        fresh = [unit for unit in dict.fromkeys(units) if unit not in map(str, present)]
        if fresh:
            self.edit(path, Set((to,), [*present, *fresh]))
        verb = "Add" if to == "include" else "Exclude"
        self.titles.append(f"{verb} {', '.join(units)} {'to' if to == 'include' else 'from'} segment {segment}")

    def remove_members(self, segment: str, units: Iterable[str], *, of: str = "include") -> None:
        """Take single units out of a segment's ``include`` or ``exclude``.

        Raises:
            NothingMatchedError: If one is not there.
        """
        path = self.find(segment, "segment")
        present = list(self.value(path, (of,)) or [])
        wanted = list(units)
        missing = [unit for unit in wanted if unit not in map(str, present)]
        if missing:
            raise NothingMatchedError(f"{', '.join(missing)} is not in '{of}' of segment {segment}")
        kept = [unit for unit in present if str(unit) not in wanted]
        self.edit(path, Set((of,), kept) if kept else Delete((of,)))
        self.titles.append(f"Remove {', '.join(wanted)} from '{of}' of segment {segment}")

    # --- anything ---

    def set_path(self, key: str, path: str, value: Any, *, kind: str = "flag") -> None:
        """Set any value of a document by its path, such as ``rules[ramp].percentage``."""
        file, route = self._route(key, path, kind)
        self.edit(file, Set(route, value))
        self.titles.append(f"Set {path} of {key}")

    def unset_path(self, key: str, path: str, *, kind: str = "flag") -> None:
        """Remove any value of a document by its path.

        Raises:
            NothingMatchedError: If there is none.
        """
        file, route = self._route(key, path, kind)
        if not exists(self.data(file), route):
            raise NothingMatchedError(f"{key} has no {path}")
        self.edit(file, Delete(route))
        self.titles.append(f"Remove {path} of {key}")

    def _route(self, key: str, path: str, kind: str) -> tuple[str, Route]:
        from flagctl.ops.edit_paths import parse_route

        file = self.find(key, kind)
        route = parse_route(path, self.data(file))
        if route in {("key",), ("kind",)}:
            raise UsageError(f"the {path} of a document never changes", hint="create another one")
        return file, route


def _smallest(flag_type: str) -> str:
    head = "kind: flag\nkey: ${key}\nname: ${name}\ndescription: ${description}\nowner: ${owner}\ntype: ${type}\n"
    if flag_type == "boolean":
        return head + 'default: "off"\n'
    if flag_type in {"string", "number", "json"}:
        return head + "value: ${value}\n"
    raise UsageError(f"'{flag_type}' is no type of flags", hint="there are: boolean, string, number, json")
