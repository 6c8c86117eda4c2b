"""All Python files together: what keys calls ask for, through constants, wrappers and typed accessors, also imported ones."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flagctl.references.python_methods import METHODS, OVERRIDES, Answer, Method, argument, last_name, wrapper_method

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flagctl.references.python_module import Function, Module, Site

_KEY: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}\Z")
_DEEPEST: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """A function of the application that asks for a flag.

    Attributes:
        module: Path of its file.
        name: ``name`` or ``Class.name``.
        method: What it asks by.
        key: The flag, for one that asks for the same one always; else its parameter `key_name` at `key_index` is the key.
        key_index: Position among what callers write, without ``self``.
        key_name: See `key_index`.
        is_plain: Whether all it does is to return the answer.
        node: Its definition.
    """

    module: str
    name: str
    method: Method
    key: str | None
    key_index: int
    key_name: str
    is_plain: bool
    node: Function

    @property
    def last(self) -> str:
        """Its name without that of its class."""
        return self.name.rpartition(".")[2]

    @property
    def is_method(self) -> bool:
        """Whether it belongs to a class."""
        return "." in self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A call that asks for a flag.

    Attributes:
        path: Its file.
        call: The call.
        key: The flag.
        key_node: The argument that names it; None for an accessor.
        method: What it asks by.
        wrapper: The function of the application that it goes through, or None.
        is_evident: Whether there is no doubt that it is about flags, although nobody knows the key.
        function: The function around it.
    """

    path: str
    call: ast.Call
    key: str
    key_node: ast.expr | None
    method: Method
    wrapper: Wrapper | None
    is_evident: bool
    function: Function | None

    @property
    def via(self) -> str | None:
        """The name that stands for the key."""
        if self.key_node is None:
            return self.wrapper.last if self.wrapper else None
        return None if isinstance(self.key_node, ast.Constant) else ast.unparse(self.key_node)

    @property
    def default(self) -> str | None:
        """Source of the caller's default."""
        if self.method.default is None or self.wrapper is not None:
            return None
        node = argument(self.call, self.method.default, self.method.default_name)
        return None if node is None else ast.unparse(node)


class Project:
    """Python files that know of one another.

    Args:
        modules: The files that were parsed.
        wrappers: Names of functions whose first argument is a key, by configuration.
        keys: Keys that exist.
    """

    def __init__(self, modules: Iterable[Module], keys: frozenset[str], wrappers: tuple[str, ...] = ()) -> None:
        self.modules = {module.path: module for module in modules}
        self.keys = keys
        self._configured = {name: wrapper_method(name) for name in wrappers}
        self._by_end: dict[str, list[str]] = {}
        for path in self.modules:
            for end in _ends(path):
                self._by_end.setdefault(end, []).append(path)
        self.wrappers: dict[tuple[str, str], Wrapper] = {}
        self._methods: dict[str, list[Wrapper]] = {}
        for _ in range(_DEEPEST):
            if not self._find_wrappers():
                break

    def exported_words(self) -> frozenset[bytes]:
        """Return names of constants and wrappers that other files may use."""
        words = {wrapper.last for wrapper in self.wrappers.values()}
        for module in self.modules.values():
            words |= {name.rpartition(".")[2] for name, (text, _) in module.constants.items() if text in self.keys}
        return frozenset(word.encode() for word in words if len(word) > 2)

    def evaluations(self, path: str) -> Iterator[Evaluation]:
        """Yield the calls of a file that ask for a flag whose key can be told."""
        module = self.modules[path]
        for site in module.sites:
            found = self._evaluation(module, site)
            if found is not None:
                yield found

    def names_in_overrides(self, path: str, key: str) -> frozenset[str]:
        """Return the names that stand for a key where a file's tests override flags."""
        module = self.modules[path]
        return frozenset(
            ast.unparse(node)
            for site in module.sites
            if last_name(site.call.func) in OVERRIDES
            for mapping in site.call.args
            if isinstance(mapping, ast.Dict)
            for node in mapping.keys
            if isinstance(node, ast.Name | ast.Attribute) and self.key_of(module, node, site) == key
        )

    def key_of(self, module: Module, node: ast.expr | None, site: Site) -> str | None:
        """Return the text that an expression stands for, if it is one text for ever."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            for scope in reversed(site.scopes):
                if node.id in scope.constants:
                    return scope.constants[node.id]
                if node.id in scope.bound:
                    return None
            return self._constant(module, node.id)
        if isinstance(node, ast.Attribute):
            inner = node.value if node.attr in {"value", "_value_"} and isinstance(node.value, ast.Attribute) else node
            dotted = _dotted(inner)
            if dotted is None:
                return None
            if dotted.startswith(("self.", "cls.")) and site.classes:
                dotted = f"{site.classes[-1]}.{dotted.partition('.')[2]}"
            return self._constant(module, dotted)
        return None

    def home(self, module: Module, name: str) -> tuple[Module, str] | None:
        """Return the module that defines what a module imports as `name`, which may have dots, and the name there."""
        first, _, rest = name.partition(".")
        found = module.imports.get(first)
        if found is None:
            return None
        if found.name is not None:
            inner = self._module_named(module, found.module, found.level)
            whole = ".".join(filter(None, (found.name, rest)))
            if inner is not None and _defines(inner, found.name):
                return inner, whole
            inner = self._module_named(module, ".".join(filter(None, (found.module, found.name))), found.level)
            return (inner, rest) if inner is not None and rest else None
        steps = rest.split(".") if rest else []
        for count in range(len(steps)):
            inner = self._module_named(module, ".".join([found.module, *steps[:count]]), 0)
            if inner is not None and _defines(inner, steps[count]):
                return inner, ".".join(steps[count:])
        return None

    def _constant(self, module: Module, name: str, depth: int = 0) -> str | None:
        if name in module.constants:
            return module.constants[name][0]
        elsewhere = self.home(module, name) if depth < _DEEPEST else None
        return None if elsewhere is None else self._constant(*elsewhere, depth + 1)

    def _module_named(self, module: Module, name: str, level: int) -> Module | None:
        if level:
            parts = module.path.split("/")[:-level]
            stem = "/".join([*parts, *filter(None, name.split("."))])
            for path in (f"{stem}.py", f"{stem}/__init__.py"):
                if path in self.modules:
                    return self.modules[path]
            return None
        paths = self._by_end.get(name.replace(".", "/"), [])
        return self.modules[min(paths, key=len)] if paths else None

    def _evaluation(self, module: Module, site: Site) -> Evaluation | None:
        wrapper = self._wrapper_of(module, site)
        if wrapper is not None:
            if wrapper.key is not None:
                key, key_node = wrapper.key, None
            else:
                key_node = argument(site.call, wrapper.key_index, wrapper.key_name)
                text = self.key_of(module, key_node, site)
                if text is None or (wrapper.is_method and text not in self.keys):
                    return None
                key = text
            return Evaluation(
                path=module.path,
                call=site.call,
                key=key,
                key_node=key_node,
                method=wrapper.method,
                wrapper=wrapper,
                is_evident=not wrapper.is_method,
                function=site.function,
            )
        name = last_name(site.call.func)
        method = self._configured.get(name)
        evident = method is not None
        if method is None and isinstance(site.call.func, ast.Attribute):
            method = METHODS.get(name)
            evident = method is not None and (method.is_distinct or self._is_client(module, site.call.func.value))
        if method is None:
            return None
        key_node = argument(site.call, 0, method.key_name)
        text = self.key_of(module, key_node, site)
        if text is None or not _KEY.match(text) or (text not in self.keys and not evident):
            return None
        return Evaluation(
            path=module.path,
            call=site.call,
            key=text,
            key_node=key_node,
            method=method,
            wrapper=None,
            is_evident=evident,
            function=site.function,
        )

    @staticmethod
    def _is_client(module: Module, receiver: ast.expr) -> bool:
        name = last_name(receiver).lower()
        return "flag" in name or (module.mentions_flags and ("client" in name or name in {"self", "provider"}))

    def _wrapper_of(self, module: Module, site: Site) -> Wrapper | None:
        func = site.call.func
        if isinstance(func, ast.Name):
            if any(func.id in scope.bound for scope in site.scopes):
                return None
            return self._function(module, func.id)
        if not isinstance(func, ast.Attribute):
            return None
        dotted = _dotted(func)
        if dotted is not None:
            if dotted.startswith(("self.", "cls.")) and site.classes:
                own = self.wrappers.get((module.path, f"{site.classes[-1]}.{func.attr}"))
                if own is not None:
                    return own
            found = self._function(module, dotted)
            if found is not None:
                return found
        if func.attr in METHODS:
            return None
        candidates = self._methods.get(func.attr, [])
        return candidates[0] if len(candidates) == 1 else None

    def _function(self, module: Module, name: str, depth: int = 0) -> Wrapper | None:
        found = self.wrappers.get((module.path, name))
        if found is not None or name in module.functions:
            return found
        elsewhere = self.home(module, name)
        if elsewhere is None or depth >= _DEEPEST:
            return None
        return self._function(*elsewhere, depth + 1)

    def _find_wrappers(self) -> bool:
        """Look for functions that pass a key on; return whether there are new ones."""
        before = len(self.wrappers)
        for module in self.modules.values():
            for name, node in module.functions.items():
                if (module.path, name) not in self.wrappers:
                    found = self._as_wrapper(module, name, node)
                    if found is not None:
                        self.wrappers[module.path, name] = found
                        if found.is_method:
                            self._methods.setdefault(found.last, []).append(found)
        return len(self.wrappers) > before

    def _as_wrapper(self, module: Module, name: str, node: Function) -> Wrapper | None:
        if node.decorator_list and not all(
            last_name(one) in {"staticmethod", "classmethod"} for one in node.decorator_list
        ):
            return None
        returned = _returned(node)
        for site in module.sites:
            if site.function is not node:
                continue
            passed = self._passes_on(module, site, node, name)
            if passed is None:
                continue
            method, key, index, parameter = passed
            is_plain = returned is site.call
            if key is not None and not is_plain:
                continue
            return Wrapper(
                module=module.path,
                name=name,
                method=method,
                key=key,
                key_index=index,
                key_name=parameter,
                is_plain=is_plain,
                node=node,
            )
        return None

    def _passes_on(
        self, module: Module, site: Site, node: Function, name: str
    ) -> tuple[Method, str | None, int, str] | None:
        inner = self._wrapper_of(module, site)
        method = inner.method if inner else None
        if method is None and isinstance(site.call.func, ast.Attribute):
            method = METHODS.get(site.call.func.attr)
        if method is None or method.answer not in {Answer.VALUE, Answer.DETAILS}:
            return None
        if inner is not None and inner.key is not None:
            return None
        key_node = (
            argument(site.call, inner.key_index, inner.key_name) if inner else argument(site.call, 0, method.key_name)
        )
        if isinstance(key_node, ast.Name):
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
            if "." in name and names[:1] in (["self"], ["cls"]):
                names = names[1:]
            named_only = [one.arg for one in node.args.kwonlyargs]
            if key_node.id in names:
                return method, None, names.index(key_node.id), key_node.id
            if key_node.id in named_only:
                return method, None, 1000, key_node.id
        text = self.key_of(module, key_node, site)
        if text is not None and text in self.keys:
            return method, text, 0, ""
        return None


def _returned(node: Function) -> ast.expr | None:
    """Return what a function returns whose body is one `return`, behind its documentation."""
    body = node.body
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    if len(body) != 1 or not isinstance(body[0], ast.Return):
        return None
    value = body[0].value
    if isinstance(value, ast.Call) and last_name(value.func) == "cast" and len(value.args) == 2:
        value = value.args[1]
    return value.value if isinstance(value, ast.Await) else value


def _defines(module: Module, name: str) -> bool:
    if name in module.constants or name in module.functions or name in module.imports:
        return True
    return any(known.startswith(f"{name}.") for known in (*module.constants, *module.functions))


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return None if inner is None else f"{inner}.{node.attr}"
    return None


def _ends(path: str) -> Iterator[str]:
    """Yield the names under which a file may be imported: ``a/b/c.py`` is ``a/b/c``, ``b/c``, ``c``."""
    stem = path.removesuffix(".py").removesuffix("/__init__")
    while stem:
        yield stem
        _, separator, stem = stem.partition("/")
        if not separator:
            return
