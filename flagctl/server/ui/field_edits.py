"""What somebody typed into the fields of the editor, as edits of the text."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import FlagctlError, UsageError
from flagctl.ops.edit_paths import parse_percentage, parse_value
from flagctl.ops.edit_rules import DEFAULT
from flagctl.server.ui.condition_edits import edit_condition, one_line
from flagctl.server.ui.fields import SPLIT
from flagctl.server.ui.growth import edit_line, edit_step
from flagctl.server.ui.windows import edit_window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.ops.edit import Draft
    from flagctl.server.ui.forms import Form

GIVEN: Final = "f:"
"""Before the name of a field stands what it says."""
WAS: Final = "was:"
"""Before the name of a field stands what it said when it was shown, or when it was last taken over."""


@dataclass(slots=True)
class Taken:
    """What became of the fields.

    Attributes:
        done: What each changed field says that is in the text now.
        typed: What each field says that could not be taken over.
        was: What such a field said before.
        troubles: Why not.
    """

    done: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    was: dict[str, str] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A changed field.

    Attributes:
        draft: Where it is edited.
        document: Kind of the document: ``flag`` or ``segment``.
        key: Of the document.
        name: What the field's name says behind the colon.
        value: What it says now.
        was: What it said before.
        env: Environment that the form is about; None is all.
    """

    draft: Draft
    document: str
    key: str
    name: str
    value: str
    was: str
    env: str | None


def take_over(draft: Draft, path: str, form: Form, env: str | None) -> Taken:
    """Edit a text by every field that was changed; one that does not fit leaves the text as it was.

    Args:
        draft: With the text.
        path: Of the text's file.
        form: All fields.
        env: Environment that the form is about; None is all.
    """
    taken = Taken()
    document, key = (str(draft.data(path).get(name, "")) for name in ("kind", "key"))
    changed = {}
    for item, values in form.items():
        if item.startswith(WAS):
            name = item.removeprefix(WAS)
            given = _given(form, name, values[0])
            if given != values[0]:
                changed[name] = (given, values[0])
    # new names first: what else is asked for may be about them
    for name in sorted(changed, key=lambda name: not name.startswith("variant:")):
        value, was = changed[name]
        kind, _, rest = name.partition(":")
        before = draft.text(path), len(draft.titles), len(draft.notes)
        try:
            work = _EDITS.get(kind)
            if work is None:
                raise UsageError("there is no such field")
            work(Asked(draft=draft, document=document, key=key, name=rest, value=value, was=was, env=env))
            taken.done[name] = value
        except FlagctlError as error:
            draft.write(path, before[0])
            del draft.titles[before[1] :], draft.notes[before[2] :]
            taken.typed[name], taken.was[name] = value, was
            taken.troubles[name] = error.message + (f" ({error.hint})" if error.hint else "")
    return taken


def _given(form: Form, name: str, was: str) -> str:
    """Return what a field says; one of several boxes has a line for each."""
    kind = name.partition(":")[0]
    if kind == "need":
        return "\n".join(form.get(GIVEN + name, ()))
    if kind == "weights":
        names = [line.rpartition("=")[0] for line in was.splitlines()]
        return "\n".join(f"{one}={form.get(f'{GIVEN}{name}={one}', [''])[0].strip()}" for one in names)
    if kind in _BOXES:
        given = {one: form.get(f"{GIVEN}{name}={one}", [""])[0] for one in _names(was)}
        operator = given.get("operator", "")
        return "\n".join(f"{one}={one_line(text, operator if one == 'value' else '')}" for one, text in given.items())
    return form.get(GIVEN + name, [was])[0]


def _names(boxes: str) -> list[str]:
    """Return the names of boxes of which each has a line."""
    return [line.partition("=")[0] for line in boxes.split("\n")]


def value_of(text: str, flag_type: str) -> Any:
    """Return a value of a flag's type that somebody typed.

    Raises:
        UsageError: If it is none.
    """
    if flag_type == "string":
        return text
    text = text.strip()
    if flag_type == "boolean":
        if text not in {"true", "false"}:
            raise UsageError("the value is true or false")
        return text == "true"
    if flag_type == "number":
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UsageError("the value is a number")
        return int(number) if re.fullmatch(r"-?[0-9]{1,15}", text) else number
    if text.startswith("@"):
        raise UsageError("quote a text that begins with @")  # else it would name a file of this machine
    try:
        return json.loads(text, parse_constant=lambda name: name)
    except (ValueError, RecursionError):
        return parse_value(text)


def _about(name: str) -> Callable[[Asked], None]:
    def work(asked: Asked) -> None:
        asked.draft.set_about(asked.key, name, asked.value.strip() or None, kind=asked.document)

    return work


def split_tags(text: str) -> list[str]:
    """Return the tags of a text that separates them by commas."""
    return list(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))


def _tags(asked: Asked) -> None:
    draft, key = asked.draft, asked.key
    wanted = split_tags(asked.value)
    present = [str(tag) for tag in draft.value(draft.find(key, asked.document), ("tags",)) or []]
    draft.remove_tags(key, [tag for tag in present if tag not in wanted], kind=asked.document)
    draft.add_tags(key, [tag for tag in wanted if tag not in present], kind=asked.document)


def _expires(asked: Asked) -> None:
    asked.draft.set_expiry(asked.key, asked.value.strip() or None)


def _enabled(asked: Asked) -> None:
    env = asked.name or None
    if asked.value not in {"on", "off"}:
        if env is None:
            raise UsageError("it is on or off")
        asked.draft.inherit(asked.key, "enabled", env)
    else:
        asked.draft.set_enabled(asked.key, asked.value == "on", env=env)


def _variant(asked: Asked) -> None:
    asked.draft.rename_variant(asked.key, asked.was, asked.value.strip())


def _content(asked: Asked) -> None:
    draft, key = asked.draft, asked.key
    names = draft.variants(key)
    if not asked.name.isdecimal() or int(asked.name) >= len(names):
        raise UsageError("there is no such variant any more")
    draft.set_variant(key, names[int(asked.name)], value_of(asked.value, _type(asked)))


def _value(asked: Asked) -> None:
    asked.draft.set_value(asked.key, value_of(asked.value, _type(asked)), env=asked.env)


def _type(asked: Asked) -> str:
    return str(asked.draft.data(asked.draft.find(asked.key)).get("type"))


def _serve(asked: Asked) -> None:
    draft, key, env = asked.draft, asked.key, asked.env
    if asked.value in {"", SPLIT}:
        raise UsageError("choose a variant")
    if asked.name == DEFAULT:
        draft.set_default(key, asked.value, env=env)
        return
    draft.set_in_rule(key, (asked.name, "rollout"), None, env=env, copy_down=True)
    draft.set_in_rule(key, (asked.name, "serve"), asked.value, env=env, copy_down=True)


def _percentage(asked: Asked) -> None:
    text = asked.value.strip()
    share = parse_percentage(text) if text else None
    asked.draft.set_percentage(asked.key, share, rule=asked.name, env=asked.env, copy_down=True)


def _weights(asked: Asked) -> None:
    weights = {
        name: parse_percentage(share)
        for name, _, share in (line.rpartition("=") for line in asked.value.splitlines())
        if share
    }
    asked.draft.set_rollout(asked.key, weights, rule=asked.name, env=asked.env, copy_down=True)


def even_split(names: list[str]) -> Mapping[str, int | float]:
    """Return weights for variants that are as even as percentages can be, and add up to 100."""
    share, rest = divmod(100, len(names))
    return {name: share + (at < rest) for at, name in enumerate(names)}


def _need(asked: Asked) -> None:
    chosen = asked.value.splitlines()
    if not chosen:
        raise UsageError("choose a variant, or remove what is needed")
    asked.draft.add_prerequisite(asked.key, asked.name, chosen, env=asked.env, copy_down=True)


_EDITS: Final[dict[str, Callable[[Asked], None]]] = {
    **{name: _about(name) for name in ("name", "description", "owner")},
    "tags": _tags,
    "expires": _expires,
    "enabled": _enabled,
    "variant": _variant,
    "content": _content,
    "value": _value,
    "serve": _serve,
    "percentage": _percentage,
    "weights": _weights,
    "need": _need,
    "when": edit_condition,
    "step": edit_step,
    "line": edit_line,
    "window": edit_window,
}
_BOXES: Final = frozenset({"when", "step", "line"})
"""Fields of several boxes; what each of them says is a line of the field's value."""
