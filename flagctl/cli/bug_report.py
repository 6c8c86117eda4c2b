"""Report files for bugs, without secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SECRET_NAME = re.compile(r"key|secret|token|passw|credential|session|auth|cookie", re.IGNORECASE)
_PRIVATE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
_AWS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
_MARK = "[redacted]"
_PRIVATE_OPTIONS = frozenset({"--context", "--user"})
"""Options whose values describe people."""


def redact(text: str, environment: Mapping[str, str]) -> str:
    """Return `text` without private keys, passwords in URLs, AWS key ids and the values of secret variables."""
    for name, value in sorted(environment.items(), key=lambda item: -len(item[1])):
        if _SECRET_NAME.search(name) and len(value) >= 6:
            text = text.replace(value, _MARK)
    text = _PRIVATE.sub(_MARK, text)
    text = _USER_INFO.sub(_MARK + "@", text)
    return _AWS_KEY.sub(_MARK, text)


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the command line without values that describe people."""
    shown: list[str] = []
    hide_next = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if hide_next:
            shown.append(_MARK)
            hide_next = False
        elif name in _PRIVATE_OPTIONS:
            shown.append(f"{name}={_MARK}" if equals else name)
            hide_next = not equals
        else:
            shown.append(argument)
    return shown


def write_report(error: BaseException, arguments: Sequence[str]) -> str | None:
    """Write what a maintainer needs to a new file that only this user can read, and return its path.

    Returns None if no file could be written. The folder is ``$XDG_STATE_HOME/flagctl`` where that is set, else the
    platform's folder for temporary files.
    """
    import platform
    import shlex
    import tempfile
    import traceback

    import flagctl

    lines = [
        f"flagctl {flagctl.__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: flagctl {shlex.join(redact_arguments(arguments))}",
        "",
        *traceback.format_exception(error),
    ]
    text = redact("\n".join(line.rstrip("\n") for line in lines) + "\n", os.environ)
    for value in _hidden_values(arguments):
        text = text.replace(value, _MARK)
    state = os.environ.get("XDG_STATE_HOME")
    for folder in ([Path(state, "flagctl")] if state else []) + [Path(tempfile.gettempdir())]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(prefix="flagctl-bug-", suffix=".txt", dir=folder)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            continue
        return path
    return None


def _hidden_values(arguments: Sequence[str]) -> list[str]:
    return [
        hidden
        for argument, shown in zip(arguments, redact_arguments(arguments), strict=True)
        if argument != shown
        for hidden in [argument.partition("=")[2] if "=" in shown else argument]
        if len(hidden) >= 4
    ]
