"""How the web UI runs, and who uses it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flagctl.ops.experiment_analyze import AnalyzeResult


@dataclass(frozen=True, slots=True, kw_only=True)
class UiOptions:
    """What the web UI shows, and to whom.

    Attributes:
        root: The flag repository's root.
        token: Opens the UI, in the first address; unused behind a proxy that says who asks.
        read_only: Whether nothing can be changed, neither files nor what is live.
        user_header: Header in which a trusted proxy names the user; None without one.
        email_header: Header in which it gives the user's address.
        trusted_proxies: Addresses whose headers count.
        public_url: Where people reach the UI, if not where it listens.
        root_path: Path in front of all pages, without a slash at its end.
        events: Location of recorded exposures and conversions, for the results of experiments.
        experiment_report: Makes a whole report of an analysis.
        population: File of contexts by which the impact of an edit is measured; None makes some up.
    """

    root: Path
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    read_only: bool = False
    user_header: str | None = None
    email_header: str | None = None
    trusted_proxies: frozenset[str] = frozenset()
    public_url: str | None = None
    root_path: str = ""
    events: str | None = None
    experiment_report: Callable[[AnalyzeResult], str] | None = None
    population: Path | None = None

    @property
    def behind_proxy(self) -> bool:
        """Whether a proxy says who asks."""
        return self.user_header is not None

    @property
    def prefix(self) -> str:
        """Path in front of all pages: the one given, or that of the public address."""
        if self.root_path:
            return self.root_path.rstrip("/")
        return urlsplit(self.public_url).path.rstrip("/") if self.public_url else ""

    @property
    def is_https(self) -> bool:
        """Whether browsers talk TLS to it."""
        return self.public_url is not None and self.public_url.startswith("https:")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who asks.

    Attributes:
        name: As the proxy says, or None for whoever has the start token.
        email: Likewise.
        csrf: What every form must bring along.
    """

    name: str | None = None
    email: str | None = None
    csrf: str = ""

    @property
    def author(self) -> str | None:
        """``Name <address>`` for commits; None lets git say."""
        if self.name is None:
            return None
        name = "".join(character for character in self.name if character.isprintable() and character not in "<>")
        given = self.email or (self.name if "@" in self.name else f"{self.name}@localhost")
        address = "".join(character for character in given if character.isprintable() and character not in "<> ")
        return f"{name.partition('@')[0].strip() or 'unknown'} <{address or 'unknown@localhost'}>"
