"""What each exit code means; `flagctl exit-codes` prints this table, and the docs are tested against it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    NO_INPUT = 3
    REMOTE = 4
    UNTRUSTED = 5
    CONFLICT = 6
    CHANGES = 10
    INTERNAL = 70
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FINDINGS: "flagctl worked and the answer is no: errors in flag files, failed tests",
    ExitCode.USAGE: "bad option, argument or configuration",
    ExitCode.NO_INPUT: "nothing matched: no such flag, file or test",
    ExitCode.REMOTE: "storage, network or permission trouble; trying again may help",
    ExitCode.UNTRUSTED: "a digest, signature, expiry or sequence number is wrong; do not retry",
    ExitCode.CONFLICT: "what is published moved meanwhile, or a guard refused",
    ExitCode.CHANGES: "only with --detailed-exitcode: done, and there are changes",
    ExitCode.INTERNAL: "a bug in flagctl; a report file was written",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
}
