"""The one door through which every failure leaves.

An expected failure (`flagctl.errors`) becomes one sentence, a hint and its exit code. Anything else is a bug: the traceback
goes to a report file with secrets blacked out, and the exit code is 70.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand
from typer.exceptions import TyperException

from flagctl.cli.exit_codes import ExitCode
from flagctl.errors import FlagctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagctl.cli.session import Session

_CLOSED_PIPE = 141
"""What shells show for a program whose reader went away (128 + SIGPIPE)."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors of writing that carry no file's name: what flagctl prints goes to a file that takes no more."""

_WORDS = (
    ("is not a valid int range", "is not a whole number"),
    ("is not a valid int", "is not a whole number"),
    ("is not a valid float range", "is not a number"),
    ("is not a valid float", "is not a number"),
)
"""Typer's names of types, and what they are called."""


def leave_through_door(work: Callable[[], None], session: Session, arguments: Sequence[str]) -> int:
    """Run `work` and return the exit code; every failure is reported on stderr."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a replaced stream may not be a text wrapper
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _guarded(work, session, arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        _silence_stdout()
        return _CLOSED_PIPE
    except OSError as error:
        return _system(error, session, arguments)
    return code


def _open_streams() -> None:
    """Put something in the place of standard streams that whoever started this has closed: nobody reads them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  open until the end


def _guarded(work: Callable[[], None], session: Session, arguments: Sequence[str]) -> int:
    try:
        work()
    except BrokenPipeError:
        raise
    except typer.Exit as leaving:
        return leaving.exit_code
    except (KeyboardInterrupt, typer.Abort, EOFError):
        sys.stderr.write("\ninterrupted\n")
        return ExitCode.INTERRUPTED
    except TyperException as error:
        return _usage(error, session)
    except FlagctlError as error:
        return _expected(error, session)
    except OSError as error:
        return _system(error, session, arguments)
    except Exception as error:  # noqa: BLE001  this is the door
        return _bug(error, session, arguments)
    return ExitCode.OK


def _expected(error: FlagctlError, session: Session) -> int:
    _traceback_if_asked(session)
    diagnostics = getattr(error, "diagnostics", ())
    if diagnostics:
        from flagctl.report.findings import render_first

        sys.stderr.write(render_first(diagnostics, session.console.error_style) + "\n")
    session.console.error(error.message, error.hint)
    return error.exit_code


def _usage(error: TyperException, session: Session) -> int:
    _traceback_if_asked(session)
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(error.format_message().rstrip() + "\n")
        return ExitCode.USAGE
    message, _, suggestion = error.format_message().partition(" Did you mean ")
    hint = f"did you mean {suggestion}" if suggestion else None
    if hasattr(error, "option_name") and hasattr(error, "possibilities"):
        message, hint = str(error), _similar_option(error.option_name, context)
    if hint is None and context is not None:
        is_leaf = isinstance(context.command, TyperCommand)
        usage = " ".join(context.get_usage().split()).removeprefix("Usage: ")
        hint = f"usage: {usage}" if is_leaf else f"see: {context.command_path} --help"
    for technical, plain_words in _WORDS:
        message = message.replace(technical, plain_words)
    session.console.error(message[:1].lower() + message[1:].rstrip("."), hint)
    return ExitCode.USAGE


def _similar_option(name: str, context: Any) -> str | None:
    from flagctl.diagnostics import did_you_mean

    known = [option for parameter in context.command.params for option in getattr(parameter, "opts", ())]
    close = did_you_mean(name, (option for option in known if option.startswith("--")))
    return f"did you mean '{close}'?" if close else None


def _system(error: OSError, session: Session, arguments: Sequence[str]) -> int:
    """Report a file that can't be read or written as what it is; other system errors are bugs."""
    if error.filename is None and error.errno in _FULL:
        _silence_stdout()
        session.console.error(f"the output cannot be written: {error.strerror}")
        return ExitCode.USAGE
    if error.filename is None or not error.strerror:
        return _bug(error, session, arguments)
    _traceback_if_asked(session)
    session.console.error(f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}")
    return ExitCode.USAGE


def _bug(error: BaseException, session: Session, arguments: Sequence[str]) -> int:
    from flagctl.cli.bug_report import write_report

    path = write_report(error, arguments)
    _traceback_if_asked(session)
    where = f"the report is in {path}" if path else "a report could not be written"
    session.console.error(
        f"this is a bug in flagctl: {type(error).__name__}; {where}",
        "please send the report to the maintainers; it holds no secrets, but look it through",
    )
    return ExitCode.INTERNAL


def _traceback_if_asked(session: Session) -> None:
    if session.debug:
        import traceback

        traceback.print_exc()


def _silence_stdout() -> None:
    """Keep the interpreter from failing once more when it flushes a closed pipe at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
