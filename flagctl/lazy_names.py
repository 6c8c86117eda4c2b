"""Names of a package that are imported when they are first used (PEP 562), so that importing the package costs nothing."""

import sys
from collections.abc import Callable, Mapping
from typing import Any


def importer(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package.

    Args:
        package: Its `__name__`.
        homes: Each name with the module that has it, relative to the package: ``.details``.
    """

    def find(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - most programs need it for one name or none

        value = getattr(import_module(home, package), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
