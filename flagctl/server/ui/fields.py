"""The fields of the editor: what a flag's text says, as a form beside it.

Every field comes from the text and goes back into it by an edit; the form keeps nothing of its own. Besides its value a form brings
back what each field said when it was shown, so that only what somebody changed is edited, whatever became of the text meanwhile.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.errors import UsageError
from flagctl.ops.edit_draft import readable_data
from flagctl.ops.edit_rules import DEFAULT
from flagctl.source.editing import EditError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flagctl.diagnostics import Route

FORMS: Final = frozenset({"flag", "segment"})
"""Kinds of documents that have a form; others are edited as text alone."""
_LONG: Final = 60
SPLIT: Final = "-split"
"""Stands in a choice for weights instead of one variant; no variant is called so, because names begin with a letter or digit."""


class Field(NamedTuple):
    """One field of the form.

    Attributes:
        name: What its edit goes by.
        label: In words.
        value: As the form shows it.
        routes: Places of the file that findings about it have.
        kind: ``text``, ``area``, ``date``, ``percent``, ``choice``, or of several boxes: ``weights``, ``checks``, ``condition``,
            ``membership``, ``step``, ``line``.
        options: For a choice its values and their names; for weights and checks the names of variants; for a condition the operators.
        hint: What to write.
        about: What stands before the label for those who do not see where the field is.
    """

    name: str
    label: str
    value: str
    routes: tuple[Route, ...] = ()
    kind: str = "text"
    options: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    about: str = ""

    @property
    def id(self) -> str:
        """An id for the page, different for different names."""
        return "f-" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}" for c in self.name)

    @property
    def split(self) -> str:
        """Name of the field of weights that belongs to this choice."""
        return self.name.replace("serve:", "weights:", 1)

    @property
    def parts(self) -> dict[str, str]:
        """What each of several boxes says, by its name."""
        if self.kind in {"weights", "checks"}:  # names of variants may have any letter, and shares have no such one
            return dict(line.rpartition("=")[::2] for line in self.value.splitlines())
        return dict(line.partition("=")[::2] for line in self.value.split("\n"))


class Scope(NamedTuple):
    """A flag's or segment's text as data, and the environment that fields are about.

    Attributes:
        data: All of it.
        environment: Empty for what holds where nothing else is said.
        part: What the environment says.
    """

    data: Mapping[str, Any]
    environment: str
    part: Mapping[str, Any]

    @classmethod
    def of(cls, path: str, text: str, environment: str) -> Scope | None:
        """Return what a text says; None if it is neither flag nor segment, or can't be read now."""
        try:
            data = readable_data(path, text)
        except EditError:
            return None
        if data.get("kind") not in FORMS or not isinstance(data.get("key"), str):
            return None
        parts = data.get("environments")
        part = parts.get(environment) if isinstance(parts, dict) else None
        return cls(data, environment, part if isinstance(part, dict) else {})

    @property
    def kind(self) -> str:
        """What it is: ``flag`` or ``segment``."""
        return str(self.data["kind"])

    def value(self, name: str) -> Any:
        """Return a part of the flag as it is in the environment."""
        return self.part.get(name, self.data.get(name))

    def route(self, name: str) -> Route:
        """Return where that part is written."""
        return ("environments", self.environment, name) if name in self.part else (name,)

    def variants(self) -> tuple[str, ...]:
        """Return the names of variants, also of those that go without saying."""
        written = self.data.get("variants")
        if isinstance(written, dict):
            return tuple(map(str, written))
        return ("default",) if "value" in self.data else ("on", "off") if self.data.get("type") == "boolean" else ()

    def mappings(self, name: str) -> list[tuple[int, Mapping[str, Any]]]:
        """Return the items of a list of mappings with their places, without those that are something else."""
        items = self.value(name)
        return [(at, one) for at, one in enumerate(items) if isinstance(one, dict)] if isinstance(items, list) else []


def about(scope: Scope) -> Iterator[Field]:
    """Yield what is for people."""
    data = scope.data
    tags = data.get("tags")
    yield Field("name", "Name", _text(data.get("name")), (("name",),))
    yield Field("description", "Description", _text(data.get("description")), (("description",),), "area")
    yield Field("owner", "Owner", _text(data.get("owner")), (("owner",),))
    listed = ", ".join(map(str, tags)) if isinstance(tags, list) else ""
    yield Field("tags", "Tags", listed, (("tags",),), hint="separated by commas")
    if scope.kind != "flag":
        return
    lifecycle = data.get("lifecycle")
    expires = lifecycle.get("expires") if isinstance(lifecycle, dict) else None
    # a browser shows nothing but dates as a date
    kind = "date" if expires is None or is_date(expires) else "text"
    yield Field("expires", "Gone by", _text(expires), (("lifecycle",),), kind, hint="for temporary flags")


def switches(scope: Scope, environments: tuple[str, ...]) -> Iterator[Field]:
    """Yield whether the flag is on, in all and in each environment."""
    states = (("on", "on"), ("off", "off"))
    usual = "off" if scope.data.get("enabled") is False else "on"
    yield Field("enabled:", "all", usual, (("enabled",),), "choice", states)
    parts = scope.data.get("environments")
    for name in environments:
        part = parts.get(name) if isinstance(parts, dict) else None
        own = part.get("enabled") if isinstance(part, dict) else None
        value = "" if own is None else "off" if own is False else "on"
        options = (("", f"as in all ({usual})"), *states)
        yield Field(f"enabled:{name}", name, value, (("environments", name, "enabled"),), "choice", options)


def variants(scope: Scope) -> Iterator[Field]:
    """Yield names and values of the variants that are written; a flag with one value has that one."""
    if "value" in scope.data:
        yield value_field("value", "Value", scope.value("value"), scope.route("value"))
    written = scope.data.get("variants")
    for at, (name, value) in enumerate(written.items() if isinstance(written, dict) else ()):
        yield Field(f"variant:{at}", "Name", str(name), about=f"Variant {at + 1}")
        yield value_field(f"content:{at}", "Value", value, ("variants", name))._replace(about=str(name))


def value_field(name: str, label: str, value: Any, route: Route) -> Field:
    """Return the field of a value: a text as it is, everything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Field(name, label, text, (route,), "area" if "\n" in text or len(text) > _LONG else "text")


def serving(scope: Scope) -> Iterator[Field]:
    """Yield who gets what: the default, and what each rule serves and to how many."""
    default = scope.value("default")
    if "value" not in scope.data:
        yield from _outcome(scope, f"serve:{DEFAULT}", "Default", default, scope.route("default"))
    for at, rule in scope.mappings("rules"):
        name, route = str(rule.get("id", "")), (*scope.route("rules"), at)
        if "serve" in rule or "rollout" in rule:
            outcome = rule if "rollout" in rule else rule["serve"]
            yield from _outcome(scope, f"serve:{name}", "serves", outcome, (*route, "serve"))
        percentage = rule.get("percentage")
        if "rollout" not in rule and "strategy" not in rule and not isinstance(percentage, dict):
            shown = "" if percentage is None else f"{percentage}"
            places = ((*route, "percentage"),)
            yield Field(f"percentage:{name}", "to, %", shown, places, "percent", hint="everyone", about=name)


def needs(scope: Scope, variants_of: Callable[[str], tuple[str, ...]]) -> Iterator[Field]:
    """Yield what is needed of other flags.

    Args:
        scope: The flag.
        variants_of: Returns the variants of a flag; none if there is no such flag.
    """
    for at, needed in scope.mappings("prerequisites"):
        flag = str(needed.get("flag", ""))
        written = needed.get("variants")
        chosen = list(map(str, written)) if isinstance(written, list) else []
        names = dict.fromkeys((*variants_of(flag), *chosen))
        options = tuple((name, name) for name in names)
        shown = "\n".join(name for name in names if name in chosen)
        yield Field(f"need:{flag}", flag, shown, ((*scope.route("prerequisites"), at),), "checks", options)


def _outcome(scope: Scope, name: str, label: str, served: Any, route: Route) -> Iterator[Field]:
    """Yield the choice of a variant, and the weights where it is a split."""
    weights = served.get("rollout") if isinstance(served, dict) else None
    options = [(one, one) for one in scope.variants()]
    if not isinstance(served, str):
        options.insert(0, (SPLIT, "a split") if weights is not None else ("", "the caller's default"))
    value = served if isinstance(served, str) else options[0][0]
    if value not in dict(options):  # a browser would choose another one by itself
        options.append((value, f"{value} (there is none)"))
    rule = name.partition(":")[2]
    yield Field(name, label, value, (route,), "choice", tuple(options), about="" if rule == DEFAULT else rule)
    if not isinstance(weights, dict) or any(isinstance(one, dict) for one in weights.values()):
        return
    shown = "\n".join(f"{one}={weights.get(one, '')}" for one in scope.variants())
    place = (*route[:-1], "rollout") if route[-1] == "serve" else (*route, "rollout")
    yield Field(
        name.replace("serve:", "weights:", 1),
        f"Weights of {rule}",
        shown,
        (place,),
        "weights",
        tuple(options[1:]),
    )


def unmoved(there: Field | None, was: str) -> Field:
    """Return a field that says what it said when it was shown.

    Raises:
        UsageError: If the text has no such field any more, or another value in it.
    """
    if there is None or there.value != was:
        raise UsageError("the text says something else here by now", hint="type it again")
    return there


def is_date(text: object) -> bool:
    """Return whether something is a date as `expires` has it."""
    try:
        return isinstance(text, str) and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _text(value: Any) -> str:
    return "" if value is None else str(value)
