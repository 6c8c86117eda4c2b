"""Python types for JSON values, from a schema or from the values themselves."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field
from typing import Any, Final

_WORDS: Final = re.compile(r"[^A-Za-z0-9]+")
_SCALARS: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_ANY: Final = "Any"


def class_name(text: str) -> str:
    """Return a text as the name of a class.

    >>> class_name("http-client.timeouts"), class_name("2fa")
    ('HttpClientTimeouts', 'V2fa')
    """
    name = "".join(part[:1].upper() + part[1:] for part in _WORDS.split(text) if part) or "Value"
    return f"V{name}" if name[0].isdigit() else name


def function_name(text: str) -> str:
    """Return a key as the name of a function.

    >>> function_name("new-checkout.flow"), function_name("2fa"), function_name("import")
    ('new_checkout_flow', 'flag_2fa', 'import_')
    """
    name = _WORDS.sub("_", text).strip("_") or "flag"
    if name[0].isdigit():
        return f"flag_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def literal(value: Any) -> str:
    """Return plain data as Python source, strings in double quotes.

    >>> literal({"a": ["x", 1, None]})
    '{"a": ["x", 1, None]}'
    """
    if isinstance(value, str):
        inner = repr("'" + value)[2:-1]  # a single quote inside makes repr choose double ones
        return f'"{inner}"' if repr("'" + value)[0] == '"' else repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(name)}: {literal(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return repr(value)


@dataclass(slots=True)
class Types:
    """Types that a module defines, in order.

    Attributes:
        definitions: Source of each.
        names: All names that are taken.
    """

    definitions: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def take(self, name: str) -> str:
        """Return a name that nothing else has."""
        chosen, number = name, 2
        while chosen in self.names:
            chosen, number = f"{name}{number}", number + 1
        self.names.add(chosen)
        return chosen

    def from_schema(self, name: str, schema: Any) -> str:
        """Return the type of what a JSON schema describes; what it can't say is ``Any``."""
        if not isinstance(schema, dict):
            return _ANY
        if isinstance(schema.get("enum"), list) and _are_literals(schema["enum"]):
            return _literal_type(schema["enum"])
        kind = schema.get("type")
        if isinstance(kind, list):
            return _union(self.from_schema(name, {**schema, "type": one}) for one in kind)
        if kind == "array":
            items = schema.get("items")
            return f"list[{self.from_schema(name + 'Item', items) if isinstance(items, dict) else _ANY}]"
        if kind == "object" or "properties" in schema:
            properties = schema.get("properties")
            if not isinstance(properties, dict) or not properties:
                extra = schema.get("additionalProperties")
                return f"dict[str, {self.from_schema(name + 'Value', extra) if isinstance(extra, dict) else _ANY}]"
            required = set(schema.get("required") or ())
            return self.typed_dict(
                name,
                {
                    one: (self.from_schema(name + class_name(one), part), one in required)
                    for one, part in properties.items()
                },
            )
        return _SCALARS.get(str(kind), _ANY)

    def from_values(self, name: str, values: list[Any]) -> str:
        """Return the type that all of these values have."""
        kinds: list[str] = []
        mappings = [value for value in values if isinstance(value, dict)]
        lists = [value for value in values if isinstance(value, list)]
        if mappings:
            entries = list(dict.fromkeys(key for value in mappings for key in value))
            fields = {
                key: (
                    self.from_values(name + class_name(key), [value[key] for value in mappings if key in value]),
                    all(key in value for value in mappings),
                )
                for key in entries
            }
            kinds.append(self.typed_dict(name, fields) if fields else f"dict[str, {_ANY}]")
        if lists:
            items = [item for value in lists for item in value]
            kinds.append(f"list[{self.from_values(name + 'Item', items) if items else _ANY}]")
        for value in values:
            if isinstance(value, bool):
                kinds.append("bool")
            elif isinstance(value, int):
                kinds.append("int")
            elif isinstance(value, float):
                kinds.append("float")
            elif isinstance(value, str):
                kinds.append("str")
            elif value is None:
                kinds.append("None")
        return _union(kinds)

    def typed_dict(self, name: str, fields: dict[str, tuple[str, bool]], about: str = "") -> str:
        """Define a TypedDict; fields are type and whether it is required, by name."""
        name = self.take(name)
        if all(one.isidentifier() and not keyword.iskeyword(one) for one in fields):
            lines = [f"class {name}(TypedDict):"]
            lines += [f'    """{about}"""', ""] if about else []
            lines += [f"    {one}: {kind if must else f'NotRequired[{kind}]'}" for one, (kind, must) in fields.items()]
        else:
            lines = [f"{name} = TypedDict(", f'    "{name}",', "    {"]
            lines += [
                f"        {literal(one)}: {_quoted(kind) if must else f'NotRequired[{_quoted(kind)}]'},"
                for one, (kind, must) in fields.items()
            ]
            lines += ["    },", ")"]
        self.definitions.append("\n".join(lines))
        return name


def _quoted(kind: str) -> str:
    return f'"{kind}"' if '"' not in kind else kind


def _are_literals(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, str | bool | int) or value is None for value in values)


def _literal_type(values: list[Any]) -> str:
    return f"Literal[{', '.join(map(literal, dict.fromkeys(values)))}]"


def _union(kinds: Any) -> str:
    found = list(dict.fromkeys(kinds))
    if not found or _ANY in found:
        return _ANY
    if "float" in found and "int" in found:
        found.remove("int")  # a float may be an int in type hints
    return " | ".join(found)


def literal_type(values: list[Any]) -> str | None:
    """Return the type of exactly these values, or None if Python has none: for numbers with a fraction, and for JSON."""
    return _literal_type(values) if _are_literals(values) else None
