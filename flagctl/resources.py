"""Files that ship with flagctl: the JSON Schemas and the example flag repository.

In a checkout (and an editable install) they are the top-level folders `schemas` and `flags`; in a wheel they lie in
`flagctl/_data`.
"""

from __future__ import annotations

from pathlib import Path

from flagctl.errors import FlagctlError


def data_path(name: str) -> Path:
    """Return the folder `name` (``schemas`` or ``flags``) of this installation.

    Raises:
        FlagctlError: If the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "_data" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FlagctlError(
        f"the folder '{name}' that belongs to flagctl is missing from this installation",
        hint='reinstall it: pip install --force-reinstall "flagctl[cli]"',
    )
