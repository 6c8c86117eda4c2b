"""Every exception flagctl raises on purpose, split by whose fault it is.

::

    FlagctlError
    ├── UsageError            the caller: a bad option, argument or configuration            exit 2
    │   └── NothingMatchedError   a path or pattern that selects nothing                     exit 3
    ├── GitError              the repository: git did not answer, as it is damaged or refuses exit 2
    ├── FindingsError         the flags: they were read, and they are wrong                  exit 1
    ├── RemoteError           the network or the store: trying again may help                exit 4
    ├── UntrustedError        bytes that must not be used: digest, signature, expiry, replay exit 5
    │   └── BundleFormatError     a bundle that is malformed or newer than this version      exit 5
    └── ConflictError         the published state moved, or a guard refused                  exit 6

Findings about flag files are data (`flagctl.diagnostics`), not exceptions; a bad evaluation context is neither, but an
answer with an error code. This module imports nothing of flagctl.
"""

from __future__ import annotations


class FlagctlError(Exception):
    """Base of all expected failures.

    Args:
        message: One sentence that says what is wrong, without a final newline.
        hint: What to do about it, preferably a command to type.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(FlagctlError):
    """A bad option, argument, location or configuration."""

    exit_code = 2


class NothingMatchedError(UsageError):
    """A path, pattern or selection matched nothing; a typo must not look like success."""

    exit_code = 3


class GitError(FlagctlError):
    """Git did not do what it was asked: the repository is damaged, belongs to somebody else, or a commit was refused.

    Not a `UsageError`: who goes on without git where there is none must not do so where there is one that fails.
    """

    exit_code = 2


class FindingsError(FlagctlError):
    """The flag files have errors, and the operation needs files without."""

    exit_code = 1


class RemoteError(FlagctlError):
    """Network, storage or permission trouble; a retry may help."""

    exit_code = 4


class UntrustedError(FlagctlError):
    """Bytes that failed a check of authenticity, integrity or freshness; never retried.

    Args:
        message: One sentence.
        reason: Stable machine-readable reason, such as ``rollback`` or ``bad-signature``.
        hint: What to do about it.
    """

    exit_code = 5

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class BundleFormatError(UntrustedError):
    """A bundle that is not well formed, or needs a newer flagctl."""

    def __init__(self, message: str, *, reason: str = "malformed-bundle", hint: str | None = None) -> None:
        super().__init__(message, reason=reason, hint=hint)


class ConflictError(FlagctlError):
    """What is published moved meanwhile, or a guard refused to go on."""

    exit_code = 6
