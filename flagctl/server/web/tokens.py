"""Bearer tokens from a file or an environment variable, replaced without a restart.

One token a line, ``#`` begins a comment::

    web-shop  3hx1FQZk0xJ0M8sC7wq2tKp9            # name and token
    kiosk     sha256:9f86d081884c7d65…  staging   # its SHA-256 is enough; only for these environments

The name says in logs and metrics who asked, and is what a rate is counted for; during a rotation two lines may have the
same one. Tokens are compared by digest, all of them, each in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple, final

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SHORTEST: Final = 16
LONGEST: Final = 512
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_MAX_FILE: Final = 1024 * 1024

_log = logging.getLogger("flagctl.server")


class Token(NamedTuple):
    """One token, without the token.

    Attributes:
        name: Who has it.
        digest: SHA-256 of its text.
        environments: Environments it is for; None for all.
    """

    name: str
    digest: bytes
    environments: frozenset[str] | None = None

    def ticket(self, purpose: str) -> str:
        """Return a text that shows possession of this token for one purpose, and is worth nothing elsewhere.

        For addresses, where a token must not stand: they end up in logs.
        """
        return hmac.new(self.digest, b"flagctl ticket\0" + purpose.encode(), hashlib.sha256).hexdigest()[:40]


def parse_tokens(text: str, where: str) -> tuple[Token, ...]:
    """Read tokens, one a line: ``TOKEN``, ``NAME TOKEN`` or ``NAME TOKEN ENVIRONMENT[,ENVIRONMENT]``.

    Raises:
        UsageError: If a line is something else, or there is none. The message names the line, never its content.
    """
    tokens = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            tokens.append(_parse_line(words, number, where))
    if not tokens:
        raise UsageError(f"there is no token in {where}", hint="one a line: NAME TOKEN")
    return tuple(tokens)


def _parse_line(words: Sequence[str], number: int, where: str) -> Token:
    if len(words) > 3:
        raise UsageError(f"line {number} of {where} has more than name, token and environments")
    name, secret = (f"token-{number}", words[0]) if len(words) == 1 else (words[0], words[1])
    if not _NAME.fullmatch(name):
        raise UsageError(f"line {number} of {where} begins with no name", hint="letters, digits, . _ -")
    hashed = _DIGEST.fullmatch(secret)
    if hashed is None and not (SHORTEST <= len(secret) <= LONGEST and _TOKEN.fullmatch(secret)):
        raise UsageError(
            f"line {number} of {where} has no usable token",
            hint=f"{SHORTEST} to {LONGEST} characters out of A-Z a-z 0-9 . _ ~ + / = -; make one: openssl rand -hex 24",
        )
    digest = bytes.fromhex(hashed[1]) if hashed else hashlib.sha256(secret.encode()).digest()
    environments = frozenset(filter(None, words[2].split(","))) if len(words) == 3 else None
    return Token(name, digest, environments)


@final
class TokenBook:
    """The tokens that hold now.

    Args:
        path: File with tokens, read again when it changes; a broken one leaves the old tokens in force.
        text: Tokens that do not change, or None.
        monotonic: Seconds that never jump.

    Raises:
        UsageError: If the file cannot be read, or one of the two holds something else than tokens.
    """

    CHECK_SECONDS: Final = 1.0

    def __init__(
        self, path: Path | None = None, text: str | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._monotonic = monotonic
        self._fixed = parse_tokens(text, "the environment variable") if text is not None else ()
        self._mark: tuple[int, ...] | None = None
        self._checked = monotonic()
        self.problem: str | None = None
        self._tokens = self._fixed
        if path is not None:
            self._mark = _mark(path)
            self._tokens = self._fixed + self._read(path)

    @property
    def required(self) -> bool:
        """Whether a request needs a token."""
        return self._path is not None or bool(self._fixed)

    def find(self, presented: str) -> Token | None:
        """Return the token that a request shows, or None."""
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
        return self._find(lambda token: hmac.compare_digest(token.digest, digest))

    def find_ticket(self, presented: str, purpose: str) -> Token | None:
        """Return the token whose ticket for `purpose` a request shows, or None."""
        shown = presented.encode("utf-8", "surrogatepass")
        return self._find(lambda token: hmac.compare_digest(token.ticket(purpose).encode(), shown))

    def _find(self, matches: Callable[[Token], bool]) -> Token | None:
        self._renew()
        found = None
        for token in self._tokens:  # all of them, so that time does not tell which one is close
            if matches(token):
                found = token
        return found

    def _renew(self) -> None:
        now = self._monotonic()
        if self._path is None or now - self._checked < self.CHECK_SECONDS:
            return
        self._checked = now
        try:
            mark = _mark(self._path)
            if mark == self._mark:
                return
            self._tokens = self._fixed + self._read(self._path)
        except UsageError as error:
            if self.problem != error.message:
                _log.error("the tokens were not renewed: %s", error.message)
            self.problem = error.message
            return
        self._mark = mark
        self.problem = None
        _log.info("tokens were read again: %d", len(self._tokens))

    @staticmethod
    def _read(path: Path) -> tuple[Token, ...]:
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_FILE + 1)
            text = data.decode("utf-8")
        except OSError as error:
            raise UsageError(f"the token file {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"the token file {path} is not UTF-8") from error
        return parse_tokens(text, f"the token file {path}")


def _mark(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does, also where a link is turned to another one (as Kubernetes does)."""
    try:
        status = os.stat(path)  # noqa: PTH116 - fewer steps, on the path of requests
    except OSError as error:
        raise UsageError(f"the token file {path} cannot be read: {error.strerror}") from error
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)
