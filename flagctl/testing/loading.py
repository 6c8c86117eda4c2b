"""Flags for tests, from files: no network, no threads, no signatures."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.client.client import Client
from flagctl.errors import FindingsError, NothingMatchedError, UsageError
from flagctl.evaluator.document import open_bundle
from flagctl.evaluator.flagset import FlagSet
from flagctl.evaluator.instants import instant_of
from flagctl.testing.choices import advice

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_SHOWN = 3


def client_from(
    source: str | os.PathLike[str] | bytes,
    *,
    environment: str | None = None,
    at: datetime | float | None = None,
    **client_arguments: Any,
) -> Client:
    """Return a client that serves the flags of a repository or bundle, and never anything else.

    It is a real `flagctl.Client` without remote, thread and root of trust. Flags of a repository are checked and
    compiled in memory; that needs ``flagctl[cli]``.

    Args:
        source: A flag repository's folder (or one above it), a compiled bundle's file, or its bytes.
        environment: Which one to compile; may be left out if there is only one, and for bundles.
        at: The instant that schedules and ramps go by, as an aware datetime or epoch seconds; without one, the clock's.
        **client_arguments: Further arguments of `flagctl.Client`, such as ``sinks``.

    Raises:
        UsageError: If there are no flags there, or no such environment.
        FindingsError: If the flags have errors; the message shows the first.
        BundleFormatError: If the bytes are no bundle.
    """
    flags = flags_from(source, environment=environment, at=at)
    url = "memory:" if isinstance(source, bytes) else Path(source).absolute().as_uri()
    return Client(url, environment=flags.header.env, fixed=flags, **client_arguments)


def flags_from(
    source: str | os.PathLike[str] | bytes, *, environment: str | None = None, at: datetime | float | None = None
) -> FlagSet:
    """Return the flags of a repository or bundle as a `FlagSet`; arguments and errors as `client_from`."""
    if isinstance(source, bytes):
        data = source
    elif Path(source).is_file():
        data = Path(source).read_bytes()
    elif Path(source).is_dir():
        data = _compiled(Path(source), environment)
    else:
        raise NothingMatchedError(f"there is neither a folder nor a file {os.fspath(source)}")
    document = open_bundle(data)
    if environment is not None and document.header.env != environment:
        raise UsageError(f"the bundle is of the environment '{document.header.env}', not of '{environment}'")
    return FlagSet(document, _clock(at))


def _clock(at: datetime | float | None) -> Any:
    if at is None:
        return time.time
    instant = instant_of(at)
    if instant is None:
        raise UsageError("at= is an aware datetime or epoch seconds")
    return lambda: instant / 1e6


def _compiled(folder: Path, environment: str | None) -> bytes:
    try:
        from flagctl.compiler import compile_environment  # noqa: PLC0415 - not needed for bundles
        from flagctl.ops.loading import InvalidFlagsError, checked, load  # noqa: PLC0415
        from flagctl.source import find_root  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            f"reading flag files needs more than the runtime ({error.name} is missing); "
            "pip install 'flagctl[cli]', or give a bundle that flagctl compile made"
        ) from error
    root = find_root(folder)
    try:
        repository = checked(load(root), int(time.time() * 1000))
    except InvalidFlagsError as error:
        shown = [f"{each.path}: {each.message} ({each.code})" for each in error.diagnostics[:_SHOWN]]
        more = len(error.diagnostics) - len(shown)
        raise FindingsError(
            "\n  ".join([f"{error.message}:", *shown, *([f"and {more} more"] if more else [])]), hint=error.hint
        ) from None
    return compile_environment(repository, _environment(repository.config.environments, environment)).data


def _environment(known: Mapping[str, object], wanted: str | None) -> str:
    if wanted in known:
        return str(wanted)
    if wanted is None and len(known) == 1:
        return next(iter(known))
    several = "several environments: give environment=, or flagctl_environment in pytest's settings"
    what = several if wanted is None else f"no environment '{wanted}'"
    raise UsageError(f"the repository has {what}; {advice(wanted, known)}")
